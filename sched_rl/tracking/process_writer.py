"""The training's end of the process that writes to MLflow (`follower`): start it, ask it, hear its warnings."""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sched_rl.tracking.mlflow_run import MlflowRun
from sched_rl.tracking.record import Status

log = logging.getLogger(__name__)

#: What an idle process needs to end when its pipe is closed, at most.
_PATIENCE_S = 10.0
_current: list[_Process] = []


class ProcessWriter:
    """Keeps an MLflow run up with a run's folder, from another process; only `finish` and `run_id` wait for it.

    Args:
        run: the run, not connected; its folder holds config and provenance.
    """

    def __init__(self, run: MlflowRun) -> None:
        self._folder = run.folder
        self._run_id: str | None = None
        self._process = _started()
        self._process.serves = self
        self._process.tell(
            do="open",
            folder=str(run.folder.absolute()),
            uri=run.uri,
            experiment=run.experiment,
            cwd=str(Path.cwd()),
        )

    @property
    def run_id(self) -> str | None:
        """The run's id in the store, once all rows written so far were offered; None if the store has not answered."""
        if self._process.serves is self:
            self._ask(do="run_id")
        return self._run_id

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags to the run, with the next rows."""
        self._process.tell(do="tags", tags=dict(tags))

    def finish(self, status: Status) -> None:
        """Send everything and mark the run as ended."""
        is_alive = self._ask(do="finish", status=status)
        self._process.serves = None
        if not is_alive:
            log.warning(
                "tracking=mlflow: the process that writes to MLflow has died. Nothing is lost, bring the run in "
                "later with: python -m sched_rl.tracking import %s",
                self._folder,
            )

    def _ask(self, **message: str) -> bool:
        answer = self._process.ask(**message)
        if answer is not None:
            self._run_id = answer["run_id"]
        return answer is not None


def start_early(uri: str) -> None:
    """Let the process import what a store needs beside whatever the caller does before its run opens.

    Args:
        uri: from `mlflow_store.resolve_uri`.
    """
    _started().tell(do="import", uri=uri)


def _started() -> _Process:
    """This process's own follower, alive."""
    if not _current or not _current[0].is_alive:
        _current[:] = [_Process()]
    return _current[0]


class _Process:
    """The other process: one at a time, for one run at a time; `serves` is whose run is open."""

    def __init__(self) -> None:
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "sched_rl.tracking.follower"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the training, which then tells how its run ended
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._owner = os.getpid()
        self.serves: ProcessWriter | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        atexit.register(self.close)

    @property
    def is_alive(self) -> bool:
        """False too in a forked child of the process that started it."""
        return self._owner == os.getpid() and self._popen.poll() is None

    def tell(self, **message: Any) -> None:
        """Send a message; a process that has died is noticed when it is asked."""
        with suppress(OSError, ValueError):
            assert self._popen.stdin is not None
            self._popen.stdin.write(json.dumps(message) + "\n")
            self._popen.stdin.flush()

    def ask(self, **message: Any) -> dict[str, Any] | None:
        """Send a message and wait for its answer; None when the process has died."""
        self.tell(**message)
        answer = self._answers.get()
        if answer is None:
            self._answers.put(None)
        return answer

    def close(self) -> None:
        """Let the process end."""
        if not self.is_alive:
            return
        with suppress(OSError, ValueError, subprocess.TimeoutExpired):
            assert self._popen.stdin is not None
            assert self._popen.stdout is not None
            self._popen.stdin.close()
            self._popen.wait(_PATIENCE_S)
            self._listener.join(_PATIENCE_S)
            self._popen.stdout.close()

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            answer = json.loads(line)
            if "warning" in answer:
                log.warning("%s", answer["warning"])
            else:
                self._answers.put(answer)
        self._answers.put(None)
