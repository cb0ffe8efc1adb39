"""Guesses at what a misspelt word was meant to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """` (did you mean X?)` for the nearest candidate, or an empty string.

    A dotted key whose whole does not resemble any candidate is compared by its last part, so that `lr` finds
    `agent.lr`.
    """
    known = list(candidates)
    close = get_close_matches(word, known, n=1, cutoff=0.75)
    if not close:
        by_last = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
        last_part = word.rpartition(".")[2]
        close = [by_last[last] for last in get_close_matches(last_part, by_last, n=1, cutoff=0.75)]
    return f" (did you mean {close[0]}?)" if close else ""


def one_of(options: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(options) < 2:
        return "".join(options)
    return f"{', '.join(options[:-1])} or {options[-1]}"
