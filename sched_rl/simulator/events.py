"""The event heap: Python's `heapq`, compiled, compared by (time, kind) alone.

Arrivals come before completions at equal times. Among equal events the order follows from the heap's own state, as
it does in the reference: so the sifting is heapq's to the letter (CPython's heapq.py). Places are unsigned, which
spares every access the test for a negative index.

An event is one integer: its key in the upper half, its code in the lower one (j: job j arrives; n + j: it completes).
The key holds the time rounded down to float32, and the kind in its last bit. That is exact for arrivals, whose times
are float32; completions of equal keys, a rare thing, are compared by their true times.
"""

from __future__ import annotations

import numpy as np

from sched_rl.kernels import subkernel
from sched_rl.simulator.state import Events, Records

_ZERO, _ONE, _TWO, _SEVEN, _EIGHT = (np.uint64(each) for each in (0, 1, 2, 7, 8))
_CODE_BITS, _CODE = np.uint64(32), np.uint64(0xFFFFFFFF)


@subkernel
def make_event(time_s: float, completion: bool, code: int) -> np.uint64:
    """The event of a code at a time, which is not negative; the bits of such floats are ordered as they are."""
    rounded = np.float32(abs(time_s))  # -0.0 is 0
    bits = np.uint64(rounded.view(np.uint32)) - np.uint64(np.float64(rounded) > time_s)
    return np.uint64((((bits << _ONE) | np.uint64(completion)) << _CODE_BITS) | np.uint64(code))


@subkernel
def code_of(event: np.uint64) -> int:
    """Which job arrives or completes."""
    return int(np.int64(event & _CODE))


@subkernel
def push_event(heap: Events, size: int, event: np.uint64, jobs: Records) -> None:
    """Add an event to a heap of `size` events (heapq.heappush); the caller counts it.

    Args:
        heap: uint64, with room for it.
        size: events in the heap.
        event: from `make_event`.
        jobs: of `state.JOB`; tells apart completions of equal keys.
    """
    _sift_towards_root(heap, np.uint64(size), event, jobs)


@subkernel
def pop_event(heap: Events, size: int, jobs: Records) -> tuple[np.uint64, np.uint64]:
    """Remove the earliest of `size` events (heapq.heappop); the caller counts it.

    Returns:
        The event, and a number to be ignored, but not thrown away: it stands for reads ahead of time, which hide how
        far away a large heap is, and which the compiler would otherwise leave out.
    """
    top, ahead = heap[0], _ZERO
    last, place, child = np.uint64(size) - _ONE, _ZERO, _ONE
    while child < last:
        ahead ^= heap[min(_EIGHT * (place + _ONE) + _SEVEN, last)]
        # Past the end lies the event that is to be moved: reading it is harmless, taking it would not be.
        right = child + _ONE
        a, b = heap[child], heap[right]
        takes_right = (right < last) & _is_not_before(a, b, jobs)
        child += np.uint64(takes_right)
        heap[place] = b if takes_right else a
        place, child = child, _TWO * child + _ONE
    if last > _ZERO:
        _sift_towards_root(heap, place, heap[last], jobs)
    return top, ahead


@subkernel
def _sift_towards_root(heap: Events, place: np.uint64, event: np.uint64, jobs: Records) -> None:
    while place > _ZERO:
        parent = (place - _ONE) >> _ONE
        if _is_not_before(event, heap[parent], jobs):
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = event


@subkernel
def _is_not_before(a: np.uint64, b: np.uint64, jobs: Records) -> bool:
    """Not a < b, where (time, kind) decide."""
    key_a, key_b = a >> _CODE_BITS, b >> _CODE_BITS
    if key_a == key_b and key_a & _ONE:
        return _end_s(a, jobs) >= _end_s(b, jobs)
    return bool(key_a >= key_b)


@subkernel
def _end_s(completion: np.uint64, jobs: Records) -> float:
    job = jobs[np.int64(completion & _CODE) - jobs.shape[0]]
    return float(job.start_s + job.duration_s)
