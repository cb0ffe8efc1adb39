"""What happens on a site whoever decides: arrivals, completions, starts, and the reservation of EASY.

Kernels take one site's rows; functions that change scalars of its record do so in place.
"""

from __future__ import annotations

import math

import numpy as np

from sched_rl.kernels import kernel
from sched_rl.simulator.site.state import SLOWDOWN_THRESHOLD_S, SiteState

NOBODY = -1


@kernel
def fits(state: SiteState, c: int, row: int) -> bool:
    """Whether a job fits the idle units of every resource."""
    for r in range(state.idle.shape[1]):
        if state.demand[c, row, r] > state.idle[c, r]:
            return False
    return True


@kernel
def slowdown_at(state: SiteState, c: int, row: int, start_s: float) -> float:
    """Bounded slowdown of a job that starts then."""
    run_s = state.run_s[c, row]
    wait_s = start_s - state.submit_s[c, row]
    return float(max(1.0, (wait_s + run_s) / max(run_s, SLOWDOWN_THRESHOLD_S)))


@kernel
def next_event_s(state: SiteState, c: int) -> float:
    """When the next job arrives or completes, inf if none does."""
    site, next_s = state.clusters[c], math.inf
    if site.arrived < state.submit_s.shape[1]:
        next_s = state.submit_s[c, site.arrived]
    if site.num_running > 0:
        first = state.running[c, site.num_running - 1]
        next_s = min(next_s, state.start_s[c, first] + state.run_s[c, first])
    return float(next_s)


@kernel
def apply_instant(state: SiteState, c: int) -> bool:
    """Move the clock to the next event and apply all that happens at that instant; False where nothing is left."""
    site, now_s = state.clusters[c], next_event_s(state, c)
    if now_s == math.inf:
        return False
    site.now_s = max(site.now_s, now_s)  # the game's jobs may be out of submit order
    while site.num_running > 0:
        first = state.running[c, site.num_running - 1]
        if state.start_s[c, first] + state.run_s[c, first] > site.now_s:
            break
        _complete(state, c, first)
    while site.arrived < state.submit_s.shape[1] and state.submit_s[c, site.arrived] <= site.now_s:
        _arrive(state, c)
    return True


@kernel
def apply_event(state: SiteState, c: int) -> bool:
    """One arrival or one completion, as the committed game has it: the arrival wins a tie."""
    site, now_s = state.clusters[c], next_event_s(state, c)
    if now_s == math.inf:
        return False
    site.now_s = max(site.now_s, now_s)
    if site.arrived < state.submit_s.shape[1] and state.submit_s[c, site.arrived] <= now_s:
        _arrive(state, c)
    else:
        _complete(state, c, state.running[c, site.num_running - 1])
    return True


@kernel
def _arrive(state: SiteState, c: int) -> None:
    """The next job takes its place in the queue, which is sorted by window_rank."""
    site, queue, rank = state.clusters[c], state.queue[c], state.window_rank[c]
    row = site.arrived
    i = site.queued
    while i > 0 and rank[queue[i - 1]] > rank[row]:
        queue[i] = queue[i - 1]
        i -= 1
    queue[i] = row
    site.queued += 1
    site.arrived += 1


@kernel
def _complete(state: SiteState, c: int, row: int) -> None:
    for r in range(state.idle.shape[1]):
        state.idle[c, r] += state.demand[c, row, r]
    state.clusters[c].num_running -= 1


@kernel
def start_job(state: SiteState, c: int, row: int) -> None:
    """Start a waiting job now."""
    site, queue = state.clusters[c], state.queue[c]
    place = 0
    while queue[place] != row:
        place += 1
    for i in range(place, site.queued - 1):
        queue[i] = queue[i + 1]
    site.queued -= 1
    run_job(state, c, row)


@kernel
def run_job(state: SiteState, c: int, row: int) -> None:
    """Start a job that is in no queue; of two that end together the earlier started completes first."""
    site, running = state.clusters[c], state.running[c]
    for r in range(state.idle.shape[1]):
        state.idle[c, r] -= state.demand[c, row, r]
    state.start_s[c, row] = site.now_s
    end_s = site.now_s + state.run_s[c, row]
    i = site.num_running
    while i > 0 and state.start_s[c, running[i - 1]] + state.run_s[c, running[i - 1]] <= end_s:
        running[i] = running[i - 1]
        i -= 1
    running[i] = row
    site.num_running += 1
    site.num_started += 1
    site.settled += slowdown_at(state, c, row, site.now_s)
    site.settled_wait += state.wait_cost[c, row] * (site.now_s - state.submit_s[c, row])


@kernel
def reserve(state: SiteState, c: int, row: int) -> None:
    """Give a job that does not fit its reservation: the earliest time by the estimates, and what it leaves over.

    A running job that has outrun its request counts as about to end.
    """
    site, num_resources = state.clusters[c], state.idle.shape[1]
    size = site.num_running
    ends = np.empty(size)
    for i in range(size):
        job = state.running[c, i]
        ends[i] = max(state.start_s[c, job] + state.requested_s[c, job], site.now_s)
    for r in range(num_resources):
        state.extra[c, r] = state.idle[c, r] - state.demand[c, row, r]
    shadow_s, lacks = site.now_s, True
    for i in np.argsort(ends):
        if not lacks and ends[i] > shadow_s:
            break
        if lacks:
            shadow_s = ends[i]
        lacks = False
        for r in range(num_resources):
            state.extra[c, r] += state.demand[c, state.running[c, i], r]
            lacks |= state.extra[c, r] < 0
    site.shadow_s, site.reserved = shadow_s, row


@kernel
def may_fill(state: SiteState, c: int, row: int) -> bool:
    """Whether a job may start now without delaying the reserved one: over by then, or within what is left over."""
    site = state.clusters[c]
    if row == site.reserved or not fits(state, c, row):
        return False
    if site.now_s + state.requested_s[c, row] <= site.shadow_s:
        return True
    for r in range(state.idle.shape[1]):
        if state.demand[c, row, r] > state.extra[c, r]:
            return False
    return True


@kernel
def fill(state: SiteState, c: int, row: int) -> None:
    """Start a job that `may_fill`; one that runs on at the shadow time takes from what is left over then."""
    if state.clusters[c].now_s + state.requested_s[c, row] > state.clusters[c].shadow_s:
        for r in range(state.idle.shape[1]):
            state.extra[c, r] -= state.demand[c, row, r]
    start_job(state, c, row)


@kernel
def serve_committed(state: SiteState, c: int, row: int, backfill: bool) -> None:
    """The committed game: serve this job next, whatever happens; others start only by the game's backfilling.

    The shadow time is computed once, when the job is committed; candidates go in the order of submission and must be
    over strictly before it. Then the clock goes on to the next moment with a waiting job.
    """
    site, queue = state.clusters[c], state.queue[c]
    place = 0
    while queue[place] != row:
        place += 1
    for i in range(place, site.queued - 1):
        queue[i] = queue[i + 1]
    site.queued -= 1
    if not fits(state, c, row):
        reserve(state, c, row)
    while not fits(state, c, row):
        if backfill:
            for other in np.sort(queue[: site.queued]):
                if fits(state, c, other) and site.now_s + state.requested_s[c, other] < site.shadow_s:
                    start_job(state, c, other)
        apply_event(state, c)
    site.reserved = NOBODY
    run_job(state, c, row)
    while site.queued == 0 and apply_event(state, c):
        pass
