"""The event heap: Python's `heapq`, compiled, compared by (time, kind) alone.

Arrivals come before completions at equal times. Among equal events the order follows from the heap's own state, as
it does in the reference: so the sifting is heapq's to the letter (CPython's heapq.py). Places are unsigned, which
spares every access the test for a negative index.
"""

from __future__ import annotations

import numpy as np

from sched_rl.kernels import subkernel
from sched_rl.simulator.state import Records

_ZERO, _ONE, _TWO = np.uint64(0), np.uint64(1), np.uint64(2)


@subkernel
def event_key(time_s: float, completion: bool) -> np.uint64:
    """(time, kind) as one integer of the same order, so that the heap decides with one comparison and no branch.

    The bits of floats that are not negative are ordered as the floats are, and their sign bit is free for the kind.
    """
    bits = np.float64(time_s).view(np.uint64) << _ONE
    return np.uint64(bits | np.uint64(completion))


@subkernel
def event_time_s(key: np.uint64) -> float:
    """The time in a key, to the bit."""
    return float(np.uint64(key >> _ONE).view(np.float64))


@subkernel
def push_event(heap: Records, size: int, key: np.uint64, code: int) -> None:
    """Add an event to a cluster's heap of `size` events (heapq.heappush); the caller counts it."""
    _sift_towards_root(heap, np.uint64(size), key, np.int32(code))


@subkernel
def pop_event(heap: Records, size: int) -> tuple[np.uint64, int]:
    """Remove and return (key, code) of the earliest of `size` events (heapq.heappop); the caller counts it."""
    top_key, top_code = heap[0].key, int(heap[0].code)
    last, place, child = np.uint64(size) - _ONE, _ZERO, _ONE
    while child < last:
        right = child + _ONE
        # Past the end lies the event that is to be moved: reading it is harmless, taking it would not be.
        child += np.uint64((right < last) & (heap[right].key <= heap[child].key))
        heap[place].key = heap[child].key
        heap[place].code = heap[child].code
        place, child = child, _TWO * child + _ONE
    if last > _ZERO:
        _sift_towards_root(heap, place, heap[last].key, heap[last].code)
    return top_key, top_code


@subkernel
def _sift_towards_root(heap: Records, place: np.uint64, key: np.uint64, code: np.int32) -> None:
    while place > _ZERO:
        parent = (place - _ONE) >> _ONE
        if key >= heap[parent].key:
            break
        heap[place].key = heap[parent].key
        heap[place].code = heap[parent].code
        place = parent
    heap[place].key = key
    heap[place].code = code
