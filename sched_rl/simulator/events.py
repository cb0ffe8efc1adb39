"""The event heap: Python's `heapq`, compiled, compared by (time, kind) alone.

Arrivals come before completions at equal times. Among equal events the order follows from the heap's own state, as
it does in the reference: so the sifting is heapq's to the letter (CPython's heapq.py).
"""

from __future__ import annotations

from sched_rl.kernels import kernel
from sched_rl.simulator.state import Records


@kernel
def push_event(heap: Records, size: int, num_jobs: int, time_s: float, code: int) -> None:
    """Add an event to a cluster's heap of `size` events (heapq.heappush); the caller counts it."""
    _sift_towards_root(heap, size, num_jobs, time_s, code)


@kernel
def pop_event(heap: Records, size: int, num_jobs: int) -> tuple[float, int]:
    """Remove and return (time, code) of the earliest of `size` events (heapq.heappop); the caller counts it."""
    top_time_s, top_code = heap[0].time_s, heap[0].code
    last = size - 1
    time_s, code = heap[last].time_s, heap[last].code
    position, child = 0, 1
    while child < last:
        right = child + 1
        if right < last and not _before(
            heap[child].time_s, heap[child].code, heap[right].time_s, heap[right].code, num_jobs
        ):
            child = right
        heap[position].time_s = heap[child].time_s
        heap[position].code = heap[child].code
        position, child = child, 2 * child + 1
    if last > 0:
        _sift_towards_root(heap, position, num_jobs, time_s, code)
    return top_time_s, top_code


@kernel
def _sift_towards_root(heap: Records, position: int, num_jobs: int, time_s: float, code: int) -> None:
    while position > 0:
        parent = (position - 1) >> 1
        if not _before(time_s, code, heap[parent].time_s, heap[parent].code, num_jobs):
            break
        heap[position].time_s = heap[parent].time_s
        heap[position].code = heap[parent].code
        position = parent
    heap[position].time_s = time_s
    heap[position].code = code


@kernel
def _before(time_a_s: float, code_a: int, time_b_s: float, code_b: int, num_jobs: int) -> bool:
    if time_a_s != time_b_s:
        return time_a_s < time_b_s
    return code_a < num_jobs and code_b >= num_jobs
