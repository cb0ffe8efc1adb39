"""The loss of PPO, said in one place, with everything that is measured on a minibatch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sched_rl.agents.clamps import entropy_bonus, kl_estimates, policy_loss, value_loss
from sched_rl.config.schema import PpoConfig

_STD_GUARD = 1e-8


class MinibatchSamples(NamedTuple):
    """What the rollout recorded for the samples of a minibatch, all (B,)."""

    log_prob: Tensor
    entropy: Tensor
    value: Tensor
    advantage: Tensor
    target: Tensor
    has_choice: Tensor
    weight: Tensor | None = None  # of the normalised advantages; None: all 1

    def of(self, samples: Tensor) -> MinibatchSamples:
        """Those of some samples, int64 (B,)."""
        return MinibatchSamples(
            log_prob=self.log_prob[samples],
            entropy=self.entropy[samples],
            value=self.value[samples],
            advantage=self.advantage[samples],
            target=self.target[samples],
            has_choice=self.has_choice[samples],
            weight=None if self.weight is None else self.weight[samples],
        )


class LossTerms(NamedTuple):
    """Scalars of one minibatch; only `loss` is to be differentiated."""

    loss: Tensor
    pg_loss: Tensor
    v_loss: Tensor
    entropy: Tensor
    approx_kl: Tensor
    approx_kl_k1: Tensor
    clipfrac: Tensor
    v_clipfrac: Tensor
    entropy_clamp_frac: Tensor


def ppo_loss(
    config: PpoConfig,
    ent_coef: float,
    samples: MinibatchSamples,
    log_prob: Tensor,
    entropy: Tensor,
    value: Tensor,
) -> LossTerms:
    """The clamped surrogate loss of a minibatch.

    Args:
        config: coefficients; `ent_coef` is passed apart because it decays.
        ent_coef: of this update.
        samples: of the rollout.
        log_prob: (B,), of the recorded actions under the current policy.
        entropy: (B,), of the current policy.
        value: (B,), of the current critic.
    """
    advantage = samples.advantage
    if config.normalize_advantages:
        advantage = normalized(advantage, samples.has_choice if config.normalize_over == "choices" else None)
    if samples.weight is not None:
        advantage = advantage * samples.weight
    log_ratio = log_prob - samples.log_prob
    pg = policy_loss(log_ratio, advantage, config.clip_coef)
    v = value_loss(value, samples.value, samples.target, config.vf_clip_coef)
    bonus = entropy_bonus(entropy, samples.entropy, config.entropy_jump_clip)
    kl = kl_estimates(log_ratio)
    loss = pg.value + config.vf_coef * v.value - ent_coef * bonus.value
    return LossTerms(
        loss=loss,
        pg_loss=pg.value,
        v_loss=v.value,
        entropy=entropy.mean(),
        approx_kl=kl.k3,
        approx_kl_k1=kl.k1,
        clipfrac=pg.bound_frac,
        v_clipfrac=v.bound_frac,
        entropy_clamp_frac=bonus.bound_frac,
    )


def normalized(advantage: Tensor, has_choice: Tensor | None = None) -> Tensor:
    """Zero mean and unit deviation; a single sample, which has none, is left as it is.

    A state with one legal action has no policy gradient, yet its advantage moves the mean, often by much: on a cluster
    that is half the time full, the forced waits shift the advantages of all true choices to one side. Every chosen
    action is then pushed down (or up) alike, and the probability goes to what was not sampled, the no-op above all.

    Args:
        advantage: (B,).
        has_choice: bool (B,), the states to normalise over; the others become 0. None: all of them.
    """
    if has_choice is None:
        if len(advantage) < 2:
            return advantage
        return (advantage - advantage.mean()) / (torch.std(advantage) + _STD_GUARD)
    count = has_choice.sum()
    mean = torch.where(has_choice, advantage, 0.0).sum() / count.clamp(min=1)
    centred = torch.where(has_choice, advantage - mean, 0.0)
    std = torch.sqrt((centred * centred).sum() / (count - 1).clamp(min=1))
    return torch.where(count < 2, torch.where(has_choice, advantage, 0.0), centred / (std + _STD_GUARD))
