"""The comparison in one plain sentence, which never calls an interval that includes 0 a win."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.compare.grouping import Problem, Variant
from analysis.compare.leads import Baseline, Lead, lead_over


def verdict(
    problem: Problem, reference: Variant | Baseline | None, baselines: Sequence[Baseline]
) -> list[str]:
    """The sentences of a problem.

    Args:
        problem: its variants.
        reference: what the best variant is to be compared with; None: with the next best.
        baselines: best first; the first one is compared with too.
    """
    ranked = sorted(problem.variants, key=_worst, reverse=True)
    best = ranked[0]
    sentences = []
    other = reference if reference is not best else None
    if other is None and len(ranked) > 1:
        other = ranked[1]
    if other is not None:
        sentences.append(sentence(best, other))
    if baselines and other is not baselines[0]:
        sentences.append(sentence(best, baselines[0]))
    return sentences or [f"{best.label}: nothing to compare it with"]


def sentence(first: Variant, second: Variant | Baseline) -> str:
    """`A beats B on the worst block by 0.021 [0.012, 0.031], 5 seeds`, or what keeps one from saying so."""
    lead = lead_over(first, second)
    seeds = _seeds(first, second, lead)
    if lead.worst.is_above_zero:
        return f"{first.label} beats {second.label} on the worst block by {lead.worst}, {seeds}"
    if lead.worst.is_below_zero:
        return f"{first.label} loses to {second.label} on the worst block: {lead.worst}, {seeds}"
    if math.isfinite(lead.worst.low):
        return (
            f"{first.label} against {second.label} on the worst block is not settled: {lead.worst}, {seeds}"
        )
    text = f"{first.label} against {second.label} is not settled: {lead.worst.mean:+.3f} on the worst block, {seeds}"
    if lead.on_episodes is None:
        return f"{text}; train more seeds"
    return f"{text}; these very trainings, on other episodes: {lead.on_episodes}; train more seeds"


def _seeds(first: Variant, second: Variant | Baseline, lead: Lead) -> str:
    if isinstance(second, Baseline) or lead.num_pairs:
        return f"{lead.num_pairs} {'seed' if lead.num_pairs == 1 else 'seeds'}"
    return f"{len(first.runs)} and {len(second.runs)} seeds, not paired"


def _worst(variant: Variant) -> float:
    return float(np.mean([run.episodes.worst for run in variant.runs.values()]))
