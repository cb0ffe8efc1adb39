"""How the learner runs its network: act on a batch, value states, score recorded actions with gradients.

`dense` scores every slot of the window and masks; `packed` (packed.py) scores legal rows only. Both are the
same mathematics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.distributions import action_log_prob, entropy, masked_log_softmax
from sched_rl.agents.kernels.categorical import SERVED, sample_masked
from sched_rl.agents.losses import MinibatchSamples, ppo_loss
from sched_rl.agents.networks import ActorCritic
from sched_rl.config.schema import PpoConfig
from sched_rl.errors import SimulationError

if TYPE_CHECKING:
    from sched_rl.agents.rollout import RolloutBuffer

Floats = NDArray[np.float32]
#: States a value pass takes at once: enough for full matrix products, few enough for the second-level cache.
_VALUE_CHUNK = 256


class Evaluation(NamedTuple):
    """Recorded actions under the current network, all (B,), with gradients."""

    log_prob: Tensor
    entropy: Tensor
    value: Tensor


class PolicyEvaluator(Protocol):
    """Runs the network for the rollout and for the update."""

    def sample(
        self,
        observation: Floats,
        mask: NDArray[np.bool_],
        uniform: NDArray[np.float64],
        action: NDArray[np.int64],
        log_prob: Floats,
        entropy: Floats,
    ) -> None:
        """Draw an action a row; the last three arguments, (N,), are written."""

    def values(self, observation: Floats, out: Floats) -> None:
        """Values of observations (M, D) into out (M,)."""

    def load(self, buffer: RolloutBuffer) -> None:
        """Learn from this rollout from now on."""

    def differentiate(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float) -> Tensor:
        """Leave the gradient of a minibatch's loss with the parameters.

        Args:
            samples: int64 (B,), into the flattened rollout.
            recorded: of the whole rollout.
            ent_coef: of this update.

        Returns:
            (9,), `LossTerms`.
        """


class NetworkEvaluator(ABC):
    """What the evaluators that leave gradients to torch are made of."""

    def __init__(self, network: ActorCritic, device: torch.device, config: PpoConfig) -> None:
        self.network = network
        self.device = device
        self.config = config
        self.mask_actions = config.mask_actions

    @abstractmethod
    def evaluate(self, samples: Tensor) -> Evaluation:
        """Recorded actions of samples, int64 (B,) into the flattened rollout, under the current network."""

    def differentiate(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float) -> Tensor:
        """Leave the gradient of a minibatch's loss with the parameters; see `PolicyEvaluator`."""
        self.network.zero_grad()
        now = self.evaluate(samples)
        chosen = recorded.of(samples)
        terms = ppo_loss(self.config, ent_coef, chosen, now.log_prob, now.entropy, now.value)
        terms.loss.backward()
        return torch.stack([term.detach() for term in terms])

    @torch.no_grad()
    def values(self, observation: Floats, out: Floats) -> None:
        """Values of observations (M, D) into out (M,)."""
        for first in range(0, len(observation), _VALUE_CHUNK):
            chunk = slice(first, first + _VALUE_CHUNK)
            states = torch.from_numpy(observation[chunk]).to(self.device)
            out[chunk] = self.network.values(states).float().cpu().numpy()


class DenseEvaluator(NetworkEvaluator):
    """Scores every slot of the window and masks the illegal ones."""

    _rollout: tuple[Tensor, Tensor, Tensor]

    @torch.no_grad()
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
        logits = self.network.logits(self._tensor(observation)).float().cpu().numpy()
        row = sample_masked(logits, mask, uniform, action, log_prob, entropy)
        if row != SERVED:
            raise_unservable(self.network, mask, row)

    def load(self, buffer: RolloutBuffer) -> None:
        """Learn from this rollout from now on."""
        self._rollout = (
            self._tensor(buffer.flat("observation")),
            self._tensor(buffer.flat("mask")),
            self._tensor(buffer.flat("action")),
        )

    def evaluate(self, samples: Tensor) -> Evaluation:
        """Recorded actions of some samples under the current network."""
        observation, mask, action = (field[samples] for field in self._rollout)
        log_probs = masked_log_softmax(self.network.logits(observation), mask if self.mask_actions else None)
        return Evaluation(
            action_log_prob(log_probs, action), entropy(log_probs), self.network.values(observation)
        )

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def raise_all_masked(row: int) -> None:
    """Name an environment without a legal action."""
    raise SimulationError(
        f"action_mask[{row}] has no legal action; the no-op (column 0) must always be legal: the environment "
        "or whatever rewrote its mask is at fault"
    )


def raise_unservable(network: ActorCritic, mask: NDArray[np.bool_], row: int) -> None:
    """Say why no action could be drawn for a row: nothing legal, or logits that are not finite."""
    if not mask[row].any():
        raise_all_masked(row)
    name = network.non_finite_parameter()
    cause = f"{name} is not finite" if name else "the observation is not finite or the network overflows"
    raise SimulationError(
        f"logits of environment {row} are not finite: {cause}; lower agent.lr or set agent.max_grad_norm > 0"
    )
