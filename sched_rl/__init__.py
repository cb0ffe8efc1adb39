"""Learned and classical schedulers for GPU clusters: one simulator, PPO, block evaluation and diagnosis.

From Python: `make_env`, `make_vec_env` and `load_scheduler`. They are imported on first use, so that the package
itself comes in at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sched_rl.envs.adapters.make import make_env, make_vec_env
    from sched_rl.evaluation.loading import load_scheduler

__all__ = ["load_scheduler", "make_env", "make_vec_env"]

_HOMES = {
    "load_scheduler": "sched_rl.evaluation.loading",
    "make_env": "sched_rl.envs.adapters.make",
    "make_vec_env": "sched_rl.envs.adapters.make",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
