"""The job with the least time to spare first (least laxity, Mok 1983); what is lost already can wait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, PriorityRuleConfig
from sched_rl.envs.layout import RICH_JOB_FEATURES, RICH_SPARE_COLUMN


class LeastLaxity:
    """Starts the fitting job whose latest start is the nearest, those past it last, the earlier arrival on ties.

    It reads the rich encoding, which tells apart spare times from 0.25 % to all of the longest duration.
    """

    encoding: Encoding = "rich"

    def __init__(self, config: PriorityRuleConfig) -> None:
        """Take the config, for those who ask what it is."""
        self.config = config

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
        return np.where(fits.any(axis=1), rank.argmin(axis=1) + 1, 0)
