"""The environment alone: the compiled clusters beside Gymnasium's `SyncVectorEnv` of the Python ones.

Both step N clusters with a random feasible policy and write observations, masks and rewards; rounds alternate.
"""

from __future__ import annotations

import statistics
import time
from typing import Protocol

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from analysis.benchmarks.python_env.env import PythonClusterEnv
from analysis.benchmarks.simulator import ENCODINGS, choose_feasible
from sched_rl.config.schema import Config, Encoding
from sched_rl.envs.vector import VectorClusterEnv

NUM_ENVS = 64
WARM_UP_STEPS = 20
_DRAWS = 4096


class Steppable(Protocol):
    """N clusters, whoever simulates them."""

    @property
    def action_mask(self) -> NDArray[np.bool_]:
        """bool (N, K + 1), of the state to act on."""

    def step(self, actions: NDArray[np.int64]) -> object:
        """Act on every cluster, int64 (N,)."""


class PythonClusters:
    """`SyncVectorEnv` over `PythonClusterEnv`, its masks gathered after each step."""

    def __init__(self, config: Config, encoding: Encoding) -> None:
        env, families = config.cluster, config.families
        makers = [lambda: PythonClusterEnv(env, encoding, families=families)] * NUM_ENVS
        self._envs: SyncVectorEnv = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        self._envs.reset(seed=config.seed)
        self.action_mask = np.stack(self._envs.call("action_masks"))

    def step(self, actions: NDArray[np.int64]) -> object:
        """Act on every cluster, int64 (N,)."""
        outcome = self._envs.step(actions)
        self.action_mask = np.stack(self._envs.call("action_masks"))
        return outcome


def steps_per_s(env: Steppable, draws: NDArray[np.float64], round_s: float) -> float:
    """The speed of a round of about `round_s` seconds."""
    actions, steps = np.zeros(NUM_ENVS, np.int64), 0
    start_s = time.perf_counter()
    while time.perf_counter() - start_s < round_s:
        for _ in range(WARM_UP_STEPS):
            choose_feasible(env.action_mask, draws[steps % _DRAWS], actions)
            env.step(actions)
            steps += 1
    return steps * NUM_ENVS / (time.perf_counter() - start_s)


def compare(config: Config, encoding: Encoding, rounds: int, round_s: float) -> list[tuple[float, float]]:
    """Steps a second of the compiled and of the Python clusters, a pair a round."""
    compiled = VectorClusterEnv(
        config.cluster, encoding, NUM_ENVS, seed=config.seed, families=config.families
    )
    compiled.reset()
    contestants: tuple[Steppable, ...] = (compiled, PythonClusters(config, encoding))
    draws = np.random.default_rng(config.seed).random((_DRAWS, NUM_ENVS))
    for env in contestants:
        steps_per_s(env, draws, 0.0)
        steps_per_s(env, draws, round_s)
    speeds = [[steps_per_s(env, draws, round_s) for env in contestants] for _ in range(rounds)]
    return [(fast, slow) for fast, slow in speeds]


def report(config: Config, rounds: int, round_s: float = 0.5) -> None:
    """Print the comparison."""
    print(
        f"\nenv={config.cluster.name}, {NUM_ENVS} clusters, one core, everything written, median of {rounds} rounds"
    )
    print(f"{'encoding':<10}{'compiled steps/s':>18}{'SyncVectorEnv steps/s':>23}{'us/step':>9}{'ratio':>8}")
    for encoding in ENCODINGS:
        pairs = compare(config, encoding, rounds, round_s)
        compiled, python = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(fast / slow for fast, slow in pairs)
        print(
            f"{encoding:<10}{compiled:>18,.0f}{python:>23,.0f}{1e6 / python:>9.1f}{ratio:>8.1f}", flush=True
        )
    print()
