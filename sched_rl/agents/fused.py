"""The fused learner and actor of the scorer: a minibatch, forward and backward, in one compiled call.

The mathematics is that of the dense path; no graph is recorded, buffers are allocated once, legal rows alone are
scored, and states with a single legal action skip the policy path altogether.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.compiled import CompiledEvaluator, Minibatch
from sched_rl.agents.evaluators import Floats, raise_unservable
from sched_rl.agents.fused_scorer import FusedScorer
from sched_rl.agents.kernels.categorical import SERVED
from sched_rl.agents.kernels.fused_acting import sample_scorer, value_scorer
from sched_rl.agents.kernels.fused_learning import differentiate_scorer
from sched_rl.agents.kernels.loss import NUM_SUMS
from sched_rl.agents.losses import MinibatchSamples
from sched_rl.agents.networks import ActorCritic
from sched_rl.config.schema import PpoConfig
from sched_rl.kernels import num_processors


class FusedEvaluator(CompiledEvaluator):
    """`PolicyEvaluator` by compiled passes over the whole scorer, gradients included; on the CPU.

    A minibatch goes in two halves, at the same time where the process has two processors. They are the same halves
    on one processor, so that a training's numbers do not depend on it.
    """

    def __init__(self, network: ActorCritic, device: torch.device, config: PpoConfig) -> None:
        super().__init__(network, device, config)
        self._scorer, self._second = FusedScorer(network), FusedScorer(network)
        self._helper = ThreadPoolExecutor(1, "second half") if num_processors() > 1 else None

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
        first, second = _halves(self.minibatch(samples, recorded, ent_coef))
        if self._helper is None:
            means = self._differentiate(self._scorer, first)
            other_means = self._differentiate(self._second, second)
        else:
            in_helper = self._helper.submit(self._differentiate, self._second, second)
            means = self._differentiate(self._scorer, first)
            other_means = in_helper.result()
        share = len(second.samples) / len(samples)
        self._scorer.gradient += share * (self._second.gradient - self._scorer.gradient)
        for parameter, gradient in zip(self._scorer.parameters, self._scorer.gradients, strict=True):
            parameter.grad = gradient
        return self.terms(means + share * (other_means - means), ent_coef)

    def _differentiate(self, scorer: FusedScorer, part: Minibatch) -> NDArray[np.float64]:
        """Means over the samples of a part; the gradient of its loss is in `scorer.gradient`."""
        if not len(part.samples):
            scorer.gradient[:] = 0.0
            return np.zeros(NUM_SUMS)
        return differentiate_scorer(
            *scorer.head,
            self.observation,
            self.mask,
            self.position,
            *part,
            scorer.of_transposed,
            scorer.gradient,
        )


def _halves(batch: Minibatch) -> tuple[Minibatch, Minibatch]:
    """Two minibatches with half of the choices and half of the rest each; the second has the odd ones."""
    choices, size = batch.num_choices, len(batch.samples)
    of_choices, of_rest = choices // 2, choices + (size - choices) // 2
    places = (
        np.r_[0:of_choices, choices:of_rest],
        np.r_[of_choices:choices, of_rest:size],
    )
    counts = (of_choices, choices - of_choices)
    first, second = (
        batch._replace(
            samples=batch.samples[place],
            num_choices=count,
            advantage=batch.advantage[place],
        )
        for place, count in zip(places, counts, strict=True)
    )
    return first, second
