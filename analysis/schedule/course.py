"""A schedule over time: which GPUs each job held, how long the queue was, how many GPUs worked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.schedule.recording import FloatArray, IntArray, Recording

#: Two moments are one if they differ by rounding; seconds.
_SAME_MOMENT_S = 1e-6


@dataclass(frozen=True)
class Bar:
    """A job on one GPU or on neighbouring ones.

    Attributes:
        job: its number in the workload.
        first_gpu: the lowest of these GPUs, counted from 0.
        num_gpus: how many lie side by side.
        start_s: when it began.
        end_s: when it ended or the episode did.
    """

    job: int
    first_gpu: int
    num_gpus: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Steps:
    """A quantity that jumps: from times[i] on it is values[i]."""

    times: FloatArray
    values: FloatArray

    def at(self, time_s: float) -> float:
        """The value at a moment; the first one before everything."""
        return float(self.values[max(int(np.searchsorted(self.times, time_s, side="right")) - 1, 0)])


def gantt_bars(recording: Recording) -> list[Bar]:
    """Who ran where. Each job takes the lowest GPUs that are free, as the simulator does."""
    jobs, gpus = recording.episode.schedule, recording.episode.gpus
    started = np.flatnonzero(~np.isnan(jobs["start_s"]))
    free_from = np.zeros(recording.num_gpus)
    bars = []
    for job in started[np.argsort(jobs["start_s"][started], kind="stable")].tolist():
        start_s = float(jobs["start_s"][job])
        end_s = start_s + float(jobs["duration_s"][job])
        held = np.flatnonzero(free_from <= start_s + _SAME_MOMENT_S)[: int(gpus[job])]
        free_from[held] = end_s
        for group in np.split(held, np.flatnonzero(np.diff(held) > 1) + 1):
            bars.append(Bar(job, int(group[0]), len(group), start_s, min(end_s, recording.end_s)))
    return bars


def queue_length(recording: Recording) -> Steps:
    """Jobs that have arrived and not started."""
    jobs = recording.episode.schedule
    arrived = jobs["submit_s"][jobs["submit_s"] <= recording.end_s]
    started = jobs["start_s"][~np.isnan(jobs["start_s"])]
    return _steps(arrived, started, np.ones(len(arrived)), np.ones(len(started)), recording.end_s)


def busy_gpus(recording: Recording) -> Steps:
    """GPUs that work."""
    jobs, gpus = recording.episode.schedule, recording.episode.gpus
    started = ~np.isnan(jobs["start_s"])
    begin_s = jobs["start_s"][started]
    width = gpus[started].astype(np.float64)
    return _steps(begin_s, begin_s + jobs["duration_s"][started], width, width, recording.end_s)


def chosen_waits(recording: Recording) -> FloatArray:
    """[waits] moments at which the scheduler waited although a job fitted; seconds."""
    decisions = recording.decisions
    return np.asarray(decisions.time_s[(decisions.actions == 0) & decisions.has_choice], np.float64)


def skipped_slots(recording: Recording) -> tuple[FloatArray, IntArray]:
    """When jobs were started and which slot of the window each stood in, counted from 1: 1 is first come."""
    decisions = recording.decisions
    starts = decisions.actions > 0
    return decisions.time_s[starts], decisions.actions[starts]


def _steps(up_s: FloatArray, down_s: FloatArray, ups: FloatArray, downs: FloatArray, end_s: float) -> Steps:
    times = np.concatenate([[0.0], up_s, down_s])
    changes = np.concatenate([[0.0], ups, -downs])
    kept = times <= end_s
    moments, where = np.unique(times[kept], return_inverse=True)
    values = np.zeros(len(moments))
    np.add.at(values, where.reshape(-1), changes[kept])
    return Steps(moments, np.cumsum(values))
