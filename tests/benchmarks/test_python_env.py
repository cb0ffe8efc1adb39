"""The Python environment is the compiled one, to the digit: only then do the benchmarks compare like with like."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from analysis.benchmarks.python_env.env import PythonClusterEnv
from sched_rl.config.load import load_env_config
from sched_rl.envs.adapters.single import ClusterEnv
from sched_rl.envs.adapters.vector import ClusterVectorEnv
from sched_rl.errors import ConfigError

FAMILIES = {
    "playbook": [],
    "heavy": ["env=heavy"],
    "due times": ["env=deadline"],
    "mixture": ["env=mixed"],
    "numbered GPUs": ["env.lookahead=per_gpu"],
    "sorted run-out": ["env.lookahead=sorted"],
    "no look-ahead": ["env.lookahead=off"],
    "narrow window, many GPUs": ["env.num_gpus=64", "env.max_queue_size=5"],
    "all at once": ["env.arrival_mode=all_at_zero"],
    "step limit": ["env.max_episode_steps=70"],
    "early cut": ["env=deadline", "env.max_episode_time=20000"],
}


def play(env, mask_of, seed, actions):
    """Every observation, mask, reward and flag of an episode under a list of actions."""
    observation, info = env.reset(seed=seed)
    rows = [(observation, mask_of(env, info))]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        rows.append((observation, mask_of(env, info), reward, terminated, truncated))
        if terminated or truncated:
            break
    return rows


def choose_actions(config, encoding, seed):
    """Mostly jobs that fit, some no-ops, some actions that are illegal or out of range."""
    env, draws, actions = (
        ClusterEnv(config.env, encoding, families=config.families),
        np.random.default_rng(0),
        [],
    )
    _, info = env.reset(seed=seed)
    over = False
    while not over:
        legal = np.flatnonzero(info["action_mask"])
        any_action = draws.integers(-2, len(info["action_mask"]) + 2)
        actions.append(int(draws.choice(legal) if draws.random() < 0.9 else any_action))
        _, _, terminated, truncated, info = env.step(actions[-1])
        over = terminated or truncated
    return actions


@pytest.mark.parametrize("encoding", ["playbook", "rich"])
@pytest.mark.parametrize("overrides", FAMILIES.values(), ids=FAMILIES.keys())
@pytest.mark.parametrize("seed", [3, 2_147_483_655])
def test_python_and_compiled_environment_agree_to_the_digit(overrides, encoding, seed):
    config = load_env_config(["env.jobs_per_episode=120", *overrides])
    actions = choose_actions(config, encoding, seed)
    compiled = ClusterEnv(config.env, encoding, families=config.families)
    plain = PythonClusterEnv(config.env, encoding, families=config.families)
    expected = play(compiled, lambda _, info: info["action_mask"], seed, actions)
    got = play(plain, lambda env, _: env.action_masks(), seed, actions)
    assert len(got) == len(expected) == len(actions) + 1
    for step, (row, wanted) in enumerate(zip(got, expected, strict=True)):
        for part, value in zip(row, wanted, strict=True):
            np.testing.assert_array_equal(part, value, err_msg=f"after step {step}", strict=True)


def test_they_agree_in_batches_across_the_ends_of_episodes():
    config = load_env_config(["env.jobs_per_episode=20"])
    compiled = ClusterVectorEnv(config.env, "rich", 3)
    plain = SyncVectorEnv(
        [lambda: PythonClusterEnv(config.env, "rich")] * 3, autoreset_mode=AutoresetMode.SAME_STEP
    )
    wanted, info = compiled.reset(seed=5)
    got, _ = plain.reset(seed=5)
    draws, ended = np.random.default_rng(0), 0
    for _ in range(150):
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(np.stack(plain.call("action_masks")), info["action_mask"])
        actions = np.array([draws.choice(np.flatnonzero(row)) for row in info["action_mask"]])
        wanted, *outcome, info = compiled.step(actions)
        got, *plain_outcome, _ = plain.step(actions)
        for part, value in zip(plain_outcome, outcome, strict=True):
            np.testing.assert_array_equal(part, value)
        ended += int((outcome[1] | outcome[2]).sum())
    assert ended >= 6, "the batch should have gone past several ends"


def test_decision_steps_are_refused_rather_than_played_wrongly():
    config = load_env_config(["env.step=decision"])
    with pytest.raises(ConfigError, match="event"):
        PythonClusterEnv(config.env, "rich")
