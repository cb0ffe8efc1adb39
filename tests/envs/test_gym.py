"""The Gymnasium face: conventions, seeds, agreement of the single and the vector environment, where it may run."""

from __future__ import annotations

import copy
import functools
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

import sched_rl
from sched_rl.config.load import load_env_config
from sched_rl.envs.batch import ClusterBatch
from sched_rl.errors import ConfigError, SimulationError
from sched_rl.workloads.playbook import generate_workload

#: Episodes of some twenty steps.
SHORT = ["env.jobs_per_episode=12", "env.max_queue_size=5", "env.max_episode_time=9000"]
#: Episodes whose first observation tells them apart.
AT_ONCE = [*SHORT, "env.arrival_mode=all_at_zero"]


def mostly_legal(mask, rng):
    """A random legal action, and now and then nonsense."""
    return int(rng.integers(-2, 60)) if rng.random() < 0.1 else int(rng.choice(np.flatnonzero(mask)))


def play(overrides, seed, num_steps=60):
    """A fixed random play: the sum of everything that the environment says."""
    env, rng = sched_rl.make_env(overrides), np.random.default_rng(0)
    observation, info = env.reset(seed=seed)
    total = 0.0
    for _ in range(num_steps):
        observation, reward, terminated, truncated, info = env.step(mostly_legal(info["action_mask"], rng))
        total += float(observation.sum()) + reward
        if terminated or truncated:
            observation, info = env.reset()
    return total


# --- conventions ---


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["env=heavy", "env.observation=rich"],
        ["env=deadline", "env.step=decision"],
        ["env=mixed", "env.observation=rich"],
        ["env.lookahead=per_gpu"],
    ],
)
def test_gymnasiums_checker_passes_without_a_warning(overrides):
    check_env(sched_rl.make_env(overrides))


def test_playbook_is_the_default_and_observations_are_one_flat_box():
    env = sched_rl.make_env([])
    assert isinstance(env, gymnasium.Env)
    assert env.observation_space == gymnasium.spaces.Box(0.0, 1.0, (4 * 50 + 8 + 2,), np.float32)
    assert env.action_space == gymnasium.spaces.Discrete(51)
    rich = sched_rl.make_env(["env.observation=rich"])
    assert rich.observation_space.shape == (50 * 14 + 16 + 32,)


@pytest.mark.parametrize("encoding", ["playbook", "rich"])
@pytest.mark.parametrize(
    "extreme", [[], ["env.max_episode_time=1"], ["env.max_duration=33.3", "env.num_gpus=3"]]
)
def test_observations_stay_in_their_space_to_the_end(encoding, extreme):
    env, rng = (
        sched_rl.make_env(["env=deadline", f"env.observation={encoding}", *extreme]),
        np.random.default_rng(2),
    )
    observation, info = env.reset(seed=5)
    for _ in range(900):
        assert observation in env.observation_space
        observation, _, terminated, truncated, info = env.step(mostly_legal(info["action_mask"], rng))
        if terminated or truncated:
            assert observation in env.observation_space
            observation, info = env.reset()


def test_the_mask_belongs_to_the_observation_it_comes_with():
    env = sched_rl.make_env(SHORT)
    observation, info = env.reset(seed=3)
    for _ in range(15):
        mask = info["action_mask"]
        assert mask.dtype == np.bool_
        assert mask[0]
        jobs, idle = observation[:20].reshape(5, 4), observation[-2]
        np.testing.assert_array_equal(mask[1:], (jobs[:, 0] > 0) & (jobs[:, 2] <= idle))
        observation, _, terminated, truncated, info = env.step(int(mask[1:].argmax() + mask[1:].any()))
        if terminated or truncated:
            break


@pytest.mark.parametrize(
    "action", [-1, 6, 10**30, -(10**30), np.int64(77), np.array(60), np.uint64(2**64 - 1), 0.5]
)
def test_an_action_out_of_range_is_an_invalid_noop(action):
    invalid, noop = sched_rl.make_env(SHORT), sched_rl.make_env(SHORT)
    invalid.reset(seed=3)
    noop.reset(seed=3)
    observation, reward, *_, info = invalid.step(action)
    expected, expected_reward, *_, noop_info = noop.step(0)
    assert info["invalid_action"] is True
    assert noop_info["invalid_action"] is False
    assert reward == expected_reward
    np.testing.assert_array_equal(observation, expected)


@pytest.mark.parametrize("action", [1, np.int64(1), np.int32(1), np.array(1), 1.0])
def test_numbers_of_any_type_are_actions(action):
    env = sched_rl.make_env(["env.arrival_mode=all_at_zero"])
    env.reset(seed=3)
    assert env.step(action)[-1]["invalid_action"] is False


def test_steps_outside_an_episode_want_a_reset():
    env = sched_rl.make_env([*SHORT, "env.max_episode_steps=1"])
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) before step\(\)"):
        env.step(0)
    env.reset(seed=1)
    assert env.step(0)[3] is True
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        sched_rl.make_vec_env(SHORT, 2).step(np.zeros(2, np.int64))


# --- seeds ---


@pytest.mark.parametrize("seed", [0, 2000001, 2**32 - 1, np.int64(7)])
def test_a_seed_is_the_workloads_seed(seed):
    config = load_env_config(AT_ONCE).env
    batch = ClusterBatch(config, "playbook", 1)
    batch.begin(0, config, generate_workload(config, int(seed)))
    observation, info = sched_rl.make_env(AT_ONCE).reset(seed=seed)
    np.testing.assert_array_equal(observation, batch.observation[0])
    np.testing.assert_array_equal(info["action_mask"], batch.action_mask[0])


def test_without_a_seed_reset_draws_on():
    def three(env, **first):
        return [env.reset(**first)[0], env.reset()[0], env.reset()[0]]

    ours, again = three(sched_rl.make_env(AT_ONCE), seed=9), three(sched_rl.make_env(AT_ONCE), seed=9)
    for one, other in zip(ours, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (ours[0] != ours[1]).any()
    assert (ours[1] != ours[2]).any()
    unseeded = [three(sched_rl.make_env(AT_ONCE))[0] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()
    asked_for = [three(sched_rl.make_env([*AT_ONCE, "seed=4"]))[0] for _ in range(2)]
    np.testing.assert_array_equal(asked_for[0], asked_for[1])


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "3", True])
def test_a_seed_that_names_no_workload_is_refused(seed):
    with pytest.raises(SimulationError, match=r"must be a whole number from 0 to 4294967295"):
        sched_rl.make_env(AT_ONCE).reset(seed=seed)
    with pytest.raises(SimulationError, match=r"must be a whole number from 0 to 4294967295"):
        sched_rl.make_vec_env(AT_ONCE, 2).reset(seed=[seed, None])


def test_reset_takes_no_options():
    with pytest.raises(SimulationError, match=r"reset\(options=\{'seed': 3\}\): takes no options"):
        sched_rl.make_env(AT_ONCE).reset(options={"seed": 3})


# --- saving, copying, other ways to make one ---


@pytest.mark.parametrize("make", [sched_rl.make_env, functools.partial(sched_rl.make_vec_env, num_envs=3)])
def test_a_saved_environment_continues_to_the_bit(make):
    def step(env, t):
        result = env.step(np.full(3, t % 6) if hasattr(env, "num_envs") else t % 6)
        if not hasattr(env, "num_envs") and (result[2] or result[3]):
            return (*result, env.reset())
        return result

    original, other = make(SHORT), make(SHORT)
    original.reset(seed=5)
    for t in range(30):
        step(original, t)
    copied = copy.deepcopy(original)
    other.load_state(original.state())
    for t in range(60):
        expected = step(original, t)
        assert data_equivalence(step(other, t), expected, exact=True)
        assert data_equivalence(step(copied, t), expected, exact=True)


def test_the_spec_makes_the_same_environment_from_json_too():
    env = sched_rl.make_env([*SHORT, "env.observation=rich"])
    made = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert made.observation_space == env.observation_space
    np.testing.assert_array_equal(made.reset(seed=3)[0], env.reset(seed=3)[0])
    made.close()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("env=heavy", r"overrides='env=heavy': must be a list of overrides, such as \['env=heavy'\]"),
        (["env=hevy"], "hevy"),
        (["env.num_gpu=3"], "num_gpus"),
        (["env.num_gpus=0"], r"env\.num_gpus=0: must be"),
    ],
)
def test_wrong_overrides_are_config_errors(overrides, message):
    for make in (sched_rl.make_env, functools.partial(sched_rl.make_vec_env, num_envs=2)):
        with pytest.raises(ConfigError, match=message):
            make(overrides)


def test_the_package_offers_what_names_promise_and_nothing_else():
    assert {"make_env", "make_vec_env", "load_scheduler"} <= set(dir(sched_rl))
    assert callable(sched_rl.load_scheduler)
    with pytest.raises(AttributeError, match="has no attribute 'make_enf'"):
        _ = sched_rl.make_enf


# --- where it may run ---


def test_threads_make_and_play_at_once():
    expected = [play(SHORT, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(functools.partial(play, SHORT), range(4))) == expected


def test_spawned_workers_make_and_play():
    reference = SyncVectorEnv([functools.partial(sched_rl.make_env, SHORT)] * 2)
    workers = AsyncVectorEnv([functools.partial(sched_rl.make_env, SHORT)] * 2, context="spawn")
    try:
        ours, theirs = workers.reset(seed=3), reference.reset(seed=3)
        for _ in range(30):
            np.testing.assert_array_equal(ours[0], theirs[0])
            actions = np.array([1, 2])
            ours, theirs = workers.step(actions), reference.step(actions)
            np.testing.assert_array_equal(ours[1], theirs[1])
    finally:
        workers.close()
        reference.close()


def test_an_environment_made_in_a_spawned_worker_comes_back_whole():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        env = pool.submit(functools.partial(sched_rl.make_vec_env, [*SHORT, "seed=2"], 3)).result()
    ours, theirs = env.reset(), sched_rl.make_vec_env([*SHORT, "seed=2"], 3).reset()
    np.testing.assert_array_equal(ours[0], theirs[0])
    env.step(np.ones(3, np.int64))


def test_inside_a_hydra_main(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "import hydra, sched_rl\n"
        "@hydra.main(version_base=None, config_path=None)\n"
        "def main(config):\n"
        f"    env = sched_rl.make_env({SHORT})\n"
        f"    vector = sched_rl.make_vec_env({SHORT}, 2)\n"
        "    print(float(env.reset(seed=3)[0].sum()), float(vector.reset(seed=3)[0][0].sum()), config)\n"
        "main()\n"
    )
    command = [sys.executable, "-W", "error", str(script), "+x=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = float(sched_rl.make_env(SHORT).reset(seed=3)[0].sum())
    assert done.stdout.split(maxsplit=2) == [str(expected), str(expected), "{'x': 1}\n"]
