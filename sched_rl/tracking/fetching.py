"""A run of an MLflow store as a folder: its own where it is on this machine, else its artifacts."""

from __future__ import annotations

from pathlib import Path

from sched_rl.errors import RunFolderError
from sched_rl.tracking.mlflow_store import open_client, resolve_uri, translated
from sched_rl.tracking.record import METRICS, RECORD_FILES
from sched_rl.tracking.redaction import redact


def fetch_run(run_id: str, uri: str | None, scratch: Path) -> Path:
    """The folder of a tracked run.

    Args:
        run_id: MLflow's.
        uri: `tracking.uri`.
        scratch: an empty folder, for artifacts where the run's own folder is elsewhere.

    Raises:
        TrackingError: no such run, or the store cannot be reached.
        RunFolderError: the run left no metrics there.
    """
    address = resolve_uri(uri)
    client = open_client(address)
    with translated(address):
        run = client.get_run(run_id)
        folder = Path(run.data.tags.get("run_folder", ""))
        if (folder / METRICS).is_file():
            return folder
        present = {artifact.path for artifact in client.list_artifacts(run_id)}
        for name in sorted(present & set(RECORD_FILES)):
            client.download_artifacts(run_id, name, str(scratch))
        if "checkpoints" in present:
            client.download_artifacts(run_id, "checkpoints", str(scratch))
    if not (scratch / METRICS).is_file():
        raise RunFolderError(
            f"mlflow_run={run_id}: {redact(address)} holds no {METRICS} of it; import its folder first"
        )
    return scratch
