"""Jobs that stand in for training in workers; importable by name, as launchers need them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass


@dataclass
class Result:
    exit_code: int


def killed_at_seed_2(command, folder):
    """The out-of-memory killer takes a worker."""
    if command.config.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return Result(0)


def stopped_at_seed_2(command, folder):
    """A job that SIGTERM ended in good order."""
    return Result(143 if command.config.seed == 2 else 0)
