"""What is searched: keys with values in Hydra's override grammar, some only where another key has certain values.

A dimension knows three views of its values: Optuna's distribution, the point at a place in [0, 1] (for low-discrepancy
sequences and corners), and the list of all values (for grids). A sampled value becomes an override as typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sched_rl.config.convert import show
from sched_rl.config.overrides import argument
from sched_rl.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

#: Significant digits of a sampled number: what is typed is what runs.
_DIGITS = 6

#: An item of a list: `agent.weights.0`.
INDEXED = re.compile(r"^(?P<key>.+)\.(?P<index>\d+)$")

Value = float | int | bool | str | None
Assignment = dict[str, Value]


@dataclass(frozen=True)
class Condition:
    """Another key, and the values (as typed) with which a dimension is searched."""

    key: str
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Dimension:
    """One searched key.

    Attributes:
        key: dotted key, group with slashes, or item of a list (`agent.weights.0`).
        text: its values as typed.
        condition: where it is searched; None: everywhere.
        choices: the values to choose from; empty for numbers between `low` and `high`.
        low: smallest number.
        high: largest number.
        step: between neighbouring numbers; None: any number.
        is_log: numbers are spread by their logarithm.
        is_int: whole numbers.
    """

    key: str
    text: str
    condition: Condition | None = None
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    is_log: bool = False
    is_int: bool = False

    def distribution(self) -> BaseDistribution:
        """Optuna's view."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.is_int:
            step = 1 if self.step is None else int(self.step)
            return IntDistribution(int(self.low), int(self.high), log=self.is_log, step=step)
        return FloatDistribution(self.low, self.high, log=self.is_log, step=self.step)

    def at(self, place: float) -> Value:
        """The value at a place in [0, 1]: 0 is the first or smallest, 1 the last or largest."""
        listed = self.listed()
        if listed is not None:
            return listed[min(int(place * len(listed)), len(listed) - 1)]
        if self.is_log:
            return float(min(max(self.low * (self.high / self.low) ** place, self.low), self.high))
        return float(self.low + (self.high - self.low) * place)

    def listed(self) -> tuple[Value, ...] | None:
        """Every value in order; None for an interval of real numbers and for whole numbers spread by logarithm."""
        if self.choices:
            return self.choices
        if self.is_log or (self.step is None and not self.is_int):
            return None
        step = 1 if self.step is None else self.step
        count = int((self.high - self.low) / step + 1e-9) + 1
        numbers = (self.low + index * step for index in range(count))
        return tuple(int(number) if self.is_int else float(f"{number:.12g}") for number in numbers)

    def rounded(self, value: Any) -> Value:
        """A sampled value as it is typed: few digits, never beyond the ends."""
        if self.choices or self.is_int or not isinstance(value, float):
            return int(value) if self.is_int else value
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Space:
    """All dimensions, parents before those that depend on them.

    Attributes:
        dimensions: in the order in which they are sampled.
        fixed: values (as typed) of the keys that conditions name and that are not searched.
        lists: fixed values of the lists of which single items are searched.
    """

    dimensions: tuple[Dimension, ...]
    fixed: Mapping[str, str]
    lists: Mapping[str, tuple[Any, ...]]

    def is_active(self, dimension: Dimension, chosen: Mapping[str, Value]) -> bool:
        """Whether a dimension is searched, given what was chosen for those before it."""
        condition = dimension.condition
        if condition is None:
            return True
        if any(parent.key == condition.key for parent in self.dimensions):
            return condition.key in chosen and show(chosen[condition.key]) in condition.allowed
        return self.fixed.get(condition.key) in condition.allowed

    def suggest(self, suggest: Any) -> Assignment:
        """Choose a value for every active dimension.

        Args:
            suggest: called with a dimension, returns its value.
        """
        chosen: Assignment = {}
        for dimension in self.dimensions:
            if self.is_active(dimension, chosen):
                chosen[dimension.key] = suggest(dimension)
        return chosen

    def overrides(self, chosen: Mapping[str, Value]) -> list[str]:
        """What was chosen, as typed, groups first; items of one list together."""
        values: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.key not in chosen:
                continue
            value = dimension.rounded(chosen[dimension.key])
            item = self._item(dimension.key)
            if item is None:
                values[dimension.key] = value
            else:
                values.setdefault(item[0], list(self.lists[item[0]]))[item[1]] = value
        ordered = sorted(values, key=lambda key: "/" not in key)
        return [_typed(key, values[key]) for key in ordered]

    def grid(self) -> list[Assignment]:
        """Every combination once, in order.

        Raises:
            ConfigError: for a dimension that cannot be listed.
        """
        combinations: list[Assignment] = [{}]
        for dimension in self.dimensions:
            combinations = list(self._branch(combinations, dimension))
        return combinations

    def corners(self) -> list[Assignment]:
        """Points that show whether the ends of every dimension are allowed, each with its conditions met."""
        ends = [self.suggest(lambda dimension, place=place: dimension.at(place)) for place in (0.0, 1.0)]
        for target in self.dimensions:
            values = target.choices or (target.at(0.0), target.at(1.0))
            ends += [corner for value in values if (corner := self._reach(target, value)) is not None]
        unique = {tuple(self.overrides(corner)): corner for corner in ends}
        return list(unique.values())

    def _branch(self, combinations: Sequence[Assignment], dimension: Dimension) -> Iterator[Assignment]:
        values = dimension.listed()
        if values is None:
            raise ConfigError(
                f"{dimension.key}={dimension.text}: an interval cannot be listed for sweep.sampler=grid; write "
                "range(start,stop,step) or choice(a,b,c)"
            )
        for chosen in combinations:
            if self.is_active(dimension, chosen):
                yield from ({**chosen, dimension.key: value} for value in values)
            else:
                yield chosen

    def _reach(self, target: Dimension, value: Value) -> Assignment | None:
        """A point in which a dimension has a value, the others their first; None where it is never searched."""
        needed: dict[str, Value] = {target.key: value}
        dimension: Dimension | None = target
        by_key = {each.key: each for each in self.dimensions}
        while dimension is not None and dimension.condition is not None:
            parent = by_key.get(dimension.condition.key)
            if parent is not None and parent.key not in needed:
                options = parent.listed() or ()
                needed[parent.key] = next(
                    option for option in options if show(option) in dimension.condition.allowed
                )
            dimension = parent
        chosen = self.suggest(lambda each: needed.get(each.key, each.at(0.0)))
        return chosen if target.key in chosen else None

    def _item(self, key: str) -> tuple[str, int] | None:
        match = INDEXED.match(key)
        return (match["key"], int(match["index"])) if match and match["key"] in self.lists else None


def _typed(key: str, value: Any) -> str:
    """`key=value` in Hydra's grammar, as one word that our parser reads back."""
    if isinstance(value, str) and not re.fullmatch(r"[\w./+-]+|\[.*\]|\{.*\}", value):
        return argument(key, value).strip("'")
    return f"{key}={show(value)}"
