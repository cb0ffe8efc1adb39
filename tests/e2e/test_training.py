"""Whole runs, small ones: what they leave behind, that they repeat, stop and resume."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sched_rl.checkpoint import CheckpointStore
from sched_rl.evaluation.loading import load_scheduler
from sched_rl.progress import Progress
from sched_rl.train import main

TINY = [
    "debug=smoke",
    "agent.num_envs=4",
    "agent.rollout_steps=32",
    "agent.total_steps=768",
    "agent.num_minibatches=2",
    "eval.every_updates=2",
    "baselines=[sjf,linear_score]",
    "progress=off",
]
UNTRACKED = [*TINY, "tracking=none"]

PUBLIC_COLUMNS = [
    "update",
    "timesteps",
    "mean_ep_return",
    "mean_ep_length",
    "num_episodes",
    "eval_mean_return",
    "eval_min_block_return",
    "eval_max_block_return",
    "eval_block0_return",
    "invalid_frac",
    "noop_frac",
    "noop_feasible_frac",
    "eval_invalid_frac",
    "eval_noop_frac",
    "eval_noop_feasible_frac",
    "lr",
    "ent_coef",
    "approx_kl",
    "approx_kl_last",
    "approx_kl_mean",
    "approx_kl_max",
    "early_stop",
    "early_stop_epoch",
    "loss",
    "pg_loss",
    "v_loss",
    "entropy",
    "entropy_frac",
    "legal_actions_mean",
    "clipfrac",
    "v_clipfrac",
    "explained_variance",
    "grad_norm",
    "grad_clip_frac",
    "entropy_clamp_frac",
    "kl_to_best",
]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run of six updates with its report."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert main([*UNTRACKED, f"run.folder={folder}", "eval.final_report=true"]) == 0
    return folder


def test_a_run_leaves_every_file_and_public_column(run):
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "metrics.csv", "timings.csv", "evaluations.csv", "baselines.json", "events.jsonl",
            "checkpoints", "provenance.json", "report.json"} <= names  # fmt: skip
    metrics = rows(run / "metrics.csv")
    assert set(PUBLIC_COLUMNS) <= set(metrics[0])
    assert [row["update"] for row in metrics] == [str(update) for update in range(7)]
    assert [row["timesteps"] for row in metrics] == [str(128 * update) for update in range(7)]
    for name in ("lr", "approx_kl", "v_loss", "entropy_frac", "grad_norm", "legal_actions_mean"):
        assert all(np.isfinite(float(row[name])) for row in metrics[1:]), name


def test_evaluations_hold_every_episode_and_agree_with_the_metrics(run):
    evaluations, metrics = rows(run / "evaluations.csv"), rows(run / "metrics.csv")
    evaluated = [row for row in metrics if row["eval_mean_return"]]
    assert [row["update"] for row in evaluated] == ["0", "2", "4", "6"]
    for row in evaluated:
        episodes = [episode for episode in evaluations if episode["update"] == row["update"]]
        assert len(episodes) == 6
        blocks = [
            np.mean([float(episode["return"]) for episode in episodes if episode["block"] == str(block)])
            for block in range(3)
        ]
        assert float(row["eval_mean_return"]) == pytest.approx(np.mean(blocks), abs=1e-12)
        assert float(row["eval_min_block_return"]) == pytest.approx(min(blocks), abs=1e-12)


def test_the_best_checkpoint_is_the_best_worst_block_and_scores_the_same_again(run):
    from sched_rl.config.record import load_config_file
    from sched_rl.evaluation.blocks import make_blocks
    from sched_rl.evaluation.loading import scheduler_of
    from sched_rl.evaluation.summary import evaluate

    evaluated = [row for row in rows(run / "metrics.csv") if row["eval_mean_return"]]
    best = max(
        evaluated, key=lambda row: (float(row["eval_min_block_return"]), float(row["eval_mean_return"]))
    )
    stored = CheckpointStore(run / "checkpoints").best()
    assert stored is not None
    assert stored.update == int(best["update"])
    assert best["kl_to_best"] == "0.0"
    config = load_config_file(run / "config.yaml")
    blocks = make_blocks(config.eval, config.env, config.families, "val")
    again = evaluate(scheduler_of(config, run), blocks, config.families)
    assert again.min_block_return == float(best["eval_min_block_return"])
    assert again.mean_return == float(best["eval_mean_return"])


def test_the_report_compares_with_every_baseline_on_report_seeds(run):
    report = json.loads((run / "report.json").read_text())
    assert list(report) == ["ppo", "sjf", "linear_score"]
    seeds = [episode["seed"] for episode in report["ppo"]["episodes"]]
    assert min(seeds) == 12000001
    assert [episode["seed"] for episode in report["sjf"]["episodes"]] == seeds


def test_equal_runs_are_equal_to_the_bit(run, tmp_path):
    assert main([*UNTRACKED, f"run.folder={tmp_path / 'again'}"]) == 0
    for name in ("metrics.csv", "evaluations.csv", "baselines.json"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes(), name


def test_another_seed_is_another_run(run, tmp_path):
    assert main([*UNTRACKED, f"run.folder={tmp_path / 'other'}", "seed=2"]) == 0
    assert (tmp_path / "other" / "metrics.csv").read_bytes() != (run / "metrics.csv").read_bytes()


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_an_interrupted_run_resumes_to_the_bit(run, tmp_path, monkeypatch, capsys, stop_after):
    folder = tmp_path / "stopped"
    shown = Progress.update

    def stop_here(self, steps, metrics):
        shown(self, steps, metrics)
        if steps == 128 * stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Progress, "update", stop_here)
    assert main([*UNTRACKED, f"run.folder={folder}", "eval.final_report=true"]) == 130
    assert f"resume={folder}" in capsys.readouterr().out
    assert len(rows(folder / "metrics.csv")) == stop_after + 1
    monkeypatch.undo()
    assert main([f"resume={folder}"]) == 0
    for name in ("metrics.csv", "evaluations.csv", "report.json"):
        assert (folder / name).read_bytes() == (run / name).read_bytes(), name
    ours, theirs = (CheckpointStore(path / "checkpoints").latest() for path in (folder, run))
    assert ours is not None
    assert theirs is not None
    for name, weights in theirs.state["ppo"]["network"].items():
        assert weights.equal(ours.state["ppo"]["network"][name]), name


def test_resuming_a_finished_run_changes_no_number(run, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    assert main([f"resume={folder}"]) == 0
    assert (folder / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 75)])
def test_a_signal_ends_a_run_with_its_exit_code_and_a_resumable_folder(tmp_path, number, exit_code):
    folder = tmp_path / "killed"
    arguments = [*UNTRACKED, "agent.total_steps=1000000", "progress=plain", f"run.folder={folder}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sched_rl.train", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:  # the display's first lines come once training runs
        if "worst block" in line:
            break
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert f"python -m sched_rl.train resume={folder}" in output
    assert CheckpointStore(folder / "checkpoints").latest() is not None


def test_a_fixed_scheduler_is_evaluated_and_recorded(tmp_path):
    folder = tmp_path / "sjf"
    assert main(["agent=sjf", "debug=smoke", "tracking=none", "progress=off", f"run.folder={folder}"]) == 0
    (row,) = rows(folder / "metrics.csv")
    baselines = json.loads((folder / "baselines.json").read_text())
    assert float(row["eval_mean_return"]) == baselines["sjf"]["eval_mean_return"]


def test_a_run_folder_acts_one_state_at_a_time(run):
    scheduler = load_scheduler(run)
    observation = np.zeros(scheduler.layout.size, np.float32)
    mask = np.zeros(scheduler.layout.num_actions, bool)
    mask[[0, 7]] = True
    observation[6 * scheduler.layout.job_features : 7 * scheduler.layout.job_features] = 0.5
    assert scheduler.act(observation, mask) in (0, 7)
    with pytest.raises(Exception, match="this scheduler takes"):
        scheduler.act(observation[:-1], mask)


def test_training_seeds_and_evaluation_seeds_never_meet(run):
    assert max(int(row["seed"]) for row in rows(run / "evaluations.csv")) < 2**31


def test_mlflow_gets_the_rows_once_across_a_resume(tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    shown = Progress.update

    def stop_here(self, steps, metrics):
        shown(self, steps, metrics)
        if steps == 384:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "update", stop_here)
    assert main([*TINY, "run.folder=run", "eval.final_report=true"]) == 143
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (stopped,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert stopped.info.status == "KILLED"
    monkeypatch.setattr(Progress, "update", shown)
    assert main(["resume=run"]) == 0
    (ended,) = client.search_runs([stopped.info.experiment_id])
    assert ended.info.run_id == stopped.info.run_id
    assert ended.info.status == "FINISHED"
    history = client.get_metric_history(ended.info.run_id, "v_loss")
    assert [point.step for point in history] == [128 * update for update in range(1, 7)]
    assert ended.data.metrics["baseline.sjf.eval_mean_return"] > 0
    assert ended.data.metrics["report.ppo.eval_min_block_return"] > 0
    assert ended.data.tags["agent"] == "ppo"
