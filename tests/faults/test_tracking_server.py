"""A real MLflow store that goes away, is locked or answers slowly while a real training runs."""

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
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NUM_UPDATES = 512
TRAINING = [
    "debug=smoke",
    f"agent.total_steps={NUM_UPDATES * 256}",
    "baselines=[sjf]",
    "progress=off",
    "run.folder=run",
    "tracking.experiment=faults",
]
#: For whatever must happen in the end, on a machine that is busy with other things as well.
PATIENCE_S = 600.0


def wait_until(happened: Callable[[], object], alive: subprocess.Popen) -> None:
    """Wait for something that a process must bring about; its death ends the waiting, not the clock."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert alive.poll() is None, f"ended with exit code {alive.returncode} before its time"
        assert time.monotonic() < deadline
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """An MLflow server over server.db that answers."""
    store = [
        "--backend-store-uri",
        "sqlite:///server.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(
        [*command, "--workers", "1"],
        cwd=folder,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # ten processes for other things
    )

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except OSError:
            return False
        return True

    try:
        wait_until(answers, server)
    except BaseException:
        kill(server)
        raise
    return server


def kill(server: subprocess.Popen[bytes]) -> None:
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def train(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sched_rl.train", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, env=environment)


def logged(database: Path, key: str = "loss") -> list[tuple[int, float]]:
    if not database.exists():
        return []
    with sqlite3.connect(database, timeout=60) as connection:
        rows = connection.execute("SELECT step, value FROM metrics WHERE key = ?", [key]).fetchall()
    connection.close()
    return rows


def recorded(folder: Path) -> list[dict[str, str]]:
    path = folder / "run" / "metrics.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def assert_every_row_once(folder: Path, database: Path) -> None:
    """What the store holds are the rows of the run's folder, each once, to the last bit."""
    counts = collections.Counter(logged(database))
    rows = [(int(row["timesteps"]), float(row["loss"])) for row in recorded(folder) if row["loss"]]
    assert set(counts) == set(rows)
    assert set(counts.values()) == {1}


def test_a_server_that_is_killed_half_way_costs_no_row(tmp_path):
    port, database = free_port(), tmp_path / "server.db"
    server = serve(tmp_path, port)
    try:
        training = train(tmp_path, *TRAINING, f"tracking.uri=http://127.0.0.1:{port}")
        wait_until(lambda: logged(database), training)
    finally:
        kill(server)
    at_the_kill = len(recorded(tmp_path))
    _, said = training.communicate(timeout=PATIENCE_S)
    assert training.returncode == 0, said
    assert at_the_kill < NUM_UPDATES + 1 == len(recorded(tmp_path))
    assert "python -m sched_rl.tracking import run" in said.replace(str(tmp_path) + "/", "")
    server = serve(tmp_path, port)
    try:
        importing = [sys.executable, "-m", "sched_rl.tracking", "import", "run"]
        done = subprocess.run(
            importing,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={
                **os.environ,
                "MLFLOW_HTTP_REQUEST_TIMEOUT": "300",
            },  # a server that has just begun, a busy machine
        )
        assert done.returncode == 0, done.stderr
    finally:
        kill(server)
    assert_every_row_once(tmp_path, database)


def test_a_run_that_was_stopped_while_the_server_was_away_resumes_into_it(tmp_path):
    port, database = free_port(), tmp_path / "server.db"
    training = train(tmp_path, *TRAINING, f"tracking.uri=http://127.0.0.1:{port}")
    wait_until(lambda: len(recorded(tmp_path)) > 20, training)
    training.send_signal(signal.SIGTERM)
    _, said = training.communicate(timeout=PATIENCE_S)
    assert training.returncode == 143, said
    assert "Connection refused" in said
    assert not database.exists()
    server = serve(tmp_path, port)
    try:
        training = train(tmp_path, "resume=run")
        _, said = training.communicate(timeout=PATIENCE_S)
        assert training.returncode == 0, said
    finally:
        kill(server)
    assert len(recorded(tmp_path)) == NUM_UPDATES + 1
    assert_every_row_once(tmp_path, database)


def test_a_store_that_is_locked_for_fifteen_seconds_holds_nothing_up(tmp_path):
    database = tmp_path / "server.db"
    training = train(tmp_path, *TRAINING, f"tracking.uri=sqlite:///{database}")
    wait_until(lambda: logged(database), training)
    locker = sqlite3.connect(database, isolation_level=None, timeout=60)
    locker.execute("BEGIN EXCLUSIVE")
    before = len(recorded(tmp_path))
    time.sleep(15.0)
    during = len(recorded(tmp_path))
    locker.execute("ROLLBACK")
    locker.close()
    _, said = training.communicate(timeout=PATIENCE_S)
    assert training.returncode == 0, said
    assert before < during
    assert said == ""  # a lock that passes is not worth a word
    assert_every_row_once(tmp_path, database)


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
        training = train(tmp_path, *TRAINING, f"tracking.uri=http://127.0.0.1:{server.server_port}")
        _, said = training.communicate(timeout=PATIENCE_S)
    finally:
        server.shutdown()
        server.server_close()
    assert training.returncode == 0, said
    assert SlowAnswers.num_requests > 0
    assert len(recorded(tmp_path)) == NUM_UPDATES + 1
    assert "nothing is lost" in said
