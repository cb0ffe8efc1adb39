"""Getting hold of an MLflow store: quietly, once, and without waiting for a dead one."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from sched_rl.errors import TrackingError
from sched_rl.tracking.mlflow_view import experiment_tags
from sched_rl.tracking.redaction import is_redacted, redact

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
_STORE_LOCK_TIMEOUT_S = 60.0
_BUSY_TIMEOUT_S = 0.5
#: Set unless the user has set them: no telemetry, no chatter, and no minutes of retries for a server that is
#: away; rows stay in the run's folder and are sent later.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class StoreBusyError(TrackingError):
    """Another process holds the store's lock; this passes."""


def resolve_uri(uri: str | None) -> str:
    """The store to use: the given one, else MLFLOW_TRACKING_URI, else `mlflow.db` in the working directory.

    Returns:
        The URI, a sqlite path made absolute.

    Raises:
        TrackingError: a kind of store that MLflow does not have, or a recorded URI whose password is hidden.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if is_redacted(uri):
        raise TrackingError(
            f"tracking.uri={uri}: records hide the password; give the whole address again, or tracking=none"
        )
    scheme = re.split(r"[:+]", uri, maxsplit=1)[0] if "://" in uri else uri
    if scheme not in _SCHEMES:
        raise TrackingError(
            f"tracking.uri={redact(uri)}: MLflow has no such store; use sqlite:///PATH/mlflow.db, "
            "http(s)://HOST:PORT or postgresql://USER@HOST/NAME"
        )
    if scheme != "sqlite":
        return uri
    path, mark, query = uri.removeprefix("sqlite:///").partition("?")
    if not uri.startswith("sqlite:///") or path in ("", ":memory:"):
        raise TrackingError(f"tracking.uri={uri}: a store in memory ends with the run; use sqlite:///PATH")
    absolute = str(Path(path).absolute())
    if "?" in absolute:
        raise TrackingError(f"tracking.uri: the folder {absolute} has a '?', which an address cannot hold")
    return f"sqlite:///{absolute}{mark}{query}"


def sqlite_path(uri: str) -> Path | None:
    """The database file of a sqlite URI that `resolve_uri` returned; None for other stores."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:") else None


def check_mlflow_installed() -> None:
    """Refuse at once what would only come to light when MLflow has been imported.

    Raises:
        TrackingError: not installed.
    """
    if find_spec("mlflow") is None:
        raise TrackingError("tracking=mlflow: MLflow is not installed; use tracking=none")


def import_mlflow() -> None:
    """Import MLflow, which takes 2 s, with its chatter off.

    Raises:
        TrackingError: not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between MLflow and its own dependencies
            import mlflow  # noqa: F401
    except ImportError as error:
        raise TrackingError(
            f"tracking=mlflow: MLflow cannot be imported ({error}); use tracking=none"
        ) from error
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # every failure reaches us as an exception
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def import_store(uri: str) -> None:
    """Import all that `open_client` will need for a store.

    Raises:
        TrackingError: MLflow or the store's library cannot be imported.
    """
    import_mlflow()
    if sqlite_path(uri):
        with translated(uri):
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def open_client(uri: str) -> MlflowClient:
    """Connect to a store; a fresh sqlite store is created by one process while the others wait.

    Args:
        uri: from `resolve_uri`.

    Raises:
        TrackingError: the store cannot be reached or created.
    """
    import_mlflow()
    from mlflow.tracking import MlflowClient

    database = sqlite_path(uri)
    with translated(uri), _store_lock(database), _few_connection_attempts(uri):
        if database and not database.exists():
            _create_sqlite_store(database)
        return MlflowClient(tracking_uri=uri)


def ensure_experiment(client: MlflowClient, uri: str, name: str) -> str:
    """The id of an experiment, which is made if it is missing; any number of starters may ask at once.

    Raises:
        TrackingError: deleted, or the store cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    with translated(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                location = _artifact_location(uri, name)
                return str(client.create_experiment(name, artifact_location=location, tags=experiment_tags()))
            except MlflowException:
                found = client.get_experiment_by_name(name)  # another starter was first
                if found is None:
                    raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking.experiment={name}: deleted in {redact(uri)}; restore it there, or choose another"
        )
    return str(found.experiment_id)


def check_not_busy(uri: str) -> None:
    """Fail fast on a locked sqlite store, on which MLflow would wait for 20 s.

    Raises:
        StoreBusyError: another process holds it for longer than half a second.
    """
    database = sqlite_path(uri)
    if database is None or not database.exists():
        return
    try:
        connection = sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise StoreBusyError(f"MLflow at {uri}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise TrackingError(f"MLflow at {uri}: {error}; name another tracking.uri") from error


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn whatever MLflow and its libraries raise into a TrackingError of one line without passwords."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:  # MLflow, SQLAlchemy, requests, OSError: tracking must not end a run
        raise TrackingError(f"MLflow at {redact(uri)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The one part of an error that says something: the system's word if there is one, never the SQL."""
    text = " ".join(str(error).split())
    if system := re.search(
        r"\[Errno -?\d+\] [\w ]+|(?:read|connect|request)\w* timed out", text, re.IGNORECASE
    ):
        return system[0]
    return redact(text.partition(" [SQL:")[0])[:200] or type(error).__name__


def _store_lock(database: Path | None) -> Any:
    if database is None:
        return nullcontext()
    database.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(f"{database}.lock", timeout=_STORE_LOCK_TIMEOUT_S)


def _create_sqlite_store(database: Path) -> None:
    """Create the tables beside their final place, so that a kill leaves no half-made store to trip over."""
    import sqlalchemy
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def trust_the_system(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")  # else some hundred steps wait for the disk each

    unfinished = database.with_name(database.name + ".new")
    unfinished.unlink(missing_ok=True)
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", trust_the_system)
    try:
        store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
            f"sqlite:///{unfinished}", (database.parent / "mlruns").as_uri()
        )
        store.engine.dispose()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", trust_the_system)
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())
    if not database.exists():  # `mlflow ui` creates stores without our lock
        os.replace(unfinished, database)


def _artifact_location(uri: str, experiment: str) -> str | None:
    """Beside a sqlite database; a server decides for itself; other databases get the working directory."""
    if uri.startswith(("http", "databricks")):
        return None
    database = sqlite_path(uri)
    root = database.parent if database else Path.cwd()
    folder = re.sub(r"[^A-Za-z0-9_-]", "_", experiment)[:100] or "_"
    return (root / "mlartifacts" / folder).as_uri()


@contextmanager
def _few_connection_attempts(uri: str) -> Iterator[None]:
    """MLflow tries a database ten times in 100 s before it gives up; training shall not wait for that."""
    if uri.startswith(("http", "databricks")):
        yield
        return
    from mlflow.store.db import utils

    before = utils.MAX_RETRY_COUNT
    utils.MAX_RETRY_COUNT = 2
    try:
        yield
    finally:
        utils.MAX_RETRY_COUNT = before
