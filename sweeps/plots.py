"""`python -m sweeps.plots [sweep=NAME] [folder=DIR]`: a sweep's history, importances, slices, parallel coordinates."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sched_rl.errors import ConfigError, RunFolderError, SchedRLError

if TYPE_CHECKING:
    from optuna import Study

#: Complete trials below which a picture would say nothing; importances need more.
_FEWEST_TRIALS = 4
_SIZE_INCHES = (9.0, 5.0)
_SLICE_INCHES = 2.2


def draw_plots(study: Study, folder: Path) -> list[Path]:
    """Draw what the finished trials show; with several objectives, of the first one.

    Args:
        study: of the sweep, finished or not.
        folder: where the pictures go, one PNG each.

    Returns:
        The pictures; none while there are too few trials.

    Raises:
        RunFolderError: when the folder cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import optuna
    import optuna.visualization.matplotlib as drawing
    from matplotlib import pyplot

    from sched_rl.reporting.style import figure_style

    done = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    if len(done) < _FEWEST_TRIALS:
        return []
    name = study.user_attrs["objectives"][0]
    options: dict[str, Any] = {"target_name": name}
    if len(study.directions) > 1:
        options["target"] = lambda trial: trial.values[0]
    draw: dict[str, Callable[..., Any]] = {
        "history": drawing.plot_optimization_history,
        "importance": _plot_importances,
        "slice": drawing.plot_slice,
        "parallel_coordinate": drawing.plot_parallel_coordinate,
    }
    pictures = []
    with figure_style(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its own drawing experimental
        for title, plot in draw.items():
            try:
                plot(study, **options)
            except (ValueError, RuntimeError):  # all values equal, say: nothing to see
                pyplot.close("all")
                continue
            pictures.append(_save(pyplot, folder / f"{title}.png"))
    return pictures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ("-h", "--help"):
        print((__doc__ or "").replace("`", ""))
        return 0
    try:
        options = {"sweep": "", "folder": ""}
        for argument in arguments:
            key, equals, value = argument.partition("=")
            if not equals or key not in options:
                raise ConfigError(f"{argument}: takes sweep=NAME and folder=DIR")
            options[key] = value
        from sweeps.study import find_study, sweep_info

        study = find_study(options["sweep"] or None)
        folder = Path(options["folder"]) if options["folder"] else sweep_info(study).folder / "plots"
        pictures = draw_plots(study, folder)
        print(
            "\n".join(map(str, pictures))
            or f"fewer than {_FEWEST_TRIALS} complete trials: nothing to draw yet"
        )
    except SchedRLError as error:
        from sched_rl.command_line import report

        report(error)
        return error.exit_code
    return 0


def _plot_importances(study: Study, target_name: str, target: object = None) -> None:
    """The shares that `sweeps.status` prints."""
    from matplotlib import pyplot

    from sched_rl.reporting.style import BLUE
    from sweeps.summary import importances

    shares = importances(study)
    if not shares:
        raise ValueError("too few complete trials")
    _, axes = pyplot.subplots()
    bars = axes.barh(list(shares), list(shares.values()), color=BLUE)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(f"share of the differences in {target_name} between complete trials")


def _save(pyplot: Any, path: Path) -> Path:
    """Save the figure that is open, wide enough for many parameters."""
    figure = pyplot.gcf()
    width, height = _SIZE_INCHES
    if path.stem == "slice":
        width = max(width, _SLICE_INCHES * len(figure.axes))
        for axes in figure.axes:
            axes.xaxis.label.set_size("small")
            axes.tick_params(axis="x", labelsize="small")
    figure.set_size_inches(width, height)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160, bbox_inches="tight")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        pyplot.close("all")
    return path


if __name__ == "__main__":
    sys.exit(main())
