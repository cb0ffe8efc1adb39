"""Traces from other tools: SLURM's accounting, tables of GPU jobs, and schedules for other tools."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analysis.convert_trace import main
from sched_rl.config.load import load_config
from sched_rl.errors import WorkloadError
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.evaluation.schedule_swf import write_schedule_swf
from sched_rl.evaluation.summary import evaluate, evaluation_json
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.simulator.textbook import replay
from sched_rl.workloads.gpu_table import read_gpu_table
from sched_rl.workloads.sacct import read_sacct
from sched_rl.workloads.site_source import site_source
from sched_rl.workloads.swf import read_swf

from .sites import random_jobs, site_env, write_trace

ACCOUNTING = """\
JobIDRaw|User|State|Submit|Start|ElapsedRaw|TimelimitRaw|AllocTRES
10|ann|COMPLETED|2024-03-01T00:00:10|2024-03-01T00:01:10|50|2|billing=4,cpu=4,gres/gpu:a100=1,gres/gpu:h100=1,mem=16G,node=1
10.batch|ann|COMPLETED|2024-03-01T00:01:10|2024-03-01T00:01:10|50||cpu=4
11|bob|CANCELLED by 7|2024-03-01T00:00:00|2024-03-01T00:00:00|100|UNLIMITED|cpu=8,mem=512M
12|ann|PENDING|2024-03-01T00:00:00|Unknown|0|60|
13|bob|TIMEOUT|2024-03-02T00:00:00|2024-03-02T00:00:05|3600|60|cpu=2,gres/gpu=4,mem=1T
14|bob|RUNNING|2024-03-02T00:00:00|2024-03-02T00:00:05|3600|60|cpu=2
"""


@pytest.fixture
def accounting(tmp_path):
    path = tmp_path / "sacct.txt"
    path.write_text(ACCOUNTING)
    return path


def test_accounting_becomes_swf(accounting, tmp_path, capsys):
    assert main([f"sacct={accounting}", f"output={tmp_path / 'out.swf'}"]) == 0
    said = capsys.readouterr().out
    assert "3 jobs; steps of jobs, left out: 1; never started, left out: 1; not ended, left out: 1" in said
    trace = read_swf(tmp_path / "out.swf")
    shown = {
        name: trace.column(name).tolist() for name in ("job_id", "submit_s", "wait_s", "run_s", "requested_s")
    }
    assert shown == {
        "job_id": [10, 11, 13],
        "submit_s": [10, 0, 86400],
        "wait_s": [60, 0, 5],
        "run_s": [50, 100, 3600],
        "requested_s": [120, -1, 3600],
    }
    assert trace.column("status").tolist() == [1, 5, 0]
    assert trace.column("user").tolist() == [1, 2, 2]
    assert (trace.number("MaxProcs"), trace.number("UnixStartTime")) == (12, 1709251200)


def test_the_gpus_of_an_accounting_become_a_table(accounting, tmp_path):
    assert main([f"sacct={accounting}", f"output={tmp_path / 'gpus.csv'}"]) == 0
    jobs = read_gpu_table(tmp_path / "gpus.csv", (8, 64, 2048))
    assert jobs.demand.tolist() == [[2, 4, 16], [4, 2, 1024]]
    assert (jobs.run_s.tolist(), jobs.requested_s.tolist()) == ([50, 3600], [120, 3600])
    assert main([f"sacct={accounting}", f"output={tmp_path / 'gpus.csv'}"]) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1|a|COMPLETED|yesterday|2024-03-01T00:00:00|5|1|cpu=1", r":2: 'yesterday' is no time"),
        ("1|a|COMPLETED|2024-03-01T00:00:00", r":2: 4 fields, the header has 8"),
    ],
)
def test_what_is_no_accounting_is_named(tmp_path, line, message):
    path = tmp_path / "sacct.txt"
    path.write_text(ACCOUNTING.splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(WorkloadError, match=message):
        read_sacct(path)
    path.write_text("JobID|User\n")
    with pytest.raises(WorkloadError, match=r":1: no column Submit"):
        read_sacct(path)


def test_spans_and_other_columns_of_sacct(tmp_path):
    path = tmp_path / "sacct.txt"
    path.write_text(
        "JobID|Submit|Start|Elapsed|Timelimit|ReqCPUS|\n"
        "7_1|2024-03-01T00:00:00|2024-03-01T00:00:00|1-02:03:04|12:00|3|\n"
    )
    jobs = read_sacct(path)
    assert jobs.records[0, :4].tolist() == [1, 0, 0, 93784]
    assert (jobs.records[0, 8], jobs.cpus.tolist()) == (720, [3])


TABLE = """submit_s,duration_s,gpus,cpus,user,priority,requested_s
5,100,2,8,ann,3,
0,50,4,4,bob,1,40
1,0,1,1,ann,1,10
2,9,9,1,ann,1,10
"""


def test_a_table_of_gpu_jobs_is_a_trace_with_two_resources(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text(TABLE)
    jobs = read_gpu_table(path, (4, 8))
    assert jobs.job_id.tolist() == [2, 1]
    assert jobs.demand.tolist() == [[4, 4], [2, 8]]
    assert (jobs.requested_s.tolist(), jobs.priority.tolist(), jobs.user.tolist()) == (
        [40, 100],
        [1, 3],
        [2, 1],
    )
    assert jobs.report() == (
        "dropped, no positive duration: 1; dropped, wider than the machine: 1; out of submit order, sorted: 1; "
        "runs longer than requested: 1"
    )
    env = site_env(f"env.trace.path={path}", "env.trace.capacity=[4,8]", "env.trace.count=2")
    assert site_source(env).sequence(0).demand.tolist() == [[4, 4], [2, 8]]
    for content, message in (
        (TABLE.replace("gpus", "gpu"), r":1: lacks gpus"),
        (TABLE.replace("user", "who"), r"unknown column 'who'"),
        (TABLE.replace("50,4", "x,4"), r":3: duration_s='x' is not a number"),
    ):
        path.write_text(content)
        with pytest.raises(WorkloadError, match=message):
            read_gpu_table(path, (4, 8))
    path.write_text(TABLE)
    with pytest.raises(WorkloadError, match=r"give env\.trace\.capacity=\[gpus,cpus\]"):
        read_gpu_table(path, None)


def test_a_finished_schedule_is_swf_with_its_waits(tmp_path):
    jobs = random_jobs(30, 8, seed=4)
    trace = write_trace(tmp_path / "in.swf", jobs, 8)
    config = load_config(
        "evaluate",
        ["agent=easy", "env=trace", f"env.trace.path={trace}", "env.trace.count=30", "env.trace.starts=[0]"],
    )
    evaluation = evaluate(build_scheduler(config.agent), make_blocks(config.eval, config.env, {}, "val"), {})
    write_schedule_swf(tmp_path / "out.swf", evaluation.episodes, config.env)
    read = read_swf(tmp_path / "out.swf")
    columns = [np.array([job[name] for job in jobs]) for name in ("submit", "run", "requested", "procs")]
    assert (read.column("submit_s") + read.column("wait_s")).tolist() == replay(
        *columns, 8, "fcfs", "easy"
    ).tolist()
    assert read.number("MaxProcs") == 8
    shown = evaluation_json(evaluation, agent="easy", env="trace", split="val")
    waits = dict(zip(evaluation.episodes[0].schedule["job_id"], read.column("wait_s"), strict=True))
    assert sum(row["jobs"] for row in shown["by_length"].values()) == 30
    assert shown["by_user"]["unknown"]["mean_wait_s"] == pytest.approx(np.mean(list(waits.values())))
    twice = dataclasses.replace(evaluation, episodes=evaluation.episodes * 2)
    with pytest.raises(WorkloadError, match="holds one schedule, this evaluation has 2"):
        write_schedule_swf(tmp_path / "two.swf", twice.episodes, config.env)
