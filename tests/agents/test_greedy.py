"""Greedy actions of states without a choice need no scores."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.errors import SimulationError


@pytest.mark.parametrize("network", ["mlp", "scorer", "attention"])
def test_forced_states_take_their_action_and_leave_the_others_theirs(
    network, make_config, rich_layout, draw_states
):
    ppo = build_ppo(make_config(network=network, kernel="packed"), rich_layout, 0)
    observation, mask = draw_states(rich_layout, 60, np.random.default_rng(0))
    before = ppo.greedy_actions(observation, mask)
    forced = np.arange(0, 60, 2)
    mask[forced] = False
    mask[forced, 3] = True
    after = ppo.greedy_actions(observation, mask)
    assert (after[forced] == 3).all()
    assert (after[1::2] == before[1::2]).all()


@pytest.mark.parametrize("window", [3, 50])
def test_the_compiled_pass_chooses_as_the_others_do(window, make_config, rich_layout, draw_states):
    """On trained-looking weights, over more states than a chunk holds; ties go to the first alike."""
    layout = dataclasses.replace(rich_layout, window=window)
    observation, mask = draw_states(layout, 300, np.random.default_rng(1))
    observation[7], mask[7] = observation[3], mask[3]
    chosen = {}
    for kernel in ("dense", "packed", "fused"):
        ppo = build_ppo(make_config(kernel=kernel), layout, 0)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in ppo.network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
        chosen[kernel] = ppo.greedy_actions(observation, mask)
    assert (chosen["fused"] == chosen["packed"]).all()
    assert (chosen["fused"] == chosen["dense"]).all()
    assert len(np.unique(chosen["fused"])) > 2


def test_without_a_mask_no_state_is_forced(make_config, rich_layout, draw_states):
    ppo = build_ppo(make_config(mask_actions=False), rich_layout, 0)
    observation, mask = draw_states(rich_layout, 20, np.random.default_rng(0))
    free = ppo.greedy_actions(observation, np.ones_like(mask))
    mask[:, 1:] = False
    assert (ppo.greedy_actions(observation, mask) == free).all()
    assert free.any()


def test_a_state_that_cannot_be_scored_is_named_by_its_own_number(make_config, rich_layout, draw_states):
    ppo = build_ppo(make_config(), rich_layout, 0)
    observation, mask = draw_states(rich_layout, 9, np.random.default_rng(0))
    mask[:, 1:] = False
    mask[5, 1:4] = True
    with torch.no_grad():
        ppo.network.policy.head.bias.fill_(float("nan"))
    with pytest.raises(SimulationError, match=r"environment 5 are not finite: policy\.head\.bias"):
        ppo.greedy_actions(observation, mask)


def test_the_drift_over_no_states_is_unknown(make_config, rich_layout):
    """A tiny environment may never offer a choice to compare policies on."""
    ppo = build_ppo(make_config(), rich_layout, 0)
    nothing = np.empty((0, rich_layout.size), np.float32), np.empty((0, rich_layout.num_actions), np.bool_)
    assert math.isnan(ppo.kl_from(ppo.policy_parameters(), *nothing))
