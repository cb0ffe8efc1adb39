"""`python -m sched_rl.diagnose`: its screen, its JSON, its overrides, its errors."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.config.compose import ConfigSources
from sched_rl.config.convert import config_to_dict
from sched_rl.config.load import load_command, load_config
from sched_rl.config.relaunch import relaunch_overrides
from sched_rl.diagnose import main
from sched_rl.diagnoser import command_of, experiments_of
from sched_rl.diagnosis.curves import RunCurves
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.findings import Diagnosis, Finding
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.diagnosis.registry import all_rules
from sched_rl.diagnosis.settings import Settings
from sched_rl.tracking.importing import import_run
from sched_rl.tracking.mlflow_store import open_client
from sched_rl.tracking.provenance import collect_provenance
from tests.diagnosis.synthetic import UPDATES, healthy, pathological

SOURCES = ConfigSources()


def write_csv(path, curves, step="timesteps", columns=None):
    names = columns or [name for name in curves.columns if name != "update"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*([step] if step else []), *names])
        for row in range(curves.num_rows):
            cells = [curves.columns[name][row] for name in names]
            shown = ["" if np.isnan(cell) else f"{cell:.17g}" for cell in cells]
            writer.writerow([*([row * 2048] if step else []), *shown])
    return path


def write_run(folder, curves, config):
    folder.mkdir()
    write_csv(folder / "metrics.csv", curves, step=None, columns=list(curves.columns))
    (folder / "config.yaml").write_text(yaml.safe_dump(config_to_dict(config)))
    table = curves.evaluations
    lines = ["update,block,seed,return"]
    for row, update in enumerate(table.updates):
        lines += [
            f"{update},{b},{s},{r!r}"
            for b, s, r in zip(table.blocks, table.seeds, table.returns[row].tolist(), strict=True)
        ]
    (folder / "evaluations.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_final_report_of_a_run_stands_in_for_fresh_seeds(tmp_path):
    """Its seeds chose nothing: a lead that is gone there was the choice's."""
    curves = healthy()
    folder = write_run(tmp_path / "run", curves, load_config("train", ["env=heavy"]))
    rival = curves.baselines["sjf"]

    def evaluation(lead):
        episodes = [
            {"block": block, "seed": seed, "return": each["return"] + lead}
            for (block, seed), each in rival.episodes.items()
        ]
        return {
            "eval_mean_return": rival.mean + lead,
            "eval_min_block_return": rival.worst + lead,
            "episodes": episodes,
        }

    (folder / "baselines.json").write_text(json.dumps({"sjf": evaluation(0.0)}))
    assert diagnose(read_run_folder(folder)).primary == "healthy"
    (folder / "report.json").write_text(json.dumps({"ppo": evaluation(-0.02), "sjf": evaluation(0.0)}))
    assert diagnose(read_run_folder(folder)).primary == "narrow_eval"
    (folder / "report.json").write_text(json.dumps({"ppo": evaluation(0.08), "sjf": evaluation(0.0)}))
    assert diagnose(read_run_folder(folder)).primary == "healthy"


@pytest.mark.parametrize("step", ["timesteps", "update", None])
def test_a_csv_of_other_code_is_read_as_it_is(tmp_path, capsys, step):
    path = write_csv(tmp_path / "curves.csv", pathological("overshoot"), step)
    assert main([f"csv={path}", f"output={tmp_path / 'out.json'}"]) == 0
    screen = capsys.readouterr().out
    assert screen.startswith("curves.csv: overshoot (critical")
    assert "block returns are judged alone" in screen
    assert "relative to the shipped defaults" in screen
    document = json.loads((tmp_path / "out.json").read_text())
    last = UPDATES * (1 if step is None else 2048)
    assert document["findings"][0]["updates"][1] == last
    assert document["step_column"] == (step or "row")


def test_the_screen_fits_and_says_everything_of_the_primary_finding(tmp_path, capsys):
    config = load_config("train", ["env=heavy", "agent.lr=0.1", "agent.target_kl=0"])
    folder = write_run(tmp_path / "run", pathological("overshoot"), config)
    assert main([f"run={folder}", "checks=false"]) == 0
    screen = capsys.readouterr().out
    for expected in (
        "Playbook, section",
        "On the plot:",
        "Suspects:",
        "Checks:",
        "agent.lr=0.03,0.01",
        "env=heavy",
    ):
        assert expected in screen
    assert "agent.target_kl=0.01" in screen
    assert len(screen.splitlines()) <= 60


def test_the_json_is_what_issue_and_readers_expect(tmp_path):
    path = write_csv(tmp_path / "curves.csv", pathological("mask_bug"))
    assert main([f"csv={path}", f"output={tmp_path / 'out.json'}"]) == 0
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["primary"] == "mask_bug" == document["findings"][0]["id"]
    assert isinstance(document["missing_columns"], list)
    for finding in document["findings"]:
        wanted = {"id", "severity", "confidence", "updates", "evidence", "suspects", "checks", "overrides"}
        assert wanted <= finding.keys()
        assert 0 < finding["confidence"] <= 1
        assert finding["updates"][0] <= finding["updates"][1]


BASES = [
    [], ["agent=ppo_study"], ["agent=ppo_more_exploration", "env=deadline"], ["agent/network=mlp", "agent.ent_coef=0"],
    ["agent/network=attention", "agent/lr_schedule=constant", "env=mixed", "eval=family_blocks"],
    ["agent/lr_schedule=linear", "agent.target_kl=0", "agent.max_grad_norm=0", "agent.clip_coef=0"],
    ["agent.normalize_advantages=false", "agent.value_lr_scale=1e-6", "agent.total_steps=32768", "seed=4294967295"],
    ["eval.episodes_per_block=1", "env.reward.noop_penalty_scale=0", "agent.mask_actions=false", "agent.kernel=dense"],
    ["env=gymnasium", "agent/network=mlp"], ["env=trace"],
]  # fmt: skip


@pytest.mark.parametrize("base", BASES, ids=lambda base: " ".join(base) or "defaults")
def test_every_override_of_every_rule_composes_with_the_run(base):
    recorded = config_to_dict(load_config("train", base))
    launch = relaunch_overrides(recorded, SOURCES)
    tuned = Settings(recorded, is_recorded=True)
    for override in sorted({override for rule in all_rules() for override in rule.knobs(tuned)}):
        config = config_to_dict(load_command("train", [*launch, override], SOURCES).config)
        assert config != recorded, f"{override} changes nothing"


@pytest.mark.parametrize("base", BASES, ids=lambda base: " ".join(base) or "defaults")
def test_the_command_line_of_a_record_makes_it_again(base):
    recorded = config_to_dict(load_command("train", base, SOURCES).config)
    again = load_command("train", relaunch_overrides(recorded, SOURCES), SOURCES)
    assert config_to_dict(again.config) == recorded


def test_experiments_turn_one_key_at_a_time():
    finding = Finding(
        "x", "cause", "info", 1.0, (0, 1), "", {}, overrides=("agent.lr=1e-3", "agent.lr=1e-4", "seed=2")
    )
    recorded = config_to_dict(load_config("train", ["env=heavy", "agent.lr=0.1"]))
    curves = RunCurves("x", {}, config=recorded)
    experiments = experiments_of(Diagnosis("x", (finding,), ()), curves, SOURCES)
    base = relaunch_overrides(recorded, SOURCES)
    others = [text for text in base if not text.startswith("agent.lr=")]
    assert experiments == [[*others, "agent.lr=1e-3,1e-4"], [*base, "seed=2"]]
    assert {"env=heavy", "agent.lr=0.1"} <= set(base)
    assert command_of(["env=heavy", "agent.lr=1e-3,1e-4"]) == (
        "python -m sched_rl.train -m env=heavy agent.lr=1e-3,1e-4"
    )


def test_apply_launches_the_experiments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launched = []
    monkeypatch.setattr(
        "sched_rl.multirun.run_multirun", lambda overrides, *_: launched.append(overrides) or 0
    )
    path = write_csv(tmp_path / "curves.csv", pathological("no_signal"))
    assert main([f"csv={path}", "apply=true"]) == 0
    lr = load_config("train", []).agent.lr
    (tried,) = launched[0]
    assert [float(text) for text in tried.removeprefix("agent.lr=").split(",")] == pytest.approx(
        [10 * lr, 100 * lr]
    )


def test_against_answers_the_four_closing_questions(tmp_path, capsys):
    before = load_config("train", ["env=heavy"])
    after = load_config("train", ["env=heavy", "agent.lr=0.1", "env.reward.noop_penalty_scale=1"])
    write_run(tmp_path / "before", healthy(), before)
    write_run(tmp_path / "after", pathological("overshoot"), after)
    arguments = [f"run={tmp_path / 'after'}", f"against={tmp_path / 'before'}", "checks=false"]
    assert main([*arguments, f"output={tmp_path / 'out.json'}"]) == 0
    answers = json.loads((tmp_path / "out.json").read_text())["against"]["answers"]
    changed = {answer["question"]: answer["reasons"] for answer in answers if answer["changed"]}
    assert "Did my measurement change?" not in changed
    assert f"agent.lr: {before.agent.lr} -> 0.1" in changed["Did my update step size change?"]
    assert any("noop_penalty_scale" in each for each in changed["Did my learning signal change?"])
    assert "paired difference" in capsys.readouterr().out


def test_a_run_in_mlflow_is_diagnosed_as_its_folder_is_wherever_that_went(tmp_path, capsys):
    config = load_config("train", ["env=heavy", "agent.lr=0.1"])
    curves = pathological("overshoot")
    steps = {"timesteps": 2048 * curves.columns["update"]}
    folder = write_run(tmp_path / "run", replace(curves, columns=curves.columns | steps), config)
    provenance = collect_provenance(seed=1, threads=1, device="cpu", config_digest="abc", data_digests={})
    (folder / "provenance.json").write_text(json.dumps(provenance))
    (folder / "timings.csv").write_text("update\n")
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    assert "run " in import_run(folder, uri)
    (run,) = open_client(uri).search_runs(["1"])
    answers = {}
    for place in ("here", "gone"):
        if place == "gone":
            folder.rename(tmp_path / "elsewhere")
        output = tmp_path / f"{place}.json"
        arguments = [
            f"mlflow_run={run.info.run_id}",
            f"tracking.uri={uri}",
            "checks=false",
            f"output={output}",
        ]
        assert main(arguments) == 0
        answers[place] = json.loads(output.read_text())
    assert f"MLflow run {run.info.run_id}: overshoot" in capsys.readouterr().out
    assert answers["here"] == answers["gone"]
    assert main(["mlflow_run=0123", f"tracking.uri={uri}"]) == 2
    assert "0123" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to diagnose: give run=RUN_FOLDER, mlflow_run=ID or csv=FILE"),
        (["run=a", "csv=b"], "run= and csv=: diagnose looks at one run at a time"),
        (["run=nowhere"], "run=nowhere: no such run folder"),
        (["csv=nowhere.csv"], "csv=nowhere.csv: no such file"),
        (["csv=a", "diagnosis.entropy_low=2"], "diagnosis.entropy_low=2.0: must be in [0, 1]"),
        (["cvs=a"], "unknown key cvs (did you mean csv"),
        (["csv=a", "env=heavy"], "env=heavy: diagnose reads the run's own env"),
        (["-m", "csv=a"], "-m: diagnose looks at one run at a time"),
        (["csv=a", "output=no/such/folder/x.json"], "output=no/such/folder/x.json: must be a file"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


COLUMNS = ["eval_mean_return", "eval_min_block_return", "eval_block0_return", "eval_block1_return", "mean_ep_return",
           "noop_frac", "invalid_frac", "pg_loss", "v_loss", "entropy", "approx_kl_last", "approx_kl_max",
           "entropy_frac", "explained_variance", "early_stop"]  # fmt: skip


@settings(max_examples=60)
@given(
    names=st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1),
    rows=st.integers(1, 40),
    draws=st.randoms(use_true_random=False),
)
def test_no_table_of_the_playbooks_columns_breaks_a_rule(names, rows, draws):
    pool = [float("nan"), 0.0, 1.0, -1.0, 1e-12, 1e12, 0.5]
    columns = {
        name: np.array([draws.choice([*pool, draws.random()]) for _ in range(rows)]) for name in names
    }  # fmt: skip
    diagnosis = diagnose(RunCurves("fuzz", columns))
    assert diagnosis.primary in {*diagnosis.ids, "undecided"}
