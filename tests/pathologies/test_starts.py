"""Bad starts: a policy that is sure too early, and one that a fixed rule taught."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.config.load import load_config
from sched_rl.config.schema import PriorityRuleConfig
from sched_rl.envs.vector import VectorClusterEnv, random_feasible_actions
from sched_rl.pathologies import spoil_start
from sched_rl.schedulers.registry import build_scheduler

TINY = ["env.jobs_per_episode=30", "agent.num_envs=8", "agent.rollout_steps=32", "agent.num_minibatches=1"]


def learner(*overrides):
    config = load_config("train", [*TINY, *overrides])
    env = VectorClusterEnv(
        config.env, config.agent.network.observation, 8, seed=3, with_potential=config.agent.shape_rewards
    )
    env.reset()
    return config, env, build_ppo(config.agent, env.layout, config.seed)


@pytest.mark.parametrize("network", ["scorer", "mlp", "attention"])
def test_a_peaked_start_hardly_explores(network):
    config, env, ppo = learner("pathology=premature_determinism", f"agent/network={network}")
    even = ppo.collect(env).metrics["entropy_frac"]
    spoil_start(config, config.agent, ppo)
    assert ppo.collect(env).metrics["entropy_frac"] < 0.1 < 0.5 < even


def test_a_cloned_start_does_what_its_teacher_does():
    patient = [
        "pathology.start.teacher=sjf",
        "pathology.start.num_epochs=4",
        "pathology.start.num_rollouts=8",
    ]
    config, _, ppo = learner("pathology=early_best", *patient)
    spoil_start(config, config.agent, ppo)
    teacher = build_scheduler(
        PriorityRuleConfig(kind="priority_rule", name="sjf", priority="sjf", mode="greedy")
    )
    envs = [VectorClusterEnv(config.env, encoding, 8, seed=99) for encoding in ("playbook", "rich")]
    for env in envs:
        env.reset()
    draws, agreed = np.random.default_rng(0), []
    for _ in range(60):
        wanted = teacher.actions(envs[0].observation, envs[0].action_mask, np.ones(8, bool))
        chosen = ppo.greedy_actions(envs[1].observation, envs[1].action_mask)
        durations = np.array([playbook_durations(env, row) for env, row in ((envs[0], r) for r in range(8))])
        has_choice = envs[0].action_mask.sum(1) > 1
        rows = np.arange(8)
        same = durations[rows, wanted] == durations[rows, chosen]
        agreed += list(same[has_choice])
        actions = random_feasible_actions(envs[0].action_mask, draws)
        for env in envs:
            env.step(actions)
    assert np.mean(agreed) > 0.8


def playbook_durations(env, row):
    """Duration of what each action starts; the no-op has none of its own."""
    jobs = env.observation[row, : 4 * env.layout.window].reshape(-1, 4)
    return np.concatenate(([-1.0], jobs[:, 0]))


def test_a_run_without_a_pathology_keeps_its_weights():
    config, _, ppo = learner()
    before = {name: value.clone() for name, value in ppo.network.state_dict().items()}
    spoil_start(config, config.agent, ppo)
    assert all(torch.equal(before[name], value) for name, value in ppo.network.state_dict().items())
