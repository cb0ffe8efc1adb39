"""The process that writes to MLflow beside a training: it follows the run's files, so the training waits for nothing.

Started by `process_writer`, which speaks to it in JSON lines on its standard input: `{"do": "import", "uri"}`,
`{"do": "open", "folder", "uri", "experiment", "cwd"}`, `{"do": "tags", "tags"}`, `{"do": "run_id"}` and
`{"do": "finish", "status"}`; the last two are answered on its standard output, where warnings come too. One process
serves the runs of its parent one after another. When the parent goes away without a word (a kill), the rows that it
left are sent and its run is marked as killed.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from sched_rl.errors import SchedRLError
from sched_rl.quick_import import quick_import
from sched_rl.tracking.mlflow_run import MlflowRun
from sched_rl.tracking.mlflow_store import import_store
from sched_rl.tracking.mlflow_writer import MlflowWriter
from sched_rl.tracking.record import lock_folder

FLUSH_INTERVAL_S = 2.0


class Follower:
    """Does what the parent asks for, and sends rows in between.

    Args:
        answers: where answers and warnings go, a JSON line each.
    """

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self._run: MlflowRun | None = None
        self._writer: MlflowWriter | None = None

    @property
    def is_following(self) -> bool:
        """Whether a run is open."""
        return self._writer is not None

    def obey(self, message: dict[str, Any]) -> None:
        """Carry out one message."""
        if message["do"] == "import":
            with suppress(SchedRLError), quick_import("mlflow"):  # an error is told when a run opens
                import_store(message["uri"])
        elif message["do"] == "open":
            os.chdir(message["cwd"])  # where artifacts of some stores go
            self._run = MlflowRun(Path(message["folder"]), message["uri"], message["experiment"])
            self._writer = MlflowWriter(self._run)
        elif self._writer is None:
            self.answer(run_id=None)
        elif message["do"] == "tags":
            self._writer.set_tags(message["tags"])
        elif message["do"] == "run_id":
            self._writer.flush()
            self.answer(run_id=self._writer.run_id)
        else:
            self._writer.finish(message["status"])
            self.answer(run_id=self._writer.run_id)
            self._writer = None

    def flush(self) -> None:
        """Send what the run has written since."""
        if self._writer is not None:
            self._writer.flush()

    def mourn(self) -> None:
        """The parent is gone: complete its run as killed, unless another process has resumed it already."""
        if self._writer is None or self._run is None:
            return
        with suppress(SchedRLError):
            lock = lock_folder(self._run.folder)
            try:
                self._writer.finish("KILLED")
            finally:
                lock.release()

    def answer(self, **fields: Any) -> None:
        """Say something to the parent, if it is still there."""
        with suppress(OSError, ValueError):
            self._answers.write(json.dumps(fields) + "\n")
            self._answers.flush()


class _Relay(logging.Handler):
    """Hands warnings to the parent, whose terminal they belong on."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(logging.WARNING)
        self._follower = follower

    def emit(self, record: logging.LogRecord) -> None:
        self._follower.answer(warning=record.getMessage())


def _read(messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        messages.put(json.loads(line))
    messages.put(None)


def main() -> int:
    """Serve until the parent closes the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent takes them, and says how its run ended
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nobody else's print may get between the answers
    follower = Follower(answers)
    logging.getLogger("sched_rl").addHandler(_Relay(follower))
    logging.getLogger("sched_rl").propagate = False
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(messages,), daemon=True).start()
    while True:
        try:
            message = messages.get(timeout=FLUSH_INTERVAL_S if follower.is_following else None)
        except queue.Empty:
            follower.flush()
            continue
        if message is None:
            follower.mourn()
            return 0
        follower.obey(message)


if __name__ == "__main__":
    sys.exit(main())
