"""The columns of a run's tables: fixed names first, in a fixed order, then whatever a run adds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sched_rl.errors import RunFolderError

_METRICS_BEFORE_BLOCKS = (
    *("update", "timesteps", "mean_ep_return", "mean_ep_length", "num_episodes"),
    *("eval_mean_return", "eval_min_block_return", "eval_max_block_return"),
)
_METRICS_AFTER_BLOCKS = (
    *("invalid_frac", "noop_frac", "noop_feasible_frac"),
    *("eval_invalid_frac", "eval_noop_frac", "eval_noop_feasible_frac"),
    *("lr", "ent_coef", "approx_kl", "approx_kl_last", "approx_kl_mean", "approx_kl_max"),
    *("early_stop", "early_stop_epoch", "loss", "pg_loss", "v_loss"),
    *("entropy", "entropy_frac", "legal_actions_mean", "clipfrac", "v_clipfrac", "explained_variance"),
    *("grad_norm", "grad_clip_frac", "entropy_clamp_frac", "kl_to_best"),
)
#: Of the first update after a return to the best checkpoint: the update whose policy it started from.
RESTORED = "restored_update"
_TIMINGS = ("update", "unix_time_s")
_EVALUATIONS = (
    *("update", "block", "seed", "return", "steps"),
    *("noop_steps", "noop_feasible_steps", "invalid_steps", "terminated"),
)


@dataclass(frozen=True)
class RecordColumns:
    """The headers of metrics.csv, timings.csv and evaluations.csv."""

    metrics: tuple[str, ...]
    timings: tuple[str, ...]
    evaluations: tuple[str, ...]


def record_columns(
    num_blocks: int,
    *,
    extra_metrics: Iterable[str] = (),
    timings: Iterable[str] = (),
    extra_evaluations: Iterable[str] = (),
) -> RecordColumns:
    """Lay out a run's tables.

    Args:
        num_blocks: blocks of an evaluation, each with a column `eval_block{b}_return`.
        extra_metrics: columns of metrics.csv after the fixed ones; must not depend on the clock.
        timings: columns of timings.csv after `update` and `unix_time_s`, units in their names.
        extra_evaluations: the schedule metrics of an episode.

    Raises:
        RunFolderError: a column twice.
    """
    blocks = [f"eval_block{block}_return" for block in range(num_blocks)]
    return RecordColumns(
        metrics=_distinct((*_METRICS_BEFORE_BLOCKS, *blocks, *_METRICS_AFTER_BLOCKS, *extra_metrics)),
        timings=_distinct((*_TIMINGS, *timings)),
        evaluations=_distinct((*_EVALUATIONS, *extra_evaluations)),
    )


def _distinct(columns: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise RunFolderError(f"columns {twice} are given twice; rename the added ones")
    return columns
