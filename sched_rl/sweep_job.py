"""What a command hands to a sweeper plugin through Hydra, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.config.schema import Config

if TYPE_CHECKING:
    from sched_rl.trainer import TrainResult


@dataclass(frozen=True)
class SweepJob:
    """In the place of Hydra's task function: the sweeper builds each trial's task from it.

    Attributes:
        run: trains in a folder, watched by observers (`sched_rl.train.run_training`); importable by name, since
            launchers send it to other processes.
        check: refuses what a configuration asks of the machine in vain.
        config_dirs: folders of others' YAML.
    """

    run: Callable[..., TrainResult]
    check: Callable[[Config], None]
    config_dirs: tuple[Path, ...]


@dataclass(frozen=True)
class SweepEnd:
    """What the sweeper returns; it has reported everything itself."""

    exit_code: int
