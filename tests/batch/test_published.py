"""Schedules of independent implementations on public traces, start by start."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sched_rl import make_env
from sched_rl.config.load import load_config
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.evaluation.summary import evaluate
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.simulator.committed import game_keys, play_committed
from sched_rl.simulator.textbook import bounded_slowdowns, replay
from sched_rl.workloads.swf import read_swf
from sched_rl.workloads.trace_jobs import jobs_of

SHARED = Path(__file__).resolve().parents[3] / "shared"
ORACLE, TRACES = SHARED / "oracle" / "commit_game", SHARED / "traces"
pytestmark = pytest.mark.skipif(
    not (ORACLE.is_dir() and TRACES.is_dir()), reason="the archive's traces are not part of the project"
)
README_STARTS = (1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085)
MODES = {
    "textbook no backfill": "strict",
    "textbook EASY": "easy",
    "greedy fit (no reservation)": "greedy",
    "conservative (replanned)": "conservative",
}


@functools.cache
def jobs(trace, rules):
    return jobs_of(read_swf(TRACES / trace), rules)


@pytest.mark.parametrize("name", ["lublin_256", "nasa_ipsc", "readme_starts_lublin_256"])
def test_the_committed_game_is_played_start_by_start(name):
    runs = json.loads(gzip.decompress((ORACLE / f"{name}.json.gz").read_bytes()))["runs"]
    assert len(runs) >= 100
    for run in runs:
        part = jobs(run["trace"], "game").sequence(run["start"], run["num_jobs"])
        keys = game_keys(part.submit_s, part.requested_s, part.procs, run["policy"].lower())
        machine = part.submit_s, part.run_s, part.requested_s, part.nodes, part.num_nodes
        starts, order = play_committed(*machine, keys, backfill=run["backfill"])
        assert [[int(part.job_id[row]), starts[row]] for row in order] == run["starts"]
        slowdown = bounded_slowdowns(part.submit_s, starts, part.run_s)
        assert slowdown.mean() == pytest.approx(run["mean_bsld"], abs=1e-9)
        assert (starts - part.submit_s).max() == run["max_wait"]


def test_textbook_schedulers_have_the_published_slowdowns():
    published = json.loads((ORACLE / "textbook_readme_starts_lublin_256.json").read_text())
    for name, mode in MODES.items():
        for priority, expected in published[f"lublin_256.swf|{name}"].items():
            slowdown, wait_s = means(priority.lower(), mode)
            assert slowdown == pytest.approx(expected["mean_bounded_slowdown"], rel=1e-12)
            assert wait_s == pytest.approx(expected["mean_wait_s"], rel=1e-12)
    assert [round(means("saf", mode)[0], 2) for mode in ("strict", "easy")] == [26.95, 34.38]


def means(priority, mode):
    found = []
    for start in README_STARTS:
        part = jobs("lublin_256.swf", "textbook").sequence(start, 1024)
        machine = part.submit_s, part.run_s, part.requested_s, part.nodes, part.num_nodes
        starts = replay(*machine, priority, mode)
        slowdown = bounded_slowdowns(part.submit_s, starts, part.run_s)
        found.append((slowdown.mean(), (starts - part.submit_s).mean()))
    return np.mean(found, axis=0).tolist()


def test_the_best_known_heuristics_of_the_game():
    found = {}
    for backfill, priority, options in (
        (False, "f1", {"f1_submit_weight": 5000.0}),
        (True, "power", {"power": 2.0}),
    ):
        slowdowns = []
        for start in README_STARTS:
            part = jobs("lublin_256.swf", "game").sequence(start, 1024)
            keys = game_keys(part.submit_s, part.requested_s, part.procs, priority, **options)
            machine = part.submit_s, part.run_s, part.requested_s, part.nodes, part.num_nodes
            starts, _ = play_committed(*machine, keys, backfill=backfill)
            slowdowns.append(bounded_slowdowns(part.submit_s, starts, part.run_s).mean())
        found[backfill] = round(float(np.mean(slowdowns)), 2)
    assert found == {False: 246.32, True: 53.29}


@pytest.mark.parametrize(
    "every", [pytest.param(25, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_the_environment_plays_the_committed_game_start_by_start(every):
    played = 0
    for name in ("lublin_256", "nasa_ipsc", "readme_starts_lublin_256"):
        for run in json.loads(gzip.decompress((ORACLE / f"{name}.json.gz").read_bytes()))["runs"][::every]:
            starts, total = play_through_make_env(run)
            assert starts == sorted(run["starts"])
            assert total == pytest.approx(-run["mean_bsld"], rel=1e-9)
            played += 1
    assert played == 500 // every


@pytest.mark.parametrize("policy", ["FCFS", "SJF", "F1", "WFP3", "UNICEP"])
def test_the_agents_schedule_the_committed_game_start_by_start(policy):
    runs = json.loads(gzip.decompress((ORACLE / "readme_starts_lublin_256.json.gz").read_bytes()))["runs"]
    for backfill, rule in ((False, "none"), (True, "game")):
        mine = [run for run in runs if run["policy"] == policy and run["backfill"] == backfill]
        starts = [run["start"] for run in mine]
        asked = [f"env.trace.path={TRACES}/lublin_256.swf", f"env.trace.starts={starts}".replace(" ", "")]
        config = load_config(
            "evaluate", [f"agent={policy.lower()}", "env=committed", f"env.backfill={rule}", *asked]
        )
        blocks = make_blocks(config.eval, config.env, {}, "val")
        episodes = evaluate(build_scheduler(config.agent), blocks, {}).episodes
        assert len(episodes) == len(mine) == 10
        for episode, run in zip(episodes, mine, strict=True):
            played = sorted(
                zip(*(episode.schedule[name].tolist() for name in ("job_id", "start_s")), strict=True)
            )
            assert [list(each) for each in played] == sorted(run["starts"])
            assert episode.numbers["mean_bounded_slowdown"] == pytest.approx(run["mean_bsld"], abs=1e-9)


@functools.cache
def committed_env(trace, count, backfill):
    overrides = [f"env.trace.path={TRACES / trace}", f"env.trace.count={count}"]
    rule = "game" if backfill else "none"
    return make_env(["env=committed", *overrides, f"env.max_queue_size={count}", f"env.backfill={rule}"])


def play_through_make_env(run):
    """A heuristic as an agent: it reads the masks, chooses a visible job, and is paid; (job, start) and the return."""
    env = committed_env(run["trace"], run["num_jobs"], run["backfill"])
    part = jobs(run["trace"], "game").sequence(run["start"], run["num_jobs"])
    keys = game_keys(part.submit_s, part.requested_s, part.procs, run["policy"].lower())
    places = np.empty(len(keys), np.int64)
    places[np.lexsort((keys[:, 1], keys[:, 0]))] = np.arange(len(keys))
    _, info = env.reset(seed=run["start"])
    state, total, over = env._batch.state, 0.0, False
    while not over:
        visible = np.flatnonzero(info["action_mask"])
        first = places[state.queue[0, visible - 1]].argmin()
        _, reward, over, _, info = env.step(visible[first])
        total += reward
    return sorted(map(list, zip(part.job_id.tolist(), state.start_s[0].tolist(), strict=True))), total
