"""Sequences of the Lublin-Feitelson model (JPDC 63(11), 2003): sizes, run times, arrivals with a daily cycle.

The parameters are the published ones, which were fitted to machines of 128 processors; on another machine the size
classes move with the logarithm of its size. A sequence starts at a time of day of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from sched_rl.config.sites import SiteConfig
from sched_rl.errors import WorkloadError
from sched_rl.seeding import stream
from sched_rl.workloads.estimates import modal_estimates
from sched_rl.workloads.sequences import JobSequence

_BUCKETS, _BUCKET_S = 48, 1800.0
_LONGEST_LN_RUN, _LONGEST_LN_GAP = 12.0, 13.0
_FITTED_LOG_PROCS = 7.0


@dataclass(frozen=True)
class LublinClass:
    """Parameters of one class of jobs, named as in the paper; gamma(a, b) has the mean a * b."""

    serial: float
    pow2: float
    ulow: float
    umed: float
    uhi: float
    uprob: float
    a1: float
    b1: float
    a2: float
    b2: float
    pa: float
    pb: float
    aarr: float
    barr: float
    anum: float
    bnum: float
    arar: float


CLASSES: Final = {
    "batch": LublinClass(
        0.2927, 0.6686, 1.2, 5, 7, 0.875, 6.57, 0.823, 639.1, 0.0156, -0.003, 0.6986,
        6.0415, 0.8531, 6.1271, 5.2740, 1.0519,
    ),
    "interactive": LublinClass(
        0.1541, 0.625, 1, 3, 5.5, 0.705, 3.8351, 0.6605, 7.073, 0.6856, -0.0118, 0.9156,
        6.5510, 0.6621, 8.9186, 3.6680, 0.9797,
    ),
    "typeless": LublinClass(
        0.244, 0.576, 0.8, 4.5, 7, 0.86, 4.2, 0.94, 312, 0.03, -0.0054, 0.78,
        10.2303, 0.4871, 8.1737, 3.9631, 1.0225,
    ),
}  # fmt: skip
Doubles = NDArray[np.float64]


def lublin_sequence(env: SiteConfig, seed: int) -> JobSequence:
    """The sequence of a seed.

    Args:
        env: with `env.lublin`; `env.trace.count` jobs, at `env.trace.load_factor` times the model's arrival rate.
        seed: of the draws.
    """
    config = env.lublin
    if config is None:
        raise WorkloadError(f"env={env.name}: has no env.lublin to generate jobs by; choose env=lublin")
    draws, count = stream(seed, "lublin"), env.trace.count
    names = ("batch", "interactive") if config.jobs == "both" else (config.jobs,)
    first_s = draws.uniform(0.0, _BUCKETS * _BUCKET_S)
    parts = [
        _class_jobs(CLASSES[name], config.num_procs, first_s, count, config.daily_cycle, draws)
        for name in names
    ]
    submit_s, procs, run_s = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(submit_s, kind="stable")[:count]  # every class brings enough for all
    submit_s, procs, run_s = submit_s[order], procs[order], run_s[order]
    submit_s = np.rint(submit_s[0] + (submit_s - submit_s[0]) / env.trace.load_factor)
    run_s = np.maximum(np.rint(run_s), 1.0)
    requested_s = modal_estimates(run_s, draws) if config.estimates == "tsafrir" else run_s
    trim = env.trace
    return JobSequence(
        family=env.name,
        seed=seed,
        start=0,
        job_id=np.arange(1, count + 1),
        submit_s=submit_s,
        run_s=run_s,
        requested_s=requested_s,
        demand=procs[:, None],
        procs=procs,
        priority=np.ones(count, np.int64),
        user=np.full(count, -1, np.int64),
        capacity=np.array([config.num_procs], np.int64),
        num_procs=config.num_procs,
        scored=slice(round(trim.warm_up_frac * count), count - round(trim.cool_down_frac * count)),
    )


def _class_jobs(
    kind: LublinClass,
    num_procs: int,
    first_s: float,
    count: int,
    daily_cycle: bool,
    draws: np.random.Generator,
) -> tuple[Doubles, NDArray[np.int64], Doubles]:
    """Submit times, processors and run times of `count` jobs of one class."""
    procs = job_sizes(kind, num_procs, count, draws)
    gaps_s = arrival_gaps_s(kind, count, draws)
    weights = daily_weights(kind) if daily_cycle else np.ones(_BUCKETS)
    return arrival_times_s(gaps_s, first_s, weights), procs, job_run_times_s(kind, procs, draws)


def job_sizes(kind: LublinClass, num_procs: int, count: int, draws: np.random.Generator) -> NDArray[np.int64]:
    """Processors of `count` jobs, int64."""
    moved = math.log2(num_procs) - _FITTED_LOG_PROCS
    medium, high = kind.umed + moved, kind.uhi + moved
    low = min(kind.ulow, medium)
    u = draws.random(count)
    is_low = draws.random(count) <= kind.uprob
    log_size = np.where(is_low, draws.uniform(low, medium, count), draws.uniform(medium, high, count))
    log_size = np.where(u <= kind.serial + kind.pow2, np.rint(log_size), log_size)
    size = np.floor(2.0**log_size + 0.5).astype(np.int64)
    return np.clip(np.where(u <= kind.serial, 1, size), 1, num_procs)


def job_run_times_s(kind: LublinClass, procs: NDArray[np.int64], draws: np.random.Generator) -> Doubles:
    """Run times of jobs of these sizes: a mixture of two log-gammas whose weight falls with the size."""
    first = np.clip(kind.pa * procs + kind.pb, 0.0, 1.0)
    ln_run, open_ = np.empty(len(procs)), np.ones(len(procs), np.bool_)
    while open_.any():  # what is too long is drawn again, mixture and all
        among = int(open_.sum())
        from_first = draws.random(among) <= first[open_]
        ln_run[open_] = np.where(
            from_first, draws.gamma(kind.a1, kind.b1, among), draws.gamma(kind.a2, kind.b2, among)
        )
        open_ = ln_run > _LONGEST_LN_RUN
    return np.exp(ln_run)


def arrival_gaps_s(kind: LublinClass, count: int, draws: np.random.Generator) -> Doubles:
    """Times between arrivals before the daily cycle stretches them."""
    ln_gap, open_ = np.empty(count), np.ones(count, np.bool_)
    while open_.any():
        ln_gap[open_] = draws.gamma(kind.aarr * kind.arar, kind.barr, int(open_.sum()))
        open_ = ln_gap > _LONGEST_LN_GAP
    return np.exp(ln_gap)


def daily_weights(kind: LublinClass) -> Doubles:
    """How busy each half hour of the day is, from midnight on, (48,), with the mean 1."""
    weights = np.zeros(_BUCKETS)
    for i in range(11, 59):
        ends = gammainc(kind.anum, np.array((i - 0.5, i + 0.5)) / kind.bnum)
        weights[(i - 1) % _BUCKETS] = ends[1] - ends[0]
    return np.asarray(weights / weights.mean())


def arrival_times_s(gaps_s: Doubles, first_s: float, weights: Doubles) -> Doubles:
    """Arrival times, (n,): a gap is spent half hour by half hour, each worth its length times its weight.

    Args:
        gaps_s: (n,), between arrivals on a day without a cycle.
        first_s: when the first gap begins.
        weights: (48,), of the half hours from midnight on, with the mean 1.
    """
    times_s, now_s = np.empty(len(gaps_s)), first_s
    # A whole day is worth its length: the mean weight is 1.
    day_s = _BUCKETS * _BUCKET_S
    for i, gap_s in enumerate(gaps_s.tolist()):
        days, left_s = divmod(gap_s, day_s)
        now_s += days * day_s
        while True:
            bucket = int(now_s // _BUCKET_S)
            weight = float(weights[bucket % _BUCKETS])
            worth_s = ((bucket + 1) * _BUCKET_S - now_s) * weight
            if left_s <= worth_s:
                now_s += left_s / weight if weight > 0 else 0.0
                break
            left_s -= worth_s
            now_s = (bucket + 1) * _BUCKET_S
        times_s[i] = now_s
    return times_s
