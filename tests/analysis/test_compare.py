"""Comparing runs: what is grouped, what is paired, and what the sentence dares to say."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from analysis.compare import compare_runs
from analysis.compare.__main__ import main
from sched_rl.errors import ConfigError, RunFolderError
from sched_rl.reporting.grid_table import grid_table
from sched_rl.statistics import mean_interval, paired_difference
from sched_rl.tracking.grid_record import GridJob, job_outcome


@pytest.fixture
def clips(make_run, tmp_path):
    """Two clips with five shared seeds; the larger one is better by 0.02 on every workload."""
    for seed in range(5):
        for clip, level in ((0.2, 0.97), (0.05, 0.95)):
            make_run(f"{clip}-{seed}", {"seed": seed, "agent.clip_coef": clip}, level=level)
    return tmp_path / "runs"


def test_seeds_are_paired_and_the_sentence_says_who_wins(clips):
    comparison = compare_runs([clips])
    assert comparison.grouping.keys == ("agent.clip_coef",)
    (judged,) = comparison.judged
    assert [row.label for row in judged.rows] == ["agent.clip_coef=0.05", "agent.clip_coef=0.2"]
    better, worse = (v.runs for v in reversed(judged.problem.variants))
    expected = paired_difference(
        [better[s].episodes.worst for s in range(5)], [worse[s].episodes.worst for s in range(5)], seed=0
    )
    assert judged.rows[1].lead.worst == expected
    assert judged.rows[1].lead.num_pairs == 5
    text = f"agent.clip_coef=0.2 beats agent.clip_coef=0.05 on the worst block by {expected}, 5 seeds"
    assert comparison.statement == text
    assert expected.low < 0.02 < expected.high or expected.mean == pytest.approx(0.02, abs=0.002)


def test_the_numbers_are_those_of_the_grids_own_table(clips):
    """One judgement: what a multirun prints at its end and what is compared later agree to the bit."""
    folders = sorted(clips.iterdir(), key=lambda folder: (folder.name[:4] != "0.05", folder.name))
    jobs = [
        (GridJob(n, {"agent.clip_coef": f.name.partition("-")[0]}, ()), job_outcome(f))
        for n, f in enumerate(folders)
    ]
    grid = grid_table(jobs)
    (judged,) = compare_runs([clips]).judged
    for ours, theirs in zip(judged.rows, grid.rows, strict=True):
        assert (ours.worst, ours.mean) == (theirs.worst, theirs.mean)
    assert judged.rows[1].lead.worst == grid.rows[1].difference


def test_what_is_compared_is_the_best_checkpoint_of_the_run(make_run):
    folder = make_run("one", {"seed": 1}, level=0.9, updates=20)
    (run,) = compare_runs([folder]).runs
    assert run.episodes.worst == max(run.curve.worst)
    assert run.episodes.returns.size == 60
    assert run.episodes.mean == pytest.approx(run.episodes.returns.mean())


def test_one_seed_each_is_never_a_win(make_run, tmp_path):
    make_run("a", {"seed": 1, "agent.lr": 0.001}, level=0.9)
    make_run("b", {"seed": 1, "agent.lr": 0.01}, level=1.5)
    statement = compare_runs([tmp_path / "runs"]).statement
    assert "agent.lr=0.01 against agent.lr=0.001 is not settled" in statement
    assert "these very trainings" in statement
    assert "train more seeds" in statement
    assert "inf" not in statement


def test_other_seeds_on_the_two_sides_are_not_paired(make_run, tmp_path):
    for seed in range(4):
        make_run(f"a{seed}", {"seed": seed, "agent.lr": 0.001}, level=0.9)
        make_run(f"b{seed}", {"seed": 10 + seed, "agent.lr": 0.01}, level=0.9)
    (judged,) = compare_runs([tmp_path / "runs"]).judged
    assert judged.rows[1].lead.num_pairs == 0
    assert judged.rows[1].lead.worst.includes_zero
    assert judged.sentences[0].endswith("4 and 4 seeds, not paired")
    assert "not settled" in judged.sentences[0]


def test_three_runs_of_one_setting_are_held_against_the_baselines(make_run, tmp_path):
    folders = [make_run(f"s{seed}", {"seed": seed}, level=0.97) for seed in (1, 2, 3)]
    (judged,) = compare_runs(folders).judged
    (row,) = judged.rows
    assert row.label == "all runs"
    assert row.worst == mean_interval([run.episodes.worst for run in judged.problem.runs], seed=0)
    assert [baseline.label for baseline in judged.baselines] == ["sjf", "fifo"]
    assert judged.sentences[0].startswith("all runs beats sjf on the worst block by")
    (against,) = compare_runs(folders, against="fifo").judged
    assert against.rows[0].lead.worst.mean == pytest.approx(
        row.worst.mean - judged.baselines[1].episodes.worst
    )


def test_a_baseline_that_scored_otherwise_in_another_run_is_none(make_run):
    """Another version's or other weights' sjf: the runs have no such baseline in common."""
    folders = [make_run(f"s{seed}", {"seed": seed}, level=0.97) for seed in (1, 2)]
    path = folders[1] / "baselines.json"
    judged = json.loads(path.read_text())
    judged["sjf"]["episodes"][7]["return"] += 0.1
    path.write_text(json.dumps(judged))
    (problem,) = compare_runs(folders).judged
    assert [baseline.label for baseline in problem.baselines] == ["fifo"]
    assert any("sjf" in note for note in compare_runs(folders).grouping.notes)


def test_problems_are_never_subtracted(make_run, tmp_path):
    for seed in (1, 2):
        for gpus in (8, 16):
            for lr in (0.001, 0.01):
                settings = {"seed": seed, "env.num_gpus": gpus, "agent.lr": lr}
                make_run(f"{seed}-{gpus}-{lr}", settings, level=0.9 + gpus * lr)
    comparison = compare_runs([tmp_path / "runs"])
    assert [each.problem.label for each in comparison.judged] == ["env.num_gpus=8", "env.num_gpus=16"]
    for each in comparison.judged:
        assert [row.label for row in each.rows] == ["agent.lr=0.001", "agent.lr=0.01"]


def test_a_choice_of_a_group_stands_for_its_keys(make_run, tmp_path):
    for seed in (1, 2):
        make_run(f"a{seed}", {"seed": seed}, level=0.9)
        other = {"agent.name": "ppo_study", "agent.lr": 0.5, "agent.gamma": 0.5}
        make_run(f"b{seed}", {"seed": seed, **other}, level=0.9)
    comparison = compare_runs([tmp_path / "runs"])
    assert comparison.grouping.keys == ("agent",)
    assert comparison.grouping.notes == ()


def test_rows_that_are_no_replicates_say_so(make_run, tmp_path):
    for seed in (1, 2):
        make_run(f"{seed}", {"seed": seed, "agent.lr": seed / 10, "agent.gamma": 0.9}, level=0.9)
        make_run(f"g{seed}", {"seed": seed, "agent.lr": seed / 10, "agent.gamma": 1.0}, level=0.9)
    (note,) = compare_runs([tmp_path / "runs"], by=["agent.gamma"]).grouping.notes
    assert "agent.lr" in note


def test_unfinished_runs_are_left_out_aloud(clips, make_run):
    make_run("killed", {"seed": 9, "agent.clip_coef": 0.2}, level=5.0, status="")
    comparison = compare_runs([clips])
    assert len(comparison.runs) == 10
    assert "killed: did not finish" in comparison.text()


def test_the_command_writes_tables_and_a_sheet_and_ends_in_the_sentence(clips, tmp_path, capsys):
    output = tmp_path / "out"
    assert main([f"runs={clips}", "by=agent.clip_coef", "against=0.05", f"output={output}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("agent.clip_coef=0.2 beats agent.clip_coef=0.05 on the worst block by")
    rows = list(csv.DictReader(io.StringIO((output / "comparison.csv").read_text())))
    assert [row["variant"] for row in rows] == ["agent.clip_coef=0.05", "agent.clip_coef=0.2", "sjf", "fifo"]
    assert float(rows[1]["difference_worst_block_low"]) > 0
    worst = [
        float(row["worst_block"]) for row in csv.DictReader((output / "runs.csv").read_text().splitlines())
    ]
    assert float(rows[0]["worst_block"]) == pytest.approx(np.mean(worst[:5]))
    assert (output / "comparison.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs=nowhere"], "runs=nowhere: no run there"),
        (["by=agent.lr"], "give one of runs=, sweep=, experiment="),
        (["run=x"], "unknown key run (did you mean runs?)"),
        (["runs=a", "split=test"], "split=test: must be val, promote or report"),
        (["sweep=none"], "sweep=none: no folder"),
        (["experiment=x", "uri=sqlite:///nowhere.db"], "there is no such store"),
        (["runs=a", "source=mlflow"], "source=mlflow goes with experiment= or sweep="),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "output=none"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_wrong_keys_are_named(clips, make_run):
    with pytest.raises(
        ConfigError, match=r"by=agent.clip_coeff: no run has that key \(did you mean agent.clip_coef"
    ):
        compare_runs([clips], by=["agent.clip_coeff"])
    with pytest.raises(ConfigError, match=r"against=0\.3: no such variant"):
        compare_runs([clips], against="0.3")
    with pytest.raises(
        RunFolderError, match=r"has no report.json with ppo; train with eval.final_report=true"
    ):
        compare_runs([clips], split="report")
