"""Group DRO (Sagawa et al. 2020): families contend for weight, and those that return little win it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.objectives.base import Objective, SeededEnvironment
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import GroupDroConfig


class GroupDro(Objective):
    """Maximises the mean of the families' returns under weights q that an adversary moves.

    Exponentiated gradient: q_g <- q_g exp(-step_size * return of g), then normalised. A step of a rollout counts
    (1 - mix) + mix * q_g * number of families, so that families drawn alike often weigh 1 on average.
    """

    columns = ("dro_worst_return", "dro_largest_share")

    def __init__(self, config: GroupDroConfig, shape: tuple[int, int]) -> None:
        super().__init__(shape)
        self._config = config
        self._returns: dict[str, float] = {}
        self._log_weights: dict[str, float] = {}

    def weigh(
        self, buffer: RolloutBuffer, env: SeededEnvironment, finished: Sequence[Any], critic_scale: float
    ) -> NDArray[np.float32]:
        """See `Objective.weigh`; a family that was never seen begins with the weight of an equal."""
        seeds, place = np.unique(self.seeds, return_inverse=True)
        families = [env.family_of(int(seed)) for seed in seeds]
        for family in families:
            self._log_weights.setdefault(family, 0.0)
        self._follow([(env.family_of(episode.seed), episode.total_return) for episode in finished])
        shares = self.shares
        factor = [1 - self._config.mix + self._config.mix * shares[name] * len(shares) for name in families]
        return np.array(factor, np.float32)[place].reshape(self.seeds.shape)

    def _follow(self, ended: Sequence[tuple[str, float]]) -> None:
        for family in dict.fromkeys(name for name, _ in ended):
            mean = float(np.mean([value for name, value in ended if name == family]))
            before = self._returns.get(family, mean)
            self._returns[family] = self._config.memory * before + (1 - self._config.memory) * mean
        for family, value in self._returns.items():
            self._log_weights[family] -= self._config.step_size * value
        largest = max(self._log_weights.values())
        self._log_weights = {family: weight - largest for family, weight in self._log_weights.items()}

    @property
    def shares(self) -> dict[str, float]:
        """q by family; they sum to 1."""
        weights = {family: float(np.exp(weight)) for family, weight in self._log_weights.items()}
        return {family: weight / sum(weights.values()) for family, weight in weights.items()}

    def metrics(self) -> dict[str, float]:
        """See `Objective.metrics`."""
        worst = min(self._returns.values(), default=float("nan"))
        return dict(zip(self.columns, (worst, max(self.shares.values())), strict=True))

    def state(self) -> dict[str, Any]:
        """See `Objective.state`."""
        return {"returns": dict(self._returns), "log_weights": dict(self._log_weights)}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Objective.load_state`."""
        self._returns, self._log_weights = dict(state["returns"]), dict(state["log_weights"])
