"""The fused learner and actor of the scorer: a minibatch, forward and backward, in one compiled call.

The mathematics is that of the dense path; no graph is recorded, buffers are allocated once, legal rows alone are
scored, and states with a single legal action skip the policy path altogether.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.compiled import CompiledEvaluator
from sched_rl.agents.evaluators import Floats, raise_unservable
from sched_rl.agents.fused_scorer import FusedScorer
from sched_rl.agents.kernels.categorical import SERVED
from sched_rl.agents.kernels.fused_acting import sample_scorer, value_scorer
from sched_rl.agents.kernels.fused_learning import differentiate_scorer
from sched_rl.agents.losses import MinibatchSamples
from sched_rl.agents.networks import ActorCritic
from sched_rl.config.schema import PpoConfig


class FusedEvaluator(CompiledEvaluator):
    """`PolicyEvaluator` by compiled passes over the whole scorer, gradients included; on the CPU."""

    def __init__(self, network: ActorCritic, device: torch.device, config: PpoConfig) -> None:
        super().__init__(network, device, config)
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

    def differentiate(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float) -> Tensor:
        """Leave the gradient of a minibatch's loss with the parameters; see `PolicyEvaluator`."""
        batch = self.minibatch(samples, recorded, ent_coef)
        means = differentiate_scorer(
            *self._scorer.head,
            self.observation,
            self.mask,
            self.position,
            *batch,
            self._scorer.of_transposed,
            self._scorer.gradient,
        )
        for parameter, gradient in zip(self._scorer.parameters, self._scorer.gradients, strict=True):
            parameter.grad = gradient
        return self.terms(means, ent_coef)
