"""The fused learner and actor of the scorer: a minibatch, forward and backward, in one compiled call.

The mathematics is that of the dense path; no graph is recorded, buffers are allocated once, legal rows alone are
scored, and states with a single legal action skip the policy path altogether.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.evaluators import Floats, raise_unservable
from sched_rl.agents.fused_scorer import FusedScorer
from sched_rl.agents.kernels.categorical import SERVED
from sched_rl.agents.kernels.fused_acting import sample_scorer, value_scorer
from sched_rl.agents.kernels.fused_learning import choices_first, differentiate_scorer, find_choices
from sched_rl.agents.kernels.loss import BONUS, PG_LOSS, V_LOSS, Coefficients, Recorded
from sched_rl.agents.losses import MinibatchSamples, normalized
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import PpoConfig
from sched_rl.errors import SimulationError


class FusedEvaluator:
    """`PolicyEvaluator` by compiled passes over the whole scorer, gradients included; on the CPU."""

    _mask: NDArray[np.bool_]
    _observation: NDArray[Any]

    def __init__(self, network: ActorCritic, device: torch.device, config: PpoConfig) -> None:
        self.network = network
        self.config = config
        self._scorer = FusedScorer(network)

    def sample(
        self,
        observation: Floats,
        mask: NDArray[np.bool_],
        uniform: NDArray[np.float64],
        action: NDArray[np.int64],
        log_prob: Floats,
        entropy: Floats,
    ) -> None:
        """Draw an action a row; see `PolicyEvaluator`."""
        row = sample_scorer(*self._scorer.head, observation, mask, uniform, action, log_prob, entropy)
        if row != SERVED:
            raise_unservable(self.network, mask, row)

    def values(self, observation: Floats, out: Floats) -> None:
        """Values of observations (M, D) into out (M,)."""
        value_scorer(*self._scorer.head, observation, out)

    def load(self, buffer: RolloutBuffer) -> None:
        """Learn from this rollout from now on."""
        self._observation = buffer.flat("observation").astype(self._scorer.kind, copy=False)
        mask = buffer.flat("mask")
        self._mask = mask if self.config.mask_actions else np.ones_like(mask)
        self._num_legal = np.empty(len(mask), np.int64)
        self._position = np.empty(len(mask), np.int64)
        row = find_choices(self._mask, buffer.flat("action"), self._num_legal, self._position)
        if row != SERVED:
            raise SimulationError(
                f"sample {row} of the rollout took an action that its recorded mask forbids"
            )

    def differentiate(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float) -> Tensor:
        """Leave the gradient of a minibatch's loss with the parameters; see `PolicyEvaluator`."""
        config = self.config
        ordered = np.empty(len(samples), np.int64)
        num_choices = choices_first(samples.numpy(), self._num_legal, ordered)
        means = differentiate_scorer(
            *self._scorer.head,
            self._observation,
            self._mask,
            self._position,
            ordered,
            num_choices,
            self._advantage(recorded, torch.from_numpy(ordered)).numpy(),
            tuple(
                Recorded(
                    recorded.log_prob.numpy(),
                    recorded.entropy.numpy(),
                    recorded.value.numpy(),
                    recorded.target.numpy(),
                )
            ),
            tuple(
                Coefficients(
                    config.clip_coef, config.vf_clip_coef, config.entropy_jump_clip, config.vf_coef, ent_coef
                )
            ),
            self._scorer.of_transposed,
            self._scorer.gradient,
        )
        for parameter, gradient in zip(self._scorer.parameters, self._scorer.gradients, strict=True):
            parameter.grad = gradient
        loss = means[PG_LOSS] + config.vf_coef * means[V_LOSS] - ent_coef * means[BONUS]
        return torch.from_numpy(np.concatenate(([loss], means[:BONUS])))  # in the order of LossTerms

    def _advantage(self, recorded: MinibatchSamples, samples: Tensor) -> Tensor:
        advantage = recorded.advantage[samples]
        if not self.config.normalize_advantages:
            return advantage
        among = recorded.has_choice[samples] if self.config.normalize_over == "choices" else None
        return normalized(advantage, among)
