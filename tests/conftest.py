"""What every test relies on: one thread per process, property tests that draw the same each time."""

from __future__ import annotations

import os

from hypothesis import settings

# Before numpy or torch are imported: two workers with a thread pool each would fight over two cores.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
settings.load_profile("deterministic")
