"""The vector face: N clusters that answer as N single environments would, to the bit and the key."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import sched_rl
from sched_rl.errors import ConfigError, SimulationError
from tests.envs.test_gym import AT_ONCE, SHORT, mostly_legal


def assert_equal_infos(ours, theirs):
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_equal_infos(ours[key], value)
        elif value.dtype == object:
            assert [each is None for each in ours[key]] == [each is None for each in value]
            for one, other in zip(ours[key], value, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            assert ours[key].dtype == value.dtype
            np.testing.assert_array_equal(ours[key], value, err_msg=key)


@pytest.mark.parametrize("overrides", [SHORT, [*SHORT, "env=deadline", "env.observation=rich"]])
def test_the_vector_environment_is_its_single_ones_to_the_bit_and_the_key(overrides):
    vector = sched_rl.make_vec_env(overrides, 4)
    single = functools.partial(sched_rl.make_env, overrides)
    reference = SyncVectorEnv([single] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    for attribute in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(vector, attribute) == getattr(reference, attribute)
    assert vector.metadata["autoreset_mode"] == reference.metadata["autoreset_mode"]
    rng, ends = np.random.default_rng(5), 0
    for seeds in (7, [1, 2**32 - 1, 5, 0]):
        ours, theirs = vector.reset(seed=seeds), reference.reset(seed=seeds)
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert_equal_infos(ours[1], theirs[1])
        for _ in range(80):
            actions = np.array([mostly_legal(mask, rng) for mask in ours[1]["action_mask"]])
            *ours_arrays, ours_info = vector.step(actions)
            *theirs_arrays, theirs_info = reference.step(actions)
            for one, other in zip(ours_arrays, theirs_arrays, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
            assert_equal_infos(ours_info, theirs_info)
            ours = (ours_arrays[0], ours_info)
            ends += int((ours_arrays[2] | ours_arrays[3]).sum())
    assert ends > 20
    reference.close()


def test_what_the_vector_environment_gives_is_not_written_again():
    env = sched_rl.make_vec_env(SHORT, 3)
    given = [env.reset(seed=1)]
    before = copy.deepcopy(given)
    for _ in range(40):
        given.append(env.step(np.ones(3, np.int64)))
        before.append(copy.deepcopy(given[-1]))
    assert data_equivalence(given, before, exact=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda env: env.reset(seed=[1]), SimulationError, r"got 1 seeds, must be 2, one a cluster"),
        (lambda env: env.reset(seed=2**32 - 1), SimulationError, r"must be a whole number"),
        (lambda env: env.reset(options={"x": 1}), SimulationError, r"takes no options"),
        (
            lambda env: env.step(np.zeros(3, np.int64)),
            SimulationError,
            r"actions is int64 \(3,\): must be int64 \(2,\)",
        ),
        (lambda env: env.step(np.zeros(2)), SimulationError, r"actions are float64: must be whole numbers"),
    ],
)
def test_misuse_of_the_vector_environment_is_named(call, error, message):
    env = sched_rl.make_vec_env(SHORT, 2)
    env.reset(seed=1)
    with pytest.raises(error, match=message):
        call(env)


def test_at_least_one_cluster():
    with pytest.raises(ConfigError, match=r"num_envs=0: must be at least 1"):
        sched_rl.make_vec_env(SHORT, 0)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64, np.uint64, list])
def test_whole_numbers_of_any_type_are_actions(kind):
    env, reference = sched_rl.make_vec_env(AT_ONCE, 2), sched_rl.make_vec_env(AT_ONCE, 2)
    env.reset(seed=1)
    reference.reset(seed=1)
    ours = env.step([1, 2] if kind is list else np.array([1, 2], kind))
    assert data_equivalence(ours, reference.step(np.array([1, 2])), exact=True)


def test_unsigned_actions_beyond_int64_are_invalid_too():
    env = sched_rl.make_vec_env(SHORT, 2)
    env.reset(seed=1)
    infos = env.step(np.array([2**64 - 1, 0], np.uint64))[-1]
    assert infos["invalid_action"].tolist() == [True, False]
