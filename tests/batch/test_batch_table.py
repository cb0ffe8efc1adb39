from __future__ import annotations

import numpy as np

from analysis.batch_table import main
from sched_rl.workloads.swf import record_columns, write_swf


def small_trace(path):
    draws = np.random.default_rng(5)
    run_s = draws.integers(1, 500, 60)
    records = record_columns(
        60,
        job_id=np.arange(60) + 1,
        submit_s=np.sort(draws.integers(0, 3000, 60)),
        run_s=run_s,
        allocated_procs=draws.integers(1, 9, 60),
    )
    write_swf(path, records, machine_procs=8)


def test_both_tables_of_a_trace_are_printed(tmp_path, capsys):
    small_trace(tmp_path / "t.swf")
    assert main([f"trace={tmp_path}/t.swf", "starts=0,10", "count=50"]) == 0
    printed = capsys.readouterr().out
    assert "by the book: mean bounded slowdown, 2 sequences of 50 jobs" in printed
    rows = {line[:22].strip(): line[22:].split() for line in printed.splitlines()}
    assert set(rows) >= {"fcfs", "sjf", "saf", "f1 with 5000 for 870"}
    assert all(float(cell.replace(",", "")) >= 1 for cell in rows["saf"])


def test_mistakes_are_told_in_one_line(tmp_path, capsys):
    small_trace(tmp_path / "t.swf")
    for arguments, message in (
        (["trace=absent.swf"], "absent.swf: no such file"),
        ([f"trace={tmp_path}/t.swf"], "the trace has 60 usable jobs"),
        ([f"trace={tmp_path}/t.swf", "start=1"], "start: unknown"),
        ([f"trace={tmp_path}/t.swf", "starts=x"], "must be whole numbers"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
