"""Who takes part: names, labels, and how each is built. What a competitor needs is imported when it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol, get_args, get_type_hints

from analysis.benchmarks.peers.stopwatch import Split
from analysis.benchmarks.peers.task import Task
from sched_rl.config.schema import PpoConfig

#: All ratios are to these two.
FAST_REFERENCE, PYTHON_REFERENCE = "maskable_fast", "maskable_python"
_OURS = "ours_"


class Competitor(Protocol):
    """Something that learns a task."""

    @property
    def num_parameters(self) -> int:
        """Weights that learn."""

    @property
    def legal_actions_mean(self) -> float:
        """Legal actions of a state of the last rollout: what a learner that skips illegal rows profits from."""

    def play(self, updates: int) -> Split:
        """Some updates, from where the last ones ended."""


@dataclass(frozen=True)
class Entrant:
    """A competitor before it is built.

    Attributes:
        name: on the command line and in the files.
        label: in table and picture.
        build: makes it, ready to play.
        python_env: plays on the Python clusters.
        needs: an importable package that it cannot do without.
        overrides: of the configuration.
    """

    name: str
    label: str
    build: Callable[[Task], Competitor]
    python_env: bool = False
    needs: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it is this project's learner."""
        return self.name.startswith(_OURS)

    @property
    def is_available(self) -> bool:
        """Whether what it needs is installed."""
        return self.needs is None or find_spec(self.needs) is not None


def kernels() -> tuple[str, ...]:
    """The values that `agent.kernel` can take."""
    return get_args(get_type_hints(PpoConfig)["kernel"])


def entrants() -> dict[str, Entrant]:
    """Everybody by name, this project first."""
    ours = [
        Entrant(f"{_OURS}{name}", f"sched_rl, {name}", _build_ours, overrides=(f"agent.kernel={name}",))
        for name in kernels()
    ]
    peers = [
        Entrant(FAST_REFERENCE, "MaskablePPO, compiled env", _build_maskable_fast, False, "sb3_contrib"),
        Entrant("maskable_malloc", "same, our malloc setting", _build_maskable_malloc, False, "sb3_contrib"),
        Entrant(PYTHON_REFERENCE, "MaskablePPO, Python env", _build_maskable_python, True, "sb3_contrib"),
        Entrant("loop_fast", "plain loop, compiled env", _build_loop_fast),
        Entrant("loop_python", "plain loop, Python env", _build_loop_python, True),
    ]
    return {entrant.name: entrant for entrant in [*ours, *peers]}


def _build_ours(task: Task) -> Competitor:
    from analysis.benchmarks.peers.this_project import ThisProject

    return ThisProject(task)


def _build_maskable_fast(task: Task) -> Competitor:
    from analysis.benchmarks.peers.maskable_ppo import MaskablePeer

    return MaskablePeer(task, python_env=False)


def _build_maskable_malloc(task: Task) -> Competitor:
    """The allocator's setting that this project's learner makes speeds up anybody's torch."""
    from sched_rl.agents.memory import keep_freed_memory

    keep_freed_memory()
    return _build_maskable_fast(task)


def _build_maskable_python(task: Task) -> Competitor:
    from analysis.benchmarks.peers.maskable_ppo import MaskablePeer

    return MaskablePeer(task, python_env=True)


def _build_loop_fast(task: Task) -> Competitor:
    from analysis.benchmarks.peers.plain_loop import PlainLoop

    return PlainLoop(task, python_env=False)


def _build_loop_python(task: Task) -> Competitor:
    from analysis.benchmarks.peers.plain_loop import PlainLoop

    return PlainLoop(task, python_env=True)
