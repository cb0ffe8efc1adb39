"""Leaving forced states out of the policy's perceptron changes nothing: losses, gradients, first updates, refusals."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.evaluators import DenseEvaluator
from sched_rl.agents.losses import MinibatchSamples
from sched_rl.agents.networks import build_network
from sched_rl.agents.perceptrons import MlpEvaluator
from sched_rl.errors import SimulationError

CPU = torch.device("cpu")
PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])


class Case:
    """Random states, a third of them forced, a recorded rollout over them, and a network off its start."""

    def __init__(
        self, networks, make_config, states, layout, dtype, hidden_sizes=(32, 16), seed=0, **options
    ):
        generator = np.random.default_rng(seed)
        self.config = make_config(
            network=replace(networks["mlp"], hidden_sizes=hidden_sizes),
            **{"vf_clip_coef": 0.3, "entropy_jump_clip": 0.2, **options},
        )
        observation, mask = states
        mask[::3, 1:] = False
        legal = mask if self.config.mask_actions else np.ones_like(mask)
        self.fields = {
            "observation": torch.from_numpy(observation).to(dtype).numpy(),
            "mask": mask,
            "action": np.array([generator.choice(np.flatnonzero(row)) for row in legal]),
        }
        noise = torch.from_numpy(generator.standard_normal((5, len(mask)))).to(dtype)
        has_choice = torch.from_numpy(legal.sum(1) > 1)
        old_log_prob, old_entropy = torch.where(has_choice, noise[:2].abs(), 0.0)
        self.recorded = MinibatchSamples(-old_log_prob, old_entropy, *noise[2:], has_choice)
        self.network = build_network(self.config.network, layout, seed=seed).to(dtype)
        for index, parameter in enumerate(self.network.parameters()):
            shift = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            parameter.data += 0.2 * shift.to(dtype)

    def evaluator(self, kind):
        evaluator = kind(self.network, CPU, self.config)
        evaluator.load(SimpleNamespace(flat=self.fields.__getitem__))
        return evaluator

    def run(self, kind, samples):
        """Loss terms and the gradient of all parameters in one row."""
        terms = self.evaluator(kind).differentiate(samples, self.recorded, 0.1)
        return terms.double(), torch.cat([p.grad.flatten() for p in self.network.parameters()]).clone()


@pytest.fixture
def case(networks, make_config, draw_states, rich_layout):
    def make(dtype=torch.float64, seed=0, **options):
        states = draw_states(rich_layout, 300, np.random.default_rng(seed))
        return Case(networks, make_config, states, rich_layout, dtype, seed=seed, **options)

    return make


def check(case, samples, tolerance):
    terms, gradient = case.run(DenseEvaluator, samples)
    ours, our_gradient = case.run(MlpEvaluator, samples)
    shares = len(terms) - 3  # those of the clamps, which the dense path counts in float32
    torch.testing.assert_close(ours[:shares], terms[:shares], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(ours[shares:], terms[shares:], rtol=0, atol=1e-6)
    assert gradient.norm() > 0
    assert (our_gradient - gradient).norm() <= tolerance * gradient.norm()


@PRECISIONS
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": 1, "clip_coef": 0.0, "vf_clip_coef": 0.0, "entropy_jump_clip": 0.0},
        {"seed": 2, "mask_actions": False},
        {"normalize_over": "choices"},
        {"normalize_advantages": False},
        {"hidden_sizes": ()},
        {"hidden_sizes": (24, 8, 17)},
    ],
    ids=str,
)
def test_loss_and_whole_gradient_agree(options, dtype, tolerance, case):
    check(case(dtype, **options), torch.arange(300), tolerance)


@PRECISIONS
def test_they_agree_on_minibatches_of_any_kind(dtype, tolerance, case):
    """Forced states alone, choices alone, one sample, a sample twice; buffers serve batches that grow and shrink."""
    some = case(dtype)
    choices = np.flatnonzero(some.recorded.has_choice.numpy())
    for samples in (range(0, 300, 3), choices, choices[:1], [0], [*choices[:5], 0, *choices[:5]], range(290)):
        check(some, torch.tensor(samples), tolerance)


@pytest.mark.parametrize("masked", [True, False])
def test_actions_are_drawn_as_the_dense_path_draws_them(masked, case):
    some = case(torch.float32, mask_actions=masked)
    mask = some.fields["mask"] if masked else np.ones_like(some.fields["mask"])
    uniform = np.random.default_rng(3).random(300)
    drawn = []
    for kind in (DenseEvaluator, MlpEvaluator):
        out = np.empty(300, np.int64), np.empty(300, np.float32), np.empty(300, np.float32)
        some.evaluator(kind).sample(some.fields["observation"], mask, uniform, *out)
        drawn.append(out)
    assert (drawn[0][0] == drawn[1][0]).all()
    for dense, ours in zip(drawn[0][1:], drawn[1][1:], strict=True):
        np.testing.assert_allclose(ours, dense, rtol=0, atol=1e-5)


def test_the_first_updates_of_a_run_agree(learner):
    """Up to rounding, as long as the sampled actions are the same."""
    runs = [learner(network="mlp", kernel=kernel, num_updates=3) for kernel in ("dense", "packed")]
    for _ in range(3):
        rows = []
        for ppo, env in runs:
            ppo.collect(env)
            rows.append(ppo.update())
        (dense, _), (ours, _) = runs
        assert (dense.buffer.action == ours.buffer.action).all()
        assert rows[1] == pytest.approx(rows[0], rel=1e-4, abs=1e-4, nan_ok=True)
        for ours_now, dense_now in zip(ours.network.parameters(), dense.network.parameters(), strict=True):
            torch.testing.assert_close(ours_now, dense_now, rtol=1e-4, atol=1e-4)


def test_an_action_outside_the_recorded_mask_is_refused(case):
    some = case()
    some.fields["action"][6] = int(np.flatnonzero(~some.fields["mask"][6])[0])
    with pytest.raises(SimulationError, match="sample 6 of the rollout took an action"):
        some.evaluator(MlpEvaluator)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda some: some.fields["mask"].__setitem__(7, False), r"action_mask\[7\] has no legal action"),
        (
            lambda some: some.network.policy.head.bias.data.fill_(float("nan")),
            r"policy\.head\.bias is not finite",
        ),
        (lambda some: some.fields["observation"].__setitem__(1, np.inf), "environment 1 are not finite"),
    ],
)
def test_what_cannot_be_served_is_named(harm, message, case):
    some = case(torch.float32)
    evaluator = some.evaluator(MlpEvaluator)
    some.fields["mask"][1, :3] = True
    harm(some)
    out = np.empty(300, np.int64), np.empty(300, np.float32), np.empty(300, np.float32)
    with pytest.raises(SimulationError, match=message):
        evaluator.sample(some.fields["observation"], some.fields["mask"], np.full(300, 0.5), *out)


def test_a_learner_uses_it_unless_told_to_be_dense(make_config, rich_layout):
    def evaluator(kernel):
        return build_ppo(make_config(network="mlp", kernel=kernel), rich_layout, 0)._evaluator

    assert isinstance(evaluator("packed"), MlpEvaluator)
    assert isinstance(evaluator("dense"), DenseEvaluator)
