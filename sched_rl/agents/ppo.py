"""Proximal policy optimisation (Schulman et al. 2017) with the playbook's six clamps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.averaging import AveragedPolicy
from sched_rl.agents.environment import ShapedEnvironment, VectorEnvironment
from sched_rl.agents.evaluators import DenseEvaluator, PolicyEvaluator
from sched_rl.agents.fused import FusedEvaluator
from sched_rl.agents.fused_scorer import FusedScorer
from sched_rl.agents.gae import generalized_advantages
from sched_rl.agents.greedy import GreedyPolicy, load_weights, policy_parameters
from sched_rl.agents.imitation import Imitated, LoadPolicy, imitate, scale_logits
from sched_rl.agents.networks import PackableActorCritic, build_network
from sched_rl.agents.objectives import build_objective
from sched_rl.agents.objectives.base import SeededEnvironment
from sched_rl.agents.packed import PackedEvaluator
from sched_rl.agents.perceptrons import MlpEvaluator
from sched_rl.agents.return_scale import ReturnScaler
from sched_rl.agents.rollout import RolloutBuffer, RolloutStats, check_environment, collect_rollout
from sched_rl.agents.schedules import ent_coef_at, lr_factor, num_critic_updates
from sched_rl.agents.update import STEP_COLUMNS, PolicyUpdate, copied
from sched_rl.config.schema import Config, PpoConfig, TeacherConfig
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import ConfigError, SimulationError
from sched_rl.seeding import generator_state, load_generator_state, stream


class PPO:
    """A learner. `collect` and `update` alternate; each pair is one update of the run.

    Args:
        config: coefficients, sizes and clamps.
        layout: of the observations; the environment's must equal it.
        seed: of the run; weights, actions and minibatches have streams of their own.
        device: `cpu` or `cuda`, for the network; buffers stay in main memory.
        num_updates: of the whole run, for the schedules.

    Attributes:
        objective: what workloads count for; None: alike.
    """

    def __init__(
        self, config: PpoConfig, layout: ObservationLayout, seed: int, device: str, num_updates: int
    ) -> None:
        self.config = config
        self.layout = layout
        self.num_updates = num_updates
        self.updates_done = 0
        self.lr_scale = 1.0
        self._num_critic_updates = num_critic_updates(config.warm_start, num_updates)
        self.device = torch.device(device)
        self.network = build_network(config.network, layout, seed, fused=config.kernel != "dense")
        self.network.to(self.device)
        self.buffer = RolloutBuffer(config.rollout_steps, config.num_envs, layout)
        self.seconds: dict[str, float] = {}
        self._policy_generator = stream(seed, "policy")
        self._minibatch_generator = stream(seed, "minibatch")
        self._scaler = ReturnScaler(config.num_envs, enabled=config.scale_returns)
        self._evaluator = self._build_evaluator()
        self._update = PolicyUpdate(config, self.network, self._evaluator)
        self._average = AveragedPolicy(self.network, config.average_decay)
        self._greedy = GreedyPolicy(
            self._average.network,
            self.device,
            mask_actions=config.mask_actions,
            voluntary_waits=config.voluntary_waits,
            kernel=config.kernel,
        )
        self.objective = build_objective(config, seed)
        self._stats: RolloutStats | None = None
        self._env: object = None  # of the last rollout

    def _build_evaluator(self) -> PolicyEvaluator:
        """What `kernel` asks for, or the next that the network has: fused, packed, dense."""
        kernel = self.config.kernel
        if kernel == "fused" and self.device.type == "cpu" and FusedScorer.serves(self.network):
            return FusedEvaluator(self.network, self.device, self.config)
        if kernel != "dense" and isinstance(self.network, PackableActorCritic):
            return PackedEvaluator(self.network, self.device, self.config)
        if kernel != "dense" and self.device.type == "cpu" and MlpEvaluator.serves(self.network):
            return MlpEvaluator(self.network, self.device, self.config)
        return DenseEvaluator(self.network, self.device, self.config)

    def imitate(
        self,
        config: Config,
        teacher: TeacherConfig,
        load_policy: LoadPolicy | None = None,
        progress: Callable[[int, float], None] = lambda done, agreement: None,
    ) -> Imitated:
        """Start warm: the untrained policy learns to choose as another scheduler does, on the workloads of `config`.

        Args: see `imitation.imitate`; the rest is of `agent.warm_start`.
        """
        start = self.config.warm_start
        imitated = imitate(
            config,
            self.config,
            self.network,
            teacher,
            family_teachers=start.family_teacher_agents,
            simulate=start.simulate,
            num_rollouts=start.num_rollouts,
            num_epochs=start.num_epochs,
            lr=start.lr,
            lr_end_frac=start.lr_end_frac,
            load_policy=load_policy,
            progress=progress,
        )
        scale_logits(self.network, 1.0 / start.temperature)
        self._average.restart()
        return imitated

    def collect(self, env: VectorEnvironment) -> RolloutStats:
        """Act for `rollout_steps` in every environment, from where the environments stand.

        Raises:
            ConfigError: when the environment does not fit the network or `num_envs`.
            SimulationError: when a state has no legal action or a logit is not finite.
        """
        check_environment(env, self.config.num_envs, self.layout)
        if self.config.shape_rewards and not isinstance(env, ShapedEnvironment):
            raise ConfigError(
                "agent.shape_rewards=true: this environment has no potential; set it to false "
                "(or make a VectorClusterEnv with_potential=True)"
            )
        self._stats = collect_rollout(
            env,
            self.buffer,
            self._evaluator,
            self._policy_generator,
            mask_actions=self.config.mask_actions,
            voluntary_waits=self.config.voluntary_waits,
            objective=self.objective,
        )
        self._env = env
        return self._stats

    def update(self) -> dict[str, float]:
        """Learn from the last rollout, once.

        Returns:
            Columns of the metrics table, the rollout's included. Advantages, returns and rewards are raw
            (`v_loss` is in the critic's units: raw divided by `return_scale`). Seconds by phase are in
            `self.seconds`.

        Raises:
            SimulationError: when no rollout was collected, or a number stops being finite.
        """
        if self._stats is None:
            raise SimulationError(
                "update() needs a rollout that it has not learned from; call collect(env) first"
            )
        stats, self._stats = self._stats, None
        lr = self.config.lr * lr_factor(self.config.lr_schedule, self.updates_done, self.num_updates)
        lr *= self.lr_scale
        policy_lr = 0.0 if self.updates_done < self._num_critic_updates else lr
        ent_coef = ent_coef_at(self.config, self.updates_done, self.num_updates)
        start_s = time.perf_counter()
        self._estimate_advantages()
        valued_s = time.perf_counter()
        weight = self._weigh(stats)
        log = self._update.run(self.buffer, policy_lr, lr, ent_coef, self._minibatch_generator, weight)
        self._update.check_weights()
        self._average.update()
        self.updates_done += 1
        self.seconds = {
            "act_s": stats.act_s,
            "env_s": stats.env_s,
            "value_s": valued_s - start_s,
            "learn_s": time.perf_counter() - valued_s,
        }
        metrics = {"lr": policy_lr, "ent_coef": ent_coef, **log.metrics(self.config)}
        if policy_lr == 0.0:  # a policy that is held takes no step, not a tiny one
            metrics |= dict.fromkeys(STEP_COLUMNS, float("nan"))
        if self.objective is not None:
            metrics |= self.objective.metrics()
        return {**stats.metrics, **metrics, **self._advantage_metrics()}

    def _weigh(self, stats: RolloutStats) -> NDArray[np.float32] | None:
        """What the steps of the rollout count for under the objective."""
        if self.objective is None or not isinstance(self._env, SeededEnvironment):
            return None
        return self.objective.weigh(self.buffer, self._env, stats.episodes, self._scaler.scale)

    def _estimate_advantages(self) -> None:
        """Values in one batched pass, reward scale, advantages and critic targets."""
        buffer, config = self.buffer, self.config
        if not np.isfinite(buffer.reward).all():
            t, n = np.argwhere(~np.isfinite(buffer.reward))[0]
            raise SimulationError(
                f"reward {buffer.reward[t, n]} at step {t} of environment {n}: must be finite; check env.reward"
            )
        buffer.discount[:] = config.gamma
        if config.discount_time_s is not None:
            buffer.discount[:] = config.gamma ** (buffer.dt_s / config.discount_time_s)
        reward, terminated, truncated = buffer.reward, buffer.terminated, buffer.truncated
        potential_after = buffer.potential_after
        if not config.bootstrap_truncated:
            potential_after = np.where(truncated, 0.0, potential_after)
            terminated, truncated = terminated | truncated, np.zeros_like(truncated)
        if config.shape_rewards:
            # Potential-based shaping (Ng, Harada and Russell 1999). What it leaves of a reward is the cost of idle
            # GPUs; it is that cost which is discounted, hence no discount here: it would swamp the cost.
            reward = reward + potential_after - buffer.potential_before
        self._scaler.update(reward, buffer.discount, buffer.terminated | buffer.truncated)
        buffer.value_states(self._evaluator)
        generalized_advantages(
            reward / self._scaler.scale,
            buffer.discount,
            buffer.value,
            buffer.final_value,
            terminated,
            truncated,
            config.gae_lambda,
            buffer.advantage,
            buffer.target,
        )

    def _advantage_metrics(self) -> dict[str, float]:
        target = self.buffer.target.astype(np.float64)
        advantage = self.buffer.advantage.astype(np.float64)
        variance, scale = float(target.var()), self._scaler.scale
        return {
            "explained_variance": 1.0 - float(advantage.var()) / variance if variance > 0 else float("nan"),
            "advantage_mean": float(advantage.mean()) * scale,
            "advantage_std": float(advantage.std()) * scale,
            "return_mean": float(target.mean()) * scale,
            "return_std": float(target.std()) * scale,
            "return_scale": scale,
        }

    def greedy_actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """The most probable action of each state, (M,); see `GreedyPolicy.actions`."""
        return self._greedy.actions(observation, action_mask)

    def policy_parameters(self) -> dict[str, Tensor]:
        """A copy of the parameters of the policy that is judged, for `kl_from`."""
        return policy_parameters(self._average.network)

    def kl_from(
        self,
        reference: Mapping[str, Tensor],
        observation: NDArray[np.float32],
        action_mask: NDArray[np.bool_],
    ) -> float:
        """Mean KL(reference policy, current policy) over states, in nats: the drift from a kept policy."""
        return self._greedy.mean_kl(reference, self.policy_parameters(), observation, action_mask)

    def state(self) -> dict[str, Any]:
        """Everything that changes, copied: resuming from it equals never having stopped, to the bit.

        Taken between an update and the next rollout; the environment's own state is kept beside it.
        """
        return {
            "network": copied(dict(self.network.state_dict())),
            "average": self._average.state(),
            "optimizer": self._update.state(),
            "policy_generator": generator_state(self._policy_generator),
            "minibatch_generator": generator_state(self._minibatch_generator),
            "return_scale": self._scaler.state(),
            "updates_done": self.updates_done,
            "lr_scale": self.lr_scale,
            **({} if self.objective is None else {"objective": self.objective.state()}),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state()`.

        Raises:
            CheckpointError: when the state is of another network.
        """
        load_weights(self.network, state["network"])
        self._average.load_state(state["average"])
        self._update.load_state(state["optimizer"])
        load_generator_state(self._policy_generator, state["policy_generator"])
        load_generator_state(self._minibatch_generator, state["minibatch_generator"])
        self._scaler.load_state(state["return_scale"])
        self.updates_done = int(state["updates_done"])
        self.lr_scale = float(state.get("lr_scale", 1.0))  # from before there were guards: nothing changed it
        if self.objective is not None:
            self.objective.load_state(state["objective"])
        self._stats = None

    def return_to(self, state: Mapping[str, Any], lr_factor: float) -> None:
        """Take back what was learned since `state()`, and go on with `lr_factor` times the learning rate.

        Random streams and schedules go on from where they are, so that the same steps are not taken again.

        Raises:
            CheckpointError: when the state is of another network.
        """
        now = self.state()
        names = ("policy_generator", "minibatch_generator", "updates_done", "objective")
        kept = {name: now[name] for name in names if name in now}
        self.load_state({**state, **kept, "lr_scale": lr_factor * self.lr_scale})
