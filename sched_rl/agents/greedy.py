"""Scoring without gradients in one fixed shape: greedy actions, and how far two policies are apart.

A matrix product may round differently when the number of its rows changes. States are therefore scored 64
at a time, the last block padded, so that a state's scores do not depend on which others are scored with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from sched_rl.agents.distributions import kl_divergence, masked_log_softmax
from sched_rl.agents.evaluators import raise_all_masked, raise_unservable
from sched_rl.agents.networks import ActorCritic
from sched_rl.errors import CheckpointError

SCORED_ROWS = 64

Score = Callable[[Tensor], Tensor]


class GreedyPolicy:
    """The most probable action of a network.

    Args:
        network: scored as it is at the time of each call.
        device: where the network lives.
        mask_actions: choose among legal actions; otherwise among all.
    """

    def __init__(self, network: ActorCritic, device: torch.device, *, mask_actions: bool) -> None:
        self.network = network
        self.device = device
        self.mask_actions = mask_actions

    @torch.no_grad()
    def actions(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The greedy action of each state, the first of equals.

        Args:
            observation: float32 (M, D).
            mask: bool (M, A), true where legal.

        Returns:
            int64 (M,). A state's action does not depend on the other states of the call.

        Raises:
            SimulationError: when a state has no legal action or its logits are not finite.
        """
        chosen = np.empty(len(observation), np.int64)
        for block, logits in self._blocks(self.network.logits, observation):
            scores, legal = logits.float().cpu().numpy(), mask[block]
            scores = scores[: len(legal)]
            if not legal.any(1).all():
                raise_all_masked(block.start + int(np.flatnonzero(~legal.any(1))[0]))
            if not np.isfinite(scores).all():
                row = int(np.flatnonzero(~np.isfinite(scores).all(1))[0])
                raise_unservable(self.network, legal, row)
            chosen[block] = (np.where(legal, scores, -np.inf) if self.mask_actions else scores).argmax(1)
        return chosen

    @torch.no_grad()
    def mean_kl(
        self,
        reference: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        observation: NDArray[np.float32],
        mask: NDArray[np.bool_],
    ) -> float:
        """Mean KL(reference, other) over states, for two parameter sets of this network's policy path.

        Args:
            reference: parameters by name, as `policy_parameters` gives them.
            other: likewise.
            observation: float32 (M, D).
            mask: bool (M, A).
        """
        return kl_between(self.network, reference, other, observation, mask if self.mask_actions else None)

    def _blocks(self, score: Score, observation: NDArray[np.float32]) -> Iterator[tuple[slice, Tensor]]:
        return scored_blocks(score, observation, self.device)


def scored_blocks(
    score: Score, observation: NDArray[np.float32], device: torch.device
) -> Iterator[tuple[slice, Tensor]]:
    """Scores of 64 states at a time; the rows of the last block beyond the states are padding."""
    padded = np.zeros((SCORED_ROWS, observation.shape[1]), np.float32)
    for first in range(0, len(observation), SCORED_ROWS):
        block = slice(first, min(first + SCORED_ROWS, len(observation)))
        padded[: block.stop - first] = observation[block]
        padded[block.stop - first :] = 0.0
        yield block, score(torch.from_numpy(padded).to(device))


def load_weights(network: ActorCritic, weights: Mapping[str, Tensor]) -> None:
    """Copy weights, by name, into a network.

    Raises:
        CheckpointError: when they are of another network.
    """
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        raise CheckpointError(
            f"weights do not fit the network: {detail}; "
            "use the agent.network and env.max_queue_size they were made with"
        ) from error


def policy_parameters(network: ActorCritic) -> dict[str, Tensor]:
    """A copy of the policy path's parameters, by name."""
    return {name: tensor.detach().clone() for name, tensor in network.policy.state_dict().items()}


@torch.no_grad()
def kl_between(
    network: ActorCritic,
    reference: Mapping[str, Tensor],
    other: Mapping[str, Tensor],
    observation: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
) -> float:
    """Mean KL(reference, other) in nats over states, for two parameter sets of the network's policy path.

    Args:
        network: gives the shape of the policy; its own parameters are not used.
        reference: parameters of the first policy, as `policy_parameters` gives them.
        other: of the second.
        observation: float32 (M, D).
        mask: bool (M, A), or None when every action is legal.
    """
    device = next(network.parameters()).device
    total = 0.0

    def both(states: Tensor) -> Tensor:
        logits: list[Any] = [
            functional_call(network.policy, dict(parameters), (states,)) for parameters in (reference, other)
        ]
        return torch.stack(logits)

    for block, logits in scored_blocks(both, observation, device):
        count = block.stop - block.start
        legal = None if mask is None else torch.from_numpy(mask[block]).to(device)
        first, second = (masked_log_softmax(scores[:count], legal) for scores in logits)
        total += float(kl_divergence(first, second).double().sum())
    return total / len(observation)
