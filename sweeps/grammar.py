"""A space read from Hydra's override grammar, with what cannot be searched refused before the first trial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, QuotedString, RangeSweep

from sched_rl.config.convert import show
from sched_rl.config.overrides import parse_overrides
from sched_rl.errors import ConfigError
from sweeps.space import INDEXED, Condition, Dimension, Space, Value


def make_space(
    entries: Mapping[str, tuple[str, str | None]], base: Mapping[str, Any], choices: Mapping[str, str | None]
) -> Space:
    """Read a space.

    Args:
        entries: key to its values and its condition, both as typed.
        base: the configuration around it as a nested mapping.
        choices: group to option of that configuration.

    Raises:
        ConfigError: naming the first entry that cannot be searched.
    """
    lists: dict[str, tuple[Any, ...]] = {}
    dimensions: dict[str, Dimension] = {}
    for key, (text, when) in entries.items():
        _refuse_unsearchable(key, text)
        current = _current(key, base, lists)
        condition = None if when is None else _condition(key, when)
        dimensions[key] = _dimension(key, text, condition, is_int=_is_whole(current))
    fixed: dict[str, str] = {}
    for dimension in dimensions.values():
        if dimension.condition is not None and dimension.condition.key not in dimensions:
            fixed[dimension.condition.key] = _fixed(dimension, base, choices)
    _check_conditions(dimensions)
    return Space(tuple(_sorted(dimensions)), fixed, lists)


#: What decides the score rather than the training: searching it would compare unlike trials.
_UNSEARCHABLE = {
    "env": "trials on different clusters cannot be compared; sweep each (env=heavy, then env=light)",
    "eval": "trials must be judged on the same blocks",
    "seed": "the luckiest seed is not the best setting; sweeps.promote judges over seeds",
    "baselines": "nothing of a trial's training",
    "tracking": "nothing of a trial's training",
    "run": "nothing of a trial's training",
    "device": "nothing of a trial's training",
    "threads": "nothing of a trial's training",
    "progress": "nothing of a trial's training",
    "sweep": "steers the search itself",
    "trial": "set by the sweep",
    "debug": "fixes how long trials train",
    "experiment": "fixes several keys at once; search them by name",
}


def _refuse_unsearchable(key: str, text: str) -> None:
    if key.startswith("sweep.space."):
        own = key.removeprefix("sweep.space.")
        raise ConfigError(f"{key}={text}: what is searched is written as its own key: {own}={text}")
    top = re.split(r"[./]", key)[0]
    if top in _UNSEARCHABLE:
        raise ConfigError(f"{key}={text}: cannot be searched: {_UNSEARCHABLE[top]}")


def _current(key: str, base: Mapping[str, Any], lists: dict[str, tuple[Any, ...]]) -> Any:
    """The configured value of a key; notes the list that it is an item of. Absent keys show when corners compose."""
    if "/" in key:
        return None
    value = _select(base, key)
    match = INDEXED.match(key)
    items = _select(base, match["key"]) if match else None
    if match and isinstance(items, (list, tuple)):
        if int(match["index"]) >= len(items):
            raise ConfigError(f"{key}: {match['key']} has {len(items)} items, 0 to {len(items) - 1}")
        lists[match["key"]] = tuple(items)
        return items[int(match["index"])]
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _dimension(key: str, text: str, condition: Condition | None, *, is_int: bool) -> Dimension:
    override = parse_overrides([f"{key}={text}"])[0]
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval(key, text, value, condition, is_int=is_int)
    if isinstance(value, RangeSweep):
        return _range(key, text, value, condition)
    if not override.is_sweep_override():
        return Dimension(key, text, condition, choices=(_choice(override._value),))
    if not isinstance(value, ChoiceSweep):
        raise ConfigError(f"{key}={text}: must be interval(a,b), range(a,b,step), choice(a,b) or a,b,c")
    choices = tuple(_choice(item) for item in value.list)
    if len(set(map(show, choices))) < len(choices):
        raise ConfigError(f"{key}={text}: names a choice twice")
    return Dimension(key, text, condition, choices=choices)


def _interval(
    key: str, text: str, value: IntervalSweep, condition: Condition | None, *, is_int: bool
) -> Dimension:
    strange = value.tags - {"log"}
    if strange:
        raise ConfigError(f"{key}={text}: tag {min(strange)} is unknown; the tag there is: log")
    is_log = "log" in value.tags
    low, high = float(value.start or 0), float(value.end or 0)
    _check_ends(key, text, low, high, is_log=is_log)
    is_int = is_int or (_is_whole(value.start) and _is_whole(value.end) and "int(" in text)
    if is_int and not (low.is_integer() and high.is_integer()):
        raise ConfigError(f"{key}={text}: the key is a whole number, so the ends must be whole")
    return Dimension(key, text, condition, low=low, high=high, is_log=is_log, is_int=is_int)


def _range(key: str, text: str, value: RangeSweep, condition: Condition | None) -> Dimension:
    if value.step is None or float(value.step) <= 0:
        raise ConfigError(f"{key}={text}: the step must be above 0")
    numbers = [float(number) for number in value.range()]
    if not numbers:
        raise ConfigError(
            f"{key}={text}: an empty range; write the smaller number first (the last one is left out)"
        )
    is_int = all(_is_whole(each) for each in (value.start, value.stop, value.step))
    return Dimension(
        key,
        text,
        condition,
        low=numbers[0],
        high=float(f"{numbers[-1]:.12g}"),
        step=float(value.step),
        is_int=is_int,
    )


def _check_ends(key: str, text: str, low: float, high: float, *, is_log: bool) -> None:
    if low >= high:
        kind = "empty" if low == high else "inverted"
        raise ConfigError(f"{key}={text}: an {kind} interval; write interval(smaller,larger)")
    if is_log and low <= 0:
        raise ConfigError(f"{key}={text}: a logarithm needs numbers above 0, got {show(low)}")


def _choice(value: Any) -> Value:
    if isinstance(value, QuotedString):
        return value.text
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(Override._get_value_element_as_str(value))


def _condition(key: str, when: str) -> Condition:
    override = parse_overrides([when])[0]
    value = override.value()
    items = value.list if isinstance(value, ChoiceSweep) else [override._value]
    if isinstance(value, (IntervalSweep, RangeSweep)):
        raise ConfigError(f"sweep.space.{key}.when={when}: must be KEY=a,b with the values that allow it")
    return Condition(override.key_or_group, tuple(show(_choice(item)) for item in items))


def _fixed(dimension: Dimension, base: Mapping[str, Any], choices: Mapping[str, str | None]) -> str:
    assert dimension.condition is not None
    key = dimension.condition.key
    if "/" in key or key in choices:
        return show(choices.get(key))
    return show(_select(base, key))


def _check_conditions(dimensions: Mapping[str, Dimension]) -> None:
    for dimension in dimensions.values():
        condition = dimension.condition
        if condition is None or condition.key not in dimensions:
            continue
        parent = dimensions[condition.key]
        known = [show(value) for value in parent.listed() or ()]
        where = f"sweep.space.{dimension.key}.when={condition.key}={','.join(condition.allowed)}"
        if not known:
            raise ConfigError(f"{where}: {condition.key} is an interval; a condition names single values")
        strange = [value for value in condition.allowed if value not in known]
        if strange:
            raise ConfigError(
                f"{where}: {condition.key} never is {strange[0]}; it is one of {', '.join(known)}"
            )


def _sorted(dimensions: Mapping[str, Dimension]) -> Iterator[Dimension]:
    """Parents first, otherwise as given."""
    done: set[str] = set()
    waiting = dict(dimensions)
    while waiting:
        ready = [
            key
            for key, dimension in waiting.items()
            if dimension.condition is None
            or dimension.condition.key not in dimensions
            or dimension.condition.key in done
        ]
        if not ready:
            raise ConfigError(f"sweep.space: the conditions of {' and '.join(waiting)} wait for each other")
        for key in ready:
            done.add(key)
            yield waiting.pop(key)


def _select(tree: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return None
        tree = tree[part]
    return tree
