"""Checkpoints on the promote blocks, which chose nothing: played when a comparison asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sched_rl.config.record import CONFIG_FILE, load_config_file
from sched_rl.config.schema import PpoConfig
from sched_rl.evaluation.baselines import judge_baselines
from sched_rl.evaluation.blocks import make_blocks
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.summary import evaluate, evaluation_json

#: The baselines' evaluations, by everything that they depend on: runs of one problem share them.
_JUDGED: dict[object, dict[str, Any]] = {}


def play_promote(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run's best checkpoint and its baselines on the promote blocks, as evaluation JSON.

    Raises:
        ConfigError, CheckpointError: what of the run cannot be read.
    """
    config = load_config_file(folder / CONFIG_FILE)
    if isinstance(config.agent, PpoConfig):
        import torch

        torch.set_num_threads(config.threads)
    blocks = make_blocks(config.eval, config.env, config.families, "promote")
    evaluation = evaluate(scheduler_of(config, folder), blocks, config.families)
    own = evaluation_json(evaluation, agent=config.agent.name, env=config.env.name, split="promote")
    key = (blocks, repr(config.baseline_agents), repr(config.families))
    if key not in _JUDGED:
        _JUDGED[key] = judge_baselines(config, blocks, "promote")
    return own, _JUDGED[key]
