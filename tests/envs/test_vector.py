"""The training environment: batches, endless episodes, rollout buffers, saved and continued."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.config.load import load_env_config
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import SimulationError
from sched_rl.workloads.playbook import generate_workload
from tests.simulator.instances import playbook

OUTCOMES = ("reward", "dt_s", "terminated", "truncated", "invalid_action", "noop_feasible")


def short_episodes(**changes):
    """Episodes of some twenty steps, some cut off, so that a short test sees many ends."""
    return playbook(**{"jobs_per_episode": 12, "max_queue_size": 5, "max_episode_time": 9_000.0} | changes)


def seen(env):
    """Everything that the last step showed, copied."""
    numbers = {name: getattr(env, name).copy() for name in (*OUTCOMES, "observation", "action_mask")}
    ended = env.terminated | env.truncated
    return numbers | {"final": env.final_observation[ended].copy(), "finished": copy.copy(env.finished)}


def assert_same(ours, theirs):
    assert ours["finished"] == theirs["finished"]
    for name in set(ours) - {"finished"}:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def mostly_legal(mask, rng):
    """A random legal action of each row, and now and then nonsense."""
    keys = np.where(mask, rng.random(mask.shape), -1.0)
    keys[:, 0] *= 0.3
    return np.where(rng.random(len(mask)) < 0.05, rng.integers(-2, 60, len(mask)), keys.argmax(axis=1))


@pytest.mark.parametrize("encoding", ["playbook", "rich"])
@pytest.mark.parametrize("step", ["event", "decision"])
@pytest.mark.parametrize("lookahead", ["per_gpu", "cdf"])
def test_a_batch_is_its_clusters_one_by_one(encoding, step, lookahead):
    """Each on its own, in arrays that no other episode has used before."""
    env, rng = short_episodes(step=step, lookahead=lookahead), np.random.default_rng(3)
    batch = VectorClusterEnv(env, encoding, 5, seed=8)
    batch.reset()
    first_seeds = batch.state()["episode_seeds"].tolist()
    singles = [ClusterBatch(env, encoding, 1) for _ in range(5)]
    for single, seed in zip(singles, first_seeds, strict=True):
        single.begin(0, env, generate_workload(env, seed))
    episodes = 0
    for _ in range(150):
        for index, single in enumerate(singles):
            np.testing.assert_array_equal(batch.observation[index], single.observation[0])
            np.testing.assert_array_equal(batch.action_mask[index], single.action_mask[0])
        actions = mostly_legal(batch.action_mask, rng)
        batch.step(actions)
        for index, single in enumerate(singles):
            single.step(actions[index : index + 1])
            for name in OUTCOMES:
                assert getattr(batch, name)[index] == single.state.clusters[name][0]
        episodes += len(batch.finished)
        for ended in batch.finished:
            single = singles[ended.env_index]
            assert ended.total_return == single.state.clusters["total_return"][0]
            np.testing.assert_array_equal(batch.final_observation[ended.env_index], single.observation[0])
            seed = int(batch.state()["episode_seeds"][ended.env_index])
            singles[ended.env_index] = fresh = ClusterBatch(env, encoding, 1)
            fresh.begin(0, env, generate_workload(env, seed))
    assert episodes > 10


def test_the_same_seed_gives_the_same_episodes_and_another_others():
    envs = [VectorClusterEnv(short_episodes(), "rich", 3, seed=seed) for seed in (5, 5, 6)]
    for env in envs:
        env.reset()
    rng, differed = np.random.default_rng(0), False
    for _ in range(60):
        actions = mostly_legal(envs[0].action_mask, rng)
        for env in envs:
            env.step(actions)
        assert_same(seen(envs[0]), seen(envs[1]))
        differed |= bool((envs[0].observation != envs[2].observation).any())
    assert differed


def test_a_cluster_does_not_depend_on_how_many_stand_beside_it():
    few, many = (VectorClusterEnv(short_episodes(), "playbook", n, seed=5) for n in (2, 7))
    few.reset()
    many.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = mostly_legal(many.action_mask, rng)
        many.step(actions)
        few.step(actions[:2].copy())
        np.testing.assert_array_equal(few.observation, many.observation[:2])
        assert few.finished == [each for each in many.finished if each.env_index < 2]


@settings(max_examples=20)
@given(st.integers(0, 60), st.sampled_from(["playbook", "rich"]), st.sampled_from(["event", "decision"]))
def test_a_saved_state_continues_to_the_bit(steps_before, encoding, step):
    families = {
        name: short_episodes(name=name, heavy_tail_frac=tail) for name, tail in (("a", 0.1), ("b", 0.6))
    }
    mixture = short_episodes(families=("a", "b"), step=step)
    envs = [VectorClusterEnv(mixture, encoding, 3, seed=seed, families=families) for seed in (1, 2)]
    original, other = envs
    original.reset()
    rng, episodes = np.random.default_rng(steps_before), 0
    for _ in range(steps_before):
        original.step(mostly_legal(original.action_mask, rng))
    saved = copy.deepcopy(original.state())
    other.load_state(saved)
    for _ in range(60):
        actions = mostly_legal(original.action_mask, rng)
        original.step(actions)
        other.step(actions)
        assert_same(seen(original), seen(other))
        episodes += len(original.finished)
    assert episodes > 3
    assert original.state()["seed_streams"] == other.state()["seed_streams"]


def test_a_saved_state_is_not_moved_by_later_steps():
    env = VectorClusterEnv(short_episodes(), "playbook", 2, seed=1)
    env.reset()
    saved = env.state()
    before = copy.deepcopy(saved)
    for _ in range(40):
        env.step(np.ones(2, np.int64))
    np.testing.assert_equal(saved, before)


def test_a_saved_state_holds_plain_containers_only():
    def check(value):
        if isinstance(value, dict):
            for key, each in value.items():
                assert isinstance(key, str)
                check(each)
        elif isinstance(value, list):
            for each in value:
                check(each)
        elif isinstance(value, np.ndarray):
            assert value.dtype.names is None
            assert value.dtype != object
            assert value.flags.c_contiguous
        else:
            assert isinstance(value, (int, float, str, bool))

    env = VectorClusterEnv(short_episodes(), "playbook", 2, seed=1)
    env.reset()
    check(env.state())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"num_envs": 1}, r"clusters\.now_s is float64 \(2,\), this environment holds float64 \(1,\)"),
        ({"jobs_per_episode": 1}, r"jobs\.duration_s is float64 \(2, 12\), .* \(2, 1\)"),
        ({"encoding": "rich"}, r"observation is float32 \(2, 30\)"),
    ],
)
def test_a_state_of_another_shape_is_refused_rather_than_broadcast(other, message):
    env = VectorClusterEnv(short_episodes(), "playbook", 2, seed=1)
    env.reset()
    family = short_episodes(jobs_per_episode=other.get("jobs_per_episode", 12))
    target = VectorClusterEnv(family, other.get("encoding", "playbook"), other.get("num_envs", 2), seed=1)
    with pytest.raises(SimulationError, match=message):
        target.load_state(env.state())


def test_a_state_that_lacks_an_array_is_refused():
    env = VectorClusterEnv(short_episodes(), "playbook", 2, seed=1)
    saved = env.state()
    del saved["batch"]["clusters"]["jobs"]["due_s"]
    with pytest.raises(SimulationError, match=r"jobs\.due_s is nothing"):
        env.load_state(saved)


def test_steps_write_into_the_slots_of_a_rollout_buffer():
    env, rng = VectorClusterEnv(short_episodes(), "playbook", 4, seed=2), np.random.default_rng(1)
    plain = VectorClusterEnv(short_episodes(), "playbook", 4, seed=2)
    env.reset()
    plain.reset()
    observations = np.full((31, 4, env.layout.size), np.nan, np.float32)
    masks = np.ones((31, 4, env.layout.num_actions), np.bool_)
    observations[0], masks[0] = env.observation, env.action_mask
    for t in range(30):
        actions = mostly_legal(env.action_mask, rng)
        env.step(actions, observations[t + 1], masks[t + 1])
        plain.step(actions)
        assert env.observation.base is observations
        assert_same(seen(env), seen(plain))
        np.testing.assert_array_equal(observations[t + 1], plain.observation)
        np.testing.assert_array_equal(masks[t + 1], plain.action_mask)
    assert np.isfinite(observations).all()


def test_episodes_report_what_they_were():
    env = VectorClusterEnv(short_episodes(), "playbook", 3, seed=4)
    env.reset()
    returns, lengths, noops, invalid = (np.zeros(3) for _ in range(4))
    rng, ended = np.random.default_rng(0), []
    for _ in range(120):
        actions = mostly_legal(env.action_mask, rng)
        env.step(actions)
        returns += env.reward
        lengths += 1
        noops += (actions == 0) | env.invalid_action
        invalid += env.invalid_action
        for episode in env.finished:
            i = episode.env_index
            assert episode.total_return == pytest.approx(returns[i])
            assert (episode.steps, episode.noop_steps, episode.invalid_steps) == (
                lengths[i],
                noops[i],
                invalid[i],
            )
            assert episode.terminated == env.terminated[i]
            assert 2**31 <= episode.seed < 2**32
            returns[i] = lengths[i] = noops[i] = invalid[i] = 0
        ended += env.finished
    assert {episode.terminated for episode in ended} == {True, False}


def test_reset_with_seeds_plays_exactly_those_workloads():
    env = short_episodes()
    vector = VectorClusterEnv(env, "playbook", 3, seed=4)
    vector.reset({0: 0, 2: 2**32 - 1})
    batch = ClusterBatch(env, "playbook", 1)
    for index, seed in ((0, 0), (2, 2**32 - 1)):
        batch.begin(0, env, generate_workload(env, seed))
        np.testing.assert_array_equal(vector.observation[index], batch.observation[0])


def test_reset_wipes_what_the_last_step_left():
    env = VectorClusterEnv(short_episodes(max_episode_steps=1), "playbook", 2, seed=4)
    env.reset()
    env.step(np.array([1, 99]))
    assert env.finished
    env.reset()
    assert not env.finished
    for name in OUTCOMES:
        assert not getattr(env, name).any()


def test_a_mixture_plays_every_family_with_its_own_workloads():
    config = load_env_config(["env=mixed", "env.jobs_per_episode=5", "env.max_episode_steps=20"])
    env = VectorClusterEnv(config.env, "rich", 8, seed=0, families=config.families)
    env.reset()
    played = set()
    for _ in range(200):
        env.step(env.action_mask[:, 1:].argmax(axis=1) + env.action_mask[:, 1:].any(axis=1))
        played |= {episode.family for episode in env.finished}
    assert played == set(config.env.families)


def test_stepping_before_the_first_reset_is_an_error():
    env = VectorClusterEnv(short_episodes(), "playbook", 2, seed=4)
    with pytest.raises(SimulationError, match="step before the first reset"):
        env.step(np.zeros(2, np.int64))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"actions": np.zeros(3, np.int64)}, r"actions is int64 \(3,\): must be int64 \(2,\)"),
        ({"actions": np.zeros(2, np.int32)}, r"actions is int32 \(2,\): must be int64"),
        ({"observation": np.zeros((2, 31), np.float32)}, r"observation is float32 \(2, 31\)"),
        ({"observation": np.zeros((2, 30))}, r"observation is float64"),
        ({"observation": np.zeros((30, 2), np.float32).T}, r"not C-contiguous or read-only"),
        ({"action_mask": np.zeros((2, 6), np.int8)}, r"action_mask is int8"),
    ],
)
def test_arrays_that_the_kernels_would_misread_are_refused(arguments, message):
    env = VectorClusterEnv(short_episodes(), "playbook", 2, seed=4)
    env.reset()
    with pytest.raises(SimulationError, match=message):
        env.step(**{"actions": np.zeros(2, np.int64)} | arguments)
