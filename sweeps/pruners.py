"""What a pruner compares: the best so far of every trial at the same shares of its training.

Trials may differ in how many steps an update has, so their evaluations fall on different steps. A trial therefore
reports at fixed milestones, every 10 % of its training, what was its best when it passed them:

- median and hyperband: the worst block's return of the best checkpoint so far, the objective itself; the resource
  is percent of the training.
- wilcoxon: the block scores of that checkpoint, paired with the best trial's by (milestone, block) in a signed-rank
  test. Scores of neighbouring milestones are not independent, so the test is bolder than its threshold says; the
  threshold is low for it.

Nothing is pruned in the first `warmup_frac` of a training, nor before `startup_trials` trials are complete.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from sched_rl.config.schema import SweepConfig
from sched_rl.errors import ConfigError

#: A report every so many percent of the training.
MILESTONE_PERCENT = 10
MILESTONES = 100 // MILESTONE_PERCENT

_WILCOXON_THRESHOLD = 0.05
_REDUCTION = 3


def check_pruner(sweep: SweepConfig) -> None:
    """Refuse what no pruner can do.

    Raises:
        ConfigError: for several objectives, or another first objective than pruners see.
    """
    if sweep.pruner == "none":
        return
    if len(sweep.objectives) > 1:
        raise ConfigError(
            f"sweep.pruner={sweep.pruner}: compares trials by one objective; with several take sweep.pruner=none"
        )
    if sweep.objectives[0] != "eval_min_block_return":
        raise ConfigError(
            f"sweep.pruner={sweep.pruner}: compares trials by eval_min_block_return; for "
            f"sweep.objectives=[{sweep.objectives[0]}] take sweep.pruner=none"
        )


def make_pruner(sweep: SweepConfig, num_blocks: int) -> BasePruner:
    """The pruner of a sweep whose trials report as `reports` says."""
    warmup = round(100 * sweep.warmup_frac)
    if sweep.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=sweep.startup_trials, n_warmup_steps=warmup)
    if sweep.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=max(warmup, MILESTONE_PERCENT), max_resource=100, reduction_factor=_REDUCTION
        )
    if sweep.pruner == "wilcoxon":
        before = num_blocks * (warmup // MILESTONE_PERCENT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            paired = optuna.pruners.WilcoxonPruner(p_threshold=_WILCOXON_THRESHOLD, n_startup_steps=before)
        return _AfterTrials(paired, sweep.startup_trials)
    return optuna.pruners.NopPruner()


class _AfterTrials(BasePruner):
    """Another pruner, once enough trials are complete."""

    def __init__(self, pruner: BasePruner, startup_trials: int) -> None:
        self._pruner = pruner
        self._startup_trials = startup_trials

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """As the other pruner, or never."""
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return len(complete) >= self._startup_trials and self._pruner.prune(study, trial)


def passed(before_frac: float, now_frac: float) -> Iterator[int]:
    """Milestones passed between two shares of the training, 1 to 10."""
    first, last = (int(share * MILESTONES + 1e-9) for share in (before_frac, now_frac))
    yield from range(first + 1, last + 1)


def reports(pruner: str, milestone: int, blocks: Sequence[float]) -> list[tuple[int, float]]:
    """(step, value) pairs that a trial reports at a milestone.

    Args:
        pruner: `sweep.pruner`.
        milestone: 1 to 10.
        blocks: the block scores of its best checkpoint then.
    """
    if pruner == "wilcoxon":
        return [(milestone * len(blocks) + index, score) for index, score in enumerate(blocks)]
    return [(milestone * MILESTONE_PERCENT, min(blocks))]
