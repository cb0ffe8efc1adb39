"""Importing large libraries without the garbage collector looking through them again and again."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_import(module: str) -> Iterator[None]:
    """Pause the collector while a module is imported for the first time, and never look at what it made again.

    The objects of an import stay until the process ends. Collecting among them takes a fifth of the time that
    importing torch takes, and once more as much when the interpreter ends (`gc.freeze` spares both).

    Args:
        module: what is about to be imported; where it is there already, nothing happens.
    """
    if module in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
