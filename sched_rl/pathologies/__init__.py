"""Failures built on purpose, to try a diagnosis on: faulty training environments and bad starts of a learner.

conf/pathology/ names them. Most are settings alone; what needs code is here, and a run without a pathology meets none
of it.
"""

from __future__ import annotations

from sched_rl.pathologies.environments import make_faulty_env
from sched_rl.pathologies.starts import spoil_start

__all__ = ["make_faulty_env", "spoil_start"]
