"""Parity: both learn the same thing, and the page's verdict follows from the curves."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from analysis.benchmarks.parity import page
from analysis.benchmarks.parity.__main__ import main
from analysis.benchmarks.parity.page import OURS, PEER
from analysis.benchmarks.parity.problems import POINTS, PROBLEMS, UNSHUFFLED, load_problem

pytest.importorskip("sb3_contrib")

TINY = [
    "problems=cartpole",
    "seeds=2",
    "agent.total_steps=2560",
    "eval.num_blocks=1",
    "eval.episodes_per_block=2",
]


def test_both_begin_with_the_same_policy_and_the_same_command_goes_on(tmp_path, capsys):
    arguments = [*TINY, f"folder={tmp_path}/curves", f"output={tmp_path}/parity.md"]
    assert main(arguments) == 0
    curves = {path.name: json.loads(path.read_text()) for path in (tmp_path / "curves").iterdir()}
    assert sorted(name.rsplit("-", 1)[0] for name in curves) == sorted(
        [f"cartpole-{player}-seed{seed}" for player in ("ours", "maskable_ppo") for seed in (1, 2)]
    )
    start = {name.rsplit("-", 1)[0]: curve[0] for name, curve in curves.items()}
    assert start["cartpole-ours-seed1"] == start["cartpole-maskable_ppo-seed1"]
    text = (tmp_path / "parity.md").read_text()
    assert text.count("| cartpole |") == 2
    assert "seeds=2 agent.total_steps=2560" in text
    assert "cartpole 2,560 steps" in text
    assert re.search(r"further apart than \d\.\de-\d\d \(cartpole\)", text)
    assert (tmp_path / "parity.png").is_file()
    capsys.readouterr()
    assert main(arguments) == 0
    assert "seed 1" not in capsys.readouterr().out, "nothing is trained twice"


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_same_rollouts_teach_both_the_same(name):
    from analysis.benchmarks.parity.same_update import largest_weight_difference

    assert largest_weight_difference(load_problem(name, 1, [UNSHUFFLED])) < 1e-5
    only_ours = load_problem(name, 1, [UNSHUFFLED, "agent.value_lr_scale=2"])
    assert largest_weight_difference(only_ours) > 1e-4, "the difference sees what only one of the two does"


def test_an_area_is_that_under_the_curve_and_pairs_are_of_equal_seeds():
    up = np.tile(np.linspace(0, 1, POINTS), (3, 1)) + np.array([[0.0], [0.5], [1.0]])
    curves = {OURS: up[:2] + 0.1, PEER: up}
    assert [len(each) for each in page.pairs_of(curves)] == [2, 2]
    found = page.difference(*page.pairs_of(curves))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert page.reach(curves) == pytest.approx(1.15)
    assert page.difference(up[:1], up[:1]) is None


def test_the_noise_floor_is_the_peer_against_its_other_seeds():
    up = np.tile(np.linspace(0, 1, POINTS), (5, 1)) + np.array([[0.0], [0.5], [0.2], [0.3], [9.0]])
    later, first = page.halves_of_peer({OURS: up[:1], PEER: up})
    np.testing.assert_allclose(page.areas(later) - page.areas(first), [0.2, -0.2])
    assert page.difference(later, first).includes_zero


def test_what_the_peer_has_not_is_off():
    for name in ("playbook", "cartpole"):
        agent = load_problem(name, 1, []).agent
        assert (agent.shape_rewards, agent.scale_returns, agent.average_decay, agent.target_kl) == (
            False,
            False,
            0.0,
            0.0,
        )
        assert (agent.voluntary_waits, agent.bootstrap_truncated, agent.normalize_over) == (True, True, "all")
        assert agent.warm_start.teacher is None
