"""The range of every number, as one table; `config.rules` holds what ties several keys together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from sched_rl.config.convert import show
from sched_rl.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Interval:
    """A range of numbers, written as in mathematics: `[` and `]` include the end, `(` and `)` exclude it."""

    low: float
    high: float
    includes_low: bool
    includes_high: bool

    @classmethod
    def parse(cls, text: str) -> Interval:
        """From `"[0, 1)"`; `inf` and `-inf` stand for no limit."""
        low, high = text[1:-1].split(",")
        return cls(float(low), float(high), text[0] == "[", text[-1] == "]")

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.includes_low else value > self.low
        below = value <= self.high if self.includes_high else value < self.high
        return above and below

    def __str__(self) -> str:
        low, high = (show(_short(end)) for end in (self.low, self.high))
        if math.isinf(self.high):
            return f"{'>=' if self.includes_low else '>'} {low}"
        return f"in {'[' if self.includes_low else '('}{low}, {high}{']' if self.includes_high else ')'}"


def _short(end: float) -> float | int:
    return int(end) if math.isfinite(end) and end == int(end) else end


_TABLE = {
    "seed": "[0, 4294967295]",
    "threads": "[1, 1024]",
    "run.checkpoint_every_updates": "[0, inf)",
    "run.keep_checkpoints": "[1, inf)",
    "env.num_gpus": "[1, 65536]",
    "env.max_queue_size": "[1, 10000]",
    "env.jobs_per_episode": "[1, 1000000]",
    "env.max_priority": "[1, 1000000]",
    "env.max_duration": "(0, inf)",
    "env.max_episode_steps": "[1, inf)",
    "env.arrival_span": "(0, inf)",
    "env.num_bursts": "[1, 100000]",
    "env.burst_prob": "[0, 1]",
    "env.burst_std_frac": "[0, inf)",
    "env.heavy_tail_frac": "[0, 0.9]",
    "env.max_gpus_per_job": "[1, 65536]",
    "env.gpus_duration_corr": "[0, 1]",
    "env.priority_corr_strength": "[0, 1]",
    "env.due_slack_min": "[0, inf)",
    "env.due_slack_max": "[0, inf)",
    "env.max_episode_time": "(0, inf)",
    "env.horizon_factor": "[0, inf)",
    "env.reward.progress_scale": "[0, inf)",
    "env.reward.time_pressure_scale": "[0, inf)",
    "env.reward.noop_penalty_scale": "(-inf, inf)",
    "env.reward.early_finish_bonus_scale": "[0, inf)",
    "env.reward.deadline_miss_penalty_scale": "[0, inf)",
    "env.reward.due_miss_penalty_scale": "[0, inf)",
    "env.reward.slowdown_scale": "(0, inf)",
    "env.reward.wait_scale": "[0, inf)",
    "env.reward.area_wait_scale": "[0, inf)",
    "env.trace.starts": "[0, 2147483647]",
    "env.trace.count": "[1, 1000000]",
    "env.trace.load_factor": "(0, inf)",
    "env.trace.capacity": "[1, 1000000000]",
    "env.trace.split_fracs": "[0, 1]",
    "env.trace.train_jobs": "[0, 2147483647]",
    "env.trace.warm_up_frac": "[0, 1)",
    "env.trace.cool_down_frac": "[0, 1)",
    "env.lublin.num_procs": "[1, 1048576]",
    "agent.total_steps": "[1, inf)",
    "agent.num_envs": "[1, 65536]",
    "agent.rollout_steps": "[1, 1048576]",
    "agent.num_minibatches": "[1, inf)",
    "agent.update_epochs": "[1, 1000]",
    "agent.lr": "(0, 1]",
    "agent.value_lr_scale": "(0, 1000]",
    "agent.gamma": "(0, 1]",
    "agent.discount_time_s": "(0, inf)",
    "agent.gae_lambda": "[0, 1]",
    # 1 would allow a ratio of 0, where the clamp says nothing any more.
    "agent.clip_coef": "[0, 1)",
    "agent.vf_clip_coef": "[-1, inf)",
    "agent.ent_coef": "[0, 100]",
    "agent.ent_coef_end_frac": "[0, 1]",
    "agent.vf_coef": "[0, 1000]",
    "agent.max_grad_norm": "[-1, inf)",
    "agent.entropy_jump_clip": "[-1, inf)",
    "agent.target_kl": "[-1, inf)",
    "agent.average_decay": "[0, 1)",
    "agent.network.hidden_sizes": "[1, 65536]",
    "agent.network.value_hidden_sizes": "[1, 65536]",
    "agent.network.pool_size": "[1, 65536]",
    "agent.network.context_size": "[1, 65536]",
    "agent.network.embed_size": "[1, 65536]",
    "agent.network.num_heads": "[1, 1024]",
    "agent.network.num_layers": "[1, 100]",
    "agent.lr_schedule.end_frac": "[0, 1]",
    "agent.lr_schedule.warmup_frac": "[0, 1)",
    "agent.objective.step_size": "(0, 1000]",
    "agent.objective.memory": "[0, 1)",
    "agent.objective.mix": "[0, 1]",
    "agent.objective.alpha": "(0, 1]",
    "agent.objective.window_episodes": "[1, 1000000]",
    "agent.objective.replay_prob": "[0, 1]",
    "agent.objective.buffer_seeds": "[1, 1000000]",
    "agent.objective.temperature": "(0, inf)",
    "agent.objective.staleness_frac": "[0, 1]",
    "agent.warm_start.num_rollouts": "[1, 1000]",
    "agent.warm_start.num_epochs": "[1, 100]",
    "agent.warm_start.lr": "(0, 1]",
    "agent.warm_start.lr_end_frac": "(0, 1]",
    "agent.warm_start.temperature": "(0, 1000]",
    "agent.warm_start.critic_updates": "[0, 1000000]",
    "agent.weights": "(-inf, inf)",
    "agent.noop_threshold": "(-inf, inf)",
    "agent.num_futures": "[1, 65536]",
    "agent.horizon_s": "(0, inf)",
    "eval.first_seed": "[0, 2147483647]",
    "eval.num_blocks": "[1, 1000000]",
    "eval.episodes_per_block": "[1, 1000000]",
    "eval.every_updates": "[1, inf)",
    "sweep.n_trials": "[1, 1000000]",
    "sweep.n_jobs": "[1, 10000]",
    "sweep.seed": "[0, 4294967295]",
    "sweep.startup_trials": "[0, 1000000]",
    "sweep.warmup_frac": "[0, 1]",
    "sweep.constraints.invalid_frac": "[0, 1]",
    "sweep.constraints.noop_feasible_frac": "[0, 1]",
    "sweep.constraints.wall_s": "(0, inf)",
    "sweep.max_retries": "[0, 1000]",
    "sweep.max_failures": "[1, 1000000]",
    "sweep.heartbeat_s": "[1, 3600]",
    "trial.number": "[0, inf)",
    "pathology.onset_update": "[0, inf)",
    "pathology.environment.scale": "(0, inf)",
    "pathology.environment.noop_bonus": "(-inf, inf)",
    "pathology.environment.queue_cost": "[0, inf)",
    "pathology.environment.ramp_updates": "[0, inf)",
    "pathology.environment.arrival_span_factor": "(0, inf)",
    "pathology.environment.max_duration_factor": "(0, inf)",
    "pathology.environment.max_gpus_per_job": "[1, 65536]",
    "pathology.start.logit_scale": "(0, inf)",
    "pathology.start.num_rollouts": "[1, 10000]",
    "pathology.start.num_epochs": "[1, 10000]",
    "diagnosis.min_evaluations": "[3, inf)",
    "diagnosis.persistence_evaluations": "[1, inf)",
    "diagnosis.standard_errors": "(0, inf)",
    "diagnosis.significance": "(0, 1)",
    "diagnosis.material_frac": "[0, inf)",
    "diagnosis.shift_sigmas": "(0, inf)",
    "diagnosis.kl_spike_limits": "[1, inf)",
    "diagnosis.kl_spike_sigmas": "(0, inf)",
    "diagnosis.kl_tiny_frac": "(0, 1]",
    "diagnosis.kl_negligible_frac": "(0, 1]",
    "diagnosis.entropy_high": "[0, 1]",
    "diagnosis.entropy_low": "[0, 1]",
    "diagnosis.noop_always": "[0, 1]",
    "diagnosis.noop_rise": "[0, 1]",
    "diagnosis.explained_variance_low": "[0, 1]",
    "diagnosis.early_frac": "(0, 1)",
    "guard.patience_evaluations": "[1, inf)",
    # 0 would end the learning, 1 and more would not calm it.
    "guard.lr_factor": "(0, 1)",
    "guard.max_rollbacks": "[1, inf)",
}

#: Dotted key to the interval that its value (or every item of its list) must lie in.
BOUNDS: dict[str, Interval] = {key: Interval.parse(text) for key, text in _TABLE.items()}


def check_bounds(config: object) -> None:
    """Refuse the first number out of its range.

    Raises:
        ConfigError: `key=value: must be in (low, high)`.
    """
    for key, bounds_key, value in _leaves(config, "", ""):
        interval = BOUNDS.get(bounds_key)
        items = value if isinstance(value, tuple) else (value,)
        numbers = [item for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)]
        if interval is None:
            # A number without a range of its own must at least be one.
            interval = Interval(-math.inf, math.inf, False, False)
        if any(item not in interval for item in numbers):
            rule = "finite" if math.isinf(interval.low) else str(interval)
            each = "every item must be" if isinstance(value, tuple) else "must be"
            raise ConfigError(f"{key}={show(value)}: {each} {rule}")


def _leaves(node: Any, key: str, bounds_key: str) -> Iterator[tuple[str, str, Any]]:
    """Yields (key, key in the table, value); families have env's rows, baselines agent's."""
    if dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            inner = f"{key}.{field.name}".lstrip(".")
            yield from _leaves(getattr(node, field.name), inner, f"{bounds_key}.{field.name}".lstrip("."))
    elif isinstance(node, Mapping):
        table_key = {"families": "env", "baseline_agents": "agent"}.get(bounds_key, bounds_key)
        for name, item in node.items():
            yield from _leaves(item, f"{key}.{name}", table_key)
    else:
        yield key, bounds_key, node
