"""Categorical policies over legal actions, in torch: log-probabilities, entropy, divergence.

Computed in float32 at least, whatever precision the network ran in; float64 stays float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Logit of an illegal action. Its probability is exactly 0 in float32 and so is its gradient.
MASKED_LOGIT = -1e9


def masked_log_softmax(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Log-probabilities over the legal actions.

    Args:
        logits: (B, A).
        mask: bool (B, A), true where legal; None when every action is.

    Returns:
        (B, A), about -1e9 where illegal.
    """
    precise = logits if logits.dtype == torch.float64 else logits.float()
    if mask is not None:
        precise = torch.where(mask, precise, MASKED_LOGIT)
    return torch.log_softmax(precise, -1)


def action_log_prob(log_probs: Tensor, action: Tensor) -> Tensor:
    """Log-probability (B,) of each row's action, int64 (B,)."""
    return log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def entropy(log_probs: Tensor) -> Tensor:
    """Entropy (B,) in nats; an illegal action adds 0 * -1e9 = 0."""
    return -(log_probs.exp() * log_probs).sum(-1)


def kl_divergence(log_probs: Tensor, other: Tensor) -> Tensor:
    """KL (B,) of the first distribution from the second, over the same legal actions."""
    return (log_probs.exp() * (log_probs - other)).sum(-1)
