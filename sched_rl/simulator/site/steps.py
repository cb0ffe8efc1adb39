"""Steps of a policy on a site, and what they pay.

`decision`: time stands still while jobs start. Choosing a job that fits starts it. Choosing one that does not fit
(where the rules allow it) lets it block: without backfilling the site waits for the next instant; with EASY the job
gets the reservation and the policy goes on choosing among those that cannot delay it. The no-op waits for the next
instant. All events of an instant happen before the next decision, and instants at which nothing visible could start
pass by themselves. So a policy that goes by a priority is the textbook's scheduler of that priority, start by start:
strict (it may block), greedy (it never does), EASY.

`commit`: the committed game (RLScheduler, SC'20), see `events.serve_committed`; there is no no-op in it.

Reward of a step: -scale/n times the rise of the sum, over all jobs that have arrived, of the bounded slowdown that each
has or would have if it started now. So an episode's return is -scale times its mean bounded slowdown, to the digit, and
every second of waiting is paid for when it passes. A slowdown hardly charges a long job for its wait: a policy may let
all wide and long jobs stand until the arrivals end, which no cluster's do. `wait_scale` charges the mean wait too,
`area_wait_scale` the mean wait weighted by area (share of the machine times run time). That one depends on how busy the
machine is when, and on nothing else: the integral of t over what is busy is the sum of area * (start + run / 2). So it
charges for work put off, whoever's, and takes no side between short and long jobs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel
from sched_rl.simulator.site.events import (
    NOBODY,
    apply_event,
    apply_instant,
    fill,
    fits,
    may_fill,
    next_event_s,
    reserve,
    serve_committed,
    slowdown_at,
    start_job,
)
from sched_rl.simulator.site.state import Plain, SiteRules, SiteState

_EASY, _GAME = 1, 2  # places in state.BACKFILLS


@kernel
def begin_sequence(arrays: Plain, plain_rules: Plain, c: int, action_mask: NDArray[np.bool_]) -> None:
    """Start the loaded sequence of site c: an empty machine, and the clock at the first decision."""
    state, rules = SiteState(*arrays), SiteRules(*plain_rules)
    site = state.clusters[c]
    site.now_s = state.submit_s[c, 0]
    site.total_return = site.settled = site.accrued = site.shadow_s = 0.0
    site.settled_wait = site.accrued_wait = 0.0
    site.queued = site.arrived = site.num_running = site.num_started = 0
    site.reserved = NOBODY
    site.steps = site.noop_steps = site.noop_feasible_steps = site.feasible_steps = site.invalid_steps = 0
    site.finished = False
    state.start_s[c, :] = np.nan
    if rules.commits:
        apply_event(state, c)  # the first job alone is queued, others of the same second arrive by events
    else:
        apply_instant(state, c)
    write_mask(state, rules, c, action_mask[c])


@kernel
def step_sites(
    arrays: Plain, plain_rules: Plain, actions: NDArray[np.int64], action_mask: NDArray[np.bool_]
) -> int:
    """One step of every site that is not finished; returns how many it finished.

    Args:
        arrays: `SiteState`, plain; its records say what the step did.
        plain_rules: `SiteRules`, plain.
        actions: int64 (N,), 0 = no-op, i = choose the i-th visible job; anything else acts as a no-op.
        action_mask: bool (N, K + 1), of the state before; rewritten for the state after.
    """
    state, rules, num_finished = SiteState(*arrays), SiteRules(*plain_rules), 0
    for c in range(actions.shape[0]):
        site = state.clusters[c]
        if site.finished:
            site.reward = site.dt_s = 0.0
            site.invalid_action = site.noop_feasible = False
            continue
        action, before_s = actions[c], site.now_s
        site.invalid_action = action < 0 or action > min(rules.window, site.queued)
        if not site.invalid_action and action > 0:
            site.invalid_action = not is_legal(state, rules, c, state.queue[c, action - 1])
        if site.invalid_action or (action == 0 and rules.commits):
            site.invalid_action = True
            site.invalid_steps += 1
            action = 0
        some_fitted = site.num_feasible > 0
        site.noop_feasible = action == 0 and some_fitted
        site.noop_steps += action == 0
        site.noop_feasible_steps += site.noop_feasible
        site.feasible_steps += some_fitted
        if action == 0:
            wait(state, rules, c)
        else:
            choose(state, rules, c, state.queue[c, action - 1])
        site.dt_s = site.now_s - before_s
        end_step(state, rules, c)
        write_mask(state, rules, c, action_mask[c])
        num_finished += site.finished
    return num_finished


@kernel
def choose(state: SiteState, rules: SiteRules, c: int, row: int) -> None:
    """What choosing a legal job does."""
    site = state.clusters[c]
    if rules.commits:
        serve_committed(state, c, row, rules.backfill == _GAME)
        return
    if site.reserved != NOBODY:
        fill(state, c, row)
    elif fits(state, c, row):
        start_job(state, c, row)
    elif rules.backfill == _EASY:
        reserve(state, c, row)
    else:
        wait(state, rules, c)
        return
    if not _anything_to_start(state, rules, c):
        wait(state, rules, c)


@kernel
def wait(state: SiteState, rules: SiteRules, c: int) -> None:
    """Let instants pass until a visible job could start; in the committed game, one event."""
    site = state.clusters[c]
    site.reserved = NOBODY
    if rules.commits:
        apply_event(state, c)
        return
    while apply_instant(state, c):
        if _anything_to_start(state, rules, c):
            return


@kernel
def is_legal(state: SiteState, rules: SiteRules, c: int, row: int) -> bool:
    """Whether a visible job may be chosen."""
    if state.clusters[c].reserved != NOBODY:
        return may_fill(state, c, row)
    return rules.may_block or fits(state, c, row)


@kernel
def _anything_to_start(state: SiteState, rules: SiteRules, c: int) -> bool:
    site = state.clusters[c]
    for i in range(min(rules.window, site.queued)):
        row = state.queue[c, i]
        if may_fill(state, c, row) if site.reserved != NOBODY else fits(state, c, row):
            return True
    return False


@kernel
def write_mask(state: SiteState, rules: SiteRules, c: int, row: NDArray[np.bool_]) -> None:
    """The legal actions of site c; the no-op always, but in the committed game."""
    site = state.clusters[c]
    visible = min(rules.window, site.queued)
    row[0] = not rules.commits or visible == 0
    row[visible + 1 :] = False
    site.num_feasible = 0
    for i in range(visible):
        job = state.queue[c, i]
        legal = is_legal(state, rules, c, job)
        row[i + 1] = legal
        site.num_feasible += legal and fits(state, c, job)


@kernel
def end_step(state: SiteState, rules: SiteRules, c: int) -> None:
    """Count the step, pay for it, and say whether it was the last."""
    site, num_jobs = state.clusters[c], state.submit_s.shape[1]
    site.steps += 1
    site.terminated = site.num_started == num_jobs
    site.truncated = not site.terminated and site.steps >= rules.max_steps
    site.finished = site.terminated or site.truncated
    if site.terminated:
        while next_event_s(state, c) < np.inf:  # to the last completion
            apply_instant(state, c)
    accrued, wait = site.settled, site.settled_wait
    for i in range(site.queued):
        row = state.queue[c, i]
        accrued += slowdown_at(state, c, row, site.now_s)
        wait += state.wait_cost[c, row] * (site.now_s - state.submit_s[c, row])
    if site.truncated:
        slowdown, more = cost_to_go(state, c)
        accrued += slowdown
        wait += more
    cost = rules.slowdown_scale * (accrued - site.accrued) + wait - site.accrued_wait
    site.reward = -cost / num_jobs
    site.accrued, site.accrued_wait = accrued, wait
    site.total_return += site.reward


@kernel
def cost_to_go(state: SiteState, c: int) -> tuple[float, float]:
    """Slowdown, and cost of the waits, still to come to the waiting jobs on a fluid machine that obeys Smith's rule.

    Each job starts when the machine has served, beside what runs, the area of the jobs before it. What is to come is
    left out: no action changes it.
    """
    site, cost, wait = state.clusters[c], 0.0, 0.0
    if site.queued == 0:
        return 0.0, 0.0
    free, clock_s, served, ahead = 1.0, site.now_s, 0.0, 0.0
    for i in range(site.num_running):
        free -= state.share[c, state.running[c, i]]
    next_end = site.num_running - 1
    for i in range(state.cost_order.shape[1]):
        row = state.cost_order[c, i]
        if row >= site.arrived or not np.isnan(state.start_s[c, row]):
            continue
        while True:
            end_s = np.inf
            if next_end >= 0:
                end_s = (
                    state.start_s[c, state.running[c, next_end]] + state.run_s[c, state.running[c, next_end]]
                )
            rate = max(free, 1e-9)
            if served + rate * (end_s - clock_s) >= ahead:
                clock_s += (ahead - served) / rate
                served = ahead
                break
            served += rate * (end_s - clock_s)
            clock_s = end_s
            free += state.share[c, state.running[c, next_end]]
            next_end -= 1
        cost += slowdown_at(state, c, row, clock_s) - slowdown_at(state, c, row, site.now_s)
        wait += state.wait_cost[c, row] * (clock_s - site.now_s)
        ahead += state.share[c, row] * state.run_s[c, row]
    return cost, wait


@kernel
def write_site_potential(arrays: Plain, plain_rules: Plain, out: NDArray[np.float64]) -> None:
    """The potential of every site, float64 (N,): minus the cost to go, in units of a return.

    Adding its differences to the rewards changes no optimal policy (Ng, Harada and Russell, ICML 1999) but says at
    once what a start is worth to the jobs behind it. It knows true run times, as rewards may.
    """
    state, rules = SiteState(*arrays), SiteRules(*plain_rules)
    for c in range(out.shape[0]):
        slowdown, wait = cost_to_go(state, c)
        out[c] = -(rules.slowdown_scale * slowdown + wait) / state.submit_s.shape[1]
