"""A competitor in a process of its own, so that its memory and processor time are its own too.

All of them live at once and wait on a pipe; the parent lets one play at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from analysis.benchmarks.peers.competitors import Competitor, Entrant
from analysis.benchmarks.peers.stopwatch import timing
from analysis.benchmarks.peers.task import Task
from sched_rl.errors import SchedRLError

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


class WorkerError(SchedRLError):
    """A competitor that could not be built or broke down; the message is its own."""


@dataclass(frozen=True)
class Round:
    """What a competitor did while it played.

    Attributes:
        steps: of the environment.
        wall_s: seconds on the clock; cpu_s: seconds of the processor, all threads.
        env_s: see `stopwatch.Split`, and so for act_s and learn_s.
        peak_mib: largest resident memory of the process so far.
        legal_actions_mean: of a state of the last rollout.
        clusters_s: seconds in the clusters themselves, without what adapts them to the library; None unless profiled.
    """

    steps: int
    wall_s: float
    cpu_s: float
    env_s: float
    act_s: float
    learn_s: float
    peak_mib: float
    legal_actions_mean: float
    clusters_s: float | None = None


def play_round(
    competitor: Competitor, task: Task, entrant: Entrant, updates: int, *, profiled: bool
) -> Round:
    """Let a competitor play in this process.

    Args:
        competitor: built.
        task: that it was built for.
        entrant: whose it is.
        updates: how many.
        profiled: time the clusters apart; costs the Python ones about a hundredth.
    """
    clusters_s = None
    with _timed_clusters(entrant) if profiled else _untimed() as watch:
        cpu_s, start_s = time.process_time(), time.perf_counter()
        split = competitor.play(updates)
        wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
        if watch is not None:
            clusters_s = watch.seconds
    return Round(
        steps=updates * task.steps_per_update,
        wall_s=wall_s,
        cpu_s=cpu_s,
        env_s=split.env_s,
        act_s=split.act_s,
        learn_s=split.learn_s,
        peak_mib=_peak_mib(),
        legal_actions_mean=competitor.legal_actions_mean,
        clusters_s=clusters_s,
    )


@contextmanager
def _untimed() -> Iterator[None]:
    yield None


def _timed_clusters(entrant: Entrant) -> Any:
    if entrant.python_env:
        from analysis.benchmarks.python_env.env import PythonClusterEnv

        return timing(PythonClusterEnv, ("reset", "step", "action_masks"))
    from sched_rl.envs.vector import VectorClusterEnv

    return timing(VectorClusterEnv, ("step",))


def _peak_mib() -> float:
    """Of this program alone: what `getrusage` says would begin with the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


@contextmanager
def _inherited() -> Iterator[None]:
    """What processes that start in the block take over: one thread, and no ear for Ctrl-C, which they all hear."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    in_main = threading.current_thread() is threading.main_thread()
    os.environ.update(ONE_THREAD)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main else None
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Worker:
    """The parent's hand on a competitor's process."""

    def __init__(self, entrant: Entrant, task: Task) -> None:
        """Start it; `wait_until_ready` before the first round."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, entrant, task), daemon=True)
        with _inherited():
            self._process.start()
        theirs.close()

    def wait_until_ready(self) -> int:
        """Until it has been built and has done one update; returns its number of parameters.

        Raises:
            WorkerError: when it could not be built.
        """
        return int(self._receive())

    def play(self, updates: int, *, profiled: bool = False) -> Round:
        """A round.

        Raises:
            WorkerError: when it broke down.
        """
        self._connection.send((updates, profiled))
        answer: Round = self._receive()
        return answer

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError as error:
            raise WorkerError("its process ended") from error
        if isinstance(answer, WorkerError):
            raise answer
        return answer

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _serve(connection: Connection, entrant: Entrant, task: Task) -> None:
    import torch

    torch.set_num_threads(1)
    try:
        competitor = entrant.build(task)
        competitor.play(1)
        connection.send(competitor.num_parameters)
        while True:
            updates, profiled = connection.recv()
            connection.send(play_round(competitor, task, entrant, updates, profiled=profiled))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        connection.send(WorkerError(f"{type(error).__name__}: {error}"))
        if not isinstance(error, SchedRLError):
            raise
