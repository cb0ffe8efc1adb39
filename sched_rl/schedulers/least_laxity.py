"""The job with the least time to spare first (least laxity, Mok 1983); what is lost already can wait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, LaxityScoreConfig, PriorityRuleConfig
from sched_rl.envs.layout import RICH_JOB_FEATURES, RICH_SPARE_COLUMN

#: Columns of the rich encoding, with one demand column, that the linear score weighs; ln(d/D) is column 3 undone.
_DURATION, _LOG_DURATION, _GPUS, _WORK, _WAIT, _LEFT_IDLE = 2, 3, 4, 5, 6, 8


class LeastLaxity:
    """Starts the fitting job whose latest start is the nearest, those past it last.

    It reads the rich encoding, which tells apart spare times from 0.25 % to all of the longest duration. Ties, and so
    all jobs without due times, go by the linear score of a `LaxityScoreConfig`, else by arrival.
    """

    encoding: Encoding = "rich"

    def __init__(self, config: PriorityRuleConfig | LaxityScoreConfig) -> None:
        """Take the weights, if the config has some."""
        self.config = config
        self._weights = np.array(config.weights if isinstance(config, LaxityScoreConfig) else [])

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare: an order has no memory."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        fits = action_mask[:, 1:]
        jobs = observation[:, : fits.shape[1] * (RICH_JOB_FEATURES + 1)].reshape(*fits.shape, -1)
        spare = jobs[..., RICH_SPARE_COLUMN]
        rank = np.where(fits, np.where(spare < 0.0, 2.0, spare), np.inf)  # of those in time at most 1
        if self._weights.size:
            is_tied = fits & (rank == rank.min(axis=1, keepdims=True))
            rank = np.where(is_tied, self._scores(jobs), np.inf)
        return np.where(fits.any(axis=1), rank.argmin(axis=1) + 1, 0)

    def _scores(self, jobs: NDArray[np.float32]) -> NDArray[np.float64]:
        features = jobs[..., [_DURATION, _GPUS, _WORK, _LOG_DURATION, _WAIT, _LEFT_IDLE]].astype(np.float64)
        features[..., 3] = 6.0 * (features[..., 3] - 1.0)
        scores: NDArray[np.float64] = features @ self._weights
        return scores
