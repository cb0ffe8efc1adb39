"""A linear score of six job features: the strongest of the written schedulers on the playbook cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, LinearScoreConfig
from sched_rl.kernels import kernel

#: The features of a job, in the order of the weights (d duration, D the longest, g GPUs, G all GPUs, T horizon).
FEATURES = ("d/D", "g/G", "(d/D)(g/G)", "ln(d/D)", "wait/T", "(idle - g)/G")


class LinearScore:
    """Starts the fitting job of the smallest score, the first on ties."""

    encoding: Encoding = "playbook"

    def __init__(self, config: LinearScoreConfig) -> None:
        """Take the weights; with a `noop_threshold`, it waits while every score is above it."""
        self._weights = np.array(config.weights, np.float64)
        self._threshold = np.inf if config.noop_threshold is None else config.noop_threshold

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare: a score has no memory."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        chosen = np.zeros(len(observation), np.int64)
        _smallest_score(observation, action_mask, self._weights, self._threshold, chosen)
        return chosen


@kernel
def _smallest_score(
    observation: NDArray[np.float32],
    action_mask: NDArray[np.bool_],
    weights: NDArray[np.float64],
    threshold: float,
    chosen: NDArray[np.int64],
) -> None:
    for row in range(action_mask.shape[0]):
        idle = np.float64(observation[row, -2])
        best, chosen[row] = np.inf, 0
        for slot in range(action_mask.shape[1] - 1):
            if not action_mask[row, slot + 1]:
                continue
            duration = np.float64(observation[row, 4 * slot])
            gpus = np.float64(observation[row, 4 * slot + 2])
            score = weights[0] * duration + weights[1] * gpus + weights[2] * duration * gpus
            score += weights[3] * np.log(duration) + weights[4] * np.float64(observation[row, 4 * slot + 3])
            score += weights[5] * (idle - gpus)
            if score < best and score <= threshold:
                best, chosen[row] = score, slot + 1
