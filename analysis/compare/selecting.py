"""Which runs to compare: folders, a sweep's trials, or an experiment of an MLflow store."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from analysis.compare.grouping import natural_order
from sched_rl.errors import RunFolderError
from sched_rl.tracking.reading import read_config
from sched_rl.tracking.record import METRICS

#: Where runs and sweeps lie by default.
RUNS, SWEEPS = Path("runs"), Path("runs/sweeps")

#: How deep below a given folder runs are looked for: runs/sweeps/NAME/TRIAL.
_DEPTH = 3


def run_folders(patterns: Sequence[str]) -> list[Path]:
    """The run folders that some paths name.

    Args:
        patterns: run folders, folders of runs (of a multirun, of a sweep), or shell patterns of either.

    Returns:
        Each folder once, in the order given, numbers in names as numbers.

    Raises:
        RunFolderError: a path that names no run.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        paths = [Path(path) for path in glob.glob(pattern)] if glob.has_magic(pattern) else [Path(pattern)]
        folders = [folder for path in paths for folder in _below(path, _DEPTH)]
        if not folders:
            raise RunFolderError(
                f"runs={pattern}: no run there (a folder with {METRICS}); give a run's folder, a folder of runs or "
                "a quoted pattern such as 'runs/2026*'"
            )
        for folder in sorted(folders, key=lambda path: natural_order(str(path))):
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def sweep_folders(name: str) -> list[Path]:
    """The trials of a sweep by its name below runs/sweeps, or by its folder.

    Raises:
        RunFolderError: no such sweep, or one without a trial.
    """
    folder = Path(name) if Path(name).is_dir() else SWEEPS / name
    if not folder.is_dir():
        known = sorted(path.name for path in SWEEPS.iterdir()) if SWEEPS.is_dir() else []
        there = f"; {SWEEPS} holds {', '.join(known)}" if known else ""
        raise RunFolderError(f"sweep={name}: no folder {folder}{there}")
    return run_folders([str(folder)])


def experiment_folders(name: str, root: Path = RUNS) -> list[Path]:
    """The runs below a folder that were tracked in an experiment of this name, by what their folders record.

    Raises:
        RunFolderError: there is none.
    """
    folders = [
        folder
        for folder in sorted(_below(root, _DEPTH), key=lambda path: natural_order(str(path)))
        if _experiment(folder) == name
    ]
    if not folders:
        raise RunFolderError(
            f"experiment={name}: no run below {root} has tracking.experiment={name}; give runs=, or source=mlflow"
        )
    return folders


def _experiment(folder: Path) -> str | None:
    tracking = read_config(folder).get("tracking")
    return tracking.get("experiment") if isinstance(tracking, dict) else None


def _below(path: Path, depth: int) -> Iterable[Path]:
    if (path / METRICS).is_file():
        yield path
    elif depth and path.is_dir():
        for child in path.iterdir():
            if child.is_dir():
                yield from _below(child, depth - 1)
