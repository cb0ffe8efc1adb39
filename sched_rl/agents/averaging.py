"""A running average of the policy's weights (Polyak and Juditsky 1992): what is judged, kept and handed out.

The learner goes on acting and learning with its own weights; they jitter around where the average stands still.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sched_rl.agents.networks import ActorCritic
from sched_rl.errors import CheckpointError

#: The first updates keep less of the average, t / (t + this), so that the untrained weights fade.
_WARM_UP_UPDATES = 10


class AveragedPolicy:
    """A copy of the network whose policy path follows the learner's.

    Args:
        learner: the network that learns.
        decay: share of the average that an update leaves; 0: there is no average.

    Attributes:
        network: the copy; without an average the learner itself.
    """

    def __init__(self, learner: ActorCritic, decay: float) -> None:
        self.network = copy.deepcopy(learner).requires_grad_(False) if decay > 0 else learner
        self._decay = decay
        self._learned: list[Tensor] = list(learner.policy.parameters())
        self._averages: list[Tensor] = list(self.network.policy.parameters())
        self._num_updates = 0

    @torch.no_grad()
    def restart(self) -> None:
        """Forget the past: the average is the learner's weights as they are now."""
        if self._decay > 0:
            self._num_updates = 0
            torch._foreach_copy_(self._averages, self._learned)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the learner's weights as they are now."""
        if self._decay > 0:
            self._num_updates += 1
            kept = min(self._decay, self._num_updates / (self._num_updates + _WARM_UP_UPDATES))
            torch._foreach_lerp_(self._averages, self._learned, 1.0 - kept)

    def state(self) -> dict[str, Any]:
        """Everything that changes, copied; empty without an average."""
        if self._decay <= 0:
            return {}
        weights = {name: tensor.clone() for name, tensor in self.network.policy.state_dict().items()}
        return {"policy": weights, "num_updates": self._num_updates}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state()`.

        Raises:
            CheckpointError: when the state has no average.
        """
        if self._decay <= 0:
            return
        if "policy" not in state:
            raise CheckpointError(
                "the checkpoint has no averaged policy: it was made with agent.average_decay=0; use that"
            )
        self.network.policy.load_state_dict(state["policy"])
        self._num_updates = int(state["num_updates"])
