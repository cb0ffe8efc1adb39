"""Schedulers by the book, written to be obviously right and not fast: everything is rebuilt at each instant."""

from __future__ import annotations

import math


def slow_replay(jobs, num_procs, priority, mode):
    """Start times of jobs, dicts of submit, run, requested and procs in submit order, by their row."""
    starts, now = {}, -math.inf
    while len(starts) < len(jobs):
        now = next_instant(jobs, starts, now)
        running = [row for row in starts if starts[row] + jobs[row]["run"] > now]
        queue = [row for row, job in enumerate(jobs) if row not in starts and job["submit"] <= now]
        queue.sort(key=lambda row: (key(jobs[row], now, priority), jobs[row]["submit"], row))
        for row in PASSES[mode](jobs, queue, running, starts, num_procs, now):
            starts[row] = now
    return [starts[row] for row in range(len(jobs))]


def next_instant(jobs, starts, last):
    """The earliest arrival or completion after the last pass."""
    times = [job["submit"] for job in jobs] + [starts[row] + jobs[row]["run"] for row in starts]
    return min(time for time in times if time > last)


def key(job, now, priority):
    wait, requested = now - job["submit"], job["requested"]
    return {
        "fcfs": lambda: job["submit"],
        "sjf": lambda: requested,
        "saf": lambda: requested * job["procs"],
        "f1": lambda: math.log10(requested) * job["procs"] + 870 * math.log10(max(job["submit"], 0.1)),
        "wfp3": lambda: -((wait / requested) ** 3) * job["procs"],
        "unicep": lambda: -wait / (max(math.log2(job["procs"]), 1e-9) * requested),
    }[priority]()


def free_now(jobs, rows, num_procs):
    return num_procs - sum(jobs[row]["procs"] for row in rows)


def strict(jobs, queue, running, starts, num_procs, now):
    started = []
    for row in queue:
        if jobs[row]["procs"] > free_now(jobs, running + started, num_procs):
            break
        started.append(row)
    return started


def greedy(jobs, queue, running, starts, num_procs, now):
    started = []
    for row in queue:
        if jobs[row]["procs"] <= free_now(jobs, running + started, num_procs):
            started.append(row)
    return started


def estimated_end(jobs, row, starts, now):
    return max(starts.get(row, now) + jobs[row]["requested"], now)


def easy(jobs, queue, running, starts, num_procs, now):
    started = strict(jobs, queue, running, starts, num_procs, now)
    waiting = [row for row in queue if row not in started]
    if not waiting:
        return started
    head, holding = waiting[0], running + started

    def free_at(moment):
        return num_procs - sum(
            jobs[row]["procs"] for row in holding if estimated_end(jobs, row, starts, now) > moment
        )

    moments = sorted({now, *(estimated_end(jobs, row, starts, now) for row in holding)})
    shadow = next(moment for moment in moments if free_at(moment) >= jobs[head]["procs"])
    extra = free_at(shadow) - jobs[head]["procs"]
    for row in waiting[1:]:
        job = jobs[row]
        if job["procs"] > free_now(jobs, running + started, num_procs):
            continue
        if now + job["requested"] <= shadow:
            started.append(row)
        elif job["procs"] <= extra:
            extra -= job["procs"]
            started.append(row)
    return started


def conservative(jobs, queue, running, starts, num_procs, now):
    slots = [(now, estimated_end(jobs, row, starts, now), jobs[row]["procs"]) for row in running]
    started, free = [], free_now(jobs, running, num_procs)
    for row in queue:
        job = jobs[row]
        begin = next(
            moment
            for moment in sorted({now, *(end for _, end, _ in slots)})
            if fits(slots, moment, moment + job["requested"], num_procs - job["procs"])
        )
        slots.append((begin, begin + job["requested"], job["procs"]))
        if begin == now and job["procs"] <= free:
            started.append(row)
            free -= job["procs"]
    return started


def fits(slots, begin, end, room):
    """Whether at no moment of [begin, end) more than `room` processors are taken."""
    moments = [begin, *(start for start, _, _ in slots if begin < start < end)]
    return all(
        sum(procs for start, stop, procs in slots if start <= moment < stop) <= room for moment in moments
    )


PASSES = {"strict": strict, "greedy": greedy, "easy": easy, "conservative": conservative}
