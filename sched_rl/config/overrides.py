"""Command-line overrides (`key=value`, `group=option`) read with Hydra's grammar, refused in our words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sched_rl.errors import ConfigError

#: Characters that the grammar reads as structure unless they are quoted.
_STRUCTURAL = "=,()[]{}:"
#: Characters; a list of all job widths is far shorter, and the grammar takes a second a megabyte.
_LONGEST = 100_000


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Each argument as Hydra understands it.

    Raises:
        ConfigError: naming the argument and, where quoting would mend it, the quoted form.
    """
    for text in texts:
        if len(text) > _LONGEST:
            raise ConfigError(
                f"{text[:40]}...: {len(text):,} characters; an override has at most {_LONGEST:,}"
            )
    parser = OverridesParser.create()
    return [_parse(parser, text) for text in texts]


def refuse_sweep(override: Override) -> None:
    """Refuse several values where one is wanted.

    Raises:
        ConfigError: showing both remedies, -m and quoting.
    """
    if not override.is_sweep_override():
        return
    text = str(override.input_line)
    if override.is_choice_sweep() and "(" not in text:
        raise ConfigError(
            f"{text}: several values need -m (one run each); a comma that belongs to the value is quoted: "
            f"{quoted(text)}"
        )
    raise ConfigError(f"{text}: several values need -m (one run each)")


def refuse_unbounded_sweep(override: Override) -> None:
    """Refuse a sweep that cannot be listed.

    Raises:
        ConfigError: for `interval(a,b)`.
    """
    if override.is_sweep_override() and not override.is_discrete_sweep():
        raise ConfigError(
            f"{override.input_line}: an interval cannot be listed; give a,b,c or range(start,stop,step)"
        )


def quoted(text: str) -> str:
    """The argument with its value quoted for Hydra and the whole quoted for the shell."""
    key, _, value = text.partition("=")
    escaped = value.strip("\"'").replace('"', '\\"')
    return f"""'{key}="{escaped}"'"""


def argument(key: str, value: object) -> str:
    """`key=value` as a person can paste it into a shell, quoted where Hydra or the shell would misread it."""
    text = f"{key}={value}"
    return text if re.fullmatch(r"[\w./=+-]+", text) and text.count("=") == 1 else quoted(text)


def path_override(key: str, path: Path) -> str:
    """`key="PATH"` for Hydra's grammar, whatever characters the path has; not for a shell."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'{key}="{escaped}"'


def _parse(parser: OverridesParser, text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals and not text.startswith("~"):
        shown = text or "an empty argument"
        raise ConfigError(f"{shown}: expected key=value or group=option")
    if not key:
        raise ConfigError(f"{text}: expected key=value, got no key")
    try:
        return parser.parse_overrides([text])[0]
    except HydraException as error:
        raise ConfigError(_grammar_message(parser, text, key, value)) from error


def _grammar_message(parser: OverridesParser, text: str, key: str, value: str) -> str:
    if not _parses(parser, f"{key}=0"):
        return f"{text}: {key!r} is not a key; write key=value, parts joined by dots (agent.lr=0.001)"
    for opening, closing in ("[]", "{}"):
        if value.count(opening) != value.count(closing):
            return f"{text}: {opening} and {closing} do not pair; a list is written [a,b]"
    if any(mark in value for mark in _STRUCTURAL):
        return f"{text}: a value with '=', ',', '(' or ')' in it is quoted: {quoted(text)}"
    return f"{text}: the value cannot be read; quote it: {quoted(text)}"


def _parses(parser: OverridesParser, text: str) -> bool:
    try:
        parser.parse_overrides([text])
    except HydraException:
        return False
    return True
