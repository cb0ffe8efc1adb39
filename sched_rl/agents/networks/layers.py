"""The pieces that networks share: initialised layers, stacks of them, the division of an observation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sched_rl.envs.layout import ObservationLayout

HIDDEN_GAIN = math.sqrt(2.0)
POLICY_GAIN = 0.01
VALUE_GAIN = 1.0

#: Where the no-op's logit starts; at initialisation logits differ by a few hundredths. A wait costs little while the
#: sampled steps around it still start jobs, so a no-op near the jobs' logits drifts above each single one of them, and
#: then the greedy policy waits for ever. From three units below, it is tried one time in twenty of a job's, and has to
#: earn its way up.
NOOP_INITIAL_BIAS = -3.0


class ObservationParts(NamedTuple):
    """Views of a flat observation.

    Attributes:
        jobs: (B, K, J).
        profile: (B, P).
        context: (B, C).
        shared: (B, P + C), profile and context side by side.
    """

    jobs: Tensor
    profile: Tensor
    context: Tensor
    shared: Tensor


def split_observation(observation: Tensor, layout: ObservationLayout) -> ObservationParts:
    """Divide (B, D) by the layout, without a copy."""
    jobs_end = layout.window * layout.job_features
    jobs = observation[:, :jobs_end].unflatten(1, (layout.window, layout.job_features))
    shared = observation[:, jobs_end:]
    return ObservationParts(
        jobs, shared[:, : layout.profile_features], shared[:, layout.profile_features :], shared
    )


def orthogonal(rows: int, columns: int, gain: float, generator: torch.Generator) -> nn.Parameter:
    """An orthogonal weight matrix, drawn from the given generator and no other."""
    weight = torch.empty(rows, columns)
    nn.init.orthogonal_(weight, gain, generator=generator)
    return nn.Parameter(weight)


class _BlankLinear(nn.Linear):
    """A linear layer without initial weights: those would be drawn from the global generator.

    `nn.utils.skip_init` does the same by way of the meta device, whose import takes a second.
    """

    def reset_parameters(self) -> None:
        """Do nothing."""


def linear(inputs: int, outputs: int, generator: torch.Generator, gain: float = HIDDEN_GAIN) -> nn.Linear:
    """A linear layer with orthogonal weights and zero bias; the global generator is not touched."""
    layer = _BlankLinear(inputs, outputs)
    layer.weight = orthogonal(outputs, inputs, gain, generator)
    nn.init.zeros_(layer.bias)
    return layer


def relu_stack(inputs: int, hidden_sizes: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Linear layers, each with a relu behind it."""
    layers: list[nn.Module] = []
    for size in hidden_sizes:
        layers += [linear(inputs, size, generator), nn.ReLU()]
        inputs = size
    return nn.Sequential(*layers)
