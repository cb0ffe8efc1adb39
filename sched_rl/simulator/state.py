"""The state of N clusters, as a few arrays of records, and the rules that they share.

Axes: N clusters, n jobs of an episode, R resources (0 = GPUs), G GPUs, M = min(n, G) jobs that can run at once.
What a step reads together lies together: a cluster's scalars share cache lines, and what arrivals, starts, the mask
and the observation need of the jobs lies in the order of arrival, so that all of them run straight over memory and
none looks up a job among thousands.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import EnvConfig
from sched_rl.errors import SimulationError

LOOKAHEAD_MODES = ("off", "per_gpu", "sorted", "cdf")
REWARD_TERMS = (
    "progress_scale",
    "time_pressure_scale",
    "noop_penalty_scale",
    "early_finish_bonus_scale",
    "deadline_miss_penalty_scale",
    "due_miss_penalty_scale",
)

#: Scalars of a cluster. Times in seconds, work in GPU-seconds.
CLUSTER = np.dtype(
    [
        ("now_s", np.float64),
        ("horizon_s", np.float64),
        ("total_work", np.float64),
        ("arrivals_end_s", np.float64),  # by when all jobs will have arrived, as the config says
        ("queued_work", np.float64),
        ("arriving_work", np.float64),  # of jobs that have not arrived
        ("total_return", np.float64),
        ("reward", np.float64),  # of the last step, whose record outlives the next `begin_episode`
        ("dt_s", np.float64),  # of the last step
        *[(term, np.float64) for term in REWARD_TERMS],
        ("queue_head", np.int32),
        ("queue_tail", np.int32),
        ("num_running", np.int32),
        ("num_arriving", np.int32),
        ("heap_size", np.int32),  # of the heap that decides ties, see `calendar`
        ("heap_events", np.int32),  # events taken from it so far; -1 before it is first needed
        ("heap_starts", np.int32),  # starts that it has heard of
        ("num_feasible", np.int32),  # window jobs that fit now
        ("steps", np.int32),
        ("noop_steps", np.int32),  # no-ops chosen, and invalid actions, which act as no-ops
        ("noop_feasible_steps", np.int32),  # of those, with some window job feasible
        ("feasible_steps", np.int32),  # steps taken with some window job feasible
        ("invalid_steps", np.int32),
        ("finished", np.bool_),  # terminated or truncated: further steps change nothing
        ("terminated", np.bool_),  # by the last step
        ("truncated", np.bool_),  # by the last step
        ("invalid_action", np.bool_),  # of the last step
        ("noop_feasible", np.bool_),  # the last step was a no-op although some job fitted
    ],
    align=True,
)
#: One job; its place in the row is its place in the workload. Constant during an episode but for start_s, which is
#: nan until the job starts, and place.
JOB = np.dtype(
    [
        ("duration_s", np.float64),
        ("submit_s", np.float64),
        ("due_s", np.float64),
        ("work", np.float64),
        ("start_s", np.float64),
        ("priority", np.int32),
        ("place", np.int32),  # in the order of arrival; meaningful until the job has arrived
    ],
    align=True,
)
#: A start: when the job will complete, and how many events had happened before.
START = np.dtype([("end_s", np.float64), ("job", np.int32), ("events_before", np.int32)], align=True)
#: A running job; a cluster's list is ordered by completion time.
RUNNING = np.dtype(
    [("end_s", np.float64), ("work", np.float64), ("job", np.int32), ("gpus", np.int32)], align=True
)
#: What `queue_features` holds of a job, at these offsets: shares of duration, priority and GPUs, submit time in
#: seconds, 1 + ln(duration share) / 6, share of duration times share of GPUs, duration and time from submit to due
#: time in seconds.
QUEUE_FEATURES = 8
SUBMIT_S, DURATION_S, SLACK_S = 3, 6, 7

Records = NDArray[Any]
Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Events = NDArray[np.uint64]
#: The fields of a `ClusterState` or of `Rules` as a plain tuple: how kernels take them from Python, because numba
#: unpacks it in a third of the time that a named tuple takes.
Plain = tuple[Any, ...]


class StateArrays(Protocol):
    """A named tuple of arrays: `ClusterState`, and what other simulators have in its place."""

    def _asdict(self) -> dict[str, Any]: ...


class Rules(NamedTuple):
    """What all clusters of a batch share; plain numbers, so that kernels take them as arguments."""

    window: int
    max_steps: int
    max_duration_s: float
    decision_steps: bool
    lookahead: int
    track_gpus: bool


class ClusterState(NamedTuple):
    """Everything that changes."""

    clusters: Records  # (N,) of CLUSTER
    jobs: Records  # (N, n) of JOB
    demand: Ints  # (N, n, R)
    idle: Ints  # (N, R)
    queue: Ints  # (N, n): jobs in arrival order; [head:tail] are queued, [tail:] are still to come
    queue_demand: Ints  # (N, R, n): their demand, at the same places
    queue_features: Floats  # (N, n * QUEUE_FEATURES): at the same places, side by side
    starts: Records  # (N, n) of START, [:head] in the order in which they happened
    heap: Events  # (N, n), see `events`
    running: Records  # (N, M) of RUNNING
    gpu_job: Ints  # (N, G) or (N, 0): the job on each GPU, -1 when idle


def rules_of(env: EnvConfig, *, track_gpus: bool) -> Rules:
    """The rules of an env config; `track_gpus` numbers the GPUs (for the per-GPU look-ahead and for pictures)."""
    return Rules(
        window=env.max_queue_size,
        max_steps=env.max_episode_steps,
        max_duration_s=float(env.max_duration),
        decision_steps=env.step == "decision",
        lookahead=LOOKAHEAD_MODES.index(env.lookahead),
        track_gpus=track_gpus,
    )


def allocate(num_clusters: int, num_jobs: int, capacity: Ints, *, track_gpus: bool) -> ClusterState:
    """Arrays for `num_clusters` clusters of the given capacity, every cluster finished until a workload is loaded."""
    num_gpus, num_resources = int(capacity[0]), len(capacity)
    state = ClusterState(
        clusters=np.zeros(num_clusters, CLUSTER),
        jobs=np.zeros((num_clusters, num_jobs), JOB),
        demand=np.zeros((num_clusters, num_jobs, num_resources), np.int32),
        idle=np.zeros((num_clusters, num_resources), np.int32),
        queue=np.zeros((num_clusters, num_jobs), np.int32),
        queue_demand=np.zeros((num_clusters, num_resources, num_jobs), np.int32),
        queue_features=np.zeros((num_clusters, num_jobs * QUEUE_FEATURES), np.float32),
        starts=np.zeros((num_clusters, num_jobs), START),
        heap=np.zeros((num_clusters, num_jobs), np.uint64),
        running=np.zeros((num_clusters, min(num_jobs, num_gpus)), RUNNING),
        gpu_job=np.full((num_clusters, num_gpus if track_gpus else 0), -1, np.int32),
    )
    state.clusters["finished"] = True
    return state


def copy_state(state: StateArrays) -> dict[str, dict[str, NDArray[Any]] | NDArray[Any]]:
    """Every array by name, records as columns, copied: the simulator's part of a checkpoint."""
    saved: dict[str, dict[str, NDArray[Any]] | NDArray[Any]] = {}
    for name, array in state._asdict().items():
        if array.dtype.names is None:
            saved[name] = array.copy()
        else:
            saved[name] = {field: array[field].copy() for field in array.dtype.names}
    return saved


def restore_state(state: StateArrays, saved: dict[str, Any]) -> None:
    """Write saved arrays back in place.

    Raises:
        SimulationError: where the saved state lacks an array or has it in another shape or type.
    """
    for name, array in state._asdict().items():
        if array.dtype.names is None:
            restore_array(array, name, saved)
        else:
            columns = saved.get(name, {})
            for field in array.dtype.names:
                restore_array(array[field], field, columns, prefix=f"{name}.")


def restore_array(target: NDArray[Any], name: str, saved: dict[str, Any], prefix: str = "") -> None:
    """Copy saved[name] to an array of exactly that shape and type; NumPy alone would broadcast and cast.

    Raises:
        SimulationError: naming the array, its shape and type, and what is needed.
    """
    got = saved.get(name)
    if got is None or got.shape != target.shape or got.dtype != target.dtype:
        have = "nothing" if got is None else f"{got.dtype} {got.shape}"
        raise SimulationError(
            f"saved state: {prefix}{name} is {have}, this environment holds {target.dtype} {target.shape}; "
            "restore it to an environment of the same config and num_envs"
        )
    target[...] = got
