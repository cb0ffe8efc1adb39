"""Which job a written scheduler starts, on windows written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.schedulers.registry import build_scheduler

# duration, priority, GPUs, wait (all normalised) of five window jobs; the last does not fit
JOBS = np.array(
    [
        [0.3, 0.5, 0.5, 0.9],
        [0.1, 0.9, 0.25, 0.5],
        [0.1, 0.9, 0.125, 0.6],
        [0.8, 0.2, 0.125, 0.4],
        [0.05, 1.0, 1.0, 0.95],
    ],
    np.float32,
)


def observation(jobs=JOBS, window=8, idle=0.5):
    row = np.zeros((1, 4 * window + 8 + 2), np.float32)
    row[0, : jobs.size] = jobs.ravel()
    row[0, -2:] = idle, 1 - idle
    mask = np.zeros((1, window + 1), bool)
    mask[0, 0] = True
    mask[0, 1 : len(jobs) + 1] = jobs[:, 2] <= idle
    return row, mask


def chosen(name, row, mask, *overrides):
    scheduler = build_scheduler(load_config("train", [f"agent={name}", *overrides]).agent)
    family = load_config("train", ["env=playbook"]).env
    scheduler.begin([family], [7])
    return int(scheduler.actions(row, mask, np.ones(1, bool))[0])


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("fifo", 1),  # the longest wait that fits
        ("sjf", 2),  # the shortest, the first on ties
        ("priority", 3),  # the highest priority, then the longer wait
        ("longest", 4),
        ("narrowest", 3),  # the first of two one-GPU jobs
        ("least_work", 3),
    ],
)
def test_rule_starts(name, action):
    assert chosen(name, *observation()) == action


@pytest.mark.parametrize(
    "name", ["fifo", "sjf", "priority", "longest", "narrowest", "least_work", "linear_score"]
)
def test_waits_when_nothing_fits(name):
    row, mask = observation(JOBS[-1:])
    assert chosen(name, row, mask) == 0


def test_linear_score_takes_the_smallest_score():
    row, mask = observation()
    weights = [-9.81, -9.44, 19.41, -0.69, 7.05, -2.06]
    duration, _, gpus, wait = JOBS[:4].astype(float).T
    features = np.stack([duration, gpus, duration * gpus, np.log(duration), wait, 0.5 - gpus])
    expected = 1 + int(np.argmin(np.array(weights) @ features))
    assert chosen("linear_score", row, mask, f"agent.weights={weights}".replace(" ", "")) == expected


def test_linear_score_waits_above_its_threshold():
    row, mask = observation()
    assert chosen("linear_score", row, mask, "agent.noop_threshold=-1000") == 0


@pytest.mark.parametrize("due", [True, False])
def test_least_laxity_starts_what_can_wait_least_and_the_lost_last(due):
    slack = ("env.due_slack_min=0.1", "env.due_slack_max=6") if due else ()
    config = load_config(
        "train",
        ["env=playbook", "env.jobs_per_episode=40", "agent=least_laxity", "env.arrival_span=40000", *slack],
    )
    scheduler, env = build_scheduler(config.agent), VectorClusterEnv(config.env, "rich", 8, seed=1)
    env.reset()
    kinds = set()
    for _ in range(150):
        chosen = scheduler.actions(env.observation, env.action_mask, np.ones(8, bool))
        state = env.batch.state
        for c, action in enumerate(chosen):
            legal = np.flatnonzero(env.action_mask[c, 1:])
            jobs = state.jobs[c][state.queue[c, state.clusters[c]["queue_head"] + legal]]
            spare_s = jobs["due_s"] - jobs["duration_s"] - state.clusters[c]["now_s"]
            # The encoding sees no difference below exp(-6) of the longest duration, nor above all of it.
            least_s = np.exp(-6) * config.env.max_duration
            rank = np.where(spare_s < 0, np.inf, np.clip(spare_s, least_s, config.env.max_duration))
            assert action == (legal[np.argmin(rank)] + 1 if legal.size else 0)
            kinds |= {(bool((spare_s < 0).any()), bool((spare_s >= 0).any()))} if legal.size > 1 else set()
        env.step(chosen)
    assert ((True, True) in kinds) == due


@pytest.mark.parametrize("family", ["light", "deadline"])
def test_laxity_score_is_the_linear_score_without_due_times_and_least_laxity_with_them(family):
    agents = {"light": "linear_score_mixed", "deadline": "least_laxity"}
    rule, expected = (
        build_scheduler(load_config("train", [f"agent={name}", f"env={family}"]).agent)
        for name in ("laxity_score", agents[family])
    )
    config = load_config("train", ["agent=fifo", f"env={family}", "env.arrival_span=20000"])
    rich, own = (VectorClusterEnv(config.env, each, 8, seed=2) for each in ("rich", expected.encoding))
    rich.reset()
    own.reset()
    same, chances = 0, 0
    for _ in range(150):
        first = rule.actions(rich.observation, rich.action_mask, np.ones(8, bool))
        second = expected.actions(own.observation, own.action_mask, np.ones(8, bool))
        contested = rich.action_mask[:, 1:].sum(axis=1) > 1
        same, chances = same + int((first == second)[contested].sum()), chances + int(contested.sum())
        rich.step(first)
        own.step(first)
    assert chances > 150
    assert same == chances if family == "light" else same > 0.8 * chances


@pytest.mark.parametrize("parity", ["true", "false"])
def test_random_feasible_draws_every_fitting_job_and_no_other(parity):
    config = load_config("train", ["agent=rand_feas_no0", f"agent.parity={parity}"])
    scheduler = build_scheduler(config.agent)
    family = load_config("train", ["env=playbook"]).env
    scheduler.begin([family], [7])
    row, mask = observation()
    draws = [int(scheduler.actions(row, mask, np.ones(1, bool))[0]) for _ in range(400)]
    counts = np.bincount(draws, minlength=6)
    assert set(draws) == {1, 2, 3, 4}
    assert counts[1:5].min() > 60


def test_random_feasible_repeats_with_its_seed():
    family = load_config("train", ["env=playbook"]).env
    row, mask = observation()
    runs = []
    for _ in range(2):
        scheduler = build_scheduler(load_config("train", ["agent=rand_feas_no0"]).agent)
        scheduler.begin([family], [7])
        runs.append([int(scheduler.actions(row, mask, np.ones(1, bool))[0]) for _ in range(50)])
    assert runs[0] == runs[1]
