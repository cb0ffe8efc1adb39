"""Which event happens next, in constant time however many jobs an episode has.

Arrivals lie in order (`queue[tail:]`), running jobs by their completion: the next event is the head of one of the two
lists. Only events of one kind at one instant leave a choice, and the reference makes it by the state of its binary
heap, which holds every event to come. That heap is therefore kept, but runs behind: it is brought up to date by
replaying what happened, and only when two events tie.
"""

from __future__ import annotations

import numpy as np

from sched_rl.kernels import kernel, subkernel
from sched_rl.simulator.events import code_of, make_event, pop_event, push_event
from sched_rl.simulator.queue import join_queue
from sched_rl.simulator.state import QUEUE_FEATURES, SUBMIT_S, ClusterState

#: What `take_next_event` returns of an arrival.
NO_COMPLETION = -1


@subkernel
def is_event_left(state: ClusterState, c: int) -> bool:
    """Whether anything is still to arrive or to complete."""
    return bool(state.clusters[c].num_arriving > 0 or state.clusters[c].num_running > 0)


@subkernel
def num_events(state: ClusterState, c: int) -> int:
    """How many events have happened: arrivals, and starts that do not run any more."""
    cluster = state.clusters[c]
    return int(cluster.queue_tail + cluster.queue_head - cluster.num_running)


@subkernel
def next_event_s(state: ClusterState, c: int) -> float:
    """When the next event happens, inf if none is left."""
    cluster, end_s = state.clusters[c], np.inf
    if cluster.num_running > 0:
        end_s = state.running[c, 0].end_s
    if cluster.num_arriving > 0:
        return float(min(_arrival_s(state, c, cluster.queue_tail), end_s))
    return end_s


@subkernel
def take_next_event(state: ClusterState, c: int) -> int:
    """Set the clock to the earliest event, of which there must be one, and let its job join the queue if it arrives.

    Returns:
        NO_COMPLETION after an arrival; otherwise where the job that completes stands among the running ones, which it
        still has to leave.
    """
    cluster, tail = state.clusters[c], state.clusters[c].queue_tail
    cluster.now_s = next_event_s(state, c)
    if cluster.num_arriving > 0 and _arrival_s(state, c, tail) <= cluster.now_s:
        if cluster.num_arriving > 1 and _arrival_s(state, c, tail + 1) == cluster.now_s:
            job = _earliest_by_heap(state, c)
            _swap_places(state, c, tail, state.jobs[c, job].place)
        join_queue(state, c)
        return NO_COMPLETION
    position = 0
    if cluster.num_running > 1 and state.running[c, 1].end_s == cluster.now_s:
        job = _earliest_by_heap(state, c) - state.jobs.shape[1]
        while state.running[c, position].job != job:
            position += 1
    return position


@subkernel
def _arrival_s(state: ClusterState, c: int, place: int) -> float:
    return float(state.queue_features[c, QUEUE_FEATURES * place + SUBMIT_S])


@subkernel
def _swap_places(state: ClusterState, c: int, a: int, b: int) -> None:
    """Exchange two jobs that are still to arrive."""
    queue, features = state.queue[c], state.queue_features[c]
    queue[a], queue[b] = queue[b], queue[a]
    state.jobs[c, queue[a]].place, state.jobs[c, queue[b]].place = a, b
    for r in range(state.queue_demand.shape[1]):
        demand = state.queue_demand[c, r]
        demand[a], demand[b] = demand[b], demand[a]
    for feature in range(QUEUE_FEATURES):
        first, second = QUEUE_FEATURES * a + feature, QUEUE_FEATURES * b + feature
        features[first], features[second] = features[second], features[first]


@kernel
def _earliest_by_heap(state: ClusterState, c: int) -> int:
    """The code of the event that the reference's heap has on top, after all that happened so far.

    Not inlined: it is rarely needed. Over an episode it costs what keeping the heap up to date would have cost, or
    less, as it works on one cluster's heap for many events at a time.
    """
    cluster, jobs, heap = state.clusters[c], state.jobs[c], state.heap[c]
    num_jobs, happened, ahead = jobs.shape[0], num_events(state, c), np.uint64(0)
    if cluster.heap_events < 0:
        for job in range(num_jobs):  # pushed in the workload's order, which decides among equal submit times
            push_event(heap, job, make_event(jobs[job].submit_s, False, job), jobs)
        cluster.heap_size, cluster.heap_events, cluster.heap_starts = num_jobs, 0, 0
    while True:
        while cluster.heap_starts < cluster.queue_head:
            start = state.starts[c, cluster.heap_starts]
            if start.events_before > cluster.heap_events:
                break
            completion = make_event(start.end_s, True, num_jobs + start.job)
            push_event(heap, cluster.heap_size, completion, jobs)
            cluster.heap_size += 1
            cluster.heap_starts += 1
        if cluster.heap_events == happened:
            # The number is never that large: a code below 2 n in its lower half stays one under exclusive or.
            return code_of(heap[0]) if ahead != np.uint64(2**64 - 1) else 0
        ahead ^= pop_event(heap, cluster.heap_size, jobs)[1]
        cluster.heap_size -= 1
        cluster.heap_events += 1
