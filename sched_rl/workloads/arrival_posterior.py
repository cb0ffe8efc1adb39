"""Where the bursts of an episode may lie, given the arrivals so far: Metropolis steps over their centres, compiled.

The density is that of `playbook.generate_workload`: a job belongs to a burst with probability p and then arrives
around its centre, normally distributed, else anywhere; times are clipped to the span, so that its two ends are points
of positive probability. Jobs that have not arrived count by the probability of not having arrived.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel

#: Moves of a centre in a round: anywhere, by a burst's width, by a fifth of it.
PROPOSALS = 3
_NARROW = 0.2
_TINY = 1e-300

_Floats = NDArray[np.float64]


@kernel
def move_centers(
    centers_s: _Floats,
    arrived_s: _Floats,
    now_s: float,
    num_left: int,
    family: tuple[float, float, float],
    anywhere_s: _Floats,
    steps_s: _Floats,
    log_uniforms: _Floats,
) -> None:
    """Move the centres some rounds further in their chain, whose stationary law is the posterior.

    Args:
        centers_s: float64 (B,), moved in place.
        arrived_s: float64 (m,), arrival times so far, in seconds.
        now_s: the present.
        num_left: jobs that have not arrived.
        family: the span and a burst's standard deviation, in seconds, and the share of jobs in bursts.
        anywhere_s: float64 (S, B), centres proposed from the prior, one a round.
        steps_s: float64 (S, B, PROPOSALS - 1), normal steps of a burst's width.
        log_uniforms: float64 (S, B, PROPOSALS), what decides on acceptance.
    """
    span_s, std_s, burst_prob = family
    num_bursts, num_arrived = centers_s.shape[0], arrived_s.shape[0]
    of_burst = burst_prob / num_bursts
    density, proposed = np.zeros(num_arrived), np.empty(num_arrived)
    left = 0.0  # sums over the bursts: density at each arrival, share beyond now
    for b in range(num_bursts):
        for i in range(num_arrived):
            density[i] += _density(arrived_s[i], centers_s[b], span_s, std_s)
        left += _beyond(now_s, centers_s[b], std_s)
    now = _log_likelihood(density, left, arrived_s, now_s, num_left, family, of_burst)
    for s in range(log_uniforms.shape[0]):
        for b in range(num_bursts):
            for k in range(PROPOSALS):
                center_s = anywhere_s[s, b]
                if k > 0:
                    center_s = centers_s[b] + steps_s[s, b, k - 1] * (1.0 if k == 1 else _NARROW)
                if not 0.0 <= center_s <= span_s:
                    continue
                for i in range(num_arrived):
                    at_s = arrived_s[i]
                    kept = density[i] - _density(at_s, centers_s[b], span_s, std_s)
                    proposed[i] = max(kept, 0.0) + _density(at_s, center_s, span_s, std_s)
                beyond = left - _beyond(now_s, centers_s[b], std_s)
                beyond = max(beyond, 0.0) + _beyond(now_s, center_s, std_s)
                then = _log_likelihood(proposed, beyond, arrived_s, now_s, num_left, family, of_burst)
                if log_uniforms[s, b, k] < then - now:
                    centers_s[b], left, now = center_s, beyond, then
                    density, proposed = proposed, density


@subkernel
def _density(at_s: float, center_s: float, span_s: float, std_s: float) -> float:
    """Of an arrival time under a burst; the probability of the point at an end of the span."""
    z = (at_s - center_s) / std_s
    if at_s <= 0.0:
        return 0.5 * math.erfc(-z / math.sqrt(2.0))
    if at_s >= span_s:
        return 0.5 * math.erfc(z / math.sqrt(2.0))
    if abs(z) > 8.0:
        return 0.0
    return math.exp(-0.5 * z * z) / (std_s * math.sqrt(2.0 * math.pi))


@subkernel
def _beyond(now_s: float, center_s: float, std_s: float) -> float:
    return 0.5 * math.erfc((now_s - center_s) / (std_s * math.sqrt(2.0)))


@subkernel
def _log_likelihood(
    density: _Floats,
    left: float,
    arrived_s: _Floats,
    now_s: float,
    num_left: int,
    family: tuple[float, float, float],
    of_burst: float,
) -> float:
    span_s, _, burst_prob = family
    uniform, total = (1.0 - burst_prob) / span_s, 0.0
    for i in range(density.shape[0]):
        inside = 0.0 < arrived_s[i] < span_s
        total += math.log(of_burst * density[i] + (uniform if inside else 0.0) + _TINY)
    survived = of_burst * left + (1.0 - burst_prob) * max(0.0, 1.0 - now_s / span_s)
    return total + num_left * math.log(survived + _TINY)
