"""A sweep in MLflow: a parent run, its trials as children, the best trial's values on the parent.

The trials' runs are made by their trainings. Here the parent is made, every trial that has ended is hung below it with
its outcome as tags, and the parent follows the best one: as metrics, stepping with the trials' numbers, and as tags
`best.KEY`, since MLflow never changes a param. At the end the best values become params as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sched_rl.errors import TrackingError
from sched_rl.tracking.description import MAX_PARAM, MAX_TAG, metric_key
from sched_rl.tracking.mlflow_run import TRACKING
from sched_rl.tracking.mlflow_store import ensure_experiment, open_client, resolve_uri, translated
from sched_rl.tracking.record import Status
from sched_rl.tracking.redaction import redact

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: The tag by which MLflow's own pages know whose child a run is.
PARENT_TAG = "mlflow.parentRunId"


class MlflowSweep:
    """The parent run of a sweep. Strict: trouble is raised as TrackingError.

    Args:
        uri: `tracking.uri`.
        experiment: `tracking.experiment`.
    """

    def __init__(self, uri: str | None, experiment: str) -> None:
        self.uri = resolve_uri(uri)
        self._client: MlflowClient = open_client(self.uri)
        self._experiment_id = ensure_experiment(self._client, self.uri, experiment)
        self._run_id = ""

    @property
    def run_id(self) -> str:
        """The parent's id; empty before `begin`."""
        return self._run_id

    def begin(self, name: str, known_id: str | None, tags: Mapping[str, str]) -> None:
        """Make the parent, or go on with the one that an earlier command made.

        Args:
            name: of the sweep.
            known_id: of the parent, if the study knows one.
            tags: of the parent.

        Raises:
            TrackingError: the store cannot be reached.
        """
        from mlflow.exceptions import MlflowException

        with translated(self.uri):
            if known_id is not None:
                try:
                    self._client.update_run(known_id, status="RUNNING")
                    self._run_id = known_id
                except MlflowException as error:
                    if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                        raise
            if not self._run_id:
                all_tags = {"sweep": name, "mlflow.source.name": "sched_rl", **tags}
                shown = {metric_key(key): redact(value)[:MAX_TAG] for key, value in all_tags.items()}
                run = self._client.create_run(
                    self._experiment_id, int(time.time() * 1000), shown, f"sweep {name}"
                )
                self._run_id = run.info.run_id

    def adopt(self, trial_folder: Path, tags: Mapping[str, str]) -> bool:
        """Hang a trial's run below the parent.

        Args:
            trial_folder: its run folder.
            tags: its outcome.

        Returns:
            Whether the trial has a run in this store.

        Raises:
            TrackingError: the store cannot be reached.
        """
        run_id = self._child_id(trial_folder)
        if run_id is None:
            return False
        with translated(self.uri):
            for key, value in {PARENT_TAG: self._run_id, **tags}.items():
                self._client.set_tag(run_id, metric_key(key), redact(value)[:MAX_TAG])
        return True

    def follow_best(self, trial: int, metrics: Mapping[str, float], params: Mapping[str, Any]) -> None:
        """Copy the best trial's values to the parent.

        Args:
            trial: its number, the step of the metrics.
            metrics: its outcome, finite.
            params: what the sampler chose.

        Raises:
            TrackingError: the store cannot be reached.
        """
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        with translated(self.uri):
            self._client.log_batch(
                self._run_id,
                metrics=[Metric(metric_key(key), float(value), now, trial) for key, value in metrics.items()],
                tags=[
                    RunTag("best.trial", str(trial)),
                    *(
                        RunTag(metric_key(f"best.{key}"), str(value)[:MAX_TAG])
                        for key, value in params.items()
                    ),
                ],
                synchronous=True,
            )

    def end(self, status: Status, params: Mapping[str, Any], files: Iterable[Path]) -> None:
        """Log the best values as params, upload files and mark the parent as ended.

        Args:
            status: of the parent.
            params: of the best trial; those that an earlier end has logged otherwise stay as they are.
            files: artifacts, below `plots`.

        Raises:
            TrackingError: the store cannot be reached.
        """
        from mlflow.entities import Param

        with translated(self.uri):
            logged = self._client.get_run(self._run_id).data.params
            missing = [
                Param(metric_key(key), str(value)[:MAX_PARAM])
                for key, value in params.items()
                if metric_key(key) not in logged
            ]
            if missing:
                self._client.log_batch(self._run_id, params=missing, synchronous=True)
            for file in files:
                self._client.log_artifact(self._run_id, str(file), "plots")
            self._client.set_terminated(self._run_id, status)

    def _child_id(self, folder: Path) -> str | None:
        """The id of a trial's run in this store, from what its training left in the folder."""
        try:
            runs = json.loads((folder / TRACKING).read_bytes())["runs"]
            return next((str(run["run_id"]) for run in runs if run["uri"] == redact(self.uri)), None)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrackingError(f"{folder / TRACKING}: malformed ({error})") from error
