"""What a plain multirun leaves in its folder: the list of its jobs beside the folders of their runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sched_rl.checkpoint import write_atomically
from sched_rl.errors import RunFolderError
from sched_rl.tracking.description import varied_text
from sched_rl.tracking.reading import final_status, read_config, read_events, read_metrics
from sched_rl.tracking.record import METRICS

GRID = "grid.json"


@dataclass(frozen=True)
class GridJob:
    """A job of a plain multirun.

    Attributes:
        number: of the job; its run's folder bears it.
        values: swept key to its value's text.
        overrides: the job's whole command line.
    """

    number: int
    values: Mapping[str, str]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class JobOutcome:
    """How a job's run ended, as its folder tells.

    Attributes:
        seed: the run's; None where it did not start.
        worst: best worst val block; nan where the run did not finish.
        mean: mean over val blocks of the same checkpoint; likewise.
        trouble: why there is no result, in a few words; empty where there is one.
    """

    seed: int | None
    worst: float
    mean: float
    trouble: str = ""


def write_grid(folder: Path, jobs: Sequence[GridJob]) -> None:
    """Write the list of jobs, before the first one starts.

    Raises:
        RunFolderError: when it cannot be written.
    """
    entries = [
        {"number": job.number, "values": dict(job.values), "overrides": list(job.overrides)} for job in jobs
    ]
    try:
        write_atomically(folder / GRID, (json.dumps({"jobs": entries}, indent=1) + "\n").encode())
    except OSError as error:
        raise RunFolderError(f"{folder / GRID}: cannot be written ({error.strerror})") from error


def read_grid(folder: Path) -> list[GridJob]:
    """The jobs of a multirun's folder.

    Raises:
        RunFolderError: missing or malformed.
    """
    path = folder / GRID
    try:
        entries = json.loads(path.read_bytes())["jobs"]
        return [
            GridJob(int(entry["number"]), dict(entry["values"]), tuple(entry["overrides"]))
            for entry in entries
        ]
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: no such file; is {folder} the folder of a plain multirun?") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path}: malformed ({error})") from error


def grid_tags(folder: Path) -> dict[str, str]:
    """What a run's tags say of the plain multirun that it is a job of; empty for any other run.

    Args:
        folder: of the run; a job's bears its number and lies beside the list of jobs.
    """
    try:
        jobs = read_grid(folder.resolve().parent)
    except RunFolderError:
        return {}
    job = next((job for job in jobs if str(job.number) == folder.resolve().name), None)
    return {} if job is None else {"varied": varied_text(job.values)}


def job_outcome(folder: Path) -> JobOutcome:
    """The best checkpoint's scores of a finished run, or why there are none.

    Args:
        folder: of the job's run; need not exist.
    """
    if not (folder / METRICS).is_file():
        return JobOutcome(None, math.nan, math.nan, "did not start")
    try:
        seed = int(read_config(folder)["seed"])
        status = final_status(folder)
        if status == "KILLED":
            return JobOutcome(seed, math.nan, math.nan, f"did not finish; go on with resume={folder}")
        if status == "FAILED":
            return JobOutcome(seed, math.nan, math.nan, _last_error(folder))
        worst, mean = _best_scores(folder)
    except (RunFolderError, KeyError, TypeError, ValueError) as error:
        return JobOutcome(None, math.nan, math.nan, f"cannot be read: {error}")
    return JobOutcome(seed, worst, mean)


def _best_scores(folder: Path) -> tuple[float, float]:
    """Of the best evaluation: the worst block decides, the mean breaks ties, as checkpoints are chosen."""
    metrics = read_metrics(folder)
    worst, mean = metrics["eval_min_block_return"], metrics["eval_mean_return"]
    known = np.flatnonzero(np.isfinite(worst) & np.isfinite(mean))
    if not known.size:
        raise RunFolderError(f"{folder / METRICS}: no evaluation in it")
    best = max(known, key=lambda row: (worst[row], mean[row]))
    return float(worst[best]), float(mean[best])


def _last_error(folder: Path) -> str:
    messages = [str(event.get("message")) for event in read_events(folder) if event["kind"] == "error"]
    return messages[-1] if messages else "failed"
