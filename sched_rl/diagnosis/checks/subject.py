"""What a check looks at, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sched_rl.config.schema import Config
from sched_rl.diagnosis.signals import Signals


@dataclass(frozen=True)
class Outcome:
    """An answer.

    Attributes:
        text: with its numbers.
        supports: whether it speaks for the finding; None: neither way.
    """

    text: str
    supports: bool | None


@dataclass(frozen=True)
class Subject:
    """A run under examination.

    Attributes:
        signals: its curves.
        folder: its folder; None for curves without one.
        config: typed; None where the record does not fit this version, and nothing can be played.
    """

    signals: Signals
    folder: Path | None
    config: Config | None
