"""Eight processes that start at once on a store which does not exist yet: all live, every time."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Queue

import pytest

PROCESSES = 8
ROUNDS = 20


def start_on_fresh_stores(number: int, folder: Path, together: Barrier, told: Queue) -> None:
    """What a run's writer does first, once a round, in the same instant as the others."""
    from sched_rl.tracking.mlflow_store import ensure_experiment, import_mlflow, open_client

    import_mlflow()
    for attempt in range(ROUNDS):
        uri = f"sqlite:///{folder}/{attempt}/mlflow.db"
        together.wait(timeout=200)
        try:
            client = open_client(uri)
            run = client.create_run(ensure_experiment(client, uri, "sweep"))
            client.log_metric(run.info.run_id, "started", number)
            told.put((attempt, number, ""))
        except Exception as error:
            told.put((attempt, number, f"{type(error).__name__}: {error}"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_eight_starters_share_a_fresh_store_twenty_times_out_of_twenty(tmp_path):
    from sched_rl.tracking.mlflow_store import open_client

    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(PROCESSES), context.Queue()
    workers = [
        context.Process(target=start_on_fresh_stores, args=(number, tmp_path, together, told))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    answers = [told.get(timeout=500) for _ in range(ROUNDS * PROCESSES)]
    for worker in workers:
        worker.join(timeout=60)
    assert [answer for answer in answers if answer[2]] == []
    for attempt in range(ROUNDS):
        client = open_client(f"sqlite:///{tmp_path}/{attempt}/mlflow.db")
        (experiment,) = client.search_experiments(filter_string="name = 'sweep'")
        runs = client.search_runs([experiment.experiment_id])
        assert sorted(run.data.metrics["started"] for run in runs) == list(range(PROCESSES))
