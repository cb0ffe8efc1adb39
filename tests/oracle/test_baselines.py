"""Our baselines against the episodes of an independent implementation, and against the published table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.evaluation.blocks import Block, make_blocks
from sched_rl.evaluation.runner import run_blocks
from sched_rl.evaluation.summary import evaluate
from sched_rl.schedulers.registry import build_scheduler

EXACT = {"steps": "steps", "noops": "noop_steps", "terminated": "terminated", "end_time": "end_time"}

#: Mean, minimum and maximum over the VAL blocks as published, to the printed digit.
PUBLISHED_VAL = {
    "fifo": (0.369, 0.340, 0.388),
    "sjf": (0.529, 0.511, 0.554),
    "priority": (0.528, 0.485, 0.553),
    "rand_feas_no0": (0.525, 0.450, 0.626),
}
PUBLISHED_REPORT_MEAN = {"fifo": 0.456, "sjf": 0.534, "priority": 0.542, "rand_feas_no0": 0.571}


def assert_same_episodes(expected, episodes):
    assert len(expected) == len(episodes)
    for reference, episode in zip(expected, episodes, strict=True):
        numbers = episode.numbers
        assert numbers["seed"] == reference["seed"]
        for theirs, ours in EXACT.items():
            assert numbers[ours] == reference[theirs], (reference["seed"], theirs)
        assert numbers["horizon"] == pytest.approx(reference["horizon"], abs=1e-6)
        assert numbers["return"] == pytest.approx(reference["ret"], abs=1e-6)


def evaluated(name, split, *overrides):
    config = load_config("train", ["env=playbook", "eval=playbook", f"agent={name}", *overrides])
    blocks = make_blocks(config.eval, config.env, config.families, split)
    return evaluate(build_scheduler(config.agent), blocks, config.families)


@pytest.mark.parametrize("name", list(PUBLISHED_VAL))
def test_val_episodes_equal_the_oracle(name, oracle):
    assert_same_episodes(oracle("val_baselines.json")[name], evaluated(name, "val").episodes)


@pytest.mark.parametrize("name", list(PUBLISHED_VAL))
def test_val_table_to_the_printed_digit(name):
    result = evaluated(name, "val")
    printed = (result.mean_return, result.min_block_return, result.max_block_return)
    # "Printed" means cut to three digits by either convention: 0.5295 stands as 0.529 in the study's table.
    assert printed == pytest.approx(PUBLISHED_VAL[name], abs=0.0005 + 1e-9)


@pytest.mark.parametrize("name", list(PUBLISHED_REPORT_MEAN))
def test_report_mean_to_the_printed_digit(name):
    assert evaluated(name, "report").mean_return == pytest.approx(
        PUBLISHED_REPORT_MEAN[name], abs=0.0005 + 1e-9
    )


def test_linear_score_reaches_its_published_val_figures():
    result = evaluated("linear_score", "val", "agent.weights=[-9.81,-9.44,19.41,-0.69,7.05,-2.06]")
    assert result.mean_return == pytest.approx(0.818, abs=0.003)
    assert result.min_block_return == pytest.approx(0.812, abs=0.003)


@pytest.mark.parametrize(("split", "published"), [("val", 0.911), ("report", 0.913)])
def test_fluid_bound_to_the_printed_digit(split, published):
    bounds = [episode.numbers["fluid_bound"] for episode in evaluated("fifo", split).episodes]
    assert np.mean(bounds) == pytest.approx(published, abs=0.0005 + 1e-9)


def test_every_variant_equals_the_oracle(oracle, playbook_env):
    variants = oracle("val_variants.json")
    assert len(variants) == 18
    for variant in variants:
        env = dataclasses.replace(playbook_env, **variant["config"])
        scheduler = build_scheduler(load_config("train", [f"agent={variant['policy']}"]).agent)
        block = Block("variant", env, tuple(episode["seed"] for episode in variant["episodes"]))
        assert_same_episodes(variant["episodes"], run_blocks(scheduler, [block], {}))
