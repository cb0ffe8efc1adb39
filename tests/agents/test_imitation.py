"""The warm start: the policy imitates a fixed scheduler, then the critic catches up before the policy moves."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.schedules import num_critic_updates
from sched_rl.config.load import load_config
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.trainer import train

TINY = [
    "env.jobs_per_episode=30",
    "env.max_queue_size=12",
    "agent.num_envs=8",
    "agent.rollout_steps=32",
    "agent.num_minibatches=2",
    "agent.total_steps=5120",
    "agent.warm_start.teacher=linear_score",
    "agent.warm_start.num_rollouts=16",
    "agent.warm_start.num_epochs=4",
]


def learner(*overrides):
    config = load_config("train", [*TINY, *overrides])
    env = VectorClusterEnv(config.env, config.agent.network.observation, 8, seed=3, with_potential=True)
    env.reset()
    return config, env, build_ppo(config.agent, env.layout, config.seed, num_updates=20)


def agreement_on_fresh_workloads(config, ppo):
    teacher = build_scheduler(config.agent.warm_start.teacher_agent)
    encodings = (teacher.encoding, config.agent.network.observation)
    theirs, ours = envs = [VectorClusterEnv(config.env, encoding, 8, seed=99) for encoding in encodings]
    for env in envs:
        env.reset()
    same = []
    for _ in range(60):
        wanted = teacher.actions(theirs.observation, theirs.action_mask, np.ones(8, bool))
        chosen = ppo.greedy_actions(ours.observation, ours.action_mask)
        same += list((wanted == chosen)[theirs.action_mask.sum(1) > 1])
        for env in envs:
            env.step(wanted)
    return np.mean(same)


@pytest.mark.parametrize("teacher", ["linear_score", "longest"])
def test_the_policy_chooses_as_its_teacher_does_where_it_was_not_taught(teacher):
    config, _, ppo = learner(f"agent.warm_start.teacher={teacher}")
    untaught = agreement_on_fresh_workloads(config, ppo)
    imitated = ppo.imitate(config, config.agent.warm_start.teacher_agent)
    taught = agreement_on_fresh_workloads(config, ppo)  # of the average, which begins anew
    assert taught > 0.7 * untaught + 0.3, (untaught, taught)  # a third of the disagreement is gone
    assert imitated.teacher_steps == 16 * 32 * 8
    assert abs(imitated.agreement - taught) < 0.3


def test_the_critic_catches_up_before_the_policy_moves():
    _, env, ppo = learner("agent.warm_start.critic_updates=2")
    for update in range(3):
        before = {name: value.clone() for name, value in ppo.network.state_dict().items()}
        ppo.collect(env)
        metrics = ppo.update()
        moved = {
            name for name, value in ppo.network.state_dict().items() if not torch.equal(before[name], value)
        }
        assert any(name.startswith("value.") for name in moved)
        assert any(name.startswith("policy.") for name in moved) == (update == 2)
        assert (metrics["lr"] > 0) == np.isfinite(metrics["approx_kl_mean"]) == (update == 2)


def test_the_critic_alone_gets_at_most_a_tenth_of_a_run_and_nothing_without_a_teacher():
    start = load_config("train", ["env=heavy", "agent.warm_start.critic_updates=4"]).agent.warm_start
    assert start.teacher_agent.name == "linear_score_heavy"
    assert [num_critic_updates(start, updates) for updates in (9, 10, 39, 1000)] == [0, 1, 3, 4]
    cold = load_config("train", ["env=heavy", "agent.warm_start.teacher=null"]).agent.warm_start
    assert cold.teacher_agent is None
    assert num_critic_updates(cold, 1000) == 0


def test_a_run_says_what_its_policy_imitated(tmp_path):
    overrides = ["tracking=none", "diagnosis=none", "progress=off", "baselines=[]"]
    train(load_config("train", [*TINY, *overrides, "agent.total_steps=256"]), tmp_path / "run")
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    (event,) = [event for event in events if event["kind"] == "warm_start"]
    assert (event["teacher"], event["teacher_steps"]) == ("linear_score", 16 * 32 * 8)
    assert 0.2 < event["agreement"] <= 1
