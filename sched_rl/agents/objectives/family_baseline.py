"""A baseline for every family: what the critic is off by in one does not reach the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.objectives.base import Objective, SeededEnvironment
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import FamilyBaselineConfig


class FamilyBaseline(Objective):
    """Maximises the mean; advantages of true choices are centred family by family before they are normalised.

    Minibatches centre all families together: where the critic expects too much of one family and too little of
    another, every choice in the first is pushed down and every one in the second up. A constant a family is a
    baseline: it changes no gradient's expectation.
    """

    columns = ("family_advantage_spread",)

    def __init__(self, config: FamilyBaselineConfig, shape: tuple[int, int]) -> None:
        super().__init__(shape)
        self._spread = float("nan")

    def weigh(
        self, buffer: RolloutBuffer, env: SeededEnvironment, finished: Sequence[Any], critic_scale: float
    ) -> NDArray[np.float32] | None:
        """See `Objective.weigh`; centres `buffer.advantage` in place, and every step counts alike."""
        seeds, place = np.unique(self.seeds, return_inverse=True)
        families = np.array([env.family_of(int(seed)) for seed in seeds])[place].reshape(self.seeds.shape)
        means = []
        for family in np.unique(families):
            steps = families == family
            chosen = steps & buffer.has_choice
            if chosen.any():
                means.append(float(buffer.advantage[chosen].mean()))
                buffer.advantage[steps] -= means[-1]
        self._spread = float(np.std(means)) * critic_scale if means else 0.0
        return None

    def metrics(self) -> dict[str, float]:
        """See `Objective.metrics`: how far apart the families' mean advantages were, raw."""
        return dict(zip(self.columns, (self._spread,), strict=True))

    def state(self) -> dict[str, Any]:
        """See `Objective.state`."""
        return {"spread": self._spread}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Objective.load_state`."""
        self._spread = state["spread"]
