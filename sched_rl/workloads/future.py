"""What may still arrive: the jobs of an episode to come, drawn from its family given those that have arrived.

Jobs of a family are drawn independently of each other but for the bursts, whose centres all of them share. So the
centres are drawn from their posterior given the arrival times so far (Metropolis, under the family's own density,
`arrival_posterior`), the remaining arrivals from their distribution after now given the centres, and what the jobs are
from the family's generator. How many jobs an episode has is known, as every policy can count them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sched_rl.config.schema import EnvConfig
from sched_rl.workloads.arrival_posterior import PROPOSALS, move_centers
from sched_rl.workloads.playbook import arrival_span_s, generate_workload
from sched_rl.workloads.workload import Workload

#: Rounds over all centres: before the first future of an episode, and before each further one.
_FIRST_ROUNDS, _ROUNDS = 30, 3


class FutureSampler:
    """Draws futures of one episode, call after call; the chain of centres goes on where the last call left it."""

    def __init__(self, env: EnvConfig, draws: np.random.Generator) -> None:
        """Begin an episode.

        Args:
            env: its family, not a mixture.
            draws: of this episode alone.
        """
        self.env = env
        self._draws = draws
        self._span_s = arrival_span_s(env)
        self._std_s = max(1e-6, self._span_s * env.burst_std_frac)
        self._centers_s = draws.uniform(0.0, self._span_s, env.num_bursts)
        self._is_first = True

    def sample(
        self, arrived_s: NDArray[np.float64], arrived_work: NDArray[np.float64], now_s: float
    ) -> Workload:
        """The jobs that have not arrived, in one future.

        Args:
            arrived_s: float64 (m,), submit times of the jobs that have arrived.
            arrived_work: float64 (m,), their work in GPU-seconds.
            now_s: the present.

        Returns:
            jobs_per_episode - m jobs, submitted no earlier than now; total work and horizon are those of the episode.
        """
        env, count = self.env, self.env.jobs_per_episode - len(arrived_s)
        self._move_centers(arrived_s, now_s, count)
        submit_s = self._arrivals(now_s, count)
        # Jobs differ in nothing but their draws: the generator's first ones serve as well as any.
        jobs = generate_workload(
            dataclasses.replace(env, jobs_per_episode=count), int(self._draws.integers(2**32))
        )
        total_work = float(arrived_work.sum() + jobs.total_work)
        horizon_s = env.max_episode_time
        if horizon_s is None:
            horizon_s = float(submit_s.max()) + env.horizon_factor * total_work / env.num_gpus
        return dataclasses.replace(
            jobs,
            submit_s=submit_s,
            due_s=jobs.due_s - jobs.submit_s + submit_s,
            total_work=total_work,
            horizon_s=float(horizon_s),
        )

    def _move_centers(self, arrived_s: NDArray[np.float64], now_s: float, num_left: int) -> None:
        rounds = _FIRST_ROUNDS if self._is_first else _ROUNDS
        self._is_first = False
        shape = (rounds, len(self._centers_s))
        move_centers(
            self._centers_s,
            arrived_s,
            now_s,
            num_left,
            (self._span_s, self._std_s, self.env.burst_prob),
            self._draws.uniform(0.0, self._span_s, shape),
            self._draws.normal(0.0, self._std_s, (*shape, PROPOSALS - 1)),
            np.log(self._draws.random((*shape, PROPOSALS))),
        )

    def _arrivals(self, now_s: float, count: int) -> NDArray[np.float32]:
        """Arrival times after now, given the centres."""
        draws, env = self._draws, self.env
        if env.arrival_mode == "all_at_zero":
            return np.zeros(count, np.float32)
        beyond = ndtr((self._centers_s - now_s) / self._std_s)  # a burst's share that is still to come
        uniform = (1.0 - env.burst_prob) * max(0.0, 1.0 - now_s / self._span_s)
        weights = np.append(env.burst_prob * beyond / len(beyond), uniform)
        if not weights.sum() > 0.0:
            weights[-1] = 1.0
        source = np.searchsorted(np.cumsum(weights) / weights.sum(), draws.random(count))
        source = np.minimum(source, len(beyond))
        share = draws.random(count)
        anywhere = now_s + share * max(0.0, self._span_s - now_s)
        burst = np.minimum(source, len(beyond) - 1)
        around = self._centers_s[burst] - self._std_s * ndtri(share * beyond[burst])
        submit_s = np.where(source < len(beyond), around, anywhere)
        submit_s = np.minimum(submit_s, self._span_s).astype(np.float32)
        return np.maximum(submit_s, _not_before(now_s))


def _not_before(now_s: float) -> np.float32:
    """The smallest float32 that is not before a time."""
    rounded = np.float32(now_s)
    return rounded if rounded >= now_s else np.nextafter(rounded, np.float32(np.inf))
