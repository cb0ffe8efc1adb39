"""Probe environments: tiny decision problems with known answers, behind the interface of the cluster environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.config.schema import (
    AttentionConfig,
    ConstantScheduleConfig,
    MeanObjectiveConfig,
    MlpConfig,
    PpoConfig,
    ScorerConfig,
    WarmStartConfig,
)
from sched_rl.envs.layout import ObservationLayout

SMALL_LAYOUT = ObservationLayout("playbook", 2, 4, 2, 2)
RICH_LAYOUT = ObservationLayout("rich", 12, 7, 5, 6)

NETWORKS = {
    "mlp": MlpConfig(kind="mlp", observation="rich", hidden_sizes=(32, 16)),
    "scorer": ScorerConfig(
        kind="scorer",
        observation="rich",
        pool_size=9,
        context_size=12,
        hidden_sizes=(16, 16),
        value_hidden_sizes=(16,),
    ),
    "attention": AttentionConfig(
        kind="attention",
        observation="rich",
        embed_size=16,
        num_heads=2,
        num_layers=2,
        value_hidden_sizes=(16,),
    ),
}


COLD_START = WarmStartConfig(
    teacher=None,
    family_teachers={},
    simulate="none",
    num_rollouts=1,
    num_epochs=1,
    lr=1e-3,
    lr_end_frac=1.0,
    temperature=1.0,
    critic_updates=0,
    teacher_agent=None,
    family_teacher_agents={},
)


@dataclass(frozen=True)
class Episode:
    total_return: float
    steps: int


class ProbeEnv:
    """Episodes of `length` steps, all in phase; `pay(actions, phase, actions of phase 0)` gives the rewards."""

    def __init__(
        self,
        num_envs: int,
        pay: Callable[[np.ndarray, int, np.ndarray], np.ndarray],
        *,
        length: int = 1,
        ending: str = "terminated",
        legal: tuple[bool, ...] = (True, True, True),
        shows_phase: bool = True,
        layout: ObservationLayout = SMALL_LAYOUT,
    ) -> None:
        self.num_envs, self.layout = num_envs, layout
        self.pay, self.length, self.ending, self.legal, self.shows_phase = (
            pay,
            length,
            ending,
            legal,
            shows_phase,
        )
        self.phase = 0
        self.choices = np.zeros(num_envs, np.int64)
        self.totals = np.zeros(num_envs)
        self.reward, self.dt_s = np.zeros(num_envs), np.ones(num_envs)
        self.terminated, self.truncated = np.zeros(num_envs, np.bool_), np.zeros(num_envs, np.bool_)
        self.observation = np.zeros((num_envs, layout.size), np.float32)
        self.action_mask = np.zeros((num_envs, layout.num_actions), np.bool_)
        self.final_observation = np.zeros((num_envs, layout.size), np.float32)
        self.finished: list[Episode] = []

    def reset(self) -> None:
        self.phase = 0
        self._write(self.observation, self.action_mask)

    def _write(self, observation: np.ndarray, mask: np.ndarray) -> None:
        jobs = self.layout.window * self.layout.job_features
        observation[:] = 0.0
        for slot in range(self.layout.window):
            observation[:, slot * self.layout.job_features : (slot + 1) * self.layout.job_features] = (
                1.0,
                *(0.3 * slot + 0.1 * np.arange(1, self.layout.job_features)),
            )
        if self.shows_phase:
            observation[:, jobs] = self.phase / self.length
        mask[:] = self.legal

    def step(
        self,
        actions: np.ndarray,
        observation: np.ndarray | None = None,
        action_mask: np.ndarray | None = None,
    ) -> None:
        if observation is not None and action_mask is not None:
            self.observation, self.action_mask = observation, action_mask
        self.invalid_action = ~np.asarray(self.legal)[actions]
        self.noop_feasible = (actions == 0) | self.invalid_action
        if self.phase == 0:
            self.choices = actions.copy()
        self.reward = np.asarray(self.pay(actions, self.phase, self.choices), np.float64)
        self.totals += self.reward
        self.phase += 1
        ended = self.phase == self.length
        self.terminated[:] = ended and self.ending == "terminated"
        self.truncated[:] = ended and self.ending == "truncated"
        self._write(self.observation, self.action_mask)
        self.finished = []
        if ended:
            self.final_observation[:] = self.observation
            self.finished = [Episode(float(total), self.length) for total in self.totals]
            self.totals[:] = 0.0
            self.phase = 0
            self._write(self.observation, self.action_mask)

    def state(self) -> dict[str, Any]:
        return {"phase": self.phase, "choices": self.choices.copy(), "totals": self.totals.copy()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.phase = state["phase"]
        self.choices[:], self.totals[:] = state["choices"], state["totals"]
        self._write(self.observation, self.action_mask)


class RandomStatesEnv:
    """Random observations and masks, rewards by the action, endings at random: everything varies."""

    def __init__(self, num_envs: int, layout: ObservationLayout = RICH_LAYOUT, seed: int = 0) -> None:
        self.num_envs, self.layout = num_envs, layout
        self.generator = np.random.default_rng(seed)
        self.observation = np.zeros((num_envs, layout.size), np.float32)
        self.action_mask = np.zeros((num_envs, layout.num_actions), np.bool_)
        self.final_observation = np.zeros((num_envs, layout.size), np.float32)
        self.totals, self.lengths = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self.finished: list[Episode] = []

    def reset(self) -> None:
        self.observation[:], self.action_mask[:] = random_states(self.layout, self.num_envs, self.generator)

    def step(
        self,
        actions: np.ndarray,
        observation: np.ndarray | None = None,
        action_mask: np.ndarray | None = None,
    ) -> None:
        legal = self.action_mask[np.arange(self.num_envs), actions]
        self.invalid_action = ~legal
        self.noop_feasible = (self.action_mask[:, 1:].any(1)) & ((actions == 0) | ~legal)
        self.reward = np.cos(actions) + 0.1 * self.generator.standard_normal(self.num_envs)
        self.dt_s = self.generator.exponential(10.0, self.num_envs)
        self.terminated = self.generator.random(self.num_envs) < 0.1
        self.truncated = ~self.terminated & (self.generator.random(self.num_envs) < 0.1)
        self.totals += self.reward
        self.lengths += 1
        done = self.terminated | self.truncated
        self.finished = [Episode(float(self.totals[n]), int(self.lengths[n])) for n in np.flatnonzero(done)]
        self.totals[done], self.lengths[done] = 0.0, 0
        self.final_observation[:] = random_states(self.layout, self.num_envs, self.generator)[0]
        if observation is not None and action_mask is not None:
            self.observation, self.action_mask = observation, action_mask
        self.reset()

    def state(self) -> dict[str, Any]:
        return {
            "generator": self.generator.bit_generator.state,
            "totals": self.totals.copy(),
            "lengths": self.lengths.copy(),
            "observation": self.observation.copy(),
            "action_mask": self.action_mask.copy(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.generator.bit_generator.state = state["generator"]
        for name in ("totals", "lengths", "observation", "action_mask"):
            getattr(self, name)[:] = state[name]


def random_states(
    layout: ObservationLayout, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """States from an empty window to a full one, present jobs first, some of them legal."""
    observation = generator.random((count, layout.size), dtype=np.float32)
    mask = np.zeros((count, layout.num_actions), np.bool_)
    mask[:, 0] = True
    jobs = observation[:, : layout.window * layout.job_features]
    jobs = jobs.reshape(count, layout.window, layout.job_features)
    for n in range(count):
        present = int(generator.integers(0, layout.window + 1))
        jobs[n, present:] = 0.0
        if layout.encoding == "rich":
            jobs[n, :present, 0] = 1.0
        mask[n, 1 : present + 1] = generator.random(present) < 0.4
    return observation, mask


@pytest.fixture(scope="session")
def networks() -> dict[str, Any]:
    return NETWORKS


@pytest.fixture(scope="session")
def rich_layout() -> ObservationLayout:
    return RICH_LAYOUT


@pytest.fixture(scope="session")
def small_layout() -> ObservationLayout:
    return SMALL_LAYOUT


@pytest.fixture(scope="session")
def probe_env() -> type[ProbeEnv]:
    return ProbeEnv


@pytest.fixture(scope="session")
def random_env() -> type[RandomStatesEnv]:
    return RandomStatesEnv


@pytest.fixture(scope="session")
def draw_states() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return random_states


@pytest.fixture(scope="session")
def make_config() -> Callable[..., PpoConfig]:
    """A small PpoConfig; keyword arguments replace fields, `network` may be a kind."""

    def make(**changes: Any) -> PpoConfig:
        values: dict[str, Any] = {
            "kind": "ppo",
            "name": "ppo",
            "total_steps": 1,
            "num_envs": 8,
            "rollout_steps": 16,
            "num_minibatches": 4,
            "update_epochs": 2,
            "lr": 1e-3,
            "value_lr_scale": 1.0,
            "gamma": 0.9,
            "discount_time_s": None,
            "gae_lambda": 0.95,
            "clip_coef": 0.2,
            "vf_clip_coef": 0.0,
            "ent_coef": 0.01,
            "ent_coef_end_frac": 1.0,
            "vf_coef": 0.5,
            "max_grad_norm": 0.5,
            "entropy_jump_clip": 0.0,
            "target_kl": 0.0,
            "kl_stop": "minibatch",
            "mask_actions": True,
            "voluntary_waits": True,
            "bootstrap_truncated": True,
            "normalize_advantages": True,
            "normalize_over": "all",
            "shape_rewards": False,
            "stagger_starts": False,
            "average_decay": 0.0,
            "scale_returns": False,
            "kernel": "dense",
            "warm_start": COLD_START,
            "network": NETWORKS["scorer"],
            "lr_schedule": ConstantScheduleConfig(kind="constant"),
            "objective": MeanObjectiveConfig(kind="mean"),
        }
        if isinstance(changes.get("network"), str):
            changes["network"] = NETWORKS[changes["network"]]
        return PpoConfig(**{**values, **changes})

    return make


@pytest.fixture
def learner(make_config: Callable[..., PpoConfig]) -> Callable[..., Any]:
    """A learner and an environment where everything varies; keyword arguments change the config."""

    def make(num_updates: int = 1, device: str = "cpu", **changes: Any) -> Any:
        config = make_config(**changes)
        env = RandomStatesEnv(config.num_envs)
        env.reset()
        return build_ppo(config, RICH_LAYOUT, 0, device, num_updates), env

    return make


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    return str(request.param)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
