"""Import of a run's folder into MLflow; repeating it completes what is there and doubles nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sched_rl.errors import RunFolderError
from sched_rl.tracking.feed import to_milliseconds
from sched_rl.tracking.mlflow_run import MlflowRun
from sched_rl.tracking.reading import final_status, read_config, read_events
from sched_rl.tracking.record import METRICS, lock_folder
from sched_rl.tracking.redaction import redact


def import_run(folder: Path, uri: str | None = None, experiment: str | None = None) -> str:
    """Bring a run's folder into MLflow.

    Args:
        folder: a run's folder that no process is writing.
        uri: the store; None means the one of the run's config, else the default.
        experiment: None means the one of the run's config.

    Returns:
        One line that says what was done.

    Raises:
        RunFolderError: not a run's folder, malformed, or still being written.
        TrackingError: the store cannot be reached.
    """
    tracking = _tracking_part(folder)
    lock = lock_folder(folder)
    try:
        run = MlflowRun(
            folder, uri or tracking.get("uri"), experiment or tracking.get("experiment") or "sched_rl"
        )
        run.connect()
        sent = run.send()
        run.upload()
        run.finish(final_status(folder), _end_time_ms(folder))
    finally:
        lock.release()
    return f"{folder}: {sent} new rows, run {run.run_id} of experiment {run.experiment} at {redact(run.uri)}"


def _tracking_part(folder: Path) -> dict[str, Any]:
    tracking = read_config(folder).get("tracking")
    if not isinstance(tracking, dict):
        raise RunFolderError(f"{folder}: config.yaml has no part tracking")
    return tracking


def _end_time_ms(folder: Path) -> int:
    ends = [to_milliseconds(event.get("time")) for event in read_events(folder) if event["kind"] == "end"]
    return (ends[-1] if ends else None) or int((folder / METRICS).stat().st_mtime * 1000)
