"""An MLflow server that goes away while a training runs, and one that answers slowly."""

from __future__ import annotations

import collections
import csv
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TRAINING = [
    "debug=smoke",
    "agent.total_steps=65536",
    "baselines=[sjf]",
    "progress=off",
    "run.folder=run",
    "tracking.experiment=faults",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    store = [
        "--backend-store-uri",
        "sqlite:///server.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(
        [*command, "--workers", "1"], cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server
    kill(server)
    raise AssertionError("the server did not start")


def kill(server: subprocess.Popen[bytes]) -> None:
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def train(folder: Path, uri: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sched_rl.train", *TRAINING, f"tracking.uri={uri}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def logged(folder: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(folder / "server.db") as connection:
        rows = connection.execute("SELECT key, step FROM metrics").fetchall()
    connection.close()
    return rows


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "run" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_server_that_is_killed_half_way_costs_no_row(tmp_path):
    port = free_port()
    server = serve(tmp_path, port)
    try:
        training = train(tmp_path, f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 240
        while not logged(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        kill(server)
    _, said = training.communicate(timeout=300)
    assert training.returncode == 0, said
    assert "python -m sched_rl.tracking import run" in said.replace(str(tmp_path) + "/", "")
    server = serve(tmp_path, port)
    try:
        importing = [sys.executable, "-m", "sched_rl.tracking", "import", "run"]
        done = subprocess.run(importing, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    finally:
        kill(server)
    counts = collections.Counter(row for row in logged(tmp_path) if row[0] == "loss")
    steps = {int(row["timesteps"]) for row in rows_of(tmp_path) if row["loss"]}
    assert {step for _, step in counts} == steps
    assert set(counts.values()) == {1}


class SlowAnswers(BaseHTTPRequestHandler):
    """Takes three seconds for everything, and then has no answer."""

    num_requests = 0

    def _answer(self) -> None:
        SlowAnswers.num_requests += 1
        time.sleep(3.0)
        self.send_error(503)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_that_is_slow_and_ill_does_not_slow_the_training(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowAnswers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        training = train(tmp_path, f"http://127.0.0.1:{server.server_port}")
        _, said = training.communicate(timeout=600)
    finally:
        server.shutdown()
    assert training.returncode == 0, said
    assert SlowAnswers.num_requests > 0
    assert len(rows_of(tmp_path)) == 257
    assert "nothing is lost" in said
