"""One setting of the C library's allocator that training profits from."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_KEPT_BYTES = 1 << 30
_GROWTH_BYTES = 1 << 26


def keep_freed_memory() -> bool:
    """Have glibc keep up to a gibibyte of freed memory instead of returning it at once.

    Every minibatch allocates and frees the same tensors. By default glibc hands the larger ones back to the kernel
    each time and pays for fresh pages the next time: a tenth of the packed learner's time, a quarter of the dense
    one's. The most memory in use at any moment does not change.

    Returns:
        Whether the C library took the setting; others than glibc lack it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = (
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _GROWTH_BYTES),
        (_M_MMAP_THRESHOLD, _KEPT_BYTES),
    )
    return all([mallopt(key, value) == 1 for key, value in settings])
