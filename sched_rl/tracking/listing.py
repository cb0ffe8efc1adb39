"""Which runs an MLflow store has: of an experiment, of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import TrackingError
from sched_rl.tracking.fetching import fetch_run
from sched_rl.tracking.mlflow_store import open_client, resolve_uri, sqlite_path, translated
from sched_rl.tracking.mlflow_sweep import PARENT_TAG
from sched_rl.tracking.redaction import redact

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

_PAGE_RUNS = 500


def fetch_runs(
    *, experiment: str | None = None, sweep: str | None = None, uri: str | None = None, scratch: Path
) -> list[Path]:
    """The folders of an experiment's runs or of a sweep's trials, oldest first; artifacts where a folder is gone.

    Args:
        experiment: its name; its runs that are trainings.
        sweep: its name, instead of an experiment.
        uri: `tracking.uri`.
        scratch: an empty folder; each run whose own folder is elsewhere gets one in it, named by its id.

    Raises:
        TrackingError: no such experiment or sweep, no run in it, or the store cannot be reached.
        RunFolderError: a run that left no metrics there.
    """
    address = resolve_uri(uri)
    database = sqlite_path(address)
    if database is not None and not database.is_file():
        raise TrackingError(f"uri={redact(address)}: there is no such store; give uri=, or source=folders")
    client = open_client(address)
    with translated(address):
        known = {found.name: found.experiment_id for found in client.search_experiments()}
        if sweep is not None:
            runs = _children(client, list(known.values()), sweep, address)
        elif experiment in known:
            runs = _search(client, [known[experiment]], "")
        else:
            near = did_you_mean(str(experiment), known)
            raise TrackingError(
                f"experiment={experiment}: not in {redact(address)}{near}; it has {', '.join(known)}"
            )
    trainings = [run for run in runs if "run_folder" in run.data.tags]
    if not trainings:
        name = f"experiment={experiment}" if sweep is None else f"sweep={sweep}"
        raise TrackingError(f"{name}: no training of it in {redact(address)}")
    folders = []
    for run in trainings:
        own = scratch / run.info.run_id
        own.mkdir()
        folders.append(fetch_run(run.info.run_id, uri, own))
    return folders


def _children(client: MlflowClient, experiments: list[str], sweep: str, address: str) -> list[Run]:
    quoted = sweep.replace("'", "")
    parents = _search(client, experiments, f"tags.sweep = '{quoted}'")
    if not parents:
        raise TrackingError(
            f"sweep={sweep}: no such sweep in {redact(address)}; give uri=, or source=folders"
        )
    return [
        run
        for parent in parents
        for run in _search(client, experiments, f"tags.`{PARENT_TAG}` = '{parent.info.run_id}'")
    ]


def _search(client: MlflowClient, experiments: list[str], condition: str) -> list[Run]:
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            experiments,
            condition,
            max_results=_PAGE_RUNS,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            return found
