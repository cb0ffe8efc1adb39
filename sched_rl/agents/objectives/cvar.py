"""CVaR over episodes (Tamar, Glassner and Mannor 2015): learn from those that end badly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.objectives.base import Objective, SeededEnvironment, stretches
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import CvarConfig


class Cvar(Objective):
    """Maximises (1 - mix) * mean + mix * CVaR_alpha of the returns of episodes.

    A step counts (1 - mix) + mix / alpha where its episode returns at most the alpha quantile of the latest episodes,
    and 1 - mix elsewhere. What an episode in progress will return is what it has returned and what the critic expects
    of the rest. The critic itself stays the mean's: it is the baseline, where the paper subtracts the quantile.
    """

    columns = ("cvar_quantile", "cvar_tail_frac")

    def __init__(self, config: CvarConfig, shape: tuple[int, int]) -> None:
        super().__init__(shape)
        self._config = config
        self._latest: list[float] = []
        self._quantile, self._tail_frac = float("nan"), float("nan")

    def weigh(
        self, buffer: RolloutBuffer, env: SeededEnvironment, finished: Sequence[Any], critic_scale: float
    ) -> NDArray[np.float32] | None:
        """See `Objective.weigh`; all 1 until the tail has an episode of its own."""
        config = self._config
        self._latest += [float(episode.total_return) for episode in finished]
        self._latest = self._latest[-config.window_episodes :]
        if len(self._latest) * config.alpha < 1:
            return None
        self._quantile = float(np.quantile(self._latest, config.alpha))
        expected = env.episode_returns + critic_scale * buffer.value[-1] + buffer.potential_after[-1]
        is_tail = np.zeros(self.seeds.shape, np.bool_)
        for n, steps, episode in stretches(buffer, finished):
            total = expected[n] if episode is None else episode.total_return
            is_tail[steps, n] = total <= self._quantile
        self._tail_frac = float(is_tail.mean())
        return ((1 - config.mix) + config.mix * is_tail / config.alpha).astype(np.float32)

    def metrics(self) -> dict[str, float]:
        """See `Objective.metrics`."""
        return dict(zip(self.columns, (self._quantile, self._tail_frac), strict=True))

    def state(self) -> dict[str, Any]:
        """See `Objective.state`."""
        return {"latest": list(self._latest), "quantile": self._quantile, "tail_frac": self._tail_frac}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Objective.load_state`."""
        self._latest = list(state["latest"])
        self._quantile, self._tail_frac = state["quantile"], state["tail_frac"]
