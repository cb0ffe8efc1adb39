"""Learning rate and entropy coefficient as pure functions of the number of the update."""

from __future__ import annotations

import math

from sched_rl.config.schema import (
    ConstantScheduleConfig,
    CosineScheduleConfig,
    ExponentialScheduleConfig,
    LrScheduleConfig,
    PpoConfig,
    WarmStartConfig,
)


def lr_factor(schedule: LrScheduleConfig, update: int, num_updates: int) -> float:
    """What the learning rate is multiplied by.

    Args:
        schedule: which curve.
        update: updates done before this one; progress = update / num_updates, so the first runs at the full
            rate (cosine: at the first step of the warm-up) and the last just before the curve's end.
        num_updates: of the whole run.

    Returns:
        The factor. After the end of the run it stays at the end's value.
    """
    progress = min(update / num_updates, 1.0)
    if isinstance(schedule, ConstantScheduleConfig):
        return 1.0
    if isinstance(schedule, ExponentialScheduleConfig):
        return float(schedule.end_frac**progress)
    if isinstance(schedule, CosineScheduleConfig):
        return _cosine(schedule, update, num_updates)
    return 1.0 - progress * (1.0 - schedule.end_frac)


def _cosine(schedule: CosineScheduleConfig, update: int, num_updates: int) -> float:
    warmup_updates = math.ceil(schedule.warmup_frac * num_updates)
    if update < warmup_updates:
        return (update + 1) / warmup_updates
    progress = min((update - warmup_updates) / max(num_updates - warmup_updates, 1), 1.0)
    return schedule.end_frac + (1.0 - schedule.end_frac) * 0.5 * (1.0 + math.cos(math.pi * progress))


def ent_coef_at(config: PpoConfig, update: int, num_updates: int) -> float:
    """The entropy coefficient, on a straight line from `ent_coef` to `ent_coef_end_frac` of it."""
    progress = min(update / num_updates, 1.0)
    return config.ent_coef * (1.0 - progress * (1.0 - config.ent_coef_end_frac))


def num_critic_updates(warm_start: WarmStartConfig, num_updates: int) -> int:
    """Updates at the start that change the critic alone: none without a teacher, at most a tenth of the run."""
    return min(warm_start.critic_updates, num_updates // 10) if warm_start.teacher is not None else 0
