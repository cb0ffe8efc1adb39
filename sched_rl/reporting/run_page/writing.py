"""The page of a run's folder, in the folder."""

from __future__ import annotations

from pathlib import Path

from sched_rl.checkpoint import write_atomically
from sched_rl.config.schema import DiagnosisConfig
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.findings import Diagnosis
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.errors import RunFolderError
from sched_rl.reporting.run_page.document import page_html
from sched_rl.tracking.reading import read_events
from sched_rl.tracking.record import PAGE


def diagnose_and_write_page(folder: Path, limits: DiagnosisConfig) -> Diagnosis:
    """Diagnose a run and write its page.

    Args:
        folder: of the run.
        limits: thresholds of the rules.

    Raises:
        RunFolderError: the folder cannot be read, or the page not written.
    """
    curves = read_run_folder(folder)
    diagnosis = diagnose(curves, limits)
    write_page(folder / PAGE, page_html(curves, diagnosis, limits, events=read_events(folder)))
    return diagnosis


def write_page(path: Path, text: str) -> None:
    """Write a page in one piece.

    Raises:
        RunFolderError: it cannot be written.
    """
    try:
        # a file name may hold bytes that are no text
        write_atomically(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror})") from error
