"""What is measured in the scaling benchmark: the simulator alone, and a training end to end.

Times are CPU seconds of this process, which uses one thread: on a machine with other work they say what wall seconds
say on a quiet one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from analysis.benchmarks.simulator import choose_feasible
from sched_rl.config.load import load_config
from sched_rl.config.schema import Config, Encoding, PpoConfig
from sched_rl.envs.vector import VectorClusterEnv

if TYPE_CHECKING:
    from sched_rl.agents.ppo import PPO

#: Steps of an episode for each of its jobs: one when it arrives, one when it completes.
_STEPS_PER_JOB = 2
_SAMPLED_EVERY = 32
_DRAWS = 1024


@dataclass
class Round:
    """Numbers of one round.

    Attributes:
        ns_per_step: of one cluster, everything included.
        step_ns: of vector steps that ended no episode, nan without one: no new episodes in it.
    """

    ns_per_step: float
    step_ns: float = float("nan")


@dataclass
class Crowd:
    """Jobs that ran and waited, on average over clusters and sampled steps."""

    running: list[float] = field(default_factory=list)
    queued: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)

    def look(self, env: VectorClusterEnv) -> None:
        """Take a sample."""
        clusters = env.batch.state.clusters
        queued = clusters["queue_tail"] - clusters["queue_head"]
        self.running.append(float(clusters["num_running"].mean()))
        self.queued.append(float(queued.mean()))
        self.visible.append(float(np.minimum(queued, env.layout.window).mean()))


class Subject(Protocol):
    """Something whose cost is measured round by round."""

    name: str
    crowd: Crowd

    def play(self) -> Round:
        """One round."""


class SimulatorSubject:
    """Random feasible actions; observation and mask written, episodes replaced as they end."""

    def __init__(self, config: Config, encoding: Encoding, num_envs: int, round_s: float) -> None:
        self.name = f"simulator, {encoding}"
        self.crowd = Crowd()
        self._env = _begun(config, encoding, num_envs)
        self._actions = np.zeros(num_envs, np.int64)
        self._draws = np.random.default_rng(config.seed).random((_DRAWS, num_envs))
        self._num_steps = 20
        self._num_steps = max(20, round(20 * round_s / max(self._time()[0].sum(), 1e-6)))

    def play(self) -> Round:
        """One round."""
        seconds, is_plain = self._time()
        per_step = 1e9 / self._env.num_envs
        plain = float(seconds[is_plain].mean()) if is_plain.any() else float("nan")
        return Round(float(seconds.mean()) * per_step, plain * per_step)

    def _time(self) -> tuple[np.ndarray, np.ndarray]:
        """CPU seconds of each vector step, and whether it ended no episode."""
        env, actions = self._env, self._actions
        seconds, is_plain = np.empty(self._num_steps), np.empty(self._num_steps, np.bool_)
        for t in range(self._num_steps):
            start_s = time.thread_time()
            choose_feasible(env.action_mask, self._draws[t % _DRAWS], actions)
            env.step(actions)
            seconds[t] = time.thread_time() - start_s
            is_plain[t] = not env.finished
            if t % _SAMPLED_EVERY == 0:
                self.crowd.look(env)
        return seconds, is_plain


class TrainingSubject:
    """Rollout and update of PPO, as a training does them; every epoch, as an early stop would depend on luck."""

    def __init__(self, config: Config, num_envs: int) -> None:
        from sched_rl.agents import build_ppo

        agent = config.agent
        if not isinstance(agent, PpoConfig):
            raise TypeError(f"agent={agent.name}: does not learn")
        self.name = f"training, {agent.network.kind}"
        self.crowd = Crowd()
        encoding = agent.network.observation
        self._env = _begun(config, encoding, num_envs, with_potential=agent.shape_rewards)
        self._num_samples = num_envs * agent.rollout_steps
        self._ppo: PPO = build_ppo(agent, self._env.layout, config.seed)
        self.play()  # compiles what is not compiled yet

    def play(self) -> Round:
        """One update."""
        start_s = time.process_time()
        self._ppo.collect(self._env)
        self._ppo.update()
        used_s = time.process_time() - start_s
        self.crowd.look(self._env)
        return Round(1e9 * used_s / self._num_samples)


def simulator_config(overrides: tuple[str, ...]) -> Config:
    """The configuration of a point of the simulator; overrides of the agent do not matter to it."""
    return load_config("train", _quiet(overrides))


def training_config(
    overrides: tuple[str, ...], network: str, num_envs: int, samples: int, num_minibatches: int
) -> Config:
    """The configuration of a training: as many samples an update however many clusters they come from."""
    steps = max(1, samples // num_envs)
    sizes = (
        f"agent/network={network}",
        f"agent.num_envs={num_envs}",
        f"agent.rollout_steps={steps}",
        f"agent.num_minibatches={num_minibatches}",
        f"agent.total_steps={steps * num_envs}",
        "agent.target_kl=0",
    )
    return load_config("train", _quiet((*sizes, *overrides)))


def _quiet(overrides: tuple[str, ...]) -> list[str]:
    return ["tracking=none", "progress=off", *overrides]


def _begun(
    config: Config, encoding: Encoding, num_envs: int, *, with_potential: bool = False
) -> VectorClusterEnv:
    env = VectorClusterEnv(
        config.cluster,
        encoding,
        num_envs,
        seed=config.seed,
        families=config.families,
        with_potential=with_potential,
    )
    env.reset()
    env.stagger(_STEPS_PER_JOB * config.cluster.jobs_per_episode, config.seed)
    return env
