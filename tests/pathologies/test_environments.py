"""Faulty training environments: each is the ordinary one but for its fault, and only from its onset on."""

from __future__ import annotations

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.envs.vector import VectorClusterEnv, random_feasible_actions
from sched_rl.pathologies import make_faulty_env

TINY = ["env.jobs_per_episode=20", "agent.num_envs=4", "agent.rollout_steps=8", "agent.num_minibatches=1"]
STEPS = 60


def both(pathology, *overrides):
    """The faulty environment and the ordinary one of the same config, begun."""
    config = load_config("train", [f"pathology={pathology}", *TINY, *overrides])
    ordinary = VectorClusterEnv(
        config.env,
        config.agent.network.observation,
        config.agent.num_envs,
        seed=config.seed,
        families=config.families,
        with_potential=config.agent.shape_rewards,
    )
    pair = make_faulty_env(config, config.agent, config.pathology), ordinary
    for env in pair:
        env.reset()
    return pair


def play(faulty, ordinary, num_steps=STEPS):
    """Step both with actions that are truly legal; yields after each step."""
    draws = np.random.default_rng(0)
    for _ in range(num_steps):
        actions = random_feasible_actions(ordinary.action_mask, draws)
        faulty.step(actions)
        ordinary.step(actions)
        yield actions


def test_stale_masks_are_those_of_the_step_before_and_steps_are_judged_by_the_true_ones():
    faulty, ordinary = both("mask_bug")
    before = ordinary.action_mask.copy()
    for _ in play(faulty, ordinary):
        np.testing.assert_array_equal(faulty.action_mask, before)
        np.testing.assert_array_equal(faulty.observation, ordinary.observation)
        assert not faulty.invalid_action.any()
        before = ordinary.action_mask.copy()


def test_shifted_masks_begin_with_the_onset():
    faulty, ordinary = both("mask_bug_off_by_one", "pathology.onset_update=4")
    wrong = [bool((faulty.action_mask != ordinary.action_mask).any()) for _ in play(faulty, ordinary)]
    before_onset = 3 * 8  # updates 1 to 3, eight steps each
    assert not any(wrong[: before_onset - 1])
    assert any(wrong[before_onset:])


@pytest.mark.parametrize("slot", [True, False])
def test_a_rollout_slot_gets_the_mask_that_is_shown(slot):
    faulty, _ = both("mask_bug_off_by_one", "pathology.onset_update=0")
    mask = np.zeros_like(faulty.action_mask)
    faulty.step(np.zeros(4, np.int64), None, mask if slot else None)
    if slot:
        np.testing.assert_array_equal(mask, faulty.action_mask)
    assert faulty.action_mask[:, 0].all(), "the no-op stays legal"


def test_a_scaled_reward_scales_what_shapes_it_and_leaves_finished_returns_true():
    faulty, ordinary = both("critic_bottleneck")
    finished = []
    for _ in play(faulty, ordinary, 100):
        np.testing.assert_allclose(faulty.reward, 1000 * ordinary.reward)
        np.testing.assert_allclose(faulty.potential_after, 1000 * ordinary.potential_after)
        finished += [
            (a.total_return, b.total_return) for a, b in zip(faulty.finished, ordinary.finished, strict=True)
        ]
    assert finished
    assert all(a == b for a, b in finished)


def test_a_bonus_is_paid_for_waits_although_a_job_fits_and_for_nothing_else():
    faulty, ordinary = both("noop_collapse_bonus")
    draws, bonus = np.random.default_rng(0), 0.02
    paid = []
    for _ in range(STEPS):
        actions = random_feasible_actions(ordinary.action_mask, draws) * draws.integers(0, 2, 4)
        faulty.step(actions)
        ordinary.step(actions)
        np.testing.assert_allclose(faulty.reward - ordinary.reward, bonus * ordinary.noop_feasible)
        paid.append(ordinary.noop_feasible.copy())
    assert 0 < np.mean(paid) < 1


def test_the_cost_of_the_queue_sets_in_little_by_little():
    faulty, ordinary = both("slow_drift", "pathology.onset_update=2", "pathology.environment.ramp_updates=4")
    cost = [float((ordinary.reward - faulty.reward).sum()) for _ in play(faulty, ordinary, 72)]
    assert cost[: 8 + 1] == [0.0] * 9, "none in the first update"
    early, late = sum(cost[9:24]), sum(cost[40:])
    assert 0 < early < late


def test_a_changed_workload_is_the_old_one_until_the_onset():
    faulty, ordinary = both("env_shift", "pathology.onset_update=5", "env.jobs_per_episode=10")
    same = [np.array_equal(faulty.observation, ordinary.observation) for _ in play(faulty, ordinary, 4 * 8)]
    assert all(same)
    longest = ordinary.batch.state.jobs["duration_s"].max()
    for _ in range(60):
        faulty.step(random_feasible_actions(faulty.action_mask, np.random.default_rng(1)))
    assert faulty.batch.state.jobs["duration_s"].max() < 0.5 * longest, "0.4 of the longest job"


def test_lost_boundaries_hide_the_ends_of_episodes_and_nothing_else():
    config = load_config("train", ["experiment=study_mlp_gae_bug", "env.jobs_per_episode=20"])
    faulty = make_faulty_env(config, config.agent, config.pathology)
    ordinary = VectorClusterEnv(config.env, "playbook", 1, seed=config.seed)
    faulty.reset()
    ordinary.reset()
    ends = 0
    for _ in play(faulty, ordinary, 200):
        ends += int(ordinary.terminated[0] or ordinary.truncated[0])
        assert not faulty.terminated[0]
        assert not faulty.truncated[0]
        assert faulty.finished == ordinary.finished
        np.testing.assert_array_equal(faulty.observation, ordinary.observation)
    assert ends >= 2


def test_leaked_seeds_are_those_that_select_the_checkpoint():
    config = load_config("train", ["pathology=narrow_eval", *TINY])
    faulty, _ = both("narrow_eval")
    seen = set()
    for _ in range(200):
        faulty.step(random_feasible_actions(faulty.action_mask, np.random.default_rng(0)))
        seen |= {episode.seed for episode in faulty.finished}
    first, count = config.eval.first_seed, config.eval.num_blocks * config.eval.episodes_per_block
    assert seen
    assert seen <= set(range(first, first + count))


@pytest.mark.parametrize("pathology", ["mask_bug_off_by_one", "slow_drift", "env_shift", "narrow_eval"])
def test_an_environment_continues_where_its_state_was_taken(pathology):
    first, _ = both(pathology, "pathology.onset_update=3")
    second, _ = both(pathology, "pathology.onset_update=3")
    draws = np.random.default_rng(0)

    def trace(env, num_steps, seed):
        choose, rows = np.random.default_rng(seed), []
        for _ in range(num_steps):
            env.step(random_feasible_actions(env.batch.action_mask, choose))
            rows.append((env.reward.copy(), env.action_mask.copy(), env.observation.copy()))
        return rows

    trace(first, 20, draws.integers(99))
    second.load_state(first.state())
    for a, b in zip(trace(first, 30, 7), trace(second, 30, 7), strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left, right)
