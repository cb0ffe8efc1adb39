"""A scorer's parameters in flat arrays, with the plan and the room that the compiled passes need."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sched_rl.agents.kernels.layers import INPUTS, OUTPUTS
from sched_rl.agents.kernels.scorer_plan import Plain, ScorerPlan, Scratch
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.networks.pooled_value import PooledValue
from sched_rl.agents.networks.scorer import ScorerPolicy

#: Jobs and states of a chunk at most: so that its arrays, forward and backward, stay in the second-level cache.
_CHUNK_JOBS, _CHUNK_STATES = 1600, 32


class FusedScorer:
    """A scorer's parameters and gradients in flat arrays, with room for the compiled passes.

    Args:
        network: read anew for every pass; on the CPU.
    """

    def __init__(self, network: ActorCritic) -> None:
        self.network = network
        self.parameters = list(network.parameters())
        self.kind = np.dtype(str(self.parameters[0].dtype).removeprefix("torch."))
        size = sum(parameter.numel() for parameter in self.parameters)
        self.flat, self.transposed = np.zeros(size, self.kind), np.zeros(size, self.kind)
        self.gradient, self.of_transposed = np.zeros(size, self.kind), np.zeros(size, self.kind)
        self._copies = self._views(self.flat)
        self.gradients = self._views(self.gradient)
        self.chunk_size = max(1, min(_CHUNK_STATES, _CHUNK_JOBS // network.layout.window))
        plan = _plan(network)
        self.layers = _all_layers(plan)
        self.plan = tuple(plan)
        self.scratch = tuple(_scratch(plan, network, self.chunk_size, self.kind))

    @staticmethod
    def serves(network: ActorCritic) -> bool:
        """Whether this is a network that the compiled passes know."""
        return isinstance(network.policy, ScorerPolicy) and isinstance(network.value, PooledValue)

    @property
    def head(self) -> tuple[Plain, Plain, NDArray[np.int64], NDArray[Any], NDArray[Any], int]:
        """What every pass takes first; the parameters are copied as they are now."""
        with torch.no_grad():
            for copy, parameter in zip(self._copies, self.parameters, strict=True):
                copy.copy_(parameter)
        return self.plan, self.scratch, self.layers, self.flat, self.transposed, self.chunk_size

    def _views(self, flat: NDArray[Any]) -> list[Tensor]:
        pieces = torch.from_numpy(flat).split([parameter.numel() for parameter in self.parameters])
        return [piece.view_as(like) for piece, like in zip(pieces, self.parameters, strict=True)]


def _plan(network: ActorCritic) -> ScorerPlan:
    starts, start = {}, 0
    for name, parameter in network.named_parameters():
        starts[name] = start
        start += parameter.numel()
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}

    def layer(weight: str, bias: str) -> NDArray[np.int64]:
        outputs, inputs = shapes[weight]
        return np.array([inputs, outputs, starts[weight], starts[bias]], np.int64)

    def linear(name: str) -> NDArray[np.int64]:
        return layer(f"{name}.weight", f"{name}.bias")

    def stack(name: str, body: nn.Module) -> NDArray[np.int64]:
        places = [place for place, part in body.named_children() if isinstance(part, nn.Linear)]
        return np.array([linear(f"{name}.{place}") for place in places], np.int64).reshape(-1, 4)

    policy, value = network.policy, network.value
    return ScorerPlan(
        window=network.layout.window,
        columns=network.layout.job_features,
        policy_pool=linear("policy.pool.layer"),
        value_pool=linear("value.pool.layer"),
        context=linear("policy.context").reshape(1, 4),
        entry=layer("policy.entry_weight", "policy.entry_bias"),
        body=stack("policy.body", policy.get_submodule("body")),
        head=linear("policy.head"),
        noop=starts["policy.noop_bias"],
        value_body=stack("value.body", value.get_submodule("body")),
        value_head=linear("value.head"),
    )


def _all_layers(plan: ScorerPlan) -> NDArray[np.int64]:
    single = (plan.policy_pool, plan.value_pool, plan.entry, plan.head, plan.value_head)
    return np.concatenate(
        [*(layer.reshape(1, 4) for layer in single), plan.context, plan.body, plan.value_body]
    )


def _scratch(plan: ScorerPlan, network: ActorCritic, states: int, kind: np.dtype[Any]) -> Scratch:
    jobs, rows = states * plan.window, states * (plan.window + 1)
    units = int(plan.policy_pool[OUTPUTS] + plan.value_pool[OUTPUTS])
    width = (
        int(2 * plan.value_pool[OUTPUTS]) + network.layout.profile_features + network.layout.context_features
    )
    context_width, context = int(plan.context[0, INPUTS]), int(plan.context[0, OUTPUTS])
    entry = int(plan.entry[OUTPUTS])
    hidden, value_hidden = int(plan.body[:, OUTPUTS].sum()), int(plan.value_body[:, OUTPUTS].sum())
    layers = _all_layers(plan)

    def floats(size: int) -> NDArray[Any]:
        return np.zeros(size, kind)

    return Scratch(
        jobs=floats(jobs * plan.columns),
        job_offsets=np.zeros(states + 1, np.int64),
        features=floats(jobs * units),
        argmax=np.zeros(states * units, np.int32),
        pooled=floats(states * 2 * units),
        of_pooled=floats(states * 2 * units),
        value_input=floats(states * width),
        of_value_input=floats(states * width),
        value_hidden=floats(states * value_hidden),
        of_value_hidden=floats(states * value_hidden),
        context_input=floats(states * context_width),
        of_context_input=floats(states * context_width),
        context=floats(states * context),
        of_context=floats(states * context),
        terms=floats(states * entry),
        of_terms=floats(states * entry),
        rows=floats(rows * (plan.columns + 1)),
        row_action=np.zeros(rows, np.int64),
        row_offsets=np.zeros(states + 1, np.int64),
        entry=floats(rows * entry),
        of_entry=floats(rows * entry),
        hidden=floats(rows * hidden),
        of_hidden=floats(rows * hidden),
        logits=floats(rows),
        of_logits=floats(rows),
        probabilities=floats(rows),
        part=floats(int((layers[:, INPUTS] * layers[:, OUTPUTS]).max()) + plan.columns * units),
    )
