"""MLflow's pages over a store, on this machine only, with the addresses that open on the runs."""

from __future__ import annotations

import os
import sys

from sched_rl.errors import TrackingError
from sched_rl.tracking.mlflow_store import open_client, resolve_uri, sqlite_path, translated
from sched_rl.tracking.mlflow_view import KIND, KIND_TAG, VIEW_TAG, runs_address, view_text
from sched_rl.tracking.redaction import redact

HOST = "127.0.0.1"


def page_lines(uri: str, port: int) -> list[str]:
    """What to open, a line an experiment that holds trainings; gives each the saved view if it lacks it.

    Args:
        uri: from `resolve_uri`.
        port: of the pages.

    Raises:
        TrackingError: there is no such store yet, or it cannot be reached.
    """
    database = sqlite_path(uri)
    if database is not None and not database.is_file():
        raise TrackingError(f"uri={redact(uri)}: there is no such store yet; train first, or give uri=")
    client = open_client(uri)
    server = uri.rstrip("/") if uri.startswith("http") else f"http://{HOST}:{port}"
    lines = []
    with translated(uri):
        for experiment in client.search_experiments(filter_string=f"tags.`{KIND_TAG}` = '{KIND}'"):
            if VIEW_TAG not in experiment.tags:
                client.set_experiment_tag(experiment.experiment_id, VIEW_TAG, view_text())
            table = runs_address(redact(server), experiment.experiment_id)
            charts = runs_address(redact(server), experiment.experiment_id, charts=True)
            lines += [f"{experiment.name}, runs:   {table}", f"{experiment.name}, charts: {charts}"]
    return lines


def serve_pages(uri: str | None, port: int) -> int:
    """Print the addresses, then become MLflow's server; one that runs elsewhere already needs none.

    Args:
        uri: the store; None: the default one.
        port: to serve on.

    Returns:
        The exit code, for a server that runs elsewhere; else this does not return.

    Raises:
        TrackingError: there is no such store yet, or it cannot be reached.
    """
    address = resolve_uri(uri)
    for line in page_lines(address, port):
        print(line, flush=True)
    if address.startswith("http"):
        return 0
    # the address by the environment: a command line, with its password, is anybody's to read; no queue of jobs,
    # seven processes that evaluate language models and outlive the server
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": address,
    }
    words = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, words, environment)
