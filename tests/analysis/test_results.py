"""`python -m analysis.results`: what it makes, keeps and resumes, and whether its tables say what the runs did."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from analysis.results import __main__ as command
from analysis.results import family_tables, page, plan, robust_table, tables, transfer_table
from analysis.results.making import Maker, Result
from sched_rl.config.record import load_config_file
from sched_rl.errors import RunFolderError
from sched_rl.interrupts import Interrupts


@pytest.fixture
def one_family(monkeypatch):
    """The heuristics of a single family, and no other table."""
    monkeypatch.setattr(plan, "FAMILIES", ("heavy",))
    monkeypatch.setattr(plan, "HEURISTICS", ("sjf", "linear_score"))
    for module in (command, page):
        monkeypatch.setattr(module, "TABLES", plan.TABLES[:1])


def run(tmp_path, *arguments):
    return command.main([f"folder={tmp_path}/runs", f"output={tmp_path}/page.md", "debug=smoke", *arguments])


def test_it_makes_a_table_keeps_what_is_there_and_makes_anew_what_is_configured_otherwise(
    one_family, tmp_path, capsys
):
    assert run(tmp_path) == 0
    assert "0 of 2 evaluations" in capsys.readouterr().out
    first = (tmp_path / "page.md").read_text()
    assert "2 of 2 evaluations and trainings" in first
    assert "python -m sched_rl.evaluate agent=sjf env=heavy eval.split=report" in first
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/evaluations").iterdir()}
    assert run(tmp_path) == 0
    assert "2 of 2 evaluations" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert (tmp_path / "page.md").read_text() == first
    assert run(tmp_path, "env.horizon_factor=1.1") == 0
    assert "0 of 2 evaluations" in capsys.readouterr().out


def test_a_table_that_nobody_asked_for_keeps_what_the_page_has_of_it(one_family, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "TABLES", plan.TABLES[:2])
    path = tmp_path / "page.md"
    title = plan.TABLES[1].title
    made_elsewhere = f"\n## {title}\n\n| seed 1 | 0.9 |\n\n3 of 5 evaluations and trainings; again: `...`.\n"
    path.write_text("# Results\n\nof another day\n" + made_elsewhere)
    cells = {each.name: each.cells((1,)) for each in plan.TABLES[:2]}
    page.write_page(path, cells, {}, [], ("heuristics",))
    assert path.read_text().endswith(made_elsewhere)
    assert "of another day" not in path.read_text()
    page.write_page(path, cells, {}, [], ("heuristics", "ppo_playbook"))
    assert "0.9" not in path.read_text()
    assert "0 of 1 evaluations and trainings" in path.read_text()


def test_a_failed_cell_does_not_stop_the_others(one_family, tmp_path, capsys, monkeypatch):
    real = Maker.make

    def make(self, cell, interrupts):
        if cell.overrides[0] == "agent=sjf":
            raise command.ConfigError("no such thing")
        real(self, cell, interrupts)

    monkeypatch.setattr(Maker, "make", make)
    assert run(tmp_path) == 2
    assert "FAILED, no such thing" in capsys.readouterr().err
    rows = [line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("| `")]
    scores = {row.split("|")[1].strip(): row.split("|")[4].strip() for row in rows}
    assert scores["`sjf`"] == "…"
    assert scores["`linear_score`"].startswith("**")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "tables=all",
            "tables=all: 'all' must be one of heuristics, ppo_playbook, rollout, ppo_heavy, "
            "families, robust, generalisation, study",
        ),
        ("seeds=1,1", "seeds=1,1: must be whole numbers separated by commas, each once"),
        ("output=/nowhere/page.md", "output=/nowhere/page.md: there is no folder /nowhere"),
        ("everything", "everything: must be key=value"),
    ],
)
def test_what_is_typed_wrong_is_said_in_one_line(argument, message, capsys):
    assert command.main([argument]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_every_planned_cell_is_a_valid_configuration(tmp_path):
    maker = Maker(tmp_path, [])
    cells = {
        cell for each in plan.TABLES[1:] for cell in each.cells((1,))
    }  # the first has the baselines' own
    assert len(cells) > 20
    assert {maker.read(cell) for cell in cells} == {None}


@pytest.mark.slow
def test_a_training_that_is_stopped_goes_on_where_it_was(tmp_path):
    """The run that was interrupted equals one that was not, but for its clock."""
    arguments = ["tables=ppo_playbook", "seeds=1", "debug=smoke", "agent.total_steps=20480"]

    def start(name):
        own = [f"folder={tmp_path}/{name}", f"output={tmp_path}/{name}.md"]
        return subprocess.Popen([sys.executable, "-m", "analysis.results", *arguments, *own])

    whole = start("whole")
    assert whole.wait(timeout=200) == 0
    stopped = start("stopped")
    while not list(tmp_path.glob("stopped/runs/*/checkpoints/*")):
        assert stopped.poll() is None
        time.sleep(0.05)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=60) == 143
    assert "0 of 1" in (tmp_path / "stopped.md").read_text()
    assert start("stopped").wait(timeout=200) == 0
    metrics = [next(tmp_path.glob(f"{name}/runs/*/metrics.csv")).read_text() for name in ("whole", "stopped")]
    assert metrics[0] == metrics[1]
    assert "1 of 1" in (tmp_path / "stopped.md").read_text()


# --- the tables ---


def evaluation(mean, seed=0, spread=0.1):
    draws = np.random.default_rng(seed)
    episodes = [
        {"block": b, "seed": 20 * b + k, "return": mean + spread * draws.normal()}
        for b in range(3)
        for k in range(20)
    ]
    blocks = np.array([episode["return"] for episode in episodes]).reshape(3, 20).mean(axis=1)
    return {"eval_mean_return": blocks.mean(), "eval_min_block_return": blocks.min(), "episodes": episodes}


def training(seed, mean, baseline, course):
    metrics = {"eval_mean_return": np.array([value for each in course for value in (each, np.nan)])}
    return Result({"ppo": evaluation(mean), **baseline}, {"seed": seed}, metrics, 3.0)


def test_the_ppo_table_gives_each_training_the_median_and_how_it_held():
    baseline, course = {"linear_score": evaluation(0.5)}, [0.1, 0.6, 0.9, 0.8, 0.7]
    results = [training(seed, mean, baseline, course) for seed, mean in ((1, 0.6), (2, 0.9), (3, 0.7))]
    rows = [line.split(" | ") for line in tables.ppo_table("playbook")({"ppo-playbook": results})]
    means = [result.own["eval_mean_return"] for result in results]
    assert [row[2] for row in rows[2:6]] == [f"{mean:.3f}" for mean in (*means, sorted(means)[1])]
    assert rows[2][3].startswith("0.100 [0.100"), "episodes are paired: the same noise cancels"
    assert [row[4:6] for row in rows[2:6]] == [["0.900", "-0.200"]] * 4
    low, high = (float(each) for each in rows[5][3].partition("[")[2].strip("]").split(", "))
    assert low < 0.1 < high, "three trainings that differ by 0.3 settle little"


def test_one_training_is_judged_over_its_episodes():
    mine, theirs = evaluation(0.6, seed=1), evaluation(0.5, seed=2)
    assert tables.crossed([(mine, theirs)]) == tables.paired(mine, theirs)


def test_the_studys_fault_is_compared_by_equal_seeds():
    ours = [training(seed, 0.6 + 0.1 * seed, {"sjf": evaluation(0.5)}, [0.5]) for seed in (1, 2, 3)]
    lost = [
        dataclasses.replace(result, evaluations={"ppo": evaluation(0.55 + 0.1 * seed)})
        for seed, result in ((1, ours[0]), (3, ours[2]))
    ]
    lines = tables.study_table({"study_mlp_cdf": ours, "study_mlp_gae_bug": lost})
    row = next(line for line in lines if line.startswith("| `mlp`, cdf"))
    assert "-0.050 [-0.050, -0.050]" in row
    assert next(line for line in lines if line.startswith("| `attention`, cdf")).count("…") == 3


def by_family(mean_of, seed=0):
    """An evaluation of two family blocks; every scheduler has the same noise on an episode."""
    draws = np.random.default_rng(seed)
    episodes = [
        {"block": b, "block_name": name, "seed": 20 * b + k, "return": mean + 0.1 * draws.normal()}
        for b, (name, mean) in enumerate(mean_of.items())
        for k in range(20)
    ]
    means = [np.mean([e["return"] for e in episodes if e["block"] == b]) for b in range(len(mean_of))]
    return {"eval_mean_return": np.mean(means), "eval_min_block_return": min(means), "episodes": episodes}


def fixed(judged):
    return [Result({"it": judged}, {}, {}, np.nan)]


def learned(*judged):
    return [Result({"ppo": each}, {"seed": seed}, {}, 1.0) for seed, each in enumerate(judged, start=1)]


def test_the_best_heuristic_of_a_family_is_the_rival_wherever_its_weights_come_from():
    named = {
        "sjf-heavy-wide": fixed(evaluation(0.5)),
        "linear_score-heavy-wide": fixed(evaluation(0.6)),
        "linear_score_heavy-heavy-wide": fixed(evaluation(0.7)),
        "ppo-heavy-wide": learned(evaluation(0.75), evaluation(0.77)),
        "sjf-by-family-wide": fixed(by_family({"heavy": 0.4, "light": 0.9})),
        "linear_score_heavy-by-family-wide": fixed(by_family({"heavy": 0.7, "light": 0.3})),
        "ppo-by-family-wide": learned(
            *(by_family({"heavy": 0.6 + d, "light": 0.95 + d}) for d in (0.0, 0.01))
        ),
    }
    rows = [line.split(" | ") for line in family_tables.families_table(named)]
    heavy = next(row for row in rows if row[0] == "| `heavy`")
    assert heavy[1] == "`linear_score_heavy`"
    assert float(heavy[4].strip("*").split(" ")[0]) == pytest.approx(0.06)
    light = next(row for row in rows if row[0] == "| `light`")
    assert light[1:5] == ["…"] * 4, "nobody was trained there"
    one = {contest.family: contest for contest in family_tables.contests_of_one(named)}
    assert (one["heavy"].rival, one["light"].rival) == ("linear_score_heavy", "sjf")
    assert one["heavy"].difference.mean == pytest.approx(-0.095)
    assert one["light"].difference.mean == pytest.approx(0.055)


def test_objectives_are_held_against_the_mean_by_equal_seeds_and_against_the_teacher():
    offsets = (0.0, 0.1, 0.2)
    named = {
        "mean-by-family-promote": learned(*(by_family({"heavy": 0.5 + d, "light": 0.9}) for d in offsets)),
        "cvar-by-family-promote": learned(*(by_family({"heavy": 0.6 + d, "light": 0.9}) for d in offsets)),
        "laxity_score-by-family-promote": fixed(by_family({"heavy": 0.4, "light": 0.8})),
    }
    rows = {line.split(" | ")[0]: line.split(" | ") for line in robust_table.robust_table(named)}
    assert rows["| `cvar`"][4].startswith("0.100 [0.100"), "the seeds' own differences cancel"
    assert rows["| `plr`"][1:4] == ["0", "…", "…"]
    assert [each.split(" ")[0] for each in rows["| `cvar`"][6:8]] == ["0.300", "0.200"]
    assert rows["| (`laxity_score`)"][2] == f"{by_family({'heavy': 0.4})['eval_min_block_return']:.3f}"


def test_a_policy_elsewhere_is_held_against_the_best_heuristic_there_and_drawn(tmp_path):
    place = plan.CLUSTERS[0]
    named = {
        plan.general_name(player, *place): fixed(evaluation(mean))
        for player, mean in (("scorer", 0.8), ("linear_score", 0.6), ("sjf", 0.7))
    }
    assert list(transfer_table.transfers(named, "scorer")) == [place]
    assert transfer_table.transfers(named, "scorer")[place].mean == pytest.approx(0.1)
    row = transfer_table.generalisation_table(named)[2].split(" | ")
    assert (row[0], row[-2][:5], row[-1]) == ("| 8", "0.100", "… |")
    assert page._picture("generalisation", named, tmp_path / "page.md")
    assert (tmp_path / "generalisation.png").stat().st_size > 10_000
    assert not page._picture("generalisation", {}, tmp_path / "page.md"), "nothing to draw any more"


def test_gaps_stay_gaps():
    for table in (
        family_tables.families_table,
        robust_table.robust_table,
        transfer_table.generalisation_table,
        tables.heuristics_table,
        tables.rollout_table,
        tables.ppo_table("heavy"),
        tables.study_table,
    ):
        assert any("…" in line for line in table({}))


def test_a_training_that_learned_teachers_begin_waits_for_them_and_names_their_folders(tmp_path):
    smoke = ["debug=smoke", "diagnosis=none", "agent.total_steps=512", "eval.episodes_per_block=2"]
    cells = next(each for each in plan.TABLES if each.name == "families").cells((1,))
    taught = next(cell for cell in cells if cell.name == "ppo-by-family")
    assert [family for family, _ in taught.teachers] == list(plan.LEARNED_TEACHERS)
    assert "agent.warm_start.family_teachers.heavy=RUN_FOLDER_OF_ppo-heavy" in taught.command
    taught = dataclasses.replace(taught, teachers=taught.teachers[:1])
    ((_, teacher),) = taught.teachers
    maker = Maker(tmp_path, smoke)
    with Interrupts() as interrupts:
        with pytest.raises(RunFolderError, match=r"ppo-playbook.*not trained to its end; make it first"):
            maker.make(taught, interrupts)
        for cell in (teacher, taught):
            assert maker.read(cell) is None
            maker.make(cell, interrupts)
            assert maker.read(cell) is not None
    (folder,) = (tmp_path / "runs").glob("ppo-by-family-seed1-*/")
    start = load_config_file(folder / "config.yaml").agent.warm_start
    assert Path(start.family_teachers["playbook"]).name.startswith("ppo-playbook-seed1-")
    assert start.family_teacher_agents["playbook"].kind == "policy"
