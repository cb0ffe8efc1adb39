"""Command lines of `key=value` words, as the project's other commands have them, without Hydra."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from sched_rl.command_line import EXIT_INTERRUPTED, report
from sched_rl.config.suggest import did_you_mean, one_of
from sched_rl.errors import ConfigError, SchedRLError


def run_command(argv: Sequence[str] | None, help_text: str, run: Callable[[Sequence[str]], None]) -> int:
    """Run a command; help is answered here, an error is one line on stderr.

    Args:
        argv: the words; None: the process's own.
        help_text: printed for --help, and where there are no words at all.
        run: does the work.

    Returns:
        The exit code: 0, or 2 for a user's mistake.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(help_text.strip())
        return 0 if words else 2
    try:
        run(words)
    except SchedRLError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def keyed_words(words: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """The values of a command's keys.

    Args:
        words: `key=value` each.
        defaults: every key the command has, with the value it has when it is not given.

    Raises:
        ConfigError: an unknown key, a key twice, or a word that is no `key=value`.
    """
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"{word}: must be key=value; the keys are {one_of(list(defaults))}")
        if key not in defaults:
            near = did_you_mean(key, defaults)
            raise ConfigError(f"unknown key {key}{near}; the keys are {one_of(list(defaults))}")
        if key in given:
            raise ConfigError(f"{key}: given twice")
        given[key] = value
    return {**defaults, **given}


def listed(text: str) -> list[str]:
    """`a,b` or `[a,b]` as its parts."""
    inner = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    return [part.strip() for part in inner.split(",") if part.strip()]


def choice(key: str, value: str, options: Sequence[str]) -> str:
    """A value that must be one of a few.

    Raises:
        ConfigError: it is none of them.
    """
    if value not in options:
        raise ConfigError(f"{key}={value}: must be {one_of(options)}{did_you_mean(value, options)}")
    return value


def number(key: str, value: str, low: float, high: float) -> float:
    """A number within bounds.

    Raises:
        ConfigError: no number, or outside.
    """
    try:
        parsed = float(value)
    except ValueError:
        parsed = float("nan")
    if not low <= parsed <= high:
        raise ConfigError(f"{key}={value}: must be a number from {low:g} to {high:g}")
    return parsed


def whole_number(key: str, value: str, low: int = 0) -> int:
    """A whole number not below a bound.

    Raises:
        ConfigError: none.
    """
    if not value.isdecimal() or int(value) < low:
        raise ConfigError(f"{key}={value}: must be a whole number, {low} or more")
    return int(value)
