"""One update at a time: what is measured, when it stops, what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.evaluators import DenseEvaluator
from sched_rl.agents.packed import PackedEvaluator

KINDS = ("mlp", "scorer", "attention")
KERNELS = ("dense", "packed", "fused")
COLUMNS = {
    "mean_ep_return",
    "mean_ep_length",
    "num_episodes",
    "invalid_frac",
    "noop_frac",
    "noop_feasible_frac",
    "lr",
    "ent_coef",
    "approx_kl",
    "approx_kl_last",
    "approx_kl_mean",
    "approx_kl_max",
    "early_stop",
    "early_stop_epoch",
    "loss",
    "pg_loss",
    "v_loss",
    "entropy",
    "entropy_frac",
    "legal_actions_mean",
    "clipfrac",
    "v_clipfrac",
    "explained_variance",
    "grad_norm",
    "grad_clip_frac",
    "entropy_clamp_frac",
}


def run(ppo, env, updates=1):
    for _ in range(updates):
        ppo.collect(env)
        metrics = ppo.update()
    return metrics


def steps_taken(ppo):
    return int(next(iter(ppo.state()["optimizer"]["state"].values()), {"step": 0})["step"])


@pytest.mark.parametrize("kernel", ["dense", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_ratio_is_one_before_the_first_step(kind, kernel, learner, device):
    """Mask, observation and action that the update reads are those the policy acted on."""
    ppo, env = learner(network=kind, kernel=kernel, device=device)
    ppo.collect(env)
    packed = kernel == "packed" and kind != "mlp"
    evaluator = (PackedEvaluator if packed else DenseEvaluator)(ppo.network, ppo.device, ppo.config)
    evaluator.load(ppo.buffer)
    samples = torch.arange(ppo.buffer.num_samples, device=ppo.device)
    now = evaluator.evaluate(samples)
    ratio = (now.log_prob.detach().cpu() - torch.from_numpy(ppo.buffer.flat("log_prob"))).exp()
    tolerance = 1e-6 if device == "cpu" else 1e-4
    assert (ratio - 1).abs().max() < tolerance
    np.testing.assert_allclose(now.entropy.detach().cpu(), ppo.buffer.flat("entropy"), atol=tolerance)


@pytest.mark.parametrize("kernel", KERNELS)
def test_first_minibatch_measures_no_change(kernel, learner):
    ppo, env = learner(
        kernel=kernel, num_minibatches=1, update_epochs=1, clip_coef=0.01, entropy_jump_clip=1e-3
    )
    metrics = run(ppo, env)
    assert metrics["approx_kl_max"] < 1e-10
    assert metrics["clipfrac"] == metrics["entropy_clamp_frac"] == 0.0


def test_a_stale_mask_would_be_seen(learner):
    """The test above has teeth: with the next state's mask the ratio is not 1."""
    ppo, env = learner()
    ppo.collect(env)
    ppo.buffer.mask[:-1] = ppo.buffer.mask[1:] | (
        np.arange(ppo.layout.num_actions) == ppo.buffer.action[..., None]
    )
    evaluator = DenseEvaluator(ppo.network, ppo.device, ppo.config)
    evaluator.load(ppo.buffer)
    log_prob = evaluator.evaluate(torch.arange(ppo.buffer.num_samples)).log_prob.detach()
    assert (log_prob - torch.from_numpy(ppo.buffer.flat("log_prob"))).abs().max() > 0.1


def test_all_columns_are_there_and_finite(learner):
    ppo, env = learner()
    metrics = run(ppo, env)
    assert set(metrics) >= COLUMNS
    assert all(math.isfinite(value) and isinstance(value, float) for value in metrics.values())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("key", "binding", "column"),
    [
        ("clip_coef", 1e-4, "clipfrac"),
        ("vf_clip_coef", 1e-4, "v_clipfrac"),
        ("max_grad_norm", 1e-4, "grad_clip_frac"),
        ("entropy_jump_clip", 1e-5, "entropy_clamp_frac"),
        ("target_kl", 1e-9, "early_stop"),
    ],
)
def test_each_clamp_binds_and_can_be_switched_off(key, binding, column, kernel, learner):
    bound, env = learner(kernel=kernel, **{key: binding})
    assert run(bound, env)[column] > 0.3
    free, env = learner(kernel=kernel, **{key: 0.0})
    assert run(free, env)[column] == 0.0
    loose, env = learner(kernel=kernel, **{key: 1e6})
    assert run(loose, env)[column] == 0.0
    weights = [ppo.network.state_dict() for ppo in (bound, free, loose)]
    assert not all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    for name in weights[1]:
        torch.testing.assert_close(weights[1][name], weights[2][name], rtol=0, atol=1e-6)


def test_the_gradient_norm_is_clipped_before_the_step(learner):
    for max_norm in (1e-3, 0.0):
        ppo, env = learner(max_grad_norm=max_norm, num_minibatches=1, update_epochs=1)
        metrics = run(ppo, env)
        norm = torch.nn.utils.get_total_norm([p.grad for p in ppo.network.parameters()]).item()
        assert norm == pytest.approx(max_norm or metrics["grad_norm"], rel=1e-3)
        assert metrics["grad_norm"] > 1e-2, "the norm before the clip is reported"


def test_kl_stop_at_a_minibatch_leaves_out_the_offending_step(learner):
    ppo, env = learner(target_kl=1e-4, lr=0.05, update_epochs=3)
    metrics = run(ppo, env)
    assert metrics["early_stop"] == 1.0
    assert metrics["early_stop_epoch"] == 1.0
    assert metrics["approx_kl_last"] == metrics["approx_kl_max"] > 1e-4
    assert steps_taken(ppo) == metrics["num_minibatches_done"] - 1


def test_kl_stop_at_an_epoch_finishes_it_as_the_study_does(learner):
    ppo, env = learner(target_kl=1e-4, lr=0.05, update_epochs=3, kl_stop="epoch")
    metrics = run(ppo, env)
    assert metrics["early_stop"] == 1.0
    assert metrics["early_stop_epoch"] == 1.0
    assert steps_taken(ppo) == metrics["num_minibatches_done"] == 4
    tolerant, env = learner(target_kl=1e6, lr=0.05, update_epochs=3, kl_stop="epoch")
    assert run(tolerant, env)["early_stop"] == 0.0
    assert steps_taken(tolerant) == 12


def test_schedules_reach_the_optimizer(learner):
    from sched_rl.config.schema import LinearScheduleConfig

    schedule = LinearScheduleConfig(kind="linear", end_frac=0.0)
    ppo, env = learner(
        num_updates=4, lr=0.004, lr_schedule=schedule, ent_coef=0.1, ent_coef_end_frac=0.0, value_lr_scale=3.0
    )
    for update in range(4):
        metrics = run(ppo, env)
        assert metrics["lr"] == pytest.approx(0.001 * (4 - update))
        assert metrics["ent_coef"] == pytest.approx(0.025 * (4 - update))
        groups = ppo.state()["optimizer"]["param_groups"]
        assert [group["lr"] for group in groups] == pytest.approx([metrics["lr"], 3 * metrics["lr"]])
        assert [group["eps"] for group in groups] == [1e-5, 1e-5]


def test_discount_by_step_or_by_simulated_time(learner):
    ppo, env = learner(gamma=0.9)
    run(ppo, env)
    assert (ppo.buffer.discount == 0.9).all()
    timed, env = learner(gamma=0.9, discount_time_s=20.0)
    run(timed, env)
    np.testing.assert_allclose(timed.buffer.discount, 0.9 ** (timed.buffer.dt_s / 20.0))
    assert timed.buffer.discount.std() > 0.01


def test_scaled_returns_make_learning_blind_to_the_unit_of_the_reward(learner, monkeypatch):
    results = []
    for unit in (1.0, 4096.0):  # a power of two, so that scaling is exact
        ppo, env = learner(scale_returns=True, num_minibatches=2)
        step = env.step

        def scaled(*arguments, env=env, step=step, unit=unit):
            step(*arguments)
            env.reward = env.reward * unit

        monkeypatch.setattr(env, "step", scaled)
        results.append(run(ppo, env, updates=3))
    small, large = results
    for name in ("loss", "v_loss", "pg_loss", "explained_variance"):
        assert large[name] == pytest.approx(small[name], rel=1e-4), name
    for name in ("reward_mean", "return_mean", "return_std", "advantage_std", "return_scale"):
        assert large[name] == pytest.approx(4096 * small[name], rel=1e-4), name


def test_rollout_metrics_are_those_of_the_rollout(learner):
    ppo, env = learner()
    stats = ppo.collect(env)
    buffer, metrics = ppo.buffer, stats.metrics
    feasible = buffer.mask[:-1, :, 1:].any(-1)
    waited = (buffer.action == 0) & feasible
    assert metrics["noop_feasible_frac"] == pytest.approx(waited.sum() / feasible.sum())
    assert metrics["noop_frac"] == pytest.approx((buffer.action == 0).mean())
    assert metrics["legal_actions_mean"] == pytest.approx(buffer.mask[:-1].sum(-1).mean())
    counts = buffer.mask[:-1].sum(-1)
    share = buffer.entropy[counts > 1] / np.log(counts[counts > 1])
    assert metrics["entropy_frac"] == pytest.approx(share.mean(), rel=1e-5)
    assert metrics["num_episodes"] == len(stats.episodes) == (buffer.terminated | buffer.truncated).sum()
    assert metrics["mean_ep_length"] == pytest.approx(np.mean([episode.steps for episode in stats.episodes]))


def test_a_rollout_without_a_finished_episode_has_no_mean_return(make_config, small_layout, probe_env):
    env = probe_env(8, lambda actions, phase, choices: np.zeros(8), length=100)
    env.reset()
    metrics = run(build_ppo(make_config(), small_layout, 0), env)
    assert metrics["num_episodes"] == 0
    assert math.isnan(metrics["mean_ep_return"])


def test_many_truncations_in_one_rollout_are_all_valued(make_config, small_layout, probe_env):
    """More final observations than the store holds: each value still belongs to its own state."""
    env = probe_env(4, lambda actions, phase, choices: np.zeros(4), length=1, ending="truncated")
    ppo = build_ppo(make_config(num_envs=4, rollout_steps=40), small_layout, 0)
    env.reset()
    final = []
    step = env.step

    def recording(*arguments):
        step(*arguments)
        env.final_observation[:, 0] = np.random.default_rng(len(final)).random(4)
        final.append(env.final_observation.copy())

    env.step = recording
    ppo.collect(env)
    expected = ppo.network.values(torch.from_numpy(np.concatenate(final))).detach().numpy()
    ppo.buffer.value_states(DenseEvaluator(ppo.network, ppo.device, ppo.config))
    np.testing.assert_allclose(ppo.buffer.final_value.reshape(-1), expected, atol=1e-6)


def test_kl_from_a_kept_policy(learner):
    ppo, env = learner(lr=0.02)
    kept = ppo.policy_parameters()
    observation, mask = env.observation.copy(), env.action_mask.copy()
    assert ppo.kl_from(kept, observation, mask) == 0.0
    before = ppo.network.logits(torch.from_numpy(observation)).detach().double()
    run(ppo, env, updates=3)
    after = ppo.network.logits(torch.from_numpy(observation)).detach().double()
    before, after = (
        torch.log_softmax(x.masked_fill(~torch.from_numpy(mask), -torch.inf), -1) for x in (before, after)
    )
    kl = torch.where(torch.from_numpy(mask), before.exp() * (before - after), 0.0).sum(-1).mean()
    assert ppo.kl_from(kept, observation, mask) == pytest.approx(kl.item(), rel=1e-4)
    assert kl > 1e-4
