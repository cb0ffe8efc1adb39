"""The learner's kernels against each other: `python -m analysis.benchmarks.kernels [env=heavy ...]`.

One process and one thread; the kernels take turns, an update each, on environments that start alike, and the medians
of the rounds are compared. Steps/s are end to end: a rollout is collected, its states valued, the update made.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sched_rl.config.load import load_config
from sched_rl.config.schema import Config, PpoConfig
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import ConfigError

KERNELS: tuple[Literal["dense", "packed", "fused"], ...] = ("dense", "packed", "fused")
PHASES = {"act_s": "act", "env_s": "env", "value_s": "value", "learn_s": "learn"}
_WARM_UP_UPDATES = 2


class Learner:
    """A learner with its environment, and the seconds of each of its rounds."""

    def __init__(self, config: Config, agent: PpoConfig, num_updates: int) -> None:
        from sched_rl.agents import build_ppo

        self._env = VectorClusterEnv(
            config.cluster,
            agent.network.observation,
            agent.num_envs,
            seed=config.seed,
            families=config.families,
            with_potential=agent.shape_rewards,
        )
        self._env.reset()
        self._ppo = build_ppo(agent, self._env.layout, config.seed, "cpu", num_updates)
        self.steps = agent.num_envs * agent.rollout_steps
        self.total_s: list[float] = []
        self.phases_s: dict[str, list[float]] = {phase: [] for phase in PHASES}

    def update(self, *, measured: bool) -> None:
        """One rollout and one update."""
        start_s = time.perf_counter()
        self._ppo.collect(self._env)
        self._ppo.update()
        if measured:
            self.total_s.append(time.perf_counter() - start_s)
            for phase, seconds in self.phases_s.items():
                seconds.append(self._ppo.seconds[phase])

    @property
    def steps_per_s(self) -> float:
        """Median over the rounds."""
        return self.steps / statistics.median(self.total_s)

    def us_per_step(self, phase: str) -> float:
        """Median over the rounds."""
        return 1e6 * statistics.median(self.phases_s[phase]) / self.steps


def measure(config: Config, rounds: int) -> dict[str, Learner]:
    """Learners by kernel, measured in turns."""
    import torch

    torch.set_num_threads(1)
    agent, num_updates = config.agent, rounds + _WARM_UP_UPDATES
    if not isinstance(agent, PpoConfig):
        raise ConfigError(f"agent.kind={agent.kind}: only a learner has kernels; use agent=ppo")
    learners: dict[str, Learner] = {
        kernel: Learner(config, replace(agent, kernel=kernel), num_updates) for kernel in KERNELS
    }
    for update in range(num_updates):
        for learner in learners.values():
            learner.update(measured=update >= _WARM_UP_UPDATES)
    return learners


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m analysis.benchmarks.kernels", description=__doc__)
    parser.add_argument("overrides", nargs="*", help="config overrides (default: agent=ppo env=heavy)")
    parser.add_argument("--rounds", type=int, default=15, help="updates a kernel that count (default: 15)")
    options = parser.parse_args(arguments)
    overrides = ["agent=ppo", "env=heavy", "tracking=none", *options.overrides]
    config = load_config("train", overrides)
    learners = measure(config, options.rounds)
    print(f"{' '.join(overrides)}: one thread, kernels in turns, medians of {options.rounds} updates")
    print(f"{'kernel':<8}{'steps/s':>9}{'slowest':>9}{'fastest':>9}  us/step: ", end="")
    print("".join(f"{name:>7}" for name in PHASES.values()) + f"{'ratio to packed':>17}")
    for kernel, learner in learners.items():
        ratio = learner.steps_per_s / learners["packed"].steps_per_s
        extremes = (learner.steps / extreme(learner.total_s) for extreme in (max, min))
        print(
            f"{kernel:<8}{learner.steps_per_s:>9,.0f}" + "".join(f"{value:>9,.0f}" for value in extremes),
            end="",
        )
        print(
            " " * 11 + "".join(f"{learner.us_per_step(phase):>7.2f}" for phase in PHASES) + f"{ratio:>17.2f}"
        )


if __name__ == "__main__":
    main()
