"""A run's training curves in the playbook's reading order, as one figure.

`python -m sched_rl.reporting.curves RUN_FOLDER [output=FILE.png]`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sched_rl.errors import SchedRLError
from sched_rl.reporting import style
from sched_rl.reporting.final_table import ReportError
from sched_rl.reporting.reference_lines import draw_references
from sched_rl.reporting.run_curves import FloatArray, RunCurves, read_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_USAGE = "usage: python -m sched_rl.reporting.curves RUN_FOLDER [output=FILE.png]"
_FORMATS = (".png", ".svg", ".pdf")

#: Up to this many evaluations each one gets a marker.
_MARKED = 40

#: Above this many blocks they share one colour and one entry of the legend.
_NAMED_BLOCKS = 4


def plot_run(folder: Path | str) -> Figure:
    """The curves of a run folder, or of a metrics.csv alone; works while the run is going on.

    Raises:
        RunFolderError: not a run folder, or nothing in it yet.
    """
    return plot_curves(read_run(Path(folder)))


def plot_curves(run: RunCurves) -> Figure:
    """Eight panels: worst block, mean, entropy, no-ops, KL, clamps, losses, explained variance.

    A dotted line through all of them marks the best evaluation, a purple one each act of a guard.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    panels = (_worst_block, _mean_and_blocks, _entropy, _noops, _kl, _clamps, _losses, _explained_variance)
    with style.figure_style():
        figure = Figure(figsize=(10, 11), layout="constrained")
        figure.suptitle(run.title, fontsize=10.5, x=0.01, ha="left")
        grid = figure.subplots(4, 2, sharex=True)
        for axes, panel in zip(grid.flat, panels, strict=True):
            panel(axes, run)
            if run.best_row is not None:
                axes.axvline(run.steps[run.best_row], color=style.GREY, linestyle=":", linewidth=1, zorder=1)
            for update in run.guards:
                axes.axvline(_step_of(run, update), color=style.PURPLE, linewidth=1.2, zorder=1)
        for axes in grid[-1]:
            axes.set_xlabel("environment steps")
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_xlim(0, 1.01 * max(float(run.steps.max()), 1.0))
    return figure


def _worst_block(axes: Axes, run: RunCurves) -> None:
    returns = run.column("eval_min_block_return")
    _line(axes, run, returns, "worst block", style.VERMILLION, marked=True)
    best = run.best_row
    if best is not None:
        label = f"best {returns[best]:.3f}"
        axes.plot(
            run.steps[best],
            returns[best],
            "*",
            color=style.BLACK,
            markersize=10,
            label=label,
            clip_on=False,
            zorder=3,
        )
    for words in dict.fromkeys(run.guards.values()):
        axes.plot([], [], color=style.PURPLE, linewidth=1.2, label=words)
    draw_references(axes, {name: score.worst for name, score in run.baselines.items()})
    _finish(axes, "Worst block: return", ["eval_min_block_return"], run)


def _step_of(run: RunCurves, update: int) -> float:
    """Environment steps at an update; those of the last row before it where it has none."""
    row = int(np.searchsorted(run.column("update"), update, side="right")) - 1
    return float(run.steps[max(row, 0)])


def _mean_and_blocks(axes: Axes, run: RunCurves) -> None:
    blocks = sorted(
        (name for name in run.columns if name.startswith("eval_block") and name.endswith("_return")),
        key=lambda name: int("".join(filter(str.isdigit, name)) or 0),
    )
    for position, name in enumerate(blocks):
        color, label = style.SERIES[position % len(style.SERIES)], name[len("eval_") : -len("_return")]
        if len(blocks) > _NAMED_BLOCKS:
            color, label = style.SKY, "blocks" if position == 0 else ""
        _line(axes, run, run.column(name), label, color, width=0.9)
    _line(axes, run, run.column("eval_mean_return"), "mean", style.BLACK, marked=True, width=1.8)
    draw_references(axes, {name: score.mean for name, score in run.baselines.items()})
    _finish(axes, "Mean over blocks: return", ["eval_mean_return"], run)


def _entropy(axes: Axes, run: RunCurves) -> None:
    _line(axes, run, run.column("entropy"), "entropy, nats (left)", style.BLUE)
    axes.set_ylim(bottom=0)
    share = _second_axis(axes, style.BLUE, style.ORANGE)
    share.set_ylim(0, 1)
    _line(share, run, run.column("entropy_frac"), "share of its maximum (right)", style.ORANGE)
    _finish(axes, "Entropy over legal actions", ["entropy"], run, also=share)


def _noops(axes: Axes, run: RunCurves) -> None:
    _line(axes, run, run.column("noop_frac"), "training", style.SKY)
    _line(axes, run, run.column("eval_noop_frac"), "evaluation", style.BLUE, marked=True)
    _line(axes, run, run.column("noop_feasible_frac"), "avoidable", style.ORANGE)
    _line(axes, run, run.column("eval_noop_feasible_frac"), "avoidable, eval.", style.VERMILLION, marked=True)
    invalid = run.column("invalid_frac")
    if np.nanmax(invalid, initial=0) > 0:
        _line(axes, run, invalid, "INVALID", style.BLACK)
    axes.set_ylim(0, 1)
    _finish(axes, "No-op share (avoidable: a job fits)", ["noop_frac", "eval_noop_frac"], run)


def _kl(axes: Axes, run: RunCurves) -> None:
    _line(axes, run, _positive(run.column("approx_kl_max")), "max", style.ORANGE, width=1.0)
    _line(axes, run, _positive(run.column("approx_kl_mean")), "mean", style.BLUE)
    if run.target_kl is not None:
        axes.axhline(run.target_kl, color=style.GREY, linestyle="--", label=f"target {run.target_kl:g}")
    stops = run.steps[np.nan_to_num(run.column("early_stop")) > 0]
    if stops.size:
        label = f"early stop ({stops.size} of {run.steps.size})"
        # on the upper edge: x in steps, y as a share of the panel's height
        place = axes.get_xaxis_transform()
        axes.plot(stops, np.full(stops.size, 0.98), "|", color=style.VERMILLION, transform=place, label=label)
    _logarithmic(axes)
    _finish(axes, "Approximate KL of an update", ["approx_kl_mean", "approx_kl_max"], run)


def _clamps(axes: Axes, run: RunCurves) -> None:
    _line(axes, run, run.column("clipfrac"), "ratio", style.BLUE)
    _line(axes, run, run.column("v_clipfrac"), "value", style.ORANGE)
    _line(axes, run, run.column("grad_clip_frac"), "gradient", style.GREEN)
    _line(axes, run, run.column("entropy_clamp_frac"), "entropy jump", style.PURPLE)
    axes.set_ylim(0, 1)
    _finish(axes, "Share of samples a clamp bound", ["clipfrac"], run)


def _losses(axes: Axes, run: RunCurves) -> None:
    _line(axes, run, _positive(run.column("v_loss")), "v_loss (left, log)", style.BLUE)
    _logarithmic(axes)
    policy = _second_axis(axes, style.BLUE, style.ORANGE)
    _line(policy, run, run.column("pg_loss"), "pg_loss (right)", style.ORANGE, width=0.7)
    _finish(axes, "Losses", ["v_loss", "pg_loss"], run, also=policy)


def _explained_variance(axes: Axes, run: RunCurves) -> None:
    explained = run.column("explained_variance")
    axes.axhline(0, color=style.GREY, linestyle="--", linewidth=1)
    _line(axes, run, explained, "", style.BLUE)
    axes.set_ylim(min(-0.1, max(-1.0, float(np.nanmin(explained, initial=0.0)))), 1)
    _finish(axes, "Explained variance of the critic", ["explained_variance"], run)


def _line(
    axes: Axes,
    run: RunCurves,
    values: FloatArray,
    label: str,
    color: str,
    *,
    marked: bool = False,
    width: float = 1.4,
) -> None:
    """A curve over the rows that have a value: evaluations skip updates. Without label it has no legend."""
    known = np.isfinite(values)
    if known.any():
        marker = "o" if known.sum() == 1 or (marked and known.sum() <= _MARKED) else ""
        axes.plot(
            run.steps[known], values[known], marker=marker, label=label or None, color=color, linewidth=width
        )


def _second_axis(axes: Axes, left: str, right: str) -> Axes:
    """An axis on the right; the numbers on both sides take the colours of their curves."""
    second = axes.twinx()
    second.spines["right"].set_visible(True)
    second.grid(False)
    axes.tick_params(axis="y", labelcolor=left)
    second.tick_params(axis="y", labelcolor=right)
    return second


def _logarithmic(axes: Axes) -> None:
    """A logarithmic axis that reads 0.01, 0.02, 0.05."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _positive(values: FloatArray) -> FloatArray:
    """What a logarithmic axis can show."""
    return np.where(values > 0, values, np.nan)


def _finish(
    axes: Axes, title: str, needed: Sequence[str], run: RunCurves, *, also: Axes | None = None
) -> None:
    """Title, legend in a row under it, and a word where there is nothing to draw."""
    handles, labels = axes.get_legend_handles_labels()
    if also is not None:
        more_handles, more_labels = also.get_legend_handles_labels()
        handles, labels = [*handles, *more_handles], [*labels, *more_labels]
    axes.set_title(title, pad=17)
    if labels:
        axes.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(-0.01, 0.985),
            ncols=len(labels),
            borderpad=0,
            borderaxespad=0.2,
        )
    if not any(np.isfinite(run.column(name)).any() for name in needed):
        axes.text(
            0.5,
            0.5,
            f"no {' or '.join(needed)} recorded",
            transform=axes.transAxes,
            ha="center",
            color=style.GREY,
        )


def main(arguments: Sequence[str]) -> int:
    """Draw a run folder's curves into a file; returns the exit code."""
    try:
        folder, output = _parse(arguments)
        style.save_figure(plot_run(folder), output)
    except SchedRLError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(output)
    return 0


def _parse(arguments: Sequence[str]) -> tuple[Path, Path]:
    folders = [argument for argument in arguments if "=" not in argument]
    options = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    unknown = sorted(set(options) - {"output"})
    if len(folders) != 1 or unknown:
        raise ReportError(f"got {' '.join(arguments) or 'nothing'}; {_USAGE}")
    folder = Path(folders[0])
    beside = folder if folder.is_dir() else folder.parent
    output = Path(options["output"]) if "output" in options else beside / "curves.png"
    if output.suffix not in _FORMATS:
        raise ReportError(f"output={output}: must end in {', '.join(_FORMATS)}")
    return folder, output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
