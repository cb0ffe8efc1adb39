"""The written schedulers on the same blocks: what every learned one has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sched_rl.config.schema import Config
from sched_rl.evaluation.blocks import Block, Split, split_name
from sched_rl.evaluation.summary import evaluate, evaluation_json
from sched_rl.schedulers.registry import build_scheduler


def judge_baselines(config: Config, blocks: Sequence[Block], split: Split) -> dict[str, dict[str, Any]]:
    """The evaluation JSON of every baseline of a config, by name.

    Args:
        config: its `baselines`, `env` and `families`.
        blocks: of the split.
        split: which seeds these are.
    """
    judged, called = {}, split_name(config.env, split)
    for name, agent in config.baseline_agents.items():
        evaluation = evaluate(build_scheduler(agent), blocks, config.families)
        judged[name] = evaluation_json(evaluation, agent=name, env=config.env.name, split=called)
    return judged
