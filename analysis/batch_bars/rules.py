"""The fixed schedulers of a setting: six priorities in its modes, and two families with a parameter each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from sched_rl.simulator.committed import game_keys, play_committed
from sched_rl.simulator.textbook import F1_SUBMIT_WEIGHT, bounded_slowdowns, replay

Setting = Literal["game", "game_backfill", "decision", "easy"]
#: What the agent plays, and the modes that fixed priorities have there; the game has none.
SETTINGS: Final[Mapping[Setting, tuple[str, tuple[str, ...]]]] = {
    "game": ("committed game, no backfilling", ("",)),
    "game_backfill": ("committed game, backfilling", ("",)),
    "decision": ("decisions alone", ("strict", "greedy")),
    "easy": ("decisions, EASY fills", ("easy", "conservative")),
}
#: Parameters that are tried: the exponent a of requested^a * processors, and F1's weight of the submit time.
FAMILIES: Final[Mapping[str, tuple[float, ...]]] = {
    "power": (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0),
    "f1": (10.0, 30.0, 100.0, 200.0, 400.0, 870.0, 1500.0, 2500.0, 5000.0, 10_000.0, 20_000.0, 40_000.0),
}
_PRIORITIES = ("fcfs", "sjf", "saf", "f1", "wfp3", "unicep")


@dataclass(frozen=True)
class Rule:
    """A priority in a mode.

    Attributes:
        priority: of the textbook, or `power`.
        mode: strict, greedy, easy or conservative; empty in the game.
        parameter: of a family; None where it is a fixed priority.
    """

    priority: str
    mode: str
    parameter: float | None = None

    @property
    def label(self) -> str:
        """As tables name it."""
        name = {"power": "requested^{:g} * procs", "f1": "f1 with {:g}"}.get(self.priority, "")
        text = self.priority if self.parameter is None else name.format(self.parameter)
        return f"{text} {self.mode}".strip()


def fixed_rules(setting: Setting) -> list[Rule]:
    """The six priorities in every mode of a setting."""
    return [Rule(priority, mode) for priority in _PRIORITIES for mode in SETTINGS[setting][1]]


def family_rules(setting: Setting, family: str) -> list[Rule]:
    """A family in every mode of a setting, with every parameter that is tried."""
    return [Rule(family, mode, value) for mode in SETTINGS[setting][1] for value in FAMILIES[family]]


def mean_slowdown(rule: Rule, setting: Setting, jobs: Any) -> float:
    """Mean bounded slowdown of a sequence.

    Args:
        rule: who schedules.
        setting: what is played.
        jobs: `TraceJobs` or `JobSequence` of one resource.
    """
    priority = "power" if rule.priority == "saf" else rule.priority
    power = 1.0 if rule.parameter is None else rule.parameter
    weight = F1_SUBMIT_WEIGHT if rule.parameter is None else rule.parameter
    nodes, num_nodes = jobs.demand[:, 0], int(jobs.capacity[0])
    machine = jobs.submit_s, jobs.run_s, jobs.requested_s, nodes, num_nodes
    if rule.mode:
        starts = replay(*machine, priority, rule.mode, f1_submit_weight=weight, power=power)  # type: ignore[arg-type]
    else:
        keys = game_keys(jobs.submit_s, jobs.requested_s, jobs.procs, priority, weight, power)  # type: ignore[arg-type]
        starts, _ = play_committed(*machine, keys, backfill=setting == "game_backfill")
    return float(np.mean(bounded_slowdowns(jobs.submit_s, starts, jobs.run_s)))
