"""Generated sequences have the distributions of the Lublin-Feitelson model: Kolmogorov-Smirnov at 1 %, seeds fixed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sched_rl.workloads.estimates import HEAD_SHARE, POPULAR_S, modal_estimates
from sched_rl.workloads.lublin import (
    CLASSES,
    arrival_gaps_s,
    arrival_times_s,
    daily_weights,
    job_run_times_s,
    job_sizes,
)
from sched_rl.workloads.site_source import site_source

from .sites import site_env

COUNT = 4000
#: Of the supremum distance, at 1 %; conservative where the distribution has steps.
CRITICAL = 1.63 / math.sqrt(COUNT)


def distance(values, cdf):
    """The largest distance of an empirical distribution from a distribution function, on both sides of its steps."""
    points, counts = np.unique(values, return_counts=True)
    above = np.cumsum(counts) / len(values)
    left = np.concatenate(([0.0], above[:-1]))
    return max(np.abs(above - cdf(points)).max(), np.abs(left - cdf(points - 1e-9)).max())


def size_cdf(kind, shift):
    """Of processors, as the paper defines them; `shift` = log2 of the machine over 128."""
    low, medium, high = kind.ulow, kind.umed + shift, kind.uhi + shift

    def two_stage(x):
        first, second = (np.clip((x - a) / (b - a), 0, 1) for a, b in ((low, medium), (medium, high)))
        return kind.uprob * first + (1 - kind.uprob) * second

    def cdf(size):
        size = np.floor(size)
        rounded = two_stage(
            np.floor(np.log2(size + 0.5 + 1e-12)) + 0.5
        )  # log2 size to an integer, its power of 2
        smooth = two_stage(np.log2(size + 0.5))
        rest = 1 - kind.serial - kind.pow2
        return np.where(size < 1, 0.0, kind.serial + kind.pow2 * rounded + rest * smooth)

    return cdf


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("num_procs", [128, 256])
def test_sizes(name, num_procs):
    kind = CLASSES[name]
    sizes = job_sizes(kind, num_procs, COUNT, np.random.default_rng(1))
    cdf = size_cdf(kind, math.log2(num_procs) - 7)
    assert distance(sizes, lambda size: np.where(size >= num_procs, 1.0, cdf(size))) < CRITICAL


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("procs", [1, 64])
def test_run_times_of_a_size(name, procs):
    kind = CLASSES[name]
    run_s = job_run_times_s(kind, np.full(COUNT, procs), np.random.default_rng(2))
    first = min(max(kind.pa * procs + kind.pb, 0), 1)

    def mixture(x):
        parts = stats.gamma.cdf(x, kind.a1, scale=kind.b1), stats.gamma.cdf(x, kind.a2, scale=kind.b2)
        return first * parts[0] + (1 - first) * parts[1]

    assert distance(np.log(run_s), lambda x: np.minimum(mixture(x) / mixture(12.0), 1)) < CRITICAL
    assert run_s.max() <= math.exp(12)


@pytest.mark.parametrize("name", CLASSES)
def test_gaps_between_arrivals(name):
    kind = CLASSES[name]
    gaps = np.log(arrival_gaps_s(kind, COUNT, np.random.default_rng(3)))
    law = stats.gamma(kind.aarr * kind.arar, scale=kind.barr)
    assert distance(gaps, lambda x: np.minimum(law.cdf(x) / law.cdf(13.0), 1)) < CRITICAL


@pytest.mark.parametrize("name", CLASSES)
def test_the_day_stretches_gaps_by_its_weights(name):
    weights = daily_weights(CLASSES[name])
    assert weights.mean() == pytest.approx(1)
    # The busiest half hour, i of 11 to 58, is at the mode of the gamma of the class.
    mode = (CLASSES[name].anum - 1) * CLASSES[name].bnum
    assert abs(((int(weights.argmax()) + 1 - 11) % 48 + 11) - mode) <= 1
    # Equal gaps of half a minute: the arrivals of a day are spread as the weights are.
    times_s = arrival_times_s(np.full(10 * 2880, 30.0), 3600.0, weights)
    counts = np.bincount((times_s // 1800).astype(int) % 48, minlength=48)
    assert np.abs(counts / 600 - weights).max() < 0.02  # ten equal days, of whole arrivals
    assert times_s[-1] - 3600.0 == pytest.approx(10 * 86_400)
    assert (np.diff(times_s) > 0).all()


def test_both_classes_share_a_sequence():
    long_fracs = {}
    for name in ("batch", "both", "interactive"):
        env = site_env("env=lublin", f"env.lublin.jobs={name}", "env.trace.count=600")
        jobs = site_source(env).sequence(11)
        assert (np.diff(jobs.submit_s) >= 0).all()
        long_fracs[name] = (jobs.run_s > 7200).mean()
    assert long_fracs["interactive"] < long_fracs["both"] < long_fracs["batch"]


def test_load_factor_brings_the_same_jobs_closer():
    one, twice = (
        site_source(site_env("env=lublin", f"env.trace.load_factor={factor}", "env.trace.count=50")).sequence(
            4
        )
        for factor in (1, 2)
    )
    assert one.run_s.tolist() == twice.run_s.tolist()
    assert np.abs((one.submit_s - one.submit_s[0]) / 2 - (twice.submit_s - twice.submit_s[0])).max() <= 1


def test_users_request_popular_values_and_never_too_little():
    run_s = np.exp(np.random.default_rng(7).normal(6, 2, COUNT))
    requested_s = modal_estimates(run_s, np.random.default_rng(8))
    assert (requested_s >= run_s).all()
    values, counts = np.unique(requested_s, return_counts=True)
    popular = np.isin(values, POPULAR_S)
    assert counts[popular].sum() / COUNT == pytest.approx(HEAD_SHARE, abs=0.03)
    assert values[counts.argmax()] == POPULAR_S[0]
