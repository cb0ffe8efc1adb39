"""The environment of batch clusters: by the book where a policy goes by a priority, and honest about what it pays."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.simulator.committed import game_keys, play_committed
from sched_rl.simulator.site.playing import play_site
from sched_rl.simulator.site.state import allocate_sites, load_sequence, site_rules
from sched_rl.simulator.site.steps import begin_sequence, step_sites, write_site_potential
from sched_rl.simulator.textbook import bounded_slowdowns, replay, static_keys

from .sites import random_jobs, sequence, site_env

MODES = {"strict": 0, "greedy": 1, "easy": 2, "conservative": 3}
DYNAMIC = {"wfp3": 1, "unicep": 2}
PROCS = 5
JOBS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(-3, 4), st.integers(1, PROCS)),
    min_size=1,
    max_size=14,
)
TRACE, COMMITTED = site_env(), site_env("env=committed")


class Site:
    """One site, its sequence begun."""

    def __init__(self, env, jobs):
        self.jobs, self.env = jobs, env
        self.state = allocate_sites(1, jobs.num_jobs, len(jobs.capacity))
        load_sequence(self.state, 0, jobs, env)
        self.arrays, self.rules = tuple(self.state), tuple(site_rules(env))
        self.mask = np.zeros((1, env.max_queue_size + 1), np.bool_)
        begin_sequence(self.arrays, self.rules, 0, self.mask)

    @property
    def record(self):
        return self.state.clusters[0]

    @property
    def starts(self):
        return self.state.start_s[0]

    def play(self, keys, mode, dynamic=0):
        rank = np.empty(len(keys), np.int64)
        rank[np.argsort(keys, kind="stable")] = np.arange(len(keys))
        play_site(
            self.arrays, self.rules, 0, rank, self.jobs.procs, dynamic, np.zeros(6), np.inf, MODES[mode]
        )

    def step(self, action):
        step_sites(self.arrays, self.rules, np.array([action], np.int64), self.mask)
        return float(self.record["reward"])

    def step_by(self, keys):
        """Choose the legal visible job of the smallest key, ties by arrival, to the end; returns the rewards."""
        rewards = []
        while not self.record["finished"]:
            legal = np.flatnonzero(self.mask[0, 1:])
            rows = self.state.queue[0, legal]
            best = min(range(len(rows)), key=lambda i: (keys[rows[i]], rows[i])) if len(rows) else None
            rewards.append(self.step(0 if best is None else int(legal[best]) + 1))
        return rewards


def drawn_jobs(drawn):
    submits = np.cumsum([gap // 3 for gap, *_ in drawn])
    return [
        {"submit": float(submit), "run": float(run), "requested": float(max(run + error, 1)), "procs": procs}
        for submit, (_, run, error, procs) in zip(submits, drawn, strict=True)
    ]


def by_the_book(jobs, priority, mode):
    return replay(jobs.submit_s, jobs.run_s, jobs.requested_s, jobs.procs, PROCS, priority, mode)


def keys_of(jobs, priority):
    return static_keys(jobs.submit_s, jobs.requested_s, jobs.procs, priority)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=150)
@given(drawn=JOBS, priority=st.sampled_from(["fcfs", "sjf", "saf", "f1", "wfp3", "unicep"]))
def test_a_site_played_by_a_priority_is_the_textbooks_scheduler(mode, drawn, priority):
    jobs = sequence(drawn_jobs(drawn), [PROCS])
    site = Site(TRACE, jobs)
    site.play(keys_of(jobs, priority), mode, DYNAMIC.get(priority, 0))
    assert site.starts.tolist() == by_the_book(jobs, priority, mode).tolist()


@pytest.mark.parametrize(
    ("mode", "change"),
    [("strict", {}), ("greedy", {"may_block": False}), ("easy", {"backfill": "easy"})],
)
@settings(max_examples=100)
@given(
    drawn=JOBS,
    priority=st.sampled_from(["fcfs", "sjf", "saf"]),
    visible=st.sampled_from(["smallest", "oldest"]),
)
def test_a_policy_that_steps_by_a_priority_is_the_textbooks_scheduler(mode, change, drawn, priority, visible):
    jobs = sequence(drawn_jobs(drawn), [PROCS])
    site = Site(dataclasses.replace(TRACE, visible=visible, **change), jobs)
    rewards = site.step_by(keys_of(jobs, priority))
    expected = by_the_book(jobs, priority, mode)
    assert site.starts.tolist() == expected.tolist()
    slowdown = bounded_slowdowns(jobs.submit_s, expected, jobs.run_s).mean()
    assert sum(rewards) == pytest.approx(-slowdown, abs=1e-9)
    assert site.record["terminated"]
    assert site.record["now_s"] == (expected + jobs.run_s).max()


@settings(max_examples=150)
@given(drawn=JOBS, priority=st.sampled_from(["fcfs", "sjf", "f1"]), backfill=st.booleans())
def test_the_committed_game_is_stepped_as_it_is_played(drawn, priority, backfill):
    jobs = sequence(drawn_jobs(drawn), [PROCS])
    site = Site(dataclasses.replace(COMMITTED, backfill="game" if backfill else "none"), jobs)
    assert not site.mask[0, 0]  # there is no waiting in the game
    keys = game_keys(jobs.submit_s, jobs.requested_s, jobs.procs, priority)
    machine = jobs.submit_s, jobs.run_s, jobs.requested_s, jobs.procs, PROCS
    expected, _ = play_committed(*machine, keys, backfill=backfill)
    rewards = site.step_by([tuple(pair) for pair in keys])
    assert site.starts.tolist() == expected.tolist()
    assert sum(rewards) == pytest.approx(-bounded_slowdowns(jobs.submit_s, expected, jobs.run_s).mean())


@settings(max_examples=60)
@given(drawn=JOBS, mode=st.sampled_from(["greedy", "easy", "conservative"]))
def test_a_second_resource_that_goes_with_the_first_changes_nothing(drawn, mode):
    one = sequence(drawn_jobs(drawn), [PROCS])
    both = sequence(drawn_jobs(drawn), [PROCS, 4 * PROCS], one.demand * [1, 4])
    starts = []
    for jobs in (one, both):
        site = Site(TRACE, jobs)
        site.play(keys_of(jobs, "saf"), mode)
        starts.append(site.starts.tolist())
    assert starts[0] == starts[1]


def test_a_conservative_plan_delays_nobody_on_any_resource():
    # 4 GPUs and 8 CPUs, the first holds 3 and 2 until 10. The second waits for it; the third, without GPUs, would take
    # the CPUs that the second needs then, the fourth is over by then, the fifth has what both leave over.
    runs = (10.0, 10.0, 11.0, 10.0, 30.0)
    jobs = [{"submit": 0.0, "run": run, "requested": run, "procs": 1} for run in runs]
    demand = np.array([[3, 2], [4, 5], [0, 4], [1, 3], [0, 3]])
    site = Site(TRACE, sequence(jobs, [4, 8], demand))
    site.play(np.arange(5.0), "conservative")
    assert site.starts.tolist() == [0, 10, 20, 0, 0]


def test_a_wait_costs_a_long_job_as_much_as_a_short_one():
    jobs = sequence(
        [{"submit": 0.0, "run": run, "requested": run, "procs": 1} for run in (7200.0, 3600.0)], [1]
    )
    env = dataclasses.replace(TRACE, reward=dataclasses.replace(TRACE.reward, wait_scale=10.0))
    for order, wait_h in (([0, 1], 2.0), ([1, 0], 1.0)):
        site, potential = Site(env, jobs), np.zeros(1)
        slowdown = (1.0 + 1.0 + wait_h / (1.0 if order[0] == 0 else 2.0)) / 2
        rewards = site.step_by(np.argsort(order).astype(float))
        assert sum(rewards) == pytest.approx(-slowdown - 10.0 * wait_h / 2)
        write_site_potential(site.arrays, site.rules, potential)
        assert potential[0] == 0.0
    site = Site(env, jobs)
    write_site_potential(site.arrays, site.rules, potential)
    assert potential[0] == pytest.approx(-(0.5 + 10.0 * 1.0) / 2)  # the short one first


@settings(max_examples=60)
@given(
    drawn=JOBS, priority=st.sampled_from(["fcfs", "sjf", "saf"]), backfill=st.sampled_from(["none", "easy"])
)
def test_a_wait_weighted_by_area_charges_for_work_put_off_whoever_s_it_is(drawn, priority, backfill):
    # Over a schedule, area * (start + run / 2) sums to the integral of t over what is busy.
    jobs, seconds = sequence(drawn_jobs(drawn), [PROCS]), np.arange(0.0, 400.0) + 0.5
    reward = dataclasses.replace(TRACE.reward, area_wait_scale=3600.0)
    site = Site(dataclasses.replace(TRACE, reward=reward, backfill=backfill), jobs)
    rewards = site.step_by(keys_of(jobs, priority))
    starts, area = site.starts, jobs.procs * jobs.run_s
    running = (starts[:, None] < seconds) & (seconds < (starts + jobs.run_s)[:, None])
    put_off = (jobs.procs @ running) @ seconds - (area * (jobs.submit_s + jobs.run_s / 2)).sum()
    slowdown = bounded_slowdowns(jobs.submit_s, starts, jobs.run_s).mean()
    assert sum(rewards) == pytest.approx(-slowdown - put_off / area.sum())


def test_a_window_shows_the_smallest_or_the_oldest():
    jobs = sequence(
        [{"submit": 0.0, "run": run, "requested": run, "procs": 5} for run in (50.0, 30.0, 40.0, 10.0)], [5]
    )
    for visible, rows in (("smallest", [3, 1]), ("oldest", [0, 1])):
        site = Site(dataclasses.replace(TRACE, visible=visible, max_queue_size=2), jobs)
        assert site.state.queue[0, :2].tolist() == rows
        assert site.mask[0].tolist() == [True, True, True]


def test_waiting_pays_for_every_job_and_a_wrong_action_waits():
    # One processor: the second job waits until it is chosen, 10 s of waiting cost a job of 20 s half a slowdown.
    jobs = sequence(
        [{"submit": s, "run": 20.0, "requested": 20.0, "procs": 1} for s in (0.0, 0.0, 10.0)], [1]
    )
    site = Site(TRACE, jobs)
    reward = site.step(7)
    assert (site.record["invalid_action"], site.record["now_s"]) == (True, 10.0)
    assert reward == pytest.approx(-(1.5 + 1.5 + 1.0) / 3)
    assert site.step(1) == pytest.approx(-(1.0 + 1.0) / 3)  # 20 s more for the two that wait
    assert (site.record["now_s"], site.record["invalid_steps"]) == (30.0, 1)


def test_a_reservation_is_not_delayed_on_any_resource():
    # 4 GPUs and 8 CPUs. The head wants all GPUs at 10; the GPU-free fillers may run past it, but not on its 6 CPUs.
    jobs = [{"submit": 0.0, "run": run, "requested": run, "procs": 1} for run in (10.0, 5.0, 50.0, 50.0, 9.0)]
    demand = np.array([[3, 1], [4, 6], [0, 2], [0, 1], [1, 1]])
    env = dataclasses.replace(TRACE, backfill="easy", visible="oldest")
    site = Site(env, sequence(jobs, [4, 8], demand))
    site.step_by([0, 1, 2, 3, 4])
    assert site.starts.tolist() == [0, 10, 0, 15, 0]


@pytest.mark.parametrize("step", ["decision", "commit"])
def test_the_potential_ends_at_nothing_and_charges_what_stands_in_the_way(step):
    env = TRACE if step == "decision" else COMMITTED
    jobs = sequence(
        [{"submit": 0.0, "run": run, "requested": run, "procs": 1} for run in (1000.0, 10.0)], [1]
    )
    site, potential = Site(env, jobs), np.zeros(1)
    write_site_potential(site.arrays, site.rules, potential)
    # The short job first: the long one then waits 10 s, a slowdown of 0.01 over two jobs.
    assert potential[0] == pytest.approx(-0.01 / 2) if step == "decision" else potential[0] == 0.0
    site.step_by([0, 1])
    write_site_potential(site.arrays, site.rules, potential)
    assert potential[0] == 0.0


@pytest.mark.parametrize("backfill", ["none", "easy"])
def test_no_more_is_taken_than_there_is_whatever_a_policy_does(backfill):
    draws = np.random.default_rng(5)
    jobs = sequence(random_jobs(60, 16), [16])
    site = Site(dataclasses.replace(TRACE, backfill=backfill), jobs)
    while not site.record["finished"]:
        site.step(int(draws.choice(np.flatnonzero(site.mask[0]))))
    starts, ends = site.starts, site.starts + jobs.run_s
    assert site.record["terminated"]
    assert (starts >= jobs.submit_s).all()
    for moment in starts:
        assert jobs.procs[(starts <= moment) & (ends > moment)].sum() <= 16
    slowdown = bounded_slowdowns(jobs.submit_s, starts, jobs.run_s).mean()
    assert site.record["total_return"] == pytest.approx(-slowdown)
