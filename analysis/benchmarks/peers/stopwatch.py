"""Where the time of an update goes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple


class Split(NamedTuple):
    """Seconds of some updates.

    Attributes:
        env_s: in the environment, masks and whatever adapts it to the library included.
        act_s: choosing actions, valuing states, keeping both, and estimating advantages.
        learn_s: epochs of minibatches.
    """

    env_s: float
    act_s: float
    learn_s: float


class Stopwatch:
    """Sums up the time that functions take; they must not call each other."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added to `seconds`."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            start_s = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - start_s

        return call

    def take(self) -> float:
        """The seconds so far, and begin again."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds


@contextmanager
def timing(owner: type, names: Sequence[str]) -> Iterator[Stopwatch]:
    """Time methods of a class, whoever calls them, within the block."""
    watch, before = Stopwatch(), {name: owner.__dict__[name] for name in names}
    for name, function in before.items():
        setattr(owner, name, watch.timed(function))
    try:
        yield watch
    finally:
        for name, function in before.items():
            setattr(owner, name, function)
