"""Scoring without gradients: greedy actions, and how far two policies are apart.

A matrix product rounds a row differently with its number of rows and even with the row's position (seen
with MKL for narrow layers). So that an action does not depend on which other states are scored with it,
scores are computed in float64 and rounded to float32 before they are compared: what grouping changes lies
eight digits below what is kept. States that tie after that, such as two equal jobs, go to the first.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from sched_rl.agents.distributions import kl_divergence, masked_log_softmax
from sched_rl.agents.evaluators import raise_all_masked, raise_unservable
from sched_rl.agents.fused_scorer import FusedScorer
from sched_rl.agents.kernels.categorical import SERVED, best_masked, best_packed
from sched_rl.agents.kernels.fused_acting import best_scorer
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.networks.base import PackablePolicy, packed_logits
from sched_rl.agents.packed import pack
from sched_rl.agents.rollout import forbid_voluntary_waits
from sched_rl.config.schema import Kernel
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import CheckpointError

#: States scored at a time, so that a large batch does not outgrow the caches.
_SCORED_STATES = 256


class GreedyPolicy:
    """The most probable action of a network.

    Args:
        network: scored as it is at the time of each call.
        device: where the network lives.
        mask_actions: choose among legal actions; otherwise among all.
        voluntary_waits: the no-op competes with the jobs that fit; otherwise it is left to states without one.
        kernel: `dense`, `packed` (legal rows only) or `fused` (those, in one compiled call), or the next that
            the network has and that runs on the device; the same scores.
    """

    def __init__(
        self,
        network: ActorCritic,
        device: torch.device,
        *,
        mask_actions: bool,
        voluntary_waits: bool,
        kernel: Kernel,
    ) -> None:
        self.network = network
        self.device = device
        self.mask_actions = mask_actions
        self.voluntary_waits = voluntary_waits
        precise = copy.deepcopy(network).double().requires_grad_(False)
        self._precise = precise.policy
        self._copies: list[Tensor] = list(self._precise.parameters())
        self._originals: list[Tensor] = list(network.policy.parameters())
        self._packable: PackablePolicy | None = None
        self._scorer: FusedScorer | None = None
        if kernel == "dense" or not mask_actions or device.type != "cpu":
            return
        if isinstance(self._precise, PackablePolicy):
            self._packable = self._precise
        if kernel == "fused" and FusedScorer.serves(precise):
            self._scorer = FusedScorer(precise)

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
        if not mask.any(1).all():
            raise_all_masked(int(np.flatnonzero(~mask.any(1))[0]))
        mask = self._legal(mask)
        chosen: NDArray[np.int64] = mask.argmax(1)
        open_states = np.arange(len(mask))
        if self.mask_actions:  # where one action is legal, no score can change it
            open_states = np.flatnonzero(mask.sum(1) > 1)
        torch._foreach_copy_(self._copies, self._originals)
        packable = self._packable
        for block in _blocks(len(open_states)):
            index = open_states[block]
            states, legal, out = observation[index], mask[index], np.empty(len(index), np.int64)
            if self._scorer is not None:
                row = best_scorer(*self._scorer.head, states.astype(np.float64), legal, out)
            elif packable is None:
                row = self._choose_dense(states, legal, out)
            else:
                row = _choose_packed(packable, self.network.layout, states, legal, out)
            if row != SERVED:
                raise_unservable(self.network, mask, int(index[row]))
            chosen[index] = out
        return chosen

    def _choose_dense(
        self, observation: NDArray[np.float32], mask: NDArray[np.bool_], chosen: NDArray[np.int64]
    ) -> int:
        logits: Tensor = self._precise(_precise_states(observation, self.device))
        legal = mask if self.mask_actions else np.ones_like(mask)
        return best_masked(logits.float().cpu().numpy(), legal, chosen)

    def mean_kl(
        self,
        reference: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        observation: NDArray[np.float32],
        mask: NDArray[np.bool_],
    ) -> float:
        """Mean KL(reference, other) over states; see `kl_between`."""
        legal = self._legal(mask) if self.mask_actions else None
        return kl_between(self.network, reference, other, observation, legal)

    def _legal(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self.voluntary_waits:
            return mask
        mask = mask.copy()
        forbid_voluntary_waits(mask)
        return mask


def _choose_packed(
    policy: PackablePolicy,
    layout: ObservationLayout,
    observation: NDArray[np.float32],
    mask: NDArray[np.bool_],
    chosen: NDArray[np.int64],
) -> int:
    everyone, num_rows = np.arange(len(observation)), int(np.count_nonzero(mask))
    states = pack(observation.astype(np.float64), mask, everyone, layout, num_rows)
    logits = packed_logits(policy, states).float().numpy()
    return best_packed(logits, states.row_action.numpy(), states.offsets.numpy(), chosen)


def _blocks(count: int) -> Iterator[slice]:
    for first in range(0, count, _SCORED_STATES):
        yield slice(first, min(first + _SCORED_STATES, count))


def _precise_states(observation: NDArray[np.float32], device: torch.device) -> Tensor:
    return torch.from_numpy(observation).to(device).double()


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
            "use the agent.network and env.max_queue_size they were made with, and the version of sched_rl: what a "
            "policy sees of a cluster changes between versions, and then it has to be trained anew"
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
    """Mean KL(reference, other) in nats over states, for two parameter sets of the network's policy path; nan without.

    Args:
        network: gives the shape of the policy; its own parameters are not used.
        reference: parameters of the first policy, as `policy_parameters` gives them.
        other: of the second.
        observation: float32 (M, D).
        mask: bool (M, A), or None when every action is legal.
    """
    device = next(network.parameters()).device
    total = 0.0
    for block in _blocks(len(observation)):
        states = _precise_states(observation[block], device)
        legal = None if mask is None else torch.from_numpy(mask[block]).to(device)
        first, second = (
            masked_log_softmax(functional_call(network.policy, _doubled(parameters), (states,)), legal)
            for parameters in (reference, other)
        )
        total += float(kl_divergence(first, second).sum())
    return total / len(observation) if len(observation) else float("nan")


def _doubled(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in parameters.items()}
