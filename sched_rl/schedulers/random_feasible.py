"""A job that fits, at random: the baseline that tells whether a policy has learned anything (RAND_FEAS_NO0)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig, RandomFeasibleConfig
from sched_rl.seeding import stream
from sched_rl.workloads.generators import BUILT_IN
from sched_rl.workloads.legacy_stream import LegacyStream, choose_each
from sched_rl.workloads.playbook import generate_workload


class RandomFeasible:
    """Uniform over the jobs that fit; never a voluntary no-op.

    With `parity` the draws continue the legacy stream that generated the workload, as the published study did;
    otherwise each episode has a PCG64 stream of its own.
    """

    encoding: Encoding = "playbook"

    def __init__(self, config: RandomFeasibleConfig) -> None:
        """Choose the stream that `config.parity` asks for."""
        self.config = config
        self._parity = config.parity
        self._legacy = np.empty((0, 0), np.uint32)
        self._streams: list[np.random.Generator] = []

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Put each episode's stream where it belongs."""
        if not self._parity:
            self._streams = [stream(seed, "rand_feas_no0") for seed in seeds]
            return
        draws = [LegacyStream(seed) for seed in seeds]
        for family, seed, drawn in zip(families, seeds, draws, strict=True):
            if family.generator == BUILT_IN:  # workloads of others are not on this stream: it starts afresh
                generate_workload(family, seed, drawn)
        self._legacy = np.stack([drawn.words for drawn in draws])

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See `Scheduler.actions`."""
        chosen = np.zeros(len(action_mask), np.int64)
        if self._parity:
            choose_each(self._legacy, action_mask[:, 1:] & active[:, None], chosen)
            return chosen + 1
        for row in np.flatnonzero(active & action_mask[:, 1:].any(axis=1)).tolist():
            chosen[row] = self._streams[row].choice(np.flatnonzero(action_mask[row, 1:]) + 1)
        return chosen
