"""The playbook's MDP as slowly and plainly as it can be said: lists, `heapq` and one job at a time.

Written from the specification, not from the compiled simulator, so that the two can disagree.
"""

from __future__ import annotations

import heapq
import math

import numpy as np

ARRIVAL, COMPLETION = 0, 1


class Event:
    """Compared by (time, kind) only."""

    def __init__(self, time, kind, job):
        self.time, self.kind, self.job = time, kind, job

    def __lt__(self, other):
        return (self.time, self.kind) < (other.time, other.kind)


class NaiveCluster:
    def __init__(self, env, workload, capacity):
        self.env, self.workload, self.capacity = env, workload, list(capacity)
        self.duration = [float(x) for x in workload.duration_s]
        self.submit = [float(x) for x in workload.submit_s]
        self.demand = [[int(x) for x in row] for row in workload.demand]
        self.work = [d * row[0] for d, row in zip(self.duration, self.demand, strict=True)]
        self.idle, self.now, self.steps, self.total_return = list(self.capacity), 0.0, 0, 0.0
        self.queue, self.running, self.start, self.completed = [], {}, {}, []
        self.gpu_job = [None] * self.capacity[0]
        self.terminated = self.truncated = False
        self.events = []
        for job, at in enumerate(self.submit):
            heapq.heappush(self.events, Event(at, ARRIVAL, job))
        while self.events and self.events[0].time <= 0.0:
            self._process()
        if env.step == "decision":
            while self.events and not self._any_fits():
                self._instant()

    # --- what an agent may do ---

    def window(self):
        return self.queue[: self.env.max_queue_size]

    def fits(self, job):
        return all(need <= free for need, free in zip(self.demand[job], self.idle, strict=True))

    def mask(self):
        window = [self.fits(job) for job in self.window()]
        return [True, *window, *[False] * (self.env.max_queue_size - len(window))]

    def _any_fits(self):
        return any(self.fits(job) for job in self.window())

    # --- a step ---

    def step(self, action):
        before, mask = self.now, self.mask()
        legal = 0 <= action <= self.env.max_queue_size and mask[action]
        self.invalid = not legal
        started = legal and action > 0
        self.noop_feasible = not started and any(mask[1:])
        if started:
            self._start(self.window()[action - 1])
        gain = 0.0
        if self.env.step == "event":
            if self.events:
                gain += self._event()
        elif not started or not self._any_fits():
            while self.events:
                gain += self._instant()
                if self.now >= self.workload.horizon_s or self._any_fits():
                    break
        scales = self.env.reward
        if self.noop_feasible:
            gain -= scales.noop_penalty_scale * self.available()
        self.dt, self.steps = self.now - before, self.steps + 1
        self.terminated = not (self.queue or self.running or self.events)
        over = self.now >= self.workload.horizon_s or self.steps >= self.env.max_episode_steps
        self.truncated = over and not self.terminated
        horizon = self.workload.horizon_s
        if self.truncated:
            to_come = sum(self.work[event.job] for event in self.events if event.kind == ARRIVAL)
            gain -= scales.deadline_miss_penalty_scale * (self.available() + to_come)
            gain -= scales.due_miss_penalty_scale * sum(
                self.work[job] for job in self._unfinished() if self.now > self.workload.due_s[job]
            )
        self.reward = gain / self.workload.total_work
        if self.terminated:
            self.reward += scales.early_finish_bonus_scale * max(0.0, horizon - self.now) / horizon
        self.total_return += self.reward

    def available(self):
        return sum(self.work[job] for job in self.queue) + self.env.max_duration * sum(self.remaining())

    def remaining(self):
        """Per GPU, float32 and clipped."""
        left = np.zeros(self.capacity[0], np.float32)
        for gpu, job in enumerate(self.gpu_job):
            if job is not None:
                left[gpu] = np.clip((self.running[job] - self.now) / self.env.max_duration, 0, 1)
        return left.astype(np.float64)

    def _unfinished(self):
        return [job for job in range(len(self.work)) if job not in self.completed]

    def _start(self, job):
        self.queue.remove(job)
        for r, need in enumerate(self.demand[job]):
            self.idle[r] -= need
        lowest = [gpu for gpu, holder in enumerate(self.gpu_job) if holder is None]
        for gpu in lowest[: self.demand[job][0]]:
            self.gpu_job[gpu] = job
        self.start[job], self.running[job] = self.now, self.now + self.duration[job]
        heapq.heappush(self.events, Event(self.running[job], COMPLETION, job))

    def _process(self):
        event = heapq.heappop(self.events)
        self.now = event.time
        if event.kind == ARRIVAL:
            self.queue.append(event.job)
            return None
        del self.running[event.job]
        self.completed.append(event.job)
        for r, need in enumerate(self.demand[event.job]):
            self.idle[r] += need
        self.gpu_job = [None if holder == event.job else holder for holder in self.gpu_job]
        return event.job

    def _event(self):
        before, scales = self.now, self.env.reward
        job, gain = self._process(), 0.0
        if job is not None:
            gain += scales.progress_scale * self.work[job]
            if self.now > self.workload.due_s[job]:
                gain -= scales.due_miss_penalty_scale * self.work[job]
        waited = min(max((self.now - before) / self.workload.horizon_s, 0.0), 10.0)
        return gain - scales.time_pressure_scale * waited * self.available()

    def _instant(self):
        gain = self._event()
        while self.events and self.events[0].time == self.now:
            gain += self._event()
        return gain

    # --- what an agent sees ---

    def playbook_observation(self):
        env, gpus = self.env, self.capacity[0]
        rows = np.zeros((env.max_queue_size, 4))
        for slot, job in enumerate(self.window()):
            waited = (self.now - self.submit[job]) / max(1e-6, self.workload.horizon_s)
            rows[slot] = (
                min(self.duration[job] / env.max_duration, 1.0),
                self.workload.priority[job] / env.max_priority,
                self.demand[job][0] / gpus,
                min(max(waited, 0.0), 1.0),
            )
        left = self.remaining()
        thresholds = np.array([(j + 1) / gpus for j in range(gpus)], np.float32)
        ahead = {
            "off": np.zeros(gpus),
            "per_gpu": left,
            "sorted": np.sort(left),
            "cdf": np.array([(left <= threshold).mean() for threshold in thresholds]),
        }[env.lookahead]
        shares = [self.idle[0] / gpus, (gpus - self.idle[0]) / gpus]
        return np.concatenate([rows.ravel(), ahead, shares]).astype(np.float32)

    def rich_observation(self):
        env, now, horizon = self.env, self.now, self.workload.horizon_s
        longest, gpus = env.max_duration, self.capacity[0]
        resources, count = len(self.capacity), len(self.duration)
        rows = np.zeros((env.max_queue_size, 13 + resources))
        ends = sorted(self.running.items(), key=lambda item: item[1])
        for slot, job in enumerate(self.window()):
            share, width = min(self.duration[job] / longest, 1.0), self.demand[job][0] / gpus
            idle_next = self.idle[0]
            if ends and now + self.duration[job] > ends[0][1]:
                idle_next += self.demand[ends[0][0]][0] - self.demand[job][0]
            would_fit = sum(self.demand[other][0] <= idle_next for other in self.window())
            rows[slot] = (
                1.0,
                self.fits(job),
                share,
                max(1.0 + math.log(share) / 6.0, -1.0),
                *[need / units for need, units in zip(self.demand[job], self.capacity, strict=True)],
                share * width,
                min((now - self.submit[job]) / horizon, 1.0),
                self.workload.priority[job] / env.max_priority,
                (self.idle[0] - self.demand[job][0]) / gpus,
                min(self._time_until_fit(job) / longest, 1.0),
                max(1.0 - (now + self.duration[job]) / horizon, -1.0),
                self._spare((self.workload.due_s[job] - now - self.duration[job]) / longest),
                idle_next / gpus,
                would_fit / len(self.window()),
            )
        profile = [
            (self.idle[0] + sum(self.demand[job][0] for job, end in self.running.items() if end <= reached))
            / gpus
            for reached in (now + longest * ((p + 1) / 16) ** 2 for p in range(16))
        ]
        left = sum((end - now) * self.demand[job][0] for job, end in self.running.items())
        seen = sum(self.work[job] for job in self.window())
        beyond = self.queue[env.max_queue_size :]
        waiting, unseen = sum(self.work[job] for job in self.queue), sum(self.work[job] for job in beyond)
        arriving = sum(event.kind == ARRIVAL for event in self.events)
        context = [
            *[free / units for free, units in zip(self.idle, self.capacity, strict=True)],
            min(now / horizon, 1.0),
            self.steps / env.max_episode_steps,
            len(self.window()) / env.max_queue_size,
            math.log1p(len(beyond)) / math.log1p(count),
            min(seen / (horizon * gpus), 1.0),
            min(unseen / (horizon * gpus), 1.0),
            left / (longest * gpus),
            arriving / count,
            len(self.running) / gpus,
            min((ends[0][1] - now) / longest, 1.0) if ends else 0.0,
            min((ends[-1][1] - now) / longest, 1.0) if ends else 0.0,
            min((waiting + left) / (gpus * max(horizon - now, 1e-6)), 4.0) / 4.0,
            *self._end_of_arrivals(arriving),
        ]
        for job, end in [*ends, *[(None, None)] * 8][:8]:
            left = 1.0 if job is None else max(1.0 + math.log(max((end - now) / longest, 1e-9)) / 6.0, -1.0)
            context += [left, 0.0 if job is None else self.demand[job][0] / gpus]
        return np.concatenate([rows.ravel(), profile, context]).astype(np.float32)

    def _end_of_arrivals(self, arriving):
        span = self.env.arrival_span or self.env.max_duration
        if self.env.arrival_mode == "all_at_zero":
            span = 0.0
        last = max(span, self.now) if arriving else self.now
        outlasting = [self.demand[job][0] for job, end in self.running.items() if end > last]
        log = math.log(max((last - self.now) / self.env.max_duration, 1e-9)) / 6.0
        known = min(max(1.0 + log, -1.0), 1.0) if arriving else -1.0
        return known, len(outlasting) / self.capacity[0], sum(outlasting) / self.capacity[0]

    def _spare(self, share):
        if share < 0:
            return -1.0
        return min(max(1.0 + math.log(share) / 6.0, 0.0), 1.0) if share > 0 else 0.0

    def _time_until_fit(self, job):
        idle = list(self.idle)
        if self.fits(job):
            return 0.0
        for running, end in sorted(self.running.items(), key=lambda item: item[1]):
            idle = [free + got for free, got in zip(idle, self.demand[running], strict=True)]
            if all(need <= free for need, free in zip(self.demand[job], idle, strict=True)):
                return end - self.now
        raise AssertionError("a job that an empty cluster cannot run")
