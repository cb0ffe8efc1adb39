"""Steps a second of the simulator on one core, everything included.

`python -m analysis.benchmarks.simulator [env=heavy ...]` steps `VectorClusterEnv` with a random feasible policy:
actions chosen in compiled code, observations and masks written, finished episodes replaced by fresh workloads.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.load import load_env_config
from sched_rl.config.schema import Config, Encoding
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.kernels import kernel

NUM_ENVS = (1, 64, 512)
ENCODINGS: tuple[Encoding, ...] = ("playbook", "rich")
WARM_UP_STEPS = 50


class Measurement(NamedTuple):
    """Steps a second of each round, and episodes that ended in all of them."""

    steps_per_s: list[float]
    episodes: int


@kernel
def choose_feasible(
    action_mask: NDArray[np.bool_], draws: NDArray[np.float64], actions: NDArray[np.int64]
) -> None:
    """A job that fits, uniformly by a draw in [0, 1) a row; the no-op where none does."""
    for row in range(action_mask.shape[0]):
        feasible = 0
        for action in range(1, action_mask.shape[1]):
            feasible += action_mask[row, action]
        wanted, actions[row] = int(draws[row] * feasible), 0
        for action in range(1, action_mask.shape[1]):
            if action_mask[row, action]:
                if wanted == 0:
                    actions[row] = action
                    break
                wanted -= 1


def measure(config: Config, encoding: Encoding, num_envs: int, rounds: int, round_s: float) -> Measurement:
    """Rounds of about `round_s` seconds each, after a warm-up that compiles what is not compiled yet."""
    env = VectorClusterEnv(config.cluster, encoding, num_envs, seed=config.seed, families=config.families)
    env.reset()
    actions = np.zeros(num_envs, np.int64)
    draws = np.random.default_rng(config.seed).random((4096, num_envs))

    def play(num_steps: int) -> int:
        ended = 0
        for t in range(num_steps):
            choose_feasible(env.action_mask, draws[t % 4096], actions)
            env.step(actions)
            ended += len(env.finished)
        return ended

    play(WARM_UP_STEPS)
    start_s = time.perf_counter()
    play(WARM_UP_STEPS)
    num_steps = max(1, round(WARM_UP_STEPS * round_s / (time.perf_counter() - start_s)))
    measured, episodes = [], 0
    for _ in range(rounds):
        start_s = time.perf_counter()
        episodes += play(num_steps)
        measured.append(num_steps * num_envs / (time.perf_counter() - start_s))
    return Measurement(measured, episodes)


def compile_time_s(config: Config, encoding: Encoding) -> float:
    """Seconds until a fresh environment has made its first step: loading kernels, or compiling them if new."""
    start_s = time.perf_counter()
    env = VectorClusterEnv(config.cluster, encoding, 1, seed=config.seed, families=config.families)
    env.reset()
    env.step(np.zeros(1, np.int64))
    return time.perf_counter() - start_s


def report(config: Config, rounds: int, round_s: float = 0.5) -> None:
    """Print the table of a configuration."""
    first_s = {encoding: compile_time_s(config, encoding) for encoding in ENCODINGS}
    print(f"env={config.cluster.name}, one core, random feasible policy, median of {rounds} rounds")
    print(
        f"{'encoding':<10}{'N':>5}{'steps/s':>14}{'slowest':>14}{'fastest':>14}{'ns/step':>9}{'episodes':>10}"
    )
    for encoding in ENCODINGS:
        for num_envs in NUM_ENVS:
            speeds, episodes = measure(config, encoding, num_envs, rounds, round_s)
            median = statistics.median(speeds)
            print(
                f"{encoding:<10}{num_envs:>5}{median:>14,.0f}{min(speeds):>14,.0f}{max(speeds):>14,.0f}"
                f"{1e9 / median:>9.0f}{episodes:>10}",
                flush=True,
            )
    for encoding, seconds in first_s.items():
        print(
            f"first step with {encoding}: {seconds:.2f} s (loads the kernels, compiles them if they are new)"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m analysis.benchmarks.simulator", description=__doc__)
    parser.add_argument(
        "overrides", nargs="*", help="config overrides of the environment (default: env=playbook)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds; their median is reported (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a round (default: 0.5)")
    options = parser.parse_args(arguments)
    report(load_env_config(options.overrides), options.rounds, options.seconds)


if __name__ == "__main__":
    main()
