"""The potential that rewards are shaped with, and the staggered start of training episodes."""

from __future__ import annotations

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.envs.vector import VectorClusterEnv, random_feasible_actions
from sched_rl.evaluation.fluid_bound import fluid_bound


def make_env(num_envs, *overrides):
    config = load_config("train", ["env=playbook", "env.jobs_per_episode=40", *overrides])
    env = VectorClusterEnv(config.env, "playbook", num_envs, seed=3, with_potential=True)
    env.reset()
    return config.env, env


def naive_potential(config, env, c):
    """What a fluid cluster would still earn, job by job: it serves its backlog at full rate as the rest arrives."""
    state, cluster = env._batch.state, env._batch.state.clusters[c]
    now_s, gpus, total, horizon_s = (
        cluster["now_s"],
        config.num_gpus,
        cluster["total_work"],
        cluster["horizon_s"],
    )
    incomplete, backlog, arrivals = 0.0, 0.0, []
    for row, job in enumerate(state.jobs[c]):
        width, left_s = int(state.demand[c, row, 0]), job["duration_s"]
        if not np.isnan(job["start_s"]):
            left_s = max(job["start_s"] + job["duration_s"] - now_s, 0.0)
        incomplete += job["work"] if left_s > 0 else 0.0
        if job["submit_s"] > now_s:
            arrivals.append((job["submit_s"], job["work"]))
        else:
            backlog += left_s * width
    rate_then = gpus if config.step == "decision" else naive_rate(config, env, c, arrivals)
    integral = 0.0
    for at_s, work in [*sorted(arrivals), (np.inf, 0.0)]:
        rate = rate_then if at_s == np.inf else gpus
        busy_s = min(at_s - now_s, backlog / rate)
        integral += busy_s * (backlog - busy_s * rate / 2)
        end_s = now_s + busy_s
        now_s, backlog = at_s, backlog - busy_s * rate + work
    earned = incomplete / total - integral / (horizon_s * total) + max(horizon_s - end_s, 0.0) / horizon_s
    cut_off = rate_then * max(end_s - horizon_s, 0.0)
    return earned - 2 * cut_off / total - lost_work(config, state, c) / total


def naive_rate(config, env, c, arrivals):
    """GPUs that stay busy after the last arrival: what runs then, beside it jobs of the mean width of the rest."""
    state, now_s = env._batch.state, env._batch.state.clusters[c]["now_s"]
    last_s = max((at_s for at_s, _ in arrivals), default=now_s)
    jobs, widths = state.jobs[c], state.demand[c, :, 0]
    waiting = np.isnan(jobs["start_s"])
    if not waiting.any():
        return config.num_gpus
    mean_width = jobs["work"][waiting].sum() / jobs["duration_s"][waiting].sum()
    running = jobs["start_s"] + jobs["duration_s"] > last_s
    more = (config.num_gpus - widths[running].sum()) / mean_width
    more = more if arrivals else min(more, 1.0)
    return min(config.num_gpus, (running.sum() + more) * mean_width)


def lost_work(config, state, c):
    """Work of the jobs of the cluster that miss their due times even if no other job starts before them."""
    now_s, lost = state.clusters[c]["now_s"], 0.0
    widths = state.demand[c, :, 0]
    ends = sorted(
        (job["start_s"] + job["duration_s"], width)
        for job, width in zip(state.jobs[c], widths, strict=True)
        if job["start_s"] + job["duration_s"] > now_s
    )
    for job, width in zip(state.jobs[c], widths, strict=True):
        if job["submit_s"] > now_s or job["start_s"] + job["duration_s"] <= now_s:
            continue
        start_s = job["start_s"]
        if np.isnan(start_s):
            instants = [now_s, *(end_s for end_s, _ in ends)]
            free = {at_s: config.num_gpus - sum(w for end_s, w in ends if end_s > at_s) for at_s in instants}
            start_s = min(at_s for at_s in instants if free[at_s] >= width)
        lost += job["work"] if start_s + job["duration_s"] > job["due_s"] + 1e-3 else 0.0
    return lost


@pytest.mark.parametrize(
    "workload",
    [
        ["env.arrival_span=2000"],
        ["env.arrival_span=60000"],
        ["env.arrival_span=20000", "env.due_slack_min=0.1", "env.due_slack_max=6"],
    ],
    ids=["lasting backlog", "backlogs that run out", "due times"],
)
def test_potential_is_what_a_fluid_cluster_earns_along_episodes(workload):
    """Whether the backlog lasts through the arrivals or runs out between them, less what is lost to due times."""
    config, env = make_env(4, "env.arrival_mode=bursty", *workload)
    draws = np.random.default_rng(0)
    for _ in range(60):
        expected = [naive_potential(config, env, c) for c in range(4)]
        env.step(random_feasible_actions(env.action_mask, draws))
        np.testing.assert_allclose(env.potential_before, expected, atol=1e-9)


def test_potential_of_a_fresh_episode_is_the_fluid_bound():
    config, env = make_env(6)
    env.step(np.zeros(6, np.int64))
    bounds = [fluid_bound(env._source.workload(int(seed))[1], config.num_gpus) for seed in env._episode_seeds]
    np.testing.assert_allclose(env.potential_before, bounds, atol=1e-9)


def test_potential_of_one_step_is_that_before_the_next_unless_the_episode_ended():
    _, env = make_env(8)
    draws, ends = np.random.default_rng(1), 0
    env.step(random_feasible_actions(env.action_mask, draws))
    for _ in range(200):
        after, ended = env.potential_after.copy(), env.terminated | env.truncated
        assert (after[env.terminated] == 0).all()
        env.step(random_feasible_actions(env.action_mask, draws))
        np.testing.assert_array_equal(env.potential_before[~ended], after[~ended])
        ends += int(ended.sum())
    assert ends >= 8


def test_what_shaping_leaves_of_a_full_cluster_is_nearly_nothing():
    """While no GPU stands idle and nothing arrives, next to nothing."""
    _, env = make_env(1, "env.arrival_mode=all_at_zero", "env.num_gpus=1", "env.reward.noop_penalty_scale=0")
    env.step(np.array([1]))  # from here on the single GPU is busy until the last job
    shaped, expected = [], []
    cluster = env._batch.state.clusters[0]
    while not (env.terminated[0] or env.truncated[0]):
        env.step(np.array([1 if env.action_mask[0, 1] else 0]))
        if not (env.terminated[0] or env.truncated[0]):
            shaped.append(env.reward[0] + env.potential_after[0] - env.potential_before[0])
            # The real time pressure takes the backlog at the right end of a step, the fluid one all along it.
            expected.append(env.dt_s[0] ** 2 / (2 * cluster["horizon_s"] * cluster["total_work"]))
    assert len(shaped) > 20
    np.testing.assert_allclose(shaped, expected, atol=1e-7)


def test_a_missed_due_time_is_felt_when_it_is_lost_and_not_again_at_completion():
    scales = ("progress", "time_pressure", "noop_penalty", "early_finish_bonus", "deadline_miss_penalty")
    due = ("env.arrival_span=20000", "env.due_slack_min=0.1", "env.due_slack_max=6")
    _, env = make_env(1, *due, *(f"env.reward.{scale}_scale=0" for scale in scales))
    draws, shaped, charged = np.random.default_rng(0), [], []
    while not (env.terminated[0] or env.truncated[0]):
        env.step(random_feasible_actions(env.action_mask, draws))
        shaped.append(env.reward[0] + env.potential_after[0] - env.potential_before[0])
        charged.append(env.reward[0])
    assert env.terminated[0]
    assert max(shaped) <= 1e-12  # a charge that was foretold costs nothing more
    assert sum(shaped) == pytest.approx(sum(charged))
    steps = np.arange(len(shaped))
    assert np.dot(shaped, steps) / sum(shaped) < np.dot(charged, steps) / sum(charged) - 10


def test_staggered_clusters_are_spread_over_the_phases_of_an_episode():
    _, env = make_env(16)
    env.stagger(80, seed=1)
    steps = np.sort(env._batch.state.clusters["steps"])
    assert len(np.unique(steps)) >= 14
    assert steps[-1] - steps[0] >= 60


def test_staggering_is_the_same_for_the_same_seed():
    first, second = (make_env(4)[1] for _ in range(2))
    for env in (first, second):
        env.stagger(80, seed=1)
    np.testing.assert_array_equal(first.observation, second.observation)


@pytest.mark.parametrize("nothing_fits", [True, False])
def test_random_feasible_actions_are_legal(nothing_fits):
    mask = np.zeros((200, 6), bool)
    mask[:, 0] = True
    mask[:, [2, 4]] = not nothing_fits
    actions = random_feasible_actions(mask, np.random.default_rng(0))
    assert set(actions.tolist()) == ({0} if nothing_fits else {2, 4})
