"""Guesses at what a misspelt word was meant to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """` (did you mean X?)` for the nearest candidate, or an empty string.

    A dotted key is compared with the keys of its own section first, then as a whole, then by its last part
    alone: `agent.clip` finds `agent.clip_coef`, and `lr` finds `agent.lr`.
    """
    known = list(candidates)
    section, dot, last = word.rpartition(".")
    siblings = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == section]
    by_last = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
    close = (
        [section + dot + name for name in get_close_matches(last, siblings, n=1)]
        or get_close_matches(word, known, n=1, cutoff=0.75)
        or [by_last[name] for name in get_close_matches(last, by_last, n=1, cutoff=0.75)]
    )
    return f" (did you mean {close[0]}?)" if close else ""


def one_of(options: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(options) < 2:
        return "".join(options)
    return f"{', '.join(options[:-1])} or {options[-1]}"
