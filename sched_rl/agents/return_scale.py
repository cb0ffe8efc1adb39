"""A running scale of rewards for the critic: the deviation of discounted returns seen so far."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

#: The scale is at least this share of the returns' root mean square: rewards that hardly vary are not blown
#: up.
_LEAST_SHARE_OF_RMS = 0.1


@kernel
def _accumulate(
    reward: NDArray[np.float64],
    discount: NDArray[np.float64],
    done: NDArray[np.bool_],
    running: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    for t in range(reward.shape[0]):
        for n in range(reward.shape[1]):
            running[n] = running[n] * discount[t, n] + reward[t, n]
            out[t, n] = running[n]
            if done[t, n]:
                running[n] = 0.0


class ReturnScaler:
    """Divides rewards by the standard deviation of the discounted return since each episode's start.

    The playbook's rewards are small (a return of 0.5 over 800 steps); scaled ones suit a critic that starts
    near 0 with unit-sized outputs. Recorded returns and rewards stay raw.

    Args:
        num_envs: episodes that run side by side.
        enabled: when false the scale is 1 for ever.
    """

    def __init__(self, num_envs: int, *, enabled: bool) -> None:
        self.enabled = enabled
        self._running = np.zeros(num_envs)
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    @property
    def scale(self) -> float:
        """What a reward is divided by; 1 before any reward other than 0 has been seen."""
        if not self.enabled or self._count == 0:
            return 1.0
        variance = self._squares / self._count
        rms = math.sqrt(variance + self._mean * self._mean)
        return max(math.sqrt(variance), _LEAST_SHARE_OF_RMS * rms) or 1.0

    def update(
        self, reward: NDArray[np.float64], discount: NDArray[np.float64], done: NDArray[np.bool_]
    ) -> None:
        """Take a rollout's rewards into account; all arguments (T, N)."""
        if not self.enabled:
            return
        returns = np.empty_like(reward)
        _accumulate(reward, discount, done, self._running, returns)
        # Chan, Golub and LeVeque 1979: merging the moments of two samples
        count, mean = returns.size, float(returns.mean())
        squares = float(np.square(returns - mean).sum())
        merged, delta = self._count + count, mean - self._mean
        self._mean += delta * count / merged
        self._squares += squares + delta * delta * self._count * count / merged
        self._count = merged

    def state(self) -> dict[str, Any]:
        """Everything that changes."""
        return {
            "running": self._running.copy(),
            "count": self._count,
            "mean": self._mean,
            "squares": self._squares,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state()`."""
        self._running[:] = state["running"]
        self._count, self._mean, self._squares = state["count"], state["mean"], state["squares"]
