"""A learned policy as a scheduler: the most probable legal action, no sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig

#: The most probable action of each state, int64 (M,), from float32 (M, D) observations and bool (M, K + 1) masks;
#: a state's action must not depend on the others of the call.
ChooseGreedily = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.int64]]


class LearnedScheduler:
    """A policy that runs episodes as the written schedulers do."""

    def __init__(self, choose: ChooseGreedily, encoding: Encoding) -> None:
        """Wrap a policy; `encoding` is the observation that it was trained on."""
        self._choose = choose
        self.encoding: Encoding = encoding

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare: the policy has no memory."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`; only active rows are scored."""
        chosen = np.zeros(len(observation), np.int64)
        chosen[active] = self._choose(observation[active], action_mask[active])
        return chosen
