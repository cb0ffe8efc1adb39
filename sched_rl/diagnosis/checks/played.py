"""Checks that play episodes: fresh seeds, the mask against the step, a scheduler that only waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Config, Encoding, EnvConfig
from sched_rl.diagnosis.checks.subject import Outcome, Subject
from sched_rl.diagnosis.curves import BaselineScores
from sched_rl.evaluation.blocks import Block, make_blocks
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.summary import Evaluation, evaluate
from sched_rl.schedulers.base import Scheduler
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.seeding import stream

#: Fresh seeds lie between those of val and of promote, where no split draws.
_FRESH_OFFSET = 2_500_000
#: Fewest fresh episodes: what val lacks in episodes must not blind the check.
_FRESH_EPISODES = 48
#: Heuristics that are played on fresh seeds: the best, and the random one.
_RIVALS = 2


class _Waiting:
    """Waits whenever it may."""

    encoding: Encoding = "playbook"

    def begin(self, families: Sequence[EnvConfig], seeds: Sequence[int]) -> None:
        """Nothing to prepare."""

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """The no-op."""
        return np.zeros(len(action_mask), np.int64)


class _LegalAtRandom(_Waiting):
    """Any action that the mask allows, the no-op included."""

    def __init__(self) -> None:
        self._draws = stream(0, "check")

    def actions(
        self, observation: NDArray[np.float32], action_mask: NDArray[np.bool_], active: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Uniform over the legal ones."""
        scores = self._draws.random(action_mask.shape) * action_mask
        chosen: NDArray[np.int64] = np.argmax(scores, axis=1)
        return chosen


def mask_feasibility(subject: Subject) -> Outcome | None:
    """Does a step accept what the mask allows?"""
    if subject.config is None:
        return None
    evaluation = _play(subject.config, _LegalAtRandom(), _few(subject.config))
    invalid = sum(int(each["invalid_steps"]) for each in evaluation.numbers())
    steps = sum(int(each["steps"]) for each in evaluation.numbers())
    verdict = (
        "the environment's mask is right, look at how the agent uses it"
        if invalid == 0
        else "mask and step differ"
    )
    return Outcome(f"{invalid} of {steps} legal random actions were refused: {verdict}", invalid > 0)


def do_nothing(subject: Subject) -> Outcome | None:
    """What does a scheduler earn that only waits?"""
    signals = subject.signals
    if subject.config is None or not signals.num_evals:
        return None
    waiting = _play(subject.config, _Waiting(), _few(subject.config)).mean_return
    last = float(signals.mean[-1])
    return Outcome(
        f"waiting alone earns {waiting:.3f}, the policy {last:.3f}", waiting >= last - signals.material
    )


def fresh_scores(subject: Subject) -> dict[str, BaselineScores]:
    """The best checkpoint (as `self`) and the strongest heuristics on seeds that chose nothing."""
    config, folder = subject.config, subject.folder
    if config is None or folder is None or not (folder / "checkpoints").is_dir():
        return {}
    fresh = replace(
        config.eval,
        first_seed=config.eval.first_seed + _FRESH_OFFSET,
        episodes_per_block=max(config.eval.episodes_per_block, -(-_FRESH_EPISODES // config.eval.num_blocks)),
    )
    blocks = make_blocks(fresh, config.env, config.families, "val")
    ranked = sorted(subject.signals.curves.baselines.items(), key=lambda item: -item[1].mean)
    names = [name for name, _ in ranked if name in config.baseline_agents][:_RIVALS]
    players: dict[str, Scheduler] = {"self": scheduler_of(config, folder)}
    players |= {name: build_scheduler(config.baseline_agents[name]) for name in names}
    return {name: _scores(evaluate(player, blocks, config.families)) for name, player in players.items()}


def fresh_seeds(subject: Subject) -> Outcome | None:
    """What did the best checkpoint earn on fresh seeds? Played before the rules are asked."""
    fresh = subject.signals.curves.fresh.get("self")
    if fresh is None:
        return None
    best = float(subject.signals.mean[subject.signals.best])
    return Outcome(f"best checkpoint: {best:.3f} on val, {fresh.mean:.3f} on fresh seeds", fresh.mean < best)


def _play(config: Config, scheduler: Scheduler, blocks: Sequence[Block]) -> Evaluation:
    return evaluate(scheduler, blocks, config.families)


def _few(config: Config) -> tuple[Block, ...]:
    """The first episodes of each val block."""
    blocks = make_blocks(config.eval, config.env, config.families, "val")
    return tuple(replace(block, seeds=block.seeds[:5]) for block in blocks)


def _scores(evaluation: Evaluation) -> BaselineScores:
    episodes = {
        (int(each["block"]), int(each["seed"])): {"return": float(each["return"])}
        for each in evaluation.numbers()
    }
    return BaselineScores(evaluation.mean_return, evaluation.min_block_return, episodes)
