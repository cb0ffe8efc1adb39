"""`key=value` arguments of the benchmarks: own keys, and everything else as overrides of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sched_rl.errors import ConfigError


def read_arguments(
    arguments: Sequence[str], readers: Mapping[str, Callable[[str, str], Any]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Own keys with what their readers made of them, and the overrides.

    Args:
        arguments: as typed.
        readers: from key and text to a value, by key.

    Raises:
        ConfigError: one line on the first thing that is wrong; overrides are judged by the configuration itself.
    """
    own: dict[str, Any] = {}
    overrides = []
    for argument, key, text in _split(arguments):
        if key in readers:
            own[key] = readers[key](key, text)
        else:
            overrides.append(argument)
    return own, tuple(overrides)


def _split(arguments: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            raise ConfigError(f"{argument}: must be key=value; --help lists the keys")
        yield argument, key, text


def names_among(allowed: Sequence[str]) -> Callable[[str, str], tuple[str, ...]]:
    """A reader of names separated by commas."""

    def read(key: str, text: str) -> tuple[str, ...]:
        names = tuple(text.strip("[]").split(","))
        for name in names:
            if name not in allowed:
                raise ConfigError(f"{key}={text}: {name!r} must be one of {', '.join(allowed)}")
        return names

    return read


def count(key: str, text: str) -> int:
    """A reader of whole numbers from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{key}={text}: must be a whole number, at least 1")
    return int(text)


def flag(key: str, text: str) -> bool:
    """A reader of true and false."""
    if text not in ("true", "false"):
        raise ConfigError(f"{key}={text}: must be true or false")
    return text == "true"
