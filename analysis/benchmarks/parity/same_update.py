"""Is it the same algorithm? Both learn from the very same rollouts; then chance has no part in what differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from analysis.benchmarks.parity.learning import MaskablePeer, Ours
from analysis.benchmarks.parity.problems import UPDATES, Problem
from sched_rl.agents.rollout import RolloutBuffer


def largest_weight_difference(problem: Problem) -> float:
    """How far apart any weight of the two is after `UPDATES` updates from this project's rollouts.

    Advantages, targets, losses, clipping and optimizer are each one's own.

    Args:
        problem: that shuffles nothing (`UNSHUFFLED`).
    """
    ours, peer = Ours(problem), MaskablePeer(problem)
    peer.model._setup_learn(problem.agent.total_steps)
    for _ in range(UPDATES):
        ours.ppo.collect(ours.env)
        ours.ppo.update()  # leaves the rollout, valued, in its buffer
        _hand_over(ours.ppo.buffer, problem.agent.gamma, peer.model.rollout_buffer)
        peer.model.train()
    pairs = zip(ours.network.state_dict().values(), peer.network.state_dict().values(), strict=True)
    return max(float((one - other).abs().max()) for one, other in pairs)


def _hand_over(rollout: RolloutBuffer, gamma: float, theirs: Any) -> None:
    """Fill the library's buffer as its own collection does, the value that truncations cut off in the reward."""
    steps, num_envs = rollout.reward.shape
    done = rollout.terminated | rollout.truncated
    cut = rollout.truncated & ~rollout.terminated
    reward = (rollout.reward + np.where(cut, gamma * rollout.final_value, 0.0)).astype(np.float32)
    starts = np.concatenate([np.zeros((1, num_envs), np.bool_), done[:-1]]).astype(np.float32)
    theirs.reset()
    for t in range(steps):
        theirs.add(
            rollout.observation[t].copy(),
            rollout.action[t].reshape(num_envs, 1),
            reward[t],
            starts[t],
            torch.from_numpy(rollout.value[t].copy()),
            torch.from_numpy(rollout.log_prob[t].copy()),
            action_masks=rollout.mask[t],
        )
    theirs.compute_returns_and_advantage(torch.from_numpy(rollout.value[steps].copy()), done[-1])
