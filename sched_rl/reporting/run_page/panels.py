"""What the page draws, in the playbook's reading order: one panel a question, each with the playbook's hint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle

from sched_rl.diagnosis.curves import FloatArray, RunCurves
from sched_rl.diagnosis.settings import Settings
from sched_rl.reporting.run_page.noise import NoiseBand

#: Colours of series without a meaning of their own, by the names that page.css gives them.
_BLOCK_COLORS = ("blue", "orange", "green", "purple", "sky", "vermillion")
#: Above this many blocks they share one colour and one entry of the legend.
_NAMED_BLOCKS = 6
#: The critic's explained variance is drawn down to here; how much worse it gets tells nothing more.
_LOWEST_EXPLAINED_VARIANCE = -1.0


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        column: of metrics.csv.
        label: in the legend; empty: none of its own.
        color: a name of page.css.
        is_dashed: drawn with gaps.
        is_points: points that no line connects.
        is_marked: a line with a point at every value.
    """

    column: str
    label: str
    color: str
    is_dashed: bool = False
    is_points: bool = False
    is_marked: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with, named in the margin."""

    label: str
    value: float
    is_strong: bool


@dataclass(frozen=True)
class Panel:
    """One plot.

    Attributes:
        title: what it shows, with the unit.
        hint: how the playbook reads it.
        series: its curves; those that the run lacks are left out.
        levels: horizontal lines.
        band: the noise around the best evaluation.
        early_stops: whether updates that target_kl cut short are marked at the top.
        is_log: logarithmic, positive values only.
        limits: ends of the axis; NaN: as the values ask for.
        height: of the plot; pixels.
    """

    title: str
    hint: str
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    band: NoiseBand | None = None
    early_stops: bool = False
    is_log: bool = False
    limits: tuple[float, float] = (math.nan, math.nan)
    height: int = 120

    def columns(self) -> set[str]:
        """Names of the columns that it shows."""
        return {series.column for series in self.series}


def run_panels(curves: RunCurves, settings: Settings, bands: Mapping[str, NoiseBand]) -> list[Panel]:
    """The panels of a run.

    Args:
        curves: the run.
        settings: it was made with.
        bands: noise around the best evaluation, by column.
    """
    return [
        *_returns(curves, bands),
        *_behaviour(curves),
        *_updates(curves, settings),
        *_signal(curves),
    ]


def _returns(curves: RunCurves, bands: Mapping[str, NoiseBand]) -> list[Panel]:
    worst = {name: score.worst for name, score in curves.baselines.items()}
    means = {name: score.mean for name, score in curves.baselines.items()}
    return [
        Panel(
            "Worst block: return",
            "Look here first: if it drops hard, robustness has collapsed.",
            (Series("eval_min_block_return", "worst block", "vermillion", is_marked=True),),
            levels=_levels(worst),
            band=bands.get("eval_min_block_return"),
            height=190,
        ),
        Panel(
            "Mean over blocks, and every block: return",
            "Is it beating the heuristics? If the mean rises while the worst block falls, it specialises.",
            (
                *_blocks(curves),
                Series("eval_mean_return", "mean", "black", is_marked=True),
            ),
            levels=_levels(means),
            band=bands.get("eval_mean_return"),
            height=190,
        ),
    ]


def _behaviour(curves: RunCurves) -> list[Panel]:
    return [
        Panel(
            "Entropy: share of its maximum over the legal actions",
            "Falling while waits rise is a no-op collapse; high for ever, with a flat evaluation, is no signal.",
            (Series("entropy_frac", "entropy share", "orange"),),
            limits=(0.0, 1.0),
        ),
        Panel(
            "Entropy: nats",
            "Over legal actions only: where few are legal it is low by nature.",
            (Series("entropy", "entropy", "blue"),),
            limits=(0.0, math.nan),
            height=90,
        ),
        Panel(
            "No-ops: share of steps",
            "Some waits are legitimate. Avoidable ones, taken although a job fits, avoid commitment.",
            (
                Series("noop_frac", "training", "sky"),
                Series("eval_noop_frac", "greedy evaluation", "blue", is_marked=True),
                Series("noop_feasible_frac", "avoidable", "orange", is_dashed=True),
                Series("eval_noop_feasible_frac", "avoidable, evaluation", "vermillion", is_marked=True),
            ),
            limits=(0.0, 1.0),
            height=150,
        ),
    ]


def _updates(curves: RunCurves, settings: Settings) -> list[Panel]:
    target = settings.number("agent.target_kl", 0.0) if settings.is_recorded else 0.0
    return [
        Panel(
            "Approximate KL of an update: nats, logarithmic",
            "Collapse with rising KL: too aggressive. Collapse with tiny KL: drift, or advantages that are noise.",
            (
                Series("approx_kl_max", "largest minibatch", "orange"),
                Series("approx_kl_mean", "mean", "blue"),
                Series("kl_to_best", "distance from the best policy", "grey", is_dashed=True, is_marked=True),
            ),
            levels=(Level("target_kl", target, True),) if target > 0 else (),
            early_stops=True,
            is_log=True,
            height=150,
        ),
        Panel(
            "Policy loss",
            "Small and noisy is normal; large and sustained means big steps, near 0 for long means weak advantages.",
            (Series("pg_loss", "pg_loss", "orange"),),
            height=90,
        ),
        Panel(
            "Value loss: logarithmic",
            "Spikes with an eval drop: the policy visits new states. High and never settling: the critic is the "
            "bottleneck.",
            (Series("v_loss", "v_loss", "blue"),),
            is_log=True,
            height=90,
        ),
        Panel(
            "Explained variance of the critic",
            "Near 1 the critic predicts the returns; at 0 or below the advantages are noise.",
            (Series("explained_variance", "explained variance", "green"),),
            levels=(Level("", 0.0, False),),
            limits=(_lowest(curves.column("explained_variance")), 1.0),
            height=90,
        ),
        Panel(
            "Learning rate",
            "Did the size of the steps change?",
            (Series("lr", "lr", "purple"),),
            limits=(0.0, math.nan),
            height=70,
        ),
    ]


def _signal(curves: RunCurves) -> list[Panel]:
    return [
        Panel(
            "Training return: episodes that ended in a rollout",
            "A sanity check only: it rests on as many episodes as the next panel counts.",
            (Series("mean_ep_return", "mean_ep_return", "blue", is_points=True),),
            height=100,
        ),
        Panel(
            "Episodes behind it: count",
            "0 to 3 say nothing.",
            (Series("num_episodes", "num_episodes", "grey"),),
            limits=(0.0, math.nan),
            height=60,
        ),
        Panel(
            "Invalid actions: share of steps",
            "With hard masks anything above 0 is a bug until proven otherwise.",
            (
                Series("invalid_frac", "training", "vermillion"),
                Series("eval_invalid_frac", "evaluation", "blue", is_dashed=True, is_marked=True),
            ),
            limits=(0.0, math.nan),
            height=60,
        ),
        Panel(
            "Clamps: share of samples that each one bound",
            "Which guard rails the updates lean on.",
            (
                Series("clipfrac", "ratio", "blue"),
                Series("v_clipfrac", "value", "orange"),
                Series("grad_clip_frac", "gradient", "green"),
                Series("entropy_clamp_frac", "entropy jump", "purple"),
            ),
            limits=(0.0, 1.0),
            height=90,
        ),
    ]


def _blocks(curves: RunCurves) -> list[Series]:
    names = [name for name in curves.columns if name.startswith("eval_block") and name.endswith("_return")]
    names.sort(key=lambda name: (len(name), name))
    if len(names) > _NAMED_BLOCKS:
        return [
            Series(name, "" if position else f"{len(names)} blocks", "sky")
            for position, name in enumerate(names)
        ]
    labels = (name.removeprefix("eval_").removesuffix("_return") for name in names)
    return [
        Series(name, label, color)
        for name, label, color in zip(names, labels, cycle(_BLOCK_COLORS), strict=False)
    ]


def _levels(scores: Mapping[str, float]) -> tuple[Level, ...]:
    known = {name: score for name, score in scores.items() if math.isfinite(score)}
    best = max(known, key=lambda name: known[name], default=None)
    return tuple(Level(name, score, name == best) for name, score in known.items())


def _lowest(values: FloatArray) -> float:
    finite = values[values > -math.inf]
    return max(min(float(finite.min()), -0.1), _LOWEST_EXPLAINED_VARIANCE) if finite.size else -0.1
