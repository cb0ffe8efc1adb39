"""Comparisons on blocks that chose nothing: played now (promote), or as the runs read them once (report)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.compare import compare_runs
from sched_rl.evaluate import main as evaluate_main
from sched_rl.train import main as train_main


def test_report_reads_what_the_runs_reported(make_run, tmp_path):
    """Nothing of val decides: there the larger rate is better, on report it is worse."""
    for seed in (1, 2, 3, 4):
        for lr, on_val, on_report in ((0.001, 0.9, 0.8), (0.01, 1.2, 0.7)):
            folder = make_run(f"{lr}-{seed}", {"seed": seed, "agent.lr": lr}, level=on_val)
            rows = [
                {
                    "block": block,
                    "seed": 12_000_001 + episode,
                    "return": on_report + 0.01 * block + 0.001 * seed,
                }
                for block in range(3)
                for episode in range(5)
            ]
            worse = [{**row, "return": 0.1} for row in rows]
            report = {"ppo": {"episodes": rows}, "sjf": {"episodes": worse}}
            (folder / "report.json").write_text(json.dumps(report))
    runs = tmp_path / "runs"
    assert "agent.lr=0.01 beats agent.lr=0.001" in compare_runs([runs]).statement
    comparison = compare_runs([runs], split="report")
    assert "agent.lr=0.001 beats agent.lr=0.01" in comparison.statement
    (judged,) = comparison.judged
    assert judged.rows[0].worst.mean == pytest.approx(0.8025)
    assert [baseline.episodes.worst for baseline in judged.baselines] == [pytest.approx(0.1)]
    assert set(comparison.runs[0].episodes.seeds) == set(range(12_000_001, 12_000_006))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_promote_plays_the_best_checkpoint_on_blocks_that_chose_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["debug=smoke", "agent.total_steps=1024", "tracking=none", "progress=off", "baselines=[sjf]"]
    for seed in (1, 2):
        assert train_main([*words, f"seed={seed}", f"run.folder=runs/{seed}"]) == 0
    (judged,) = compare_runs(["runs"], split="promote").judged
    for seed, run in judged.problem.variants[0].runs.items():
        command = [f"checkpoint=runs/{seed}", "eval.split=promote", "progress=off", f"output={seed}.json"]
        assert evaluate_main(command) == 0
        known = json.loads((tmp_path / f"{seed}.json").read_text())
        expected = np.array([episode["return"] for episode in known["episodes"]])
        assert sorted(run.episodes.returns.tolist()) == sorted(expected.tolist())
        assert run.episodes.worst == known["eval_min_block_return"]
        assert min(run.episodes.seeds) > 7_000_000
    assert [baseline.label for baseline in judged.baselines] == ["sjf"]
