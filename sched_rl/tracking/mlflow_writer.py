"""What a training calls to be tracked. Tracking trouble is told once and never ends a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from sched_rl.config.schema import TrackingConfig
from sched_rl.errors import SchedRLError
from sched_rl.tracking.mlflow_run import MlflowRun
from sched_rl.tracking.mlflow_store import (
    StoreBusyError,
    check_mlflow_installed,
    check_not_busy,
)
from sched_rl.tracking.record import Status
from sched_rl.tracking.redaction import redact

log = logging.getLogger(__name__)

#: First pause after trouble, doubled each time.
_FIRST_PAUSE_S = 2.0
#: About 1000 values, MLflow's limit for one request.
_ROWS_PER_FLUSH = 25
#: Requests in one flush; what is left waits for the next, so that catching up does not halt the training.
_BATCHES_PER_FLUSH = 10
#: A store that answers slowly gets at most a twentieth of the time.
_PAUSE_FACTOR = 20.0
_SLOW_REQUEST_S = 1.0
_MAX_PAUSE_S = 300.0
_BUSY_TOLERATED_S = 30.0


class Writer(Protocol):
    """Follows a run's record into a tracking store."""

    @property
    def run_id(self) -> str | None:
        """The run's id in the store, if it has one by now."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags to the run."""

    def finish(self, status: Status) -> None:
        """Send everything, files included, and mark the run as ended."""


class NullWriter:
    """tracking=none: the run's folder is all."""

    run_id: str | None = None

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def finish(self, status: Status) -> None:
        """Do nothing."""


class MlflowWriter:
    """Keeps an MLflow run up with a run's folder.

    Args:
        run: the run, not yet connected.
        clock: seconds, monotonic.
    """

    def __init__(self, run: MlflowRun, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._pause_until = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._trouble_since: float | None = None
        self._warned = False
        self._config_uploaded = False
        self._tags: dict[str, str] = {}
        self._attempt()

    @property
    def run_id(self) -> str | None:
        """The run's id in the store; None until the store has answered."""
        return self._run.run_id

    @property
    def uri(self) -> str:
        """The store's address, its password hidden."""
        return redact(self._run.uri)

    def flush(self) -> None:
        """Send what has gathered, unless the store is in trouble and its pause is not over."""
        if self._clock() >= self._pause_until:
            self._attempt()

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags to the run, at the next flush."""
        self._tags.update(tags)

    def finish(self, status: Status) -> None:
        """Send everything and mark the run as ended; say how to repair it when the store does not answer."""
        try:
            self._send(final=True)
            self._run.upload()
            self._run.finish(status)
        except SchedRLError as error:
            log.warning(
                "%s. MLflow lacks part of this run; nothing is lost, bring it in later with: "
                "python -m sched_rl.tracking import %s",
                error,
                self._run.folder,
            )

    def _attempt(self) -> None:
        started = self._clock()
        try:
            self._send(final=False)
        except SchedRLError as error:
            self._note_trouble(error, started)
        else:
            self._trouble_since = None
            self._pause_s = _FIRST_PAUSE_S

    def _send(self, *, final: bool) -> None:
        if not final:
            check_not_busy(self._run.uri)
        if not self._run.connected:
            self._run.connect()
        if not self._config_uploaded:
            self._run.upload_config()
            self._config_uploaded = True
        started = self._clock()
        rows = self._run.send(None if final else _BATCHES_PER_FLUSH)
        took = self._clock() - started
        if took > _SLOW_REQUEST_S * max(1, rows // _ROWS_PER_FLUSH):
            self._pause_until = self._clock() + _PAUSE_FACTOR * took
        if self._tags:
            self._run.set_tags(self._tags)
            self._tags = {}

    def _note_trouble(self, error: SchedRLError, started: float) -> None:
        now = self._clock()
        if self._trouble_since is None:
            self._trouble_since = started
        self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S)
        self._pause_until = now + max(self._pause_s, _PAUSE_FACTOR * (now - started))
        passing = isinstance(error, StoreBusyError) and now - self._trouble_since < _BUSY_TOLERATED_S
        if not self._warned and not passing:
            self._warned = True
            log.warning(
                "%s. Training goes on; its rows stay in %s and are sent when the store answers",
                error,
                self._run.folder,
            )


def open_writer(tracking: TrackingConfig, folder: Path) -> Writer:
    """Start the writer of a run, new or resumed, whose config and provenance are in its folder.

    Args:
        tracking: the config's tracking part.
        folder: the run's folder; `RunRecord` holds it.

    Raises:
        TrackingError: MLflow is not installed or has no store of that kind; one that does not answer is only
            warned of.
    """
    if tracking.kind == "none":
        return NullWriter()
    check_mlflow_installed()
    from sched_rl.tracking.process_writer import ProcessWriter

    return ProcessWriter(MlflowRun(folder, tracking.uri, tracking.experiment))
