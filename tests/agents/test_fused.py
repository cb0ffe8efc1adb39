"""The fused kernel is the dense path's mathematics: losses, whole gradients, first updates, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents import fused as fused_module
from sched_rl.agents.evaluators import DenseEvaluator
from sched_rl.agents.fused import FusedEvaluator
from sched_rl.agents.losses import MinibatchSamples
from sched_rl.agents.networks import build_network
from sched_rl.agents.packed import PackedEvaluator
from sched_rl.agents.perceptrons import MlpEvaluator
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import SimulationError

LAYOUTS = {
    "rich": ObservationLayout("rich", 12, 7, 5, 6),
    "playbook": ObservationLayout("playbook", 9, 4, 8, 2),
}
CPU = torch.device("cpu")
CLAMPS_ON = {"clip_coef": 0.2, "vf_clip_coef": 0.3, "entropy_jump_clip": 0.2}
CLAMPS_OFF = {"clip_coef": 0.0, "vf_clip_coef": 0.0, "entropy_jump_clip": 0.0}


class Case:
    """Random states with holes in their windows, forced waits among them, and a network off its start."""

    def __init__(
        self, networks, make_config, draw_states, *, encoding="rich", dtype=torch.float64, **options
    ):
        seed, count = options.pop("seed", 0), options.pop("count", 300)
        sizes = {key: options.pop(key) for key in ("hidden_sizes", "value_hidden_sizes") if key in options}
        self.config = make_config(network=replace(networks["scorer"], **sizes), **options)
        self.kind = np.float64 if dtype == torch.float64 else np.float32
        layout, generator = LAYOUTS[encoding], np.random.default_rng(seed)
        observation, mask = draw_states(layout, count, generator)
        jobs = observation[:, : layout.window * layout.job_features].reshape(count, layout.window, -1)
        holes = generator.random((count, layout.window)) < 0.2
        jobs[holes] = 0.0
        mask[:, 1:] &= ~holes
        mask[: count // 3, 1:] = False
        legal = mask if self.config.mask_actions else np.ones_like(mask)
        self.fields = {
            "observation": observation.astype(self.kind),
            "mask": mask,
            "action": np.array([generator.choice(np.flatnonzero(row)) for row in legal]),
        }
        noise = torch.from_numpy(generator.standard_normal((5, count))).to(dtype)
        forced = torch.from_numpy(legal.sum(1) == 1)
        old_log_prob = torch.where(forced, 0.0, -noise[0].abs())
        old_entropy = torch.where(forced, 0.0, noise[1].abs())
        self.recorded = MinibatchSamples(old_log_prob, old_entropy, noise[2], noise[3], noise[4], ~forced)
        self.network = build_network(self.config.network, layout, seed=seed).to(dtype)
        for index, parameter in enumerate(self.network.parameters()):
            shift = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            parameter.data += 0.2 * shift.to(dtype)

    def run(self, evaluator_class, samples=None):
        """Loss terms and flat gradient of some samples, all of them by default."""
        evaluator = evaluator_class(self.network, CPU, self.config)
        evaluator.load(SimpleNamespace(flat=self.fields.__getitem__))
        chosen = torch.arange(len(self.fields["action"])) if samples is None else samples
        terms = evaluator.differentiate(chosen, self.recorded, 0.1)
        return terms, torch.cat([parameter.grad.flatten() for parameter in self.network.parameters()]).clone()


@pytest.fixture
def case(networks, make_config, draw_states):
    return lambda **options: Case(networks, make_config, draw_states, **options)


def check(case, tolerance, samples=None):
    """Each term and the whole gradient, relative to the dense path's."""
    terms, gradient = case.run(DenseEvaluator, samples)
    fused_terms, fused_gradient = case.run(FusedEvaluator, samples)
    assert (fused_terms[:1] - terms[:1]).abs() <= tolerance * terms[:1].abs()
    shares = len(terms) - 3  # those of the clamps, counted in float32 by the dense path
    assert_close = torch.testing.assert_close
    assert_close(fused_terms[:shares].to(terms.dtype), terms[:shares], rtol=tolerance, atol=tolerance)
    assert_close(fused_terms[shares:].to(terms.dtype), terms[shares:], rtol=0, atol=1e-6)
    assert (fused_gradient - gradient).norm() <= tolerance * gradient.norm()
    return gradient


PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])


@PRECISIONS
@pytest.mark.parametrize("encoding", LAYOUTS)
@pytest.mark.parametrize("clamps", [CLAMPS_ON, CLAMPS_OFF], ids=["on", "off"])
def test_loss_and_whole_gradient_agree(clamps, encoding, dtype, tolerance, case):
    for seed in range(3):
        assert check(case(encoding=encoding, dtype=dtype, seed=seed, **clamps), tolerance).norm() > 0


@PRECISIONS
@pytest.mark.parametrize(
    "options",
    [
        {"mask_actions": False},
        {"normalize_over": "choices"},
        {"normalize_advantages": False},
        {"hidden_sizes": (10,), "value_hidden_sizes": ()},
        {"hidden_sizes": (24, 8, 17), "value_hidden_sizes": (5, 31)},
    ],
    ids=str,
)
def test_it_agrees_under_every_option(options, dtype, tolerance, case):
    check(case(dtype=dtype, **CLAMPS_ON, **options), tolerance)


@PRECISIONS
def test_it_agrees_on_minibatches_of_any_kind(dtype, tolerance, case):
    """One sample with a choice, one without, forced waits only, a chunk and one more, repeated samples."""
    some = case(dtype=dtype, **CLAMPS_ON)
    choices = np.flatnonzero(some.fields["mask"].sum(1) > 1)
    for samples in (choices[:1], [0], range(40), choices[:33], [*choices[:3], 0, *choices[:3]]):
        check(some, tolerance, torch.tensor(samples))


def test_the_gradient_is_that_of_the_loss(case):
    """Central differences along random directions."""
    some = case(seed=5, **CLAMPS_ON)
    _, gradient = some.run(FusedEvaluator)
    parameters = list(some.network.parameters())
    start, step = torch.nn.utils.parameters_to_vector(parameters).detach(), 1e-6
    for seed in range(5):
        direction = torch.randn(len(start), dtype=start.dtype, generator=torch.Generator().manual_seed(seed))
        direction /= direction.norm()
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                torch.nn.utils.vector_to_parameters(start + sign * step * direction, parameters)
            losses.append(some.run(FusedEvaluator)[0][0])
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(gradient @ direction), rel=1e-4)


def test_first_updates_of_a_run_agree(make_config, rich_layout, random_env):
    """Weights, actions and metrics of three updates on one rollout after another."""
    runs = []
    for kernel in ("dense", "fused"):
        config = make_config(kernel=kernel, target_kl=0.05, normalize_over="choices", **CLAMPS_ON)
        ppo, env = build_ppo(config, rich_layout, 0, "cpu", 3), random_env(8)
        env.reset()
        run = []
        for _ in range(3):
            ppo.collect(env)
            metrics = ppo.update()
            weights = torch.nn.utils.parameters_to_vector(ppo.network.parameters()).detach().clone()
            run.append((ppo.buffer.action.copy(), metrics, weights))
        runs.append(run)
    for (actions, dense, weights), (fused_actions, fused, fused_weights) in zip(*runs, strict=True):
        np.testing.assert_array_equal(fused_actions, actions)
        torch.testing.assert_close(fused_weights, weights, rtol=1e-4, atol=1e-4)
        for name, value in dense.items():
            assert fused[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_recorded_values_and_probabilities_are_the_dense_paths(learner):
    """Acting and valuing states by the compiled passes, forced waits included."""
    ppo, env = learner(kernel="fused")
    env.action_mask[:3, 1:] = False
    ppo.collect(env)
    dense = DenseEvaluator(ppo.network, ppo.device, ppo.config)
    dense.load(ppo.buffer)
    with torch.no_grad():
        now = dense.evaluate(torch.arange(ppo.buffer.num_samples))
    np.testing.assert_allclose(ppo.buffer.flat("log_prob"), now.log_prob, atol=1e-6)
    np.testing.assert_allclose(ppo.buffer.flat("entropy"), now.entropy, atol=1e-6)
    assert (ppo.buffer.action[0, :3] == 0).all()
    ppo.update()  # values the states before it learns, so these are of the weights before
    fresh, env = learner(kernel="dense")
    env.action_mask[:3, 1:] = False
    fresh.collect(env)
    fresh.update()
    np.testing.assert_allclose(ppo.buffer.value, fresh.buffer.value, atol=1e-5)


def test_an_action_that_its_mask_forbids_is_an_error(learner):
    ppo, env = learner(kernel="fused")
    ppo.collect(env)
    ppo.buffer.mask[0, 5] = np.arange(ppo.layout.num_actions) != ppo.buffer.action[0, 5]
    with pytest.raises(
        SimulationError, match="sample 5 of the rollout took an action that its recorded mask"
    ):
        ppo.update()


@pytest.mark.parametrize(
    ("network", "evaluator"),
    [("scorer", FusedEvaluator), ("attention", PackedEvaluator), ("mlp", MlpEvaluator)],
)
def test_networks_without_the_kernel_take_the_next_best(network, evaluator, learner):
    ppo, _ = learner(kernel="fused", network=network)
    assert type(ppo._evaluator) is evaluator


def test_numbers_do_not_depend_on_how_many_processors_there_are(case, monkeypatch):
    results = []
    for processors in (1, 2):
        monkeypatch.setattr(fused_module, "num_processors", lambda count=processors: count)
        results.append(case(dtype=torch.float32, **CLAMPS_ON).run(FusedEvaluator))
    (terms, gradient), (other_terms, other_gradient) = results
    assert torch.equal(terms, other_terms)
    assert torch.equal(gradient, other_gradient)
    assert gradient.abs().max() > 0
