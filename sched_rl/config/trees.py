"""Nested mappings of a configuration in the making: merge two, put an option in its group's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, section by section; `over` wins."""
    both = dict(base)
    for key, value in over.items():
        inner = both.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = merged(inner, value)
        both[key] = value
    return both


def replace_group(tree: Mapping[str, Any], group: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with an option in its group's place; an option for the whole configuration (debug) is merged.

    Args:
        tree: the configuration so far.
        group: for example `agent/network`.
        option: what the option's file holds, packaged: `{"agent": {"network": {...}}}`.
    """
    parts = group.split("/")
    content: Any = option
    for part in parts:
        if not isinstance(content, Mapping) or list(content) != [part]:
            return merged(tree, option)
        content = content[part]
    replaced = dict(tree)
    section = replaced
    for part in parts[:-1]:
        section[part] = dict(section[part])
        section = section[part]
    section[parts[-1]] = content
    return replaced
