"""What differs between two configurations, key by key, among what decides a run's results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sched_rl.config.convert import show
from sched_rl.config.record import digested
from sched_rl.config.schema import Config

#: Differences shown in full; a run of another agent has dozens.
_SHOWN = 8


def changes(recorded: Config, now: Config) -> list[str]:
    """Every key that decides results and that two configurations do not share, as `key: was X, is Y`."""
    return differences(digested(recorded), digested(now))


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Every key in which two nested mappings differ, as `key: was X, is Y`."""
    before, after = (dict(leaves(tree)) for tree in (recorded, now))
    return [
        f"{key}: was {show(before.get(key, 'absent'))}, is {show(after.get(key, 'absent'))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key, "absent") != after.get(key, "absent")
    ]


def shortened(found: list[str]) -> str:
    """Differences in a line, the first of many: another env or agent by its name, ahead of the keys that it brings."""
    found = sorted(found, key=lambda each: not each.partition(":")[0].endswith(".name"))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and values of a nested mapping; an empty one is a value."""
    if not isinstance(node, Mapping) or not node:
        return [(prefix.rstrip("."), node)]
    return [leaf for key, value in node.items() for leaf in leaves(value, f"{prefix}{key}.")]
