"""Plain grids: the comparison across seeds, what it refuses to compare, and how runs are grouped."""

from __future__ import annotations

import csv
import io
import math

import pytest

from sched_rl.config.compose import ConfigSources
from sched_rl.errors import ConfigError
from sched_rl.multirun import run_multirun
from sched_rl.reporting.grid_table import grid_table
from sched_rl.reporting.grid_views import main, render_csv, render_markdown, render_text
from sched_rl.tracking.grid_record import GridJob, JobOutcome
from sched_rl.train import main as train
from tests.sweeps.finished_sweeps import TINY


def job(number, **values):
    return GridJob(number, {key.replace("__", "."): str(value) for key, value in values.items()}, ())


def grid(scores, **fixed):
    """Jobs over agent.lr and seed: {(lr, seed): worst block or trouble}."""
    pairs = []
    for number, ((lr, seed), score) in enumerate(scores.items()):
        values = {"agent__lr": lr, "seed": seed, **fixed}
        if isinstance(score, str):
            outcome = JobOutcome(None, math.nan, math.nan, score)
        else:
            outcome = JobOutcome(seed, score, score + 0.1)
        pairs.append((job(number, **values), outcome))
    return pairs


def test_a_row_is_the_mean_over_seeds_with_its_interval():
    table = grid_table(grid({(0.1, 1): 0.5, (0.1, 2): 0.6, (0.1, 3): 0.7}))
    (row,) = table.rows
    assert table.keys == ("agent.lr",)
    assert row.seeds == (1, 2, 3)
    assert row.worst.mean == pytest.approx(0.6)
    assert row.worst.low < 0.5
    assert row.mean.mean == pytest.approx(0.7)


def test_differences_are_paired_on_matching_seeds():
    """Seeds differ by 0.3, rows by 0.01: only pairing shows it."""
    scores = {(lr, seed): 0.3 * seed + lr / 10 + 0.0001 * seed for lr in (0.1, 0.2) for seed in (1, 2, 3)}
    scores[(0.2, 4)] = 9.0  # has no partner
    first, second = grid_table(grid(scores)).rows
    assert first.difference is None
    assert second.difference.mean == pytest.approx(0.01)
    assert second.difference.is_above_zero
    assert second.difference.n == 3


def test_rows_of_different_problems_are_never_subtracted():
    pairs = [
        *grid({(0.1, 1): 0.5, (0.2, 1): 0.6}, env="light"),
        *grid({(0.1, 1): 1.5, (0.2, 1): 1.4}, env="heavy"),
    ]
    table = grid_table(pairs)
    assert [row.difference and round(row.difference.mean, 3) for row in table.rows] == [None, 0.1, None, -0.1]
    assert [sentence.partition(";")[0] for sentence in table.best] == [
        "best: agent.lr=0.2 env=light",
        "best: agent.lr=0.1 env=heavy",
    ]
    assert "on one seed, which settles nothing" in table.best[0]


def test_an_unsettled_lead_is_not_called_a_win():
    scores = {(0.1, 1): 0.5, (0.1, 2): 0.7, (0.2, 1): 0.72, (0.2, 2): 0.5}
    (sentence,) = grid_table(grid(scores)).best
    assert sentence.endswith("which is not settled")
    level = grid_table(grid({(0.1, 1): 0.5, (0.2, 1): 0.5}))
    assert level.best == ("best: agent.lr=0.1, level with agent.lr=0.2",)


def test_failed_runs_are_named_and_left_out():
    table = grid_table(grid({(0.1, 1): 0.5, (0.1, 2): "no space left", (0.2, 1): "did not start"}))
    assert table.rows[0].seeds == (1,)
    assert table.rows[1].worst is None
    text = render_text(table)
    assert "2 of 3 runs have no result:" in text
    assert "job 1 (agent.lr=0.1 seed=2): no space left" in text


def test_the_views_agree():
    table = grid_table(grid({(0.1, 1): 0.5, (0.1, 2): 0.6, (0.2, 1): 0.6, (0.2, 2): 0.75}))
    rows = list(csv.DictReader(io.StringIO(render_csv(table))))
    assert [row["agent.lr"] for row in rows] == ["0.1", "0.2"]
    assert float(rows[1]["difference"]) == pytest.approx(0.125)
    assert rows[0]["seeds"] == "1 2"
    shown = f"{float(rows[1]['eval_min_block_return']):.3f} ["
    assert shown in render_text(table)
    assert f"| 0.2 | 2 | {shown}" in render_markdown(table)


def test_a_grid_over_learned_and_fixed_agents_points_to_baselines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = ["agent=ppo,sjf", "agent.clip_coef=0.1,0.2"]
    with pytest.raises(ConfigError, match=r"^agent=sjf has no clip_coef: .*baselines=\[sjf\]$"):
        run_multirun(overrides, ConfigSources(), lambda command, folder: None, lambda config: None)
    assert not (tmp_path / "runs").exists()


def test_another_fault_of_a_fixed_agent_is_told_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="num_gpus"):
        run_multirun(["agent=sjf", "env.num_gpus=-1,-2"], ConfigSources(), lambda c, f: None, lambda c: None)


def test_a_grid_ends_in_a_table_its_files_and_runs_that_group(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train([*TINY, "progress=off", "-m", "agent.lr=0.001,0.01", "env=playbook", "seed=1,2"]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    written = (folder / "comparison.csv").read_text()
    assert len(written.splitlines()) == 3
    assert (folder / "comparison.md").read_text().startswith("| agent.lr | seeds | worst block [95 %]")
    assert f"wrote {folder.relative_to(tmp_path)}/comparison.csv" in capsys.readouterr().out

    from sched_rl.tracking.mlflow_store import open_client

    client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("sched_rl").experiment_id])
    groups = {(run.data.tags["sweep_id"], run.data.tags["env"], run.data.tags["agent"]) for run in runs}
    assert groups == {(folder.name, "playbook", "ppo")}
    assert sorted(run.data.tags["seed"] for run in runs) == ["1", "1", "2", "2"]
    assert not any("mlflow.parentRunId" in run.data.tags for run in runs)

    (folder / "comparison.csv").unlink()
    assert main([str(folder)]) == 0
    assert (folder / "comparison.csv").read_text() == written
    assert main([str(tmp_path)]) == 2
