"""One run of an MLflow store, fed from a run's folder. Strict: trouble is raised, nothing is sent twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sched_rl.checkpoint import CheckpointStore, write_atomically
from sched_rl.errors import RunFolderError, TrackingError
from sched_rl.tracking.description import MAX_TAG, last_step, metric_key, run_name, run_params, run_tags
from sched_rl.tracking.feed import FeedRow, RunFeed, to_milliseconds
from sched_rl.tracking.grid_record import grid_tags
from sched_rl.tracking.mlflow_store import ensure_experiment, open_client, resolve_uri, translated
from sched_rl.tracking.reading import read_baselines, read_config, read_provenance, read_report
from sched_rl.tracking.record import BASELINES, PAGE, RECORD_FILES, REPORT, Status
from sched_rl.tracking.redaction import redact

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

TRACKING = "tracking.json"
#: MLflow's limit for one request.
BATCH_VALUES = 1000
_BATCH_PARAMS = 100


#: What MLflow gets of a baseline's and of the report's evaluations; the rest stays in the files.
COMPARED_SCORES = (
    "eval_mean_return",
    "eval_min_block_return",
    "eval_max_block_return",
    "mean_wait_s",
    "mean_bounded_slowdown",
    "utilization",
)


class MlflowRun:
    """The counterpart of a run's folder in a store; found again by tracking.json or by the tag `run_uid`.

    Args:
        folder: a run's folder with config.yaml and provenance.json.
        uri: `tracking.uri`; None goes on where the folder was tracked last, else to the default store.
        experiment: `tracking.experiment`.

    Raises:
        TrackingError: MLflow has no store of that kind.
        RunFolderError: not a run's folder.
    """

    def __init__(self, folder: Path, uri: str | None, experiment: str) -> None:
        self.folder = folder
        self.experiment = experiment
        self.run_id: str | None = None
        self._entries = _read_entries(folder)
        if uri is None:
            uri = next((entry["uri"] for entry in self._entries if entry["experiment"] == experiment), None)
        self.uri = resolve_uri(uri)
        self._config = read_config(folder)
        self._provenance = read_provenance(folder)
        self._client: MlflowClient | None = None
        self._feed: RunFeed | None = None
        self._pending: list[FeedRow] = []
        self._known_metrics: frozenset[str] = frozenset()

    @property
    def connected(self) -> bool:
        """Whether the store has answered once and knows the run."""
        return self._feed is not None

    def connect(self) -> None:
        """Find or make the run and learn what it holds already.

        Raises:
            TrackingError: the store cannot be reached or refuses.
        """
        client = open_client(self.uri)
        experiment_id = ensure_experiment(client, self.uri, self.experiment)
        created = to_milliseconds(self._provenance.get("created")) or int(time.time() * 1000)
        with translated(self.uri):
            run = self._find(client, experiment_id)
            if run is None:
                tags = run_tags(self._config, self._provenance, self.folder) | grid_tags(self.folder)
                run = client.create_run(experiment_id, created, tags, run_name(self._config, tags))
            self.run_id = run.info.run_id
            self._remember()
            if run.info.status != "RUNNING":
                client.update_run(run.info.run_id, status="RUNNING")
            self._log_params(client, run)
        self._client = client
        self._known_metrics = frozenset(run.data.metrics)
        self._feed = RunFeed(self.folder, int(run.data.metrics.get("update", -1)), created)

    def send(self, max_batches: int | None = None) -> int:
        """Send rows that the store lacks, in order, and the baselines.

        Args:
            max_batches: stop after so many requests; None sends all.

        Returns:
            The number of rows sent.

        Raises:
            TrackingError: the store cannot be reached; what it did not take is sent next time.
            RunFolderError: malformed rows.
        """
        client, feed = self._connection()
        # at both ends, so that a baseline is a line across the chart of what is trained
        ends = sorted({0, last_step(self._config)})
        self._send_scores(client, "baseline", self.folder / BASELINES, read_baselines, ends)
        self._send_scores(client, "report", self.folder / REPORT, read_report, ends[-1:])
        sent = batches = 0
        while (batch := self._fill_batch(feed)) and (max_batches is None or batches < max_batches):
            with translated(self.uri):
                metrics = [metric for row in batch for metric in _metrics(row)]
                client.log_batch(self._id, metrics, synchronous=True)
            del self._pending[: len(batch)]
            sent += len(batch)
            batches += 1
        return sent

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        client, _ = self._connection()
        with translated(self.uri):
            for key, value in tags.items():
                client.set_tag(self._id, metric_key(key), redact(value)[:MAX_TAG])

    def upload(self) -> None:
        """Copy the record's files, the page, the best and the latest checkpoint to the artifacts."""
        client, _ = self._connection()
        store = CheckpointStore(self.folder / "checkpoints")
        checkpoints = [path for path in (store.best_path(), store.latest_path()) if path]
        digests = [path.with_name(path.name + ".sha256") for path in checkpoints]
        with translated(self.uri):
            for name in (*RECORD_FILES, PAGE):
                if (self.folder / name).exists():
                    client.log_artifact(self._id, str(self.folder / name))
            for path in (*checkpoints, *digests):
                if path.exists():
                    client.log_artifact(self._id, str(path), "checkpoints")

    def upload_config(self) -> None:
        """Copy the config and the provenance, so that a run that is killed has them."""
        client, _ = self._connection()
        with translated(self.uri):
            for name in RECORD_FILES[:2]:
                client.log_artifact(self._id, str(self.folder / name))

    def finish(self, status: Status, end_time_ms: int | None = None) -> None:
        """Mark the run as ended, now unless a time is given."""
        client, _ = self._connection()
        with translated(self.uri):
            client.set_terminated(self._id, status, end_time_ms)

    @property
    def _id(self) -> str:
        if self.run_id is None:
            raise TrackingError(f"MLflow at {redact(self.uri)}: not connected")
        return self.run_id

    def _connection(self) -> tuple[MlflowClient, RunFeed]:
        if self._client is None or self._feed is None:
            raise TrackingError(f"MLflow at {redact(self.uri)}: not connected")
        return self._client, self._feed

    def _find(self, client: MlflowClient, experiment_id: str) -> Run | None:
        """By the recorded id, else by the tag `run_uid`: a kill may have come before the id was recorded."""
        from mlflow.exceptions import MlflowException

        for entry in self._entries:
            if (entry["uri"], entry["experiment"]) == (redact(self.uri), self.experiment):
                try:
                    run = client.get_run(entry["run_id"])
                except MlflowException as error:
                    if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                        raise
                else:
                    if run.info.lifecycle_stage == "active":
                        return run
        uid = self._provenance.get("run_uid")
        if not isinstance(uid, str) or not uid.isalnum():
            return None
        found = client.search_runs([experiment_id], f"tags.run_uid = '{uid}'", max_results=1)
        return found[0] if found else None

    def _remember(self) -> None:
        entry = {"uri": redact(self.uri), "experiment": self.experiment, "run_id": str(self.run_id)}
        others = [old for old in self._entries if old | {"run_id": ""} != entry | {"run_id": ""}]
        if [entry, *others] != self._entries:
            self._entries = [entry, *others]
            content = json.dumps({"runs": self._entries}, indent=1) + "\n"
            try:
                write_atomically(self.folder / TRACKING, content.encode())
            except OSError as error:
                raise RunFolderError(
                    f"{self.folder / TRACKING}: cannot be written ({error.strerror})"
                ) from error

    def _log_params(self, client: MlflowClient, run: Run) -> None:
        """Log the params that the run lacks; MLflow keeps the first, so changed ones go to a tag."""
        from mlflow.entities import Param

        params, logged = run_params(self._config), run.data.params
        missing = [Param(key, value) for key, value in params.items() if key not in logged]
        for start in range(0, len(missing), _BATCH_PARAMS):
            client.log_batch(run.info.run_id, params=missing[start : start + _BATCH_PARAMS], synchronous=True)
        changed = [
            f"{key}: {logged[key]} -> {value}"
            for key, value in params.items()
            if logged.get(key, value) != value
        ]
        if changed:
            client.set_tag(run.info.run_id, "changed_params", "\n".join(changed)[:MAX_TAG])

    def _send_scores(
        self,
        client: MlflowClient,
        prefix: str,
        path: Path,
        read: Callable[[Path], Mapping[str, Any]],
        steps: Sequence[int],
    ) -> None:
        """Log the scores of a file once, as metrics, so that the compare page shows them."""
        from mlflow.entities import Metric

        if not path.exists() or any(key.startswith(f"{prefix}.") for key in self._known_metrics):
            return
        timestamp = int(path.stat().st_mtime * 1000)
        scores = {
            metric_key(f"{prefix}.{name}.{key}"): value
            for name, evaluation in read(self.folder).items()
            if isinstance(evaluation, Mapping)
            for key, value in evaluation.items()
            if key in COMPARED_SCORES and isinstance(value, int | float)
        }
        with translated(self.uri):
            metrics = [
                Metric(key, float(value), timestamp, step) for key, value in scores.items() for step in steps
            ]
            client.log_batch(self._id, metrics, synchronous=True)
        self._known_metrics |= set(scores)

    def _fill_batch(self, feed: RunFeed) -> list[FeedRow]:
        """The next rows that fit into one request, whole, so that the last update in the store is complete."""
        size = count = 0
        while True:
            if count == len(self._pending):
                row = feed.next_row()
                if row is None:
                    break
                self._pending.append(row)
            size += len(self._pending[count].values)
            if size > BATCH_VALUES and count:
                break
            count += 1
        return self._pending[:count]


def _metrics(row: FeedRow) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(key, value, row.timestamp_ms, row.step) for key, value in row.values]


def _read_entries(folder: Path) -> list[dict[str, str]]:
    path = folder / TRACKING
    try:
        content = json.loads(path.read_bytes())
        return [
            {key: str(entry[key]) for key in ("uri", "experiment", "run_id")} for entry in content["runs"]
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"{path}: malformed ({error}); remove it, MLflow's run is found by its tag"
        ) from error
