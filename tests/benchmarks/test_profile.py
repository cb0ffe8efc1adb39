"""The profile: its arithmetic against torch's own counter, its clock, and that it leaves the learner alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from analysis.benchmarks.profile import KERNELS, Options, main, profile
from analysis.benchmarks.profile_flops import RowCounts, count_rows, flops, products
from analysis.benchmarks.profile_gemm import gemm_rate
from analysis.benchmarks.profile_phases import ACT, ENV, PHASES, REST, PhaseClock, measured
from sched_rl.agents import build_ppo
from sched_rl.agents.networks import build_network
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.load import load_config
from sched_rl.config.schema import AttentionConfig, MlpConfig, ScorerConfig
from sched_rl.envs.layout import ObservationLayout
from sched_rl.envs.vector import VectorClusterEnv

LAYOUT = ObservationLayout("rich", window=4, job_features=5, profile_features=3, context_features=2)
NETWORKS = [
    MlpConfig(kind="mlp", observation="rich", hidden_sizes=(7, 6)),
    ScorerConfig(
        kind="scorer",
        observation="rich",
        pool_size=6,
        context_size=5,
        hidden_sizes=(8, 7),
        value_hidden_sizes=(9, 4),
    ),
    # One head: the dense path multiplies zeros between heads, which are of no use.
    AttentionConfig(
        kind="attention",
        observation="rich",
        embed_size=8,
        num_heads=1,
        num_layers=2,
        value_hidden_sizes=(9,),
    ),
]
STATES = 3
#: Every slot holds a job that fits: then the dense path computes nothing in vain.
FULL = RowCounts(
    state=STATES, choice=STATES, legal_job=4 * STATES, job=4 * STATES, job_of_a_choice=4 * STATES
)


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.kind)
def test_useful_arithmetic_is_what_torch_counts_where_nothing_is_masked(config):
    network = build_network(config, LAYOUT, 0, fused=False)
    observation = torch.rand(STATES, LAYOUT.size) + 0.1
    parts = products(config, LAYOUT)
    folding = 0.0  # of an attention layer's matrices with each other, whatever the number of states
    if isinstance(config, AttentionConfig):
        seen = config.num_heads * (LAYOUT.profile_features + 2)
        folding = config.num_layers * 2.0 * seen * (2 * config.embed_size**2 + config.embed_size)
    with FlopCounterMode(display=False) as forward:
        outputs = network.logits(observation), network.values(observation)
    counted = sum(flops(part, FULL.of(part.rows), learning=False) for part in parts)
    assert counted + folding == forward.get_total_flops()
    with FlopCounterMode(display=False) as backward:
        (outputs[0].sum() + outputs[1].sum()).backward()
    both = forward.get_total_flops() + backward.get_total_flops()
    assert sum(flops(part, FULL.of(part.rows), learning=True) for part in parts) + 3 * folding == both


def test_a_hand_count_of_a_scorer_on_one_state():
    """Two of four jobs are there, one of them fits: the other one is pooled, but not scored."""
    counts = RowCounts(state=1, choice=1, legal_job=1, job=2, job_of_a_choice=2)
    pools = 2 * (2 * 5 * 6) * 2  # two jobs, 5 features to 6 units, policy and value
    context = 2 * (12 + 5) * 5 + 2 * 5 * 8  # means and maxima, profile and context; then its term of the head
    rows = 2 * 5 * 8 + 2 * (2 * 8 * 7 + 2 * 7)  # the job's entry; no-op and job through the head
    value = 2 * (17 * 9 + 9 * 4 + 4)
    total = sum(flops(part, counts.of(part.rows), learning=False) for part in products(NETWORKS[1], LAYOUT))
    assert total == pools + context + rows + value


def test_rows_are_counted_in_the_rollout():
    buffer = RolloutBuffer(2, 2, LAYOUT)
    buffer.mask[:2, :, 0] = True
    buffer.mask[0, 0, 1:3] = True  # one state with two legal jobs beside the no-op
    buffer.observation[0, 0, [0, 5, 10]] = 1.0  # three jobs are there
    buffer.observation[1, 1, [0]] = 1.0  # one that does not fit
    buffer.observation[2, 0, [0]] = 1.0  # belongs to the next rollout
    assert count_rows(buffer, LAYOUT) == RowCounts(state=4, choice=1, legal_job=2, job=4, job_of_a_choice=3)


def test_phases_exclude_what_happens_within_them(monkeypatch):
    now = iter(np.arange(100.0))
    monkeypatch.setattr("analysis.benchmarks.profile_phases.time.process_time", lambda: next(now))
    clock = PhaseClock()
    inner = clock.timed(lambda: None, ACT)
    only_in_env = clock.timed(lambda: None, "detail", within=ENV)
    with clock.phase(REST):
        inner()
        only_in_env()
        with clock.phase(ENV):
            only_in_env()
    # A second passes between any two looks at the clock.
    assert dict(clock.seconds) == {REST: 3.0, ACT: 1.0, ENV: 2.0, "detail": 1.0}


def learner(small, kernel, network="scorer"):
    config = load_config(
        "train", [f"agent.kernel={kernel}", f"agent/network={network}", "tracking=none", *small]
    )
    agent = config.agent
    env = VectorClusterEnv(
        config.env,
        agent.network.observation,
        agent.num_envs,
        seed=1,
        with_potential=agent.shape_rewards,
    )
    env.reset()
    return build_ppo(agent, env.layout, 1), env


@pytest.mark.parametrize("kernel", KERNELS)
def test_measuring_changes_nothing_and_leaves_nothing_behind(small, kernel):
    (plain, env), (watched, watched_env) = learner(small, kernel), learner(small, kernel)
    clock = PhaseClock()
    for _ in range(2):
        plain.collect(env)
        expected = plain.update()
        with measured(watched, watched_env, clock), clock.phase(REST):
            watched.collect(watched_env)
            np.testing.assert_equal(watched.update(), expected)
    assert set(clock.seconds) <= set(PHASES)
    before = dict(clock.seconds)
    watched.collect(watched_env)
    watched.update()
    assert clock.seconds == before
    assert "step" not in vars(watched_env)


@pytest.mark.parametrize("network", ["scorer", "mlp", "attention"])
def test_every_phase_with_a_network_has_a_bound(small, network):
    options = Options(rounds=1, overrides=(*small, "eval.num_blocks=1", "eval.episodes_per_block=2"))
    result = profile(network, "packed", options)
    lines = {line.name: line for line in result.lines}
    for name in ("act", "value", "learn"):
        assert lines[name].us > 0
        assert lines[name].kflops > 0
        assert lines[name].bound_us > 0
    assert lines["env"].us > 0
    assert lines["env"].kflops == 0
    # An update learns from every state twice, forward and backward, and acts or values it once.
    assert lines["learn"].kflops > 4 * (lines["act"].kflops + lines["value"].kflops)


def test_a_rate_is_that_of_arithmetic():
    assert 1e7 < gemm_rate(256, 64, 64) < 1e13


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("kernels=numba", "kernels=numba: 'numba' must be one of dense, packed, fused"),
        ("networks=cnn", "networks=cnn: 'cnn' must be one of scorer, mlp, attention"),
        ("rounds=0", "rounds=0: must be a whole number, at least 1"),
        ("agent=sjf", "agent=sjf has no network"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(argument, message, capsys):
    assert main([argument]) == 2
    assert message in capsys.readouterr().err
