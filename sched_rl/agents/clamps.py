"""The clamps of the loss (playbook, section 3.5): A policy ratio, B value, D entropy jump; E measures KL.

C, the gradient norm, and the decision to stop on KL sit in the update; F, the mask, in `distributions`.
Each clamp is off at a coefficient <= 0, and each returns the share of samples that it bound.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Clamped(NamedTuple):
    """A clamped term of the loss.

    Attributes:
        value: scalar with a gradient.
        bound_frac: scalar, share of the samples that the clamp bound; 0 when it is off.
    """

    value: Tensor
    bound_frac: Tensor


class KlEstimates(NamedTuple):
    """Estimates of KL(old, new) from old samples (http://joschu.net/blog/kl-approx.html).

    Attributes:
        k1: mean of -ln r: unbiased, noisy, may be negative.
        k3: mean of (r - 1) - ln r: unbiased, never negative.
    """

    k1: Tensor
    k3: Tensor


def policy_loss(log_ratio: Tensor, advantage: Tensor, clip_coef: float) -> Clamped:
    """mean(max(-A r, -A clip(r, 1 - eps, 1 + eps))), r = new probability over old.

    Args:
        log_ratio: (B,), ln r.
        advantage: (B,).
        clip_coef: eps.
    """
    ratio = log_ratio.exp()
    if clip_coef <= 0:
        return Clamped(-(advantage * ratio).mean(), ratio.new_zeros(()))
    clipped = ratio.clamp(1 - clip_coef, 1 + clip_coef)
    loss = torch.maximum(-advantage * ratio, -advantage * clipped).mean()
    return Clamped(loss, ((ratio.detach() - 1).abs() > clip_coef).float().mean())


def value_loss(value: Tensor, old_value: Tensor, target: Tensor, clip_coef: float) -> Clamped:
    """mean(max((V - R)^2, (V_old + clip(V - V_old, +-c) - R)^2)); all arguments (B,)."""
    error = (value - target).square()
    if clip_coef <= 0:
        return Clamped(error.mean(), value.new_zeros(()))
    change = value - old_value
    clipped_error = (old_value + change.clamp(-clip_coef, clip_coef) - target).square()
    loss = torch.maximum(error, clipped_error).mean()
    return Clamped(loss, (change.detach().abs() > clip_coef).float().mean())


def entropy_bonus(entropy: Tensor, old_entropy: Tensor, jump_clip: float) -> Clamped:
    """mean(H_old + clip(H - H_old, +-delta)) per sample; both arguments (B,)."""
    if jump_clip <= 0:
        return Clamped(entropy.mean(), entropy.new_zeros(()))
    jump = entropy - old_entropy
    bonus = (old_entropy + jump.clamp(-jump_clip, jump_clip)).mean()
    return Clamped(bonus, (jump.detach().abs() > jump_clip).float().mean())


def kl_estimates(log_ratio: Tensor) -> KlEstimates:
    """Estimates over samples of the old policy from ln r (B,), without gradient."""
    detached = log_ratio.detach()
    return KlEstimates(-detached.mean(), (torch.expm1(detached) - detached).mean())
