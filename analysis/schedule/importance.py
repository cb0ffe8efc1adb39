"""Which features drive a scheduler: how many of its decisions change when a feature is shuffled.

Permutation importance (Breiman 2001, "Random Forests"; Fisher, Rudin, Dominici 2019), over the decisions of one
episode. A job's feature is shuffled among the jobs that stand in the window together, so that its values stay those of
the moment; the cluster's are shuffled between decisions. Columns that say the same are shuffled together: shuffling one
of a pair would leave the other to read it from. The mask stays, so that every answer is legal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.schedule.recording import Recording
from sched_rl.envs.layout import ObservationLayout
from sched_rl.schedulers.base import SimulatingScheduler
from sched_rl.seeding import stream

#: Decisions that are asked again; more are thinned evenly.
MAX_DECISIONS = 400
_ROUNDS = 5

#: Columns of the job matrix by what they speak of (`envs.rich_observation`, `envs.playbook_observation`).
_RICH_JOB = {
    "job: fits now": (1,),
    "job: duration": (2, 3),
    "job: GPUs": (4,),
    "job: GPU-seconds": (5,),
    "job: wait": (6,),
    "job: priority": (7,),
    "job: GPUs left idle": (8,),
    "job: time until it fits": (9,),
    "job: time left after it": (10,),
    "job: time to spare": (11,),
    "job: what fits after it": (12, 13),
}
_PLAYBOOK_JOB = {"job: duration": (0,), "job: priority": (1,), "job: GPUs": (2,), "job: wait": (3,)}


@dataclass(frozen=True)
class Importance:
    """How much one feature matters.

    Attributes:
        feature: its name.
        changed: share of the decisions that change, mean over shuffles.
        low: the least over the shuffles.
        high: the most.
    """

    feature: str
    changed: float
    low: float
    high: float


def permutation_importance(recording: Recording, seed: int = 0) -> list[Importance]:
    """The features by how many decisions change, most first.

    Args:
        recording: of a scheduler that decides by its observation.
        seed: of the shuffles.

    Returns:
        One a feature; empty for a scheduler that simulates the clusters instead of reading the observation, and where
        there was never more than one thing to do.
    """
    decisions = recording.decisions
    asked = np.flatnonzero(decisions.masks.sum(axis=1) > 1)
    if isinstance(recording.scheduler, SimulatingScheduler) or not asked.size:
        return []
    asked = asked[np.linspace(0, asked.size - 1, min(MAX_DECISIONS, asked.size)).astype(np.int64)]
    observations, masks = decisions.observations[asked], decisions.masks[asked]
    usual = _ask(recording, observations, masks)
    found = []
    for number, (feature, columns) in enumerate(feature_columns(recording.layout).items()):
        shares = []
        for round_ in range(_ROUNDS):
            rng = stream(seed, "permutation", number * _ROUNDS + round_)
            shuffled = _shuffled(observations, masks, recording.layout, columns, rng)
            shares.append(float((_ask(recording, shuffled, masks) != usual).mean()))
        found.append(Importance(feature, float(np.mean(shares)), min(shares), max(shares)))
    return sorted(found, key=lambda importance: -importance.changed)


def feature_columns(layout: ObservationLayout) -> dict[str, tuple[int, ...]]:
    """Feature to the columns of the job matrix, or (negative: -1 profile, -2 context) a part of the cluster's."""
    jobs = _PLAYBOOK_JOB if layout.encoding == "playbook" else _RICH_JOB
    return {**jobs, "cluster: when GPUs come free": (-1,), "cluster: state": (-2,)}


def _shuffled(
    observations: npt.NDArray[np.float32],
    masks: npt.NDArray[np.bool_],
    layout: ObservationLayout,
    columns: tuple[int, ...],
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    result = observations.copy()
    jobs_end = layout.window * layout.job_features
    profile_end = jobs_end + layout.profile_features
    if columns[0] < 0:
        part = slice(jobs_end, profile_end) if columns[0] == -1 else slice(profile_end, layout.size)
        result[:, part] = observations[rng.permutation(len(observations)), part]
        return result
    jobs = result[:, :jobs_end].reshape(len(result), layout.window, layout.job_features)
    for row, mask in zip(jobs, masks, strict=True):
        # an empty slot is all zeros; jobs fill the window from the front
        present = int(row.any(axis=1).sum())
        order = rng.permutation(max(present, int(mask[1:].sum())))
        row[: len(order), list(columns)] = row[order][:, list(columns)]
    return result


def _ask(
    recording: Recording, observations: npt.NDArray[np.float32], masks: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    count = len(observations)
    recording.scheduler.begin([recording.env] * count, [recording.seed] * count)
    return recording.scheduler.actions(observations, masks, np.ones(count, np.bool_))
