"""A number that is not finite ends the run in the update where it appears, and never becomes the best."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import torch

from sched_rl.agents.losses import LossTerms
from sched_rl.agents.ppo import PPO
from sched_rl.checkpoint import CheckpointStore
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.train import main

TRAINING = ["debug=smoke", "progress=off", "tracking=none", "baselines=[]", "eval.every_updates=1"]
FAULTY_UPDATE = 3


@pytest.fixture
def poison(monkeypatch):
    """Lets a fault act on the learner after two updates: before the rollout, after it, or on the environment's step."""

    def install(fault, place):
        collect, calls = PPO.collect, []

        def collect_and_poison(self, env):
            calls.append(self)
            is_due = len(calls) == FAULTY_UPDATE
            if is_due and place == "before":
                fault(self)
            if is_due and place == "step":
                step = VectorClusterEnv.step

                def poisoned(env, *arguments, **keywords):
                    step(env, *arguments, **keywords)
                    fault(env)

                monkeypatch.setattr(VectorClusterEnv, "step", poisoned)
            collect(self, env)
            if is_due and place == "after":
                fault(self)

        monkeypatch.setattr(PPO, "collect", collect_and_poison)

    return install


def spoil_weight(learner):
    with torch.no_grad():
        next(learner.network.value.parameters()).view(-1)[0] = math.nan


def spoil_policy(learner):
    with torch.no_grad():
        next(learner.network.policy.parameters()).view(-1)[0] = math.inf


def spoil_loss(learner):
    index = LossTerms._fields.index("v_loss")

    def spoiled(terms):
        terms = terms.clone()
        terms[index] = terms[0] = math.nan
        return terms

    while_learning(learner, spoiled)


def spoil_gradient(learner):
    def spoiled(terms):
        next(learner.network.value.parameters()).grad.view(-1)[0] = math.inf
        return terms

    while_learning(learner, spoiled)


def while_learning(learner, spoiled):
    """Let a fault act on the loss terms and gradients of every minibatch from now on."""
    evaluator = learner._update.evaluator
    differentiate = evaluator.differentiate
    evaluator.differentiate = lambda *arguments: spoiled(differentiate(*arguments))


def spoil_step(learner):
    """The optimizer itself leaves a weight that is no number."""
    optimizer = learner._update.optimizer
    step = optimizer.step

    def spoiled():
        step()
        spoil_policy(learner)

    optimizer.step = spoiled


def spoil_reward(env):
    env.batch.state.clusters["reward"][1] = math.nan


def spoil_observation(env):
    env.observation[2] = np.inf


@pytest.mark.parametrize("kernel", ["fused", "dense"])
@pytest.mark.parametrize(
    ("fault", "place", "named"),
    [
        (spoil_weight, "after", "value."),
        (spoil_policy, "before", "policy."),
        (spoil_reward, "step", "reward"),
        (spoil_observation, "step", "observation"),
        (spoil_loss, "before", "v_loss (loss term)"),
        (spoil_gradient, "before", "gradient of value."),
        (spoil_step, "before", "policy."),
    ],
)
def test_the_run_stops_within_the_update_and_names_the_tensor(
    tmp_path, capsys, poison, fault, place, named, kernel
):
    poison(fault, place)
    folder = tmp_path / "run"
    assert main([*TRAINING, f"run.folder={folder}", f"agent.kernel={kernel}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: in update 3: ")
    assert said.count("\n") == 1
    assert named in said
    assert "sound up to update 2, step 512" in said
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["update"] for row in rows] == ["0", "1", "2"]
    best = CheckpointStore(folder / "checkpoints").best_path()
    assert best is not None
    assert int(best.stem.split("_")[1]) <= 2
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events[-1]["status"] == "FAILED"
