"""The playbook's workload generator: one seed, one list of jobs, the published stream of draws.

Draws come from NumPy's legacy stream in a fixed order, because the study's figures rest on it. Everything that the
study did not have (due times, mixtures) draws from a stream of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import EnvConfig
from sched_rl.errors import WorkloadError
from sched_rl.seeding import stream
from sched_rl.workloads.legacy_stream import LegacyStream
from sched_rl.workloads.workload import Workload


def generate_workload(env: EnvConfig, seed: int, draws: LegacyStream | None = None) -> Workload:
    """The workload of one seed under one family.

    Args:
        env: the family, not a mixture.
        seed: 0 to 2**32 - 1.
        draws: the seed's stream at its beginning, for callers who draw on from where the jobs leave it, as the
            study's random scheduler does.

    Returns:
        The jobs, to the bit the same for the same family and seed.

    Raises:
        WorkloadError: when the seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise WorkloadError(f"workload seed {seed}: must be from 0 to {2**32 - 1}")
    legacy = LegacyStream(seed) if draws is None else draws
    duration_s = _durations(env, legacy)
    d_norm = duration_s / np.float32(env.max_duration)
    gpus = _gpus(env, d_norm, legacy)
    priority = _priorities(env, d_norm, legacy)
    submit_s = _submissions(env, legacy)
    total_work = float(np.sum(duration_s.astype(np.float64) * gpus))
    horizon_s = env.max_episode_time
    if horizon_s is None:
        horizon_s = float(submit_s.max()) + env.horizon_factor * total_work / env.num_gpus
    return Workload(
        family=env.name,
        seed=seed,
        duration_s=duration_s,
        demand=gpus[:, None],
        priority=priority,
        submit_s=submit_s,
        due_s=_due_times(env, seed, submit_s, duration_s),
        total_work=total_work,
        horizon_s=float(horizon_s),
    )


def arrival_span_s(env: EnvConfig) -> float:
    """The time within which jobs arrive, in seconds."""
    if env.arrival_mode == "all_at_zero":
        return 0.0
    return env.max_duration if env.arrival_span is None else env.arrival_span


def _durations(env: EnvConfig, draws: LegacyStream) -> NDArray[np.float32]:
    n, longest = env.jobs_per_episode, env.max_duration
    if env.duration_mode == "uniform":
        duration = draws.uniform(0.05 * longest, 0.2 * longest, n)
    else:
        in_tail = draws.rand(n) < min(max(env.heavy_tail_frac, 0.0), 0.9)
        tiny = draws.uniform(0.01 * longest, 0.08 * longest, n)
        huge = np.exp(draws.uniform(np.log(0.08 * longest), np.log(1.0 * longest), n))
        duration = np.where(in_tail, huge, tiny)
    return _clipped(duration, 1e-6, longest).astype(np.float32)


def _gpus(env: EnvConfig, d_norm: NDArray[np.float32], draws: LegacyStream) -> NDArray[np.int32]:
    widest = min(env.num_gpus, 8 if env.max_gpus_per_job is None else env.max_gpus_per_job)
    # The cast makes the blend float64: in float32, 0.3 * 7 + 0.7 * 2 falls just under 3.5.
    by_length = 1 + np.floor(d_norm**0.6 * (widest - 1)).astype(np.int64)
    at_random = draws.randint(1, widest + 1, env.jobs_per_episode)
    blend = (1 - env.gpus_duration_corr) * at_random + env.gpus_duration_corr * by_length
    return _clipped(np.rint(blend), 1.0, widest).astype(np.int32)


def _priorities(env: EnvConfig, d_norm: NDArray[np.float32], draws: LegacyStream) -> NDArray[np.int32]:
    highest = env.max_priority
    at_random = draws.randint(1, highest + 1, env.jobs_per_episode)
    if env.priority_duration_corr == "none":
        return at_random.astype(np.int32)
    score = (1 - d_norm) ** 0.8 if env.priority_duration_corr == "inverse" else d_norm**0.8
    by_length = 1 + np.floor(score * (highest - 1)).astype(np.int64)
    strength = env.priority_corr_strength
    blend = (1 - strength) * at_random + strength * by_length
    return _clipped(np.rint(blend), 1.0, highest).astype(np.int32)


def _submissions(env: EnvConfig, draws: LegacyStream) -> NDArray[np.float32]:
    n = env.jobs_per_episode
    if env.arrival_mode == "all_at_zero":
        return np.zeros(n, np.float32)
    span = arrival_span_s(env)
    centers = draws.uniform(0, span, env.num_bursts)
    std = max(1e-6, span * env.burst_std_frac)
    in_burst = draws.rand(n) < env.burst_prob
    burst = draws.randint(0, env.num_bursts, n)
    around_burst = centers[burst] + draws.normal(0, std, n)
    anywhere = draws.uniform(0, span, n)
    return _clipped(np.where(in_burst, around_burst, anywhere), 0.0, span).astype(np.float32)


def _clipped(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """`np.clip` to the bit, at a third of its cost on a few hundred numbers."""
    clipped: NDArray[np.float64] = np.minimum(np.maximum(values, low), high)
    return clipped


def _due_times(
    env: EnvConfig, seed: int, submit_s: NDArray[np.float32], duration_s: NDArray[np.float32]
) -> NDArray[np.float64]:
    """due = submit + duration * (1 + slack), slack uniform between the family's bounds; inf without bounds."""
    if env.due_slack_min is None or env.due_slack_max is None:
        return np.full(env.jobs_per_episode, np.inf)
    slack = stream(seed, "due").uniform(env.due_slack_min, env.due_slack_max, env.jobs_per_episode)
    due: NDArray[np.float64] = submit_s.astype(np.float64) + duration_s.astype(np.float64) * (1.0 + slack)
    return due
