"""Small clusters and workloads for tests, by hand or drawn by hypothesis, and a compiled cluster to run them on."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
from hypothesis import strategies as st

from sched_rl.config.load import load_env_config
from sched_rl.config.schema import EnvConfig, RewardConfig
from sched_rl.envs.playbook_observation import observe_playbook
from sched_rl.envs.rich_observation import observe_rich
from sched_rl.simulator.dynamics import begin_episode, step_clusters
from sched_rl.simulator.loading import load_workload
from sched_rl.simulator.state import allocate, rules_of
from sched_rl.workloads.workload import Workload


@cache
def _playbook() -> EnvConfig:
    return load_env_config([]).env


def playbook(*, reward=None, **changes) -> EnvConfig:
    """The playbook's env with some keys changed."""
    env = _playbook()
    return dataclasses.replace(env, reward=dataclasses.replace(env.reward, **(reward or {})), **changes)


def workload(jobs, *, horizon_s=100.0, due_s=None) -> Workload:
    """Jobs as (submit, duration, units of each resource or just GPUs, priority or 1)."""
    demand = [[job[2]] if isinstance(job[2], int) else list(job[2]) for job in jobs]
    duration = np.array([job[1] for job in jobs], np.float32)
    return Workload(
        family="test",
        seed=0,
        duration_s=duration,
        demand=np.array(demand, np.int32),
        priority=np.array([job[3] if len(job) > 3 else 1 for job in jobs], np.int32),
        submit_s=np.array([job[0] for job in jobs], np.float32),
        due_s=np.array(due_s if due_s is not None else [np.inf] * len(jobs), np.float64),
        total_work=float(sum(float(d) * row[0] for d, row in zip(duration, demand, strict=True))),
        horizon_s=horizon_s,
    )


class CompiledCluster:
    """One cluster of the compiled simulator, of as many resources as wanted."""

    def __init__(self, env, jobs, capacity):
        self.env, self.capacity = env, np.array(capacity, np.int32)
        self.state = allocate(1, jobs.num_jobs, self.capacity, track_gpus=True)
        self.arrays, self.rules = tuple(self.state), tuple(rules_of(env, track_gpus=True))
        self.mask = np.zeros((1, env.max_queue_size + 1), np.bool_)
        load_workload(self.state, 0, jobs, env, self.capacity)
        begin_episode(self.arrays, self.rules, 0, self.mask)

    def __getattr__(self, name):
        return self.state.clusters[name][0]

    def step(self, action):
        return step_clusters(self.arrays, self.rules, np.array([action]), self.mask)

    def queue(self):
        return self.state.queue[0, self.queue_head : self.queue_tail].tolist()

    def running(self):
        return {int(run["job"]): float(run["end_s"]) for run in self.state.running[0, : self.num_running]}

    def starts(self):
        start = self.state.jobs["start_s"][0]
        return {job: float(start[job]) for job in np.flatnonzero(~np.isnan(start)).tolist()}

    def playbook_observation(self):
        out = np.full((1, 4 * self.env.max_queue_size + self.capacity[0] + 2), np.nan, np.float32)
        observe_playbook(self.arrays, self.rules, self.capacity, 0, 1, out)
        return out[0]

    def rich_observation(self):
        resources = len(self.capacity)
        size = self.env.max_queue_size * (13 + resources) + 16 + 31 + resources
        out = np.full((1, size), np.nan, np.float32)
        observe_rich(self.arrays, self.rules, self.capacity, 16, 0, 1, out)
        return out[0]


#: Every term switched off, to switch one on.
NO_REWARD = {
    "progress_scale": 0.0,
    "time_pressure_scale": 0.0,
    "noop_penalty_scale": 0.0,
    "early_finish_bonus_scale": 0.0,
    "deadline_miss_penalty_scale": 0.0,
    "due_miss_penalty_scale": 0.0,
}


def small(jobs, *, horizon_s=100.0, due_s=None, capacity=(4,), **changes):
    env = playbook(
        num_gpus=capacity[0],
        jobs_per_episode=len(jobs),
        **{"max_queue_size": 3, "max_duration": 10.0} | changes,
    )
    return CompiledCluster(env, workload(jobs, horizon_s=horizon_s, due_s=due_s), capacity)


@st.composite
def clusters(draw, max_resources=2):
    """(env, workload, capacity): anything that the simulator must cope with, most of it on a busy cluster.

    Times come from few values, so that many events fall on one instant, and many shares of time on a threshold.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    capacity = rng.integers(1, 9, int(rng.integers(1, max_resources + 1)))
    num_jobs = int(rng.integers(1, 25))
    coarse = rng.random() < 0.7
    submit = rng.integers(0, 6, num_jobs) if coarse else rng.uniform(0.0, 20.0, num_jobs)
    duration = rng.integers(1, 17, num_jobs) if coarse else rng.uniform(0.1, 30.0, num_jobs)
    widest = np.maximum(rng.integers(1, capacity + 1), 1)
    units = rng.integers([1] + [0] * (len(capacity) - 1), widest + 1, (num_jobs, len(capacity)))
    jobs = [
        (float(at), float(lasts), [int(each) for each in needs], int(rng.integers(1, 11)))
        for at, lasts, needs in zip(submit, duration, units, strict=True)
    ]
    due = np.where(rng.random(num_jobs) < 0.5, rng.uniform(0.0, 40.0, num_jobs), np.inf)
    env = playbook(
        num_gpus=int(capacity[0]),
        jobs_per_episode=num_jobs,
        max_queue_size=int(rng.integers(1, 8)),
        max_duration=float(rng.choice([16.0, 32.0, 33.3])),
        max_episode_steps=int(rng.choice([5, 2000, 2000])),
        lookahead=str(rng.choice(["off", "per_gpu", "sorted", "cdf"])),
        step=str(rng.choice(["event", "decision"])),
        reward={
            field.name: float(rng.choice([0.0, 0.5, 1.0, 3.0])) for field in dataclasses.fields(RewardConfig)
        },
    )
    horizon = float(rng.choice([0.5, 4.0, 12.0, 60.0, 1e4, 1e4]))
    return env, workload(jobs, horizon_s=horizon, due_s=due), capacity.tolist()


def _actions(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(4, 60, p=(0.8, 0.1, 0.07, 0.03))
    choices = rng.integers(1, 8, 60), np.zeros(60, np.int64), rng.integers(-3, 12, 60), np.full(60, 2**62)
    return np.choose(kinds, choices).tolist()


#: Sixty actions, mostly starts, sometimes absurd.
ACTIONS = st.integers(0, 2**32 - 1).map(_actions)
