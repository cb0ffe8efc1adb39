"""Keeps MLflow up with a sweep. Tracking trouble is told once and never ends a sweep."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sched_rl.config.schema import TrackingConfig
from sched_rl.errors import SchedRLError
from sweeps.plots import draw_plots
from sweeps.study import TrialInfo, best_trials, sweep_info, trial_infos

if TYPE_CHECKING:
    from optuna import Study

    from sched_rl.tracking.mlflow_sweep import MlflowSweep
    from sched_rl.tracking.record import Status

log = logging.getLogger(__name__)

_ENDED = ("COMPLETE", "PRUNED", "FAIL")
#: What of a trial the parent shows as metrics, where it is known.
_METRICS = (
    *("min_block_return", "mean_return", "last_min_block_return", "last_mean_return"),
    *("steps", "wall_s", "invalid_frac", "noop_feasible_frac"),
)


class SweepTracker:
    """The sweep's parent run and its children; nothing at all with tracking=none."""

    def __init__(self, study: Study, tracking: TrackingConfig) -> None:
        """Follow a study.

        Args:
            study: of the sweep, described.
            tracking: of its configuration.
        """
        self._study = study
        self._tracking = tracking
        self._sweep: MlflowSweep | None = None
        self._is_broken = tracking.kind == "none"
        self._lock = threading.Lock()  # a heartbeat's thread may ask while the loop does
        self._adopted: set[int] = set()
        self._best: int | None = None

    def begin(self) -> None:
        """Make the parent run, or find the one that another worker or an earlier command made."""
        self._try(self._begin)

    def update(self) -> None:
        """Hang every trial that has ended below the parent; follow the best one."""
        self._try(self._update)

    def end(self, status: Status) -> None:
        """The last update, the plots, and the parent's end."""
        self._try(lambda: self._end(status))

    def _begin(self) -> None:
        from sched_rl.tracking.mlflow_sweep import PARENT_TAG, MlflowSweep

        sweep, info = MlflowSweep(self._tracking.uri, self._tracking.experiment), sweep_info(self._study)
        known = info.run_tags.get(PARENT_TAG)
        command = " ".join(info.command)
        tags = {
            "kind": "sweep",
            "agent": info.agent,
            "env": info.env,
            "sampler": info.sampler,
            "pruner": info.pruner,
            "sweep_folder": str(info.folder),
            "mlflow.note.content": f"**{info.name}**\n\n    python -m sched_rl.train {command}",
        }
        sweep.begin(info.name, known, tags)
        if sweep.run_id != known:
            self._study.set_user_attr("run_tags", {**info.run_tags, PARENT_TAG: sweep.run_id})
        self._sweep = sweep

    def _update(self) -> None:
        sweep = self._sweep
        if sweep is None:
            return
        for trial in trial_infos(self._study):
            if trial.state in _ENDED and trial.number not in self._adopted:
                self._adopted.add(trial.number)
                if trial.folder is not None:
                    sweep.adopt(trial.folder, _outcome(self._study.study_name, trial))
        best = next(iter(best_trials(self._study)), None)
        if best is not None and best.number != self._best:
            self._best = best.number
            sweep.follow_best(best.number, _metrics(best), best.params)

    def _end(self, status: Status) -> None:
        self._update()
        if self._sweep is not None:
            best = next(iter(best_trials(self._study)), None)
            plots = draw_plots(self._study, sweep_info(self._study).folder / "plots")
            self._sweep.end(status, best.params if best is not None else {}, plots)

    def _try(self, act: Callable[[], Any]) -> None:
        with self._lock:
            if self._is_broken:
                return
            try:
                act()
            except SchedRLError as error:
                self._is_broken = True
                log.warning("%s. The sweep goes on; MLflow's page of it stays as it is", error)


def _outcome(name: str, trial: TrialInfo) -> dict[str, str]:
    """The tags of a trial's run."""
    tags = {"sweep": name, "trial": str(trial.number), "trial_state": trial.state.lower()}
    tags["feasible"] = str(trial.is_feasible).lower()
    if "pruned_at" in trial.attrs:
        tags["pruned_at"] = f"{trial.attrs['pruned_at']:.3f}"
    return tags


def _metrics(trial: TrialInfo) -> dict[str, float]:
    known = {f"best.{name}": trial.attrs.get(name) for name in _METRICS}
    return {
        name: float(value)
        for name, value in known.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
