"""What the evaluators share that write down their gradients themselves: no graph is recorded; on the CPU."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.kernels.categorical import SERVED
from sched_rl.agents.kernels.fused_learning import choices_first, find_choices
from sched_rl.agents.kernels.loss import BONUS, PG_LOSS, V_LOSS, Coefficients, Recorded
from sched_rl.agents.losses import MinibatchSamples, normalized
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import PpoConfig
from sched_rl.errors import SimulationError


class Minibatch(NamedTuple):
    """A minibatch as compiled code takes it.

    Attributes:
        samples: int64 (B,), of the rollout's; those with more than one legal action come first.
        num_choices: how many have one.
        advantage: (B,), normalised.
        recorded: a plain `Recorded`, of the whole rollout.
        coefficients: plain `Coefficients`.
    """

    samples: NDArray[np.int64]
    num_choices: int
    advantage: NDArray[Any]
    recorded: tuple[NDArray[Any], ...]
    coefficients: tuple[float, ...]


class CompiledEvaluator:
    """Keeps a rollout and lays out its minibatches. States with a single legal action have no policy gradient.

    Args:
        network: read anew for every pass.
        device: of the network: the CPU.
        config: the loss, and whether actions are masked.
    """

    observation: NDArray[Any]
    mask: NDArray[np.bool_]
    action: NDArray[np.int64]
    position: NDArray[np.int64]
    _num_legal: NDArray[np.int64]

    def __init__(self, network: ActorCritic, device: torch.device, config: PpoConfig) -> None:
        self.network = network
        self.config = config
        self.kind = np.dtype(str(next(network.parameters()).dtype).removeprefix("torch."))

    def load(self, buffer: RolloutBuffer) -> None:
        """Learn from this rollout from now on."""
        self.observation = buffer.flat("observation").astype(self.kind, copy=False)
        mask, self.action = buffer.flat("mask"), buffer.flat("action")
        self.mask = mask if self.config.mask_actions else np.ones_like(mask)
        self.position = np.empty(len(mask), np.int64)
        self._num_legal = np.empty(len(mask), np.int64)
        row = find_choices(self.mask, self.action, self._num_legal, self.position)
        if row != SERVED:
            raise SimulationError(
                f"sample {row} of the rollout took an action that its recorded mask forbids"
            )

    def minibatch(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float) -> Minibatch:
        """Lay out samples, int64 (B,) into the rollout; arguments as in `PolicyEvaluator.differentiate`."""
        config, ordered = self.config, np.empty(len(samples), np.int64)
        num_choices = choices_first(samples.numpy(), self._num_legal, ordered)
        clamps = (config.clip_coef, config.vf_clip_coef, config.entropy_jump_clip)
        return Minibatch(
            ordered,
            num_choices,
            self._advantage(recorded, torch.from_numpy(ordered)).numpy(),
            tuple(Recorded(*(getattr(recorded, name).numpy() for name in Recorded._fields))),
            tuple(Coefficients(*clamps, config.vf_coef, ent_coef)),
        )

    def _advantage(self, recorded: MinibatchSamples, samples: Tensor) -> Tensor:
        advantage = recorded.advantage[samples]
        if self.config.normalize_advantages:
            among = recorded.has_choice[samples] if self.config.normalize_over == "choices" else None
            advantage = normalized(advantage, among)
        return advantage if recorded.weight is None else advantage * recorded.weight[samples]

    def terms(self, means: NDArray[np.float64], ent_coef: float) -> Tensor:
        """`LossTerms` as float64 (9,), from the means of what `kernels.loss` adds up."""
        loss = means[PG_LOSS] + self.config.vf_coef * means[V_LOSS] - ent_coef * means[BONUS]
        return torch.from_numpy(np.concatenate(([loss], means[:BONUS])))
