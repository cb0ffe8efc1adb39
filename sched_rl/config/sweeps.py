"""The sections of a sweep, completed before conversion: absent ones, and the short form of a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sched_rl.config.convert import show
from sched_rl.errors import ConfigError


def complete_sweep(tree: dict[str, Any]) -> None:
    """Give every searched key its long form, in place: `key: interval(a,b)` has no condition.

    A key whose value is null is not searched, so that one sweep file can build on another.

    Raises:
        ConfigError: when an entry of the space is neither text nor a section.
    """
    tree.setdefault("sweep", None)
    tree.setdefault("trial", None)
    sweep = tree["sweep"]
    space = sweep.get("space") if isinstance(sweep, Mapping) else None
    if isinstance(space, Mapping):
        tree["sweep"] = {**sweep, "space": {key: _entry(key, entry) for key, entry in space.items() if entry}}


def _entry(key: str, entry: Any) -> Any:
    if isinstance(entry, Mapping):
        return {"when": None, **entry}
    if not isinstance(entry, str):
        raise ConfigError(
            f"sweep.space.{key}={show(entry)}: must be text such as interval(a,b) or choice(a,b,c)"
        )
    return {"values": entry, "when": None}
