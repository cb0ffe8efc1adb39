"""Where the CPU time of a training goes, whatever kernel computes it: phases measured at the learner's own seams.

Each phase's time excludes that of the phases inside it, so that they add up. Nothing of the learner is changed: its
parts are called through wrappers for as long as the measurement lasts.
"""

from __future__ import annotations

import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sched_rl.agents.ppo import PPO
from sched_rl.envs.vector import VectorClusterEnv

ENV, ACT, RECORD, VALUE = "env", "act", "record", "value"
GATHER, POOL, NETWORK, BACKWARD = "learn: gather", "learn: pool", "learn: network, loss", "learn: backward"
OPTIMIZER, REST = "optimizer", "rest"
PHASES = (ENV, ACT, RECORD, VALUE, GATHER, POOL, NETWORK, BACKWARD, OPTIMIZER, REST)
#: Phases in which the network computes while learning.
LEARNING = (GATHER, POOL, NETWORK, BACKWARD)

#: Parts of a gradient that some kernels compute by themselves: module, name, phase. Those that are not there, or not
#: called, are part of what calls them.
_PARTS = (
    ("sched_rl.agents.packed", "pack", GATHER),
    ("sched_rl.agents.networks.base", "pool_together", POOL),
    ("torch", "Tensor.backward", BACKWARD),
    ("sched_rl.agents.update", "get_total_norm", OPTIMIZER),
    ("sched_rl.agents.update", "clip_grads_with_norm_", OPTIMIZER),
)


class PhaseClock:
    """CPU seconds by phase; a phase that is entered within another one stops that one's clock meanwhile."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since_s = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens within the block."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def timed(
        self, function: Callable[..., Any], name: str, *, within: str | None = None
    ) -> Callable[..., Any]:
        """The function, counted as a phase; with `within`, only where that phase is open."""

        def call(*arguments: Any, **options: Any) -> Any:
            if within is not None and within not in self._open:
                return function(*arguments, **options)
            with self.phase(name):
                return function(*arguments, **options)

        return call

    def _charge(self) -> None:
        now_s = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now_s - self._since_s
        self._since_s = now_s


@contextmanager
def measured(ppo: PPO, env: VectorClusterEnv, clock: PhaseClock) -> Iterator[None]:
    """Within the block, the learner's collect and update are counted by `clock`."""
    evaluator, update = _holder_of(ppo, "differentiate"), _holder_of(ppo, "optimizer")
    with ExitStack() as restored:

        def replace(owner: Any, name: str, phase: str, within: str | None = None) -> None:
            original, is_own = getattr(owner, name), name in vars(owner)
            setattr(owner, name, clock.timed(original, phase, within=within))
            restored.callback(_put_back, owner, name, original, is_own)

        replace(env, "step", ENV)
        replace(ppo.buffer, "record_step", RECORD)
        replace(evaluator, "sample", ACT)
        replace(evaluator, "values", VALUE)
        replace(evaluator, "load", GATHER)
        replace(evaluator, "differentiate", NETWORK)
        replace(update.optimizer, "step", OPTIMIZER)
        for module, path, phase in _PARTS:
            owner: Any = importlib.import_module(module)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            if hasattr(owner, name):
                replace(owner, name, phase, within=NETWORK if phase != OPTIMIZER else None)
        yield


def _holder_of(ppo: PPO, attribute: str) -> Any:
    """The part of the learner that has an attribute."""
    return next(part for part in vars(ppo).values() if hasattr(part, attribute))


def _put_back(owner: Any, name: str, original: Any, is_own: bool) -> None:
    if is_own:
        setattr(owner, name, original)
    else:  # a method of the class, found again once the instance's own is gone
        delattr(owner, name)
