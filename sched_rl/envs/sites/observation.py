"""What a policy sees of a site. Estimates only: no true run time of a job that has not completed is in it.

`rich`, per visible job (D = max_duration, everything clipped to [-1, 1], R demand columns over capacity):
present; fits now; may start now (under a reservation: without delaying it); has the reservation; scale(requested);
scale(requested * share); ln(slowdown if it started now)/ln(10000); ln(1 + wait/60)/12; 1 + ln(share of the machine)/3;
how far it is above the smallest visible one by ln requested (/10) and ln area (/14.3); its wait over the longest; the
same as the two for ln(requested * area) (/20); share of the machine that it would leave idle; scale of the time until
it fits by the estimates, 0 if now; where scale(t) = 1 + ln(t/D)/6.
Profile: share of the machine idle at now + D ((p + 1)/P)^3 by the estimates, if nothing starts.
Context: idle shares (R columns); log-lengths of the queue, of what is visible, of the running list; share of the jobs
still to come; scales of the queue's area, of the shortest request, of the time to the next and to the last estimated
end; whether there is a reservation, scale of the time until it, what it leaves over; mean slowdown so far (log).

`playbook`: the study's four numbers a job (requested/D, priority, share, wait over span), the profile, idle and busy
shares.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.envs.sites.layout import JOB_FEATURES, PLAYBOOK_JOB_FEATURES, PROFILE_POINTS
from sched_rl.kernels import kernel
from sched_rl.simulator.site.events import NOBODY, fits, may_fill
from sched_rl.simulator.site.state import Plain, SiteRules, SiteState

_LOG_WORST = math.log(10_000.0)
_Row = NDArray[np.float32]
_Rows = NDArray[np.float32]


@kernel
def observe_sites(
    arrays: Plain,
    plain_rules: Plain,
    capacity: NDArray[np.int64],
    rich: bool,
    first: int,
    last: int,
    out: _Rows,
) -> None:
    """Write the observations of sites first..last-1 to float32 (N, layout.size)."""
    state, rules = SiteState(*arrays), SiteRules(*plain_rules)
    width = JOB_FEATURES + capacity.shape[0] if rich else PLAYBOOK_JOB_FEATURES
    jobs_end = rules.window * width
    for c in range(first, last):
        row, visible, ends = out[c], min(rules.window, state.clusters[c].queued), _estimated_ends(state, c)
        if rich:
            _write_jobs(state, rules, c, capacity, ends, visible, row[:jobs_end])
        else:
            _write_playbook_jobs(state, rules, c, visible, row[:jobs_end])
        row[visible * width : jobs_end] = np.float32(0.0)
        idle, rest = _idle_share(state, c), row[jobs_end + PROFILE_POINTS :]
        _write_profile(state, rules, c, ends, idle, row[jobs_end : jobs_end + PROFILE_POINTS])
        if rich:
            for r in range(capacity.shape[0]):
                rest[r] = state.idle[c, r] / capacity[r]
            _write_context(state, rules, c, capacity, ends, visible, rest[capacity.shape[0] :])
        else:
            rest[0], rest[1] = idle, 1.0 - idle


@kernel
def _estimated_ends(state: SiteState, c: int) -> NDArray[np.float64]:
    """(num_running, 2): when each running job ends by the estimates, ascending, and its row."""
    site = state.clusters[c]
    size = site.num_running
    ends, table = np.empty(size), np.empty((size, 2))
    for i in range(size):
        job = state.running[c, i]
        ends[i] = max(state.start_s[c, job] + state.requested_s[c, job], site.now_s)
    order = np.argsort(ends)
    for i in range(size):
        table[i, 0], table[i, 1] = ends[order[i]], state.running[c, order[i]]
    return table


@kernel
def _scale(time_s: float, longest_s: float) -> float:
    """1 + ln(t / longest) / 6 in [-1, 1]: four decades below the longest lie within it."""
    return min(max(1.0 + math.log(max(time_s, 1.0) / longest_s) / 6.0, -1.0), 1.0)


@kernel
def _idle_share(state: SiteState, c: int) -> float:
    idle = 1.0
    for i in range(state.clusters[c].num_running):
        idle -= state.share[c, state.running[c, i]]
    return max(idle, 0.0)


@kernel
def _write_jobs(
    state: SiteState,
    rules: SiteRules,
    c: int,
    capacity: NDArray[np.int64],
    ends: NDArray[np.float64],
    visible: int,
    out: _Row,
) -> None:
    site, num_resources, a_decade = state.clusters[c], capacity.shape[0], 1.0 / 6.0
    width, log_longest, idle = JOB_FEATURES + num_resources, math.log(rules.longest_s), _idle_share(state, c)
    least, longest_wait_s = np.full(3, np.inf), 1.0
    for i in range(visible):
        job = state.queue[c, i]
        log_s, log_area = state.log_requested[c, job], state.log_requested[c, job] + state.log_share[c, job]
        least[0], least[1] = min(least[0], log_s), min(least[1], log_area)
        least[2] = min(least[2], log_s + log_area)
        longest_wait_s = max(longest_wait_s, site.now_s - state.submit_s[c, job])
    for i in range(visible):
        job, one = state.queue[c, i], out[i * width : (i + 1) * width]
        requested_s, share = max(state.requested_s[c, job], 1.0), state.share[c, job]
        log_s, log_share = state.log_requested[c, job], state.log_share[c, job]
        wait_s = site.now_s - state.submit_s[c, job]
        fit = fits(state, c, job)
        one[0] = 1.0
        one[1] = fit
        one[2] = fit and (site.reserved == NOBODY or may_fill(state, c, job))
        one[3] = job == site.reserved
        one[4] = _clipped(1.0 + (log_s - log_longest) * a_decade)
        one[5] = _clipped(1.0 + (log_s + log_share - log_longest) * a_decade)
        slowdown = max(1.0, (wait_s + requested_s) / max(requested_s, 10.0))
        one[6] = min(math.log(slowdown) / _LOG_WORST, 1.0)
        one[7] = min(math.log(1.0 + wait_s / 60.0) / 12.0, 1.0)
        one[8] = _clipped(1.0 + log_share / 3.0)
        one[9] = min((log_s - least[0]) * 0.1, 1.0)
        one[10] = min((log_s + log_share - least[1]) * 0.07, 1.0)
        one[11] = wait_s / longest_wait_s
        one[12] = min((2.0 * log_s + log_share - least[2]) * 0.05, 1.0)
        one[13] = max(idle - share, -1.0)
        one[14] = 0.0 if fit else _scale(_time_until_fit(state, c, ends, job), rules.longest_s)
        for r in range(num_resources):
            one[JOB_FEATURES + r] = state.demand[c, job, r] / capacity[r]


@kernel
def _clipped(value: float) -> float:
    return min(max(value, -1.0), 1.0)


@kernel
def _time_until_fit(state: SiteState, c: int, ends: NDArray[np.float64], job: int) -> float:
    latest_s = state.clusters[c].now_s
    for r in range(state.idle.shape[1]):
        idle = state.idle[c, r]
        for i in range(ends.shape[0]):
            if idle >= state.demand[c, job, r]:
                break
            idle += state.demand[c, int(ends[i, 1]), r]
            latest_s = max(latest_s, ends[i, 0])
    return float(latest_s - state.clusters[c].now_s)


@kernel
def _write_playbook_jobs(state: SiteState, rules: SiteRules, c: int, visible: int, out: _Row) -> None:
    site = state.clusters[c]
    span_s = max(site.horizon_s - state.submit_s[c, 0], 1.0)
    highest = max(state.priority[c].max(), 1)
    for i in range(visible):
        job = state.queue[c, i]
        out[4 * i] = min(state.requested_s[c, job] / rules.longest_s, 1.0)
        out[4 * i + 1] = max(state.priority[c, job], 0) / highest
        out[4 * i + 2] = state.share[c, job]
        out[4 * i + 3] = min((site.now_s - state.submit_s[c, job]) / span_s, 1.0)


@kernel
def _write_profile(
    state: SiteState, rules: SiteRules, c: int, ends: NDArray[np.float64], idle: float, row: _Row
) -> None:
    points, i = row.shape[0], 0
    for p in range(points):
        reached_s = state.clusters[c].now_s + rules.longest_s * ((p + 1) / points) ** 3
        while i < ends.shape[0] and ends[i, 0] <= reached_s:
            idle += state.share[c, int(ends[i, 1])]
            i += 1
        row[p] = min(idle, 1.0)


@kernel
def _write_context(
    state: SiteState,
    rules: SiteRules,
    c: int,
    capacity: NDArray[np.int64],
    ends: NDArray[np.float64],
    visible: int,
    rest: _Row,
) -> None:
    site, num_jobs = state.clusters[c], state.submit_s.shape[1]
    a_log = 1.0 / math.log1p(num_jobs)
    area_s, shortest_s = 0.0, rules.longest_s
    for i in range(site.queued):
        job = state.queue[c, i]
        area_s += state.requested_s[c, job] * state.share[c, job]
        shortest_s = min(shortest_s, state.requested_s[c, job])
    rest[0] = math.log1p(site.queued) * a_log
    rest[1] = math.log1p(visible) / math.log1p(rules.window)
    rest[2] = math.log1p(site.num_running) * a_log
    rest[3] = 1.0 - site.arrived / num_jobs
    rest[4] = _scale(area_s, rules.longest_s)
    rest[5] = _scale(shortest_s, rules.longest_s)
    rest[6] = rest[7] = -1.0
    if ends.shape[0] > 0:
        rest[6] = _scale(ends[0, 0] - site.now_s, rules.longest_s)
        rest[7] = _scale(ends[ends.shape[0] - 1, 0] - site.now_s, rules.longest_s)
    rest[8] = site.reserved != NOBODY
    rest[9] = rest[10] = -1.0
    if site.reserved != NOBODY:
        rest[9] = _scale(site.shadow_s - site.now_s, rules.longest_s)
        rest[10] = 1.0
        for r in range(capacity.shape[0]):
            rest[10] = min(rest[10], max(state.extra[c, r] / capacity[r], 0.0))
    rest[11] = min(math.log(max(site.accrued / max(site.arrived, 1), 1.0)) / _LOG_WORST, 1.0)
