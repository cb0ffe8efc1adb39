"""Training the planned runs: in processes, resumable run by run, with the time left."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from analysis.diagnosis_bench.plan import PlannedRun
from sched_rl.errors import SchedRLError

#: What every run of the benchmark is told beside its plan: no display, no tracking, no rules beside it.
_ALWAYS = ("tracking=none", "progress=off", "diagnosis=none")


def train_missing(
    runs: Sequence[PlannedRun],
    root: Path,
    jobs: int,
    say: Callable[[str], None],
    is_over: Callable[[], object] = lambda: False,
) -> None:
    """Train every run that is not there yet.

    Args:
        runs: the plan.
        root: the benchmark's folder.
        jobs: processes.
        say: takes a line for the person.
        is_over: asked before each start; true ends it when the runs in progress are done.
    """
    missing = [run for run in runs if not is_finished(root / run.folder)]
    say(
        f"{len(runs) - len(missing)} of {len(runs)} runs are there, {len(missing)} to train in {jobs} processes"
    )
    if not missing:
        return
    started_s, done = time.monotonic(), 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = list(reversed(missing))
        running: dict[Future[str], PlannedRun] = {}
        while running or (waiting and not is_over()):
            while waiting and len(running) < jobs and not is_over():
                run = waiting.pop()
                running[pool.submit(train_one, run, root)] = run
            for future in wait(running, timeout=1.0, return_when=FIRST_COMPLETED).done:
                run, done = running.pop(future), done + 1
                left_s = (time.monotonic() - started_s) / done * (len(missing) - done)
                say(f"[{done}/{len(missing)}, {left_s / 60:.0f} min left] {run.folder}: {future.result()}")


def train_one(run: PlannedRun, root: Path) -> str:
    """Train one run into its folder; what was there unfinished is thrown away. Says how it went."""
    from sched_rl.config.load import load_config
    from sched_rl.trainer import train

    folder = root / run.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        config = load_config("train", [*_ALWAYS, *run.overrides])
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            result = train(config, folder)
    except SchedRLError as error:
        return f"FAILED, {error}"
    return f"{result.updates} updates in {result.wall_s:.0f} s"


def is_finished(folder: Path) -> bool:
    """Whether a run ended; one that failed by an error of its own counts, it would fail again."""
    from sched_rl.tracking.reading import final_status

    try:
        return final_status(folder) in ("FINISHED", "FAILED")
    except SchedRLError:
        return False
