from __future__ import annotations

from analysis.benchmarks.replay import main

from .sites import random_jobs, write_trace


def test_the_benchmark_replays_a_trace_in_both_simulators(tmp_path, capsys):
    trace = write_trace(tmp_path / "t.swf", random_jobs(80, 8), 8)
    assert main([f"trace={trace}", "rounds=1", "slow_jobs=20"]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[2:]}
    assert set(rows) == {"FCFS", "SJF", "EASY"}
    assert all(len(cells) == 4 for cells in rows.values())
    assert main(["rounds=0"]) == 2
