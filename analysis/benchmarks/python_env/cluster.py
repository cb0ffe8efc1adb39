"""One cluster of the playbook's MDP (event steps): lists, `heapq`, NumPy where it looks at many jobs at once.

Source: the MDP that `sched_rl.simulator.dynamics` compiles. Both do their arithmetic in the same order, so that
they agree to the last digit.
"""

from __future__ import annotations

import struct
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import EnvConfig
from sched_rl.errors import ConfigError
from sched_rl.workloads.workload import Workload


class Event(int):
    """An event as the number that orders it, by (time, kind) alone, so that `heapq` compares plain integers.

    The bits of floats that are not negative are ordered as the floats are; the lowest bit is 1 for a completion.
    """

    job: int
    time_s: float


def _event(time_s: float, completion: bool, job: int) -> Event:
    (bits,) = struct.unpack("<q", struct.pack("<d", time_s))
    event = Event(2 * bits + completion)
    event.job, event.time_s = job, time_s
    return event


class PythonCluster:
    """A cluster on which one episode after the other is played.

    Attributes:
        env: the family of the episode.
        workload: its jobs.
        gpus: int64 (n,), their widths.
        now_s: the clock.
        steps: taken in this episode.
        num_arriving: jobs that have not arrived.
        queued_work: of the jobs in the queue, GPU-seconds.
        idle: GPUs.
        ends_s: of the running jobs, ascending; `widths` and `running` are their GPUs and jobs in the same order.
        gpu_job: job on each GPU, -1 where idle; kept for `lookahead=per_gpu` alone.
        window: int (v,), the visible jobs, in arrival order.
        fits: bool (v,), which of them can start now.
        reward: of the last step; so are `terminated`, `truncated` and `invalid_action`.
    """

    def __init__(self, env: EnvConfig) -> None:
        if env.step != "event":
            raise ConfigError(f"env.step={env.step}: the Python environment plays env.step=event alone")
        self.num_gpus = env.num_gpus
        self._track_gpus = env.lookahead == "per_gpu"
        self._window_size = env.max_queue_size

    def begin(self, env: EnvConfig, workload: Workload) -> None:
        """Start an episode: the clock at 0, every event up to time 0 processed."""
        self.env, self.workload = env, workload
        self.gpus = workload.demand[:, 0].astype(np.int64)
        self.duration_s = workload.duration_s.astype(np.float64)
        self.work = self.duration_s * self.gpus
        self._duration_s: list[float] = self.duration_s.tolist()
        self._gpus: list[int] = self.gpus.tolist()
        self._work: list[float] = self.work.tolist()
        self._due_s: list[float] = workload.due_s.tolist()
        self.now_s, self.steps, self.idle = 0.0, 0, self.num_gpus
        self.ends_s: list[float] = []
        self.widths: list[int] = []
        self.running: list[int] = []
        self.gpu_job = [-1] * self.num_gpus
        self._queue, self._head, self._tail = np.zeros(workload.num_jobs, np.int64), 0, 0
        self.queued_work, self._arriving_work = 0.0, float(np.cumsum(self.work)[-1])
        self.num_arriving = workload.num_jobs
        self._events: list[Event] = []
        for job, submit_s in enumerate(workload.submit_s.astype(np.float64).tolist()):
            heappush(self._events, _event(submit_s, False, job))
        while self._events and self._events[0].time_s <= 0.0:
            self._process_event()
        self._look_at_window()

    @property
    def queue_length(self) -> int:
        """Jobs in the queue, beyond the window too."""
        return self._tail - self._head

    def step(self, action: int) -> None:
        """Start a job of the window or wait, let one event happen, pay the reward."""
        before_s, gain = self.now_s, 0.0
        some_job_fits = self._some_job_fits
        started = 0 < action <= len(self.fits) and bool(self.fits[action - 1])
        self.invalid_action = not started and action != 0
        if started:
            self._start(action - 1)
        self.steps += 1
        if self._events:
            gain = self._pay_for_event(self._process_event(), before_s)
        self._look_at_window()
        self._end_step(gain, some_job_fits and not started)

    def _look_at_window(self) -> None:
        self.window = self._queue[self._head : min(self._tail, self._head + self._window_size)]
        self.fits = self.gpus[self.window] <= self.idle
        self._some_job_fits = bool(self.fits.any())

    def _start(self, slot: int) -> None:
        queue, head = self._queue, self._head
        job = int(queue[head + slot])
        queue[head + 1 : head + slot + 1] = queue[head : head + slot]
        self._head += 1
        self.queued_work = self.queued_work - self._work[job] if self._head < self._tail else 0.0
        width, end_s = self._gpus[job], self.now_s + self._duration_s[job]
        self.idle -= width
        place = len(self.ends_s)
        while place > 0 and self.ends_s[place - 1] > end_s:
            place -= 1
        self.ends_s.insert(place, end_s)
        self.widths.insert(place, width)
        self.running.insert(place, job)
        heappush(self._events, _event(end_s, True, job))
        if self._track_gpus:
            for gpu in [gpu for gpu, holder in enumerate(self.gpu_job) if holder < 0][:width]:
                self.gpu_job[gpu] = job

    def _process_event(self) -> int:
        """Let the earliest event happen; returns the job that completed, or -1."""
        event = heappop(self._events)
        job, self.now_s = event.job, event.time_s
        if not event & 1:
            self._queue[self._tail] = job
            self._tail += 1
            self.num_arriving -= 1
            self.queued_work += self._work[job]
            self._arriving_work -= self._work[job]
            return -1
        place = self.running.index(job)
        self.idle += self.widths.pop(place)
        del self.running[place], self.ends_s[place]
        if self._track_gpus:
            self.gpu_job = [-1 if holder == job else holder for holder in self.gpu_job]
        return job

    def _pay_for_event(self, completed: int, before_s: float) -> float:
        scales, gain = self.env.reward, 0.0
        if completed >= 0:
            gain = scales.progress_scale * self._work[completed]
            if self.now_s > self._due_s[completed]:
                gain -= scales.due_miss_penalty_scale * self._work[completed]
        waited = min((self.now_s - before_s) / self.workload.horizon_s, 10.0)
        return gain - scales.time_pressure_scale * waited * self._available_work()

    def _available_work(self) -> float:
        """Work of all queued jobs plus what is left of the running ones (float32 shares of max_duration)."""
        left, longest_s = 0.0, self.env.max_duration
        for end_s, width in zip(self.ends_s, self.widths, strict=True):
            left += min(float(np.float32((end_s - self.now_s) / longest_s)), 1.0) * width
        return self.queued_work + longest_s * left

    def _end_step(self, gain: float, noop_feasible: bool) -> None:
        scales, horizon_s = self.env.reward, self.workload.horizon_s
        self.terminated = not self._events and not self.running and self._head == self._tail
        over = self.now_s >= horizon_s or self.steps >= self.env.max_episode_steps
        self.truncated = over and not self.terminated
        if noop_feasible:
            gain -= scales.noop_penalty_scale * self._available_work()
        if self.truncated:
            gain -= scales.deadline_miss_penalty_scale * (self._available_work() + self._arriving_work)
            gain -= scales.due_miss_penalty_scale * self._overdue_work()
        self.reward = gain / self.workload.total_work
        if self.terminated:
            self.reward += scales.early_finish_bonus_scale * max(0.0, horizon_s - self.now_s) / horizon_s

    def _overdue_work(self) -> float:
        """Work of the jobs past their due time that are queued, or that an event is still to come of."""
        waiting: list[int] = self._queue[self._head : self._tail].tolist()
        overdue = 0.0
        for job in [*waiting, *(event.job for event in self._events)]:
            if self.now_s > self._due_s[job]:
                overdue += self._work[job]
        return overdue

    def remaining_shares(self) -> NDArray[np.float32]:
        """float32 (running,): time left over max_duration, clipped to [0, 1], ascending."""
        left = (np.array(self.ends_s) - self.now_s) / self.env.max_duration
        return np.minimum(left, 1.0).astype(np.float32)
