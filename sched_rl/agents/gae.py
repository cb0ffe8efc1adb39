"""Generalised advantage estimation (Schulman et al. 2016) with terminations and truncations kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel

Floats = NDArray[Any]  # float32 or float64
Flags = NDArray[np.bool_]


@kernel
def generalized_advantages(
    reward: Floats,
    discount: NDArray[np.float64],
    value: Floats,
    final_value: Floats,
    terminated: Flags,
    truncated: Flags,
    gae_lambda: float,
    advantage: Floats,
    target: Floats,
) -> None:
    """Advantages and critic targets of a rollout; the recursion is cut wherever an episode ends.

    delta_t = r_t + gamma_t V_next - V_t and A_t = delta_t + gamma_t lambda A_{t+1}, where V_next is 0 after a
    termination, V(final observation) after a truncation, V_{t+1} otherwise. An episode that ends by both is
    terminated.

    Args:
        reward: (T, N).
        discount: float64 (T, N), gamma of each step.
        value: (T + 1, N), of the states acted on, and of the state after the last step.
        final_value: (T, N), of the final observation; read at truncations only.
        terminated: bool (T, N).
        truncated: bool (T, N).
        gae_lambda: lambda.
        advantage: (T, N), written.
        target: (T, N), written: advantage + value.
    """
    steps, num_envs = reward.shape
    for n in range(num_envs):
        following = np.float64(0.0)
        for i in range(steps):
            t = steps - 1 - i
            next_value = np.float64(value[t + 1, n])
            if terminated[t, n]:
                next_value, following = np.float64(0.0), np.float64(0.0)
            elif truncated[t, n]:
                next_value, following = np.float64(final_value[t, n]), np.float64(0.0)
            delta = reward[t, n] + discount[t, n] * next_value - value[t, n]
            following = delta + discount[t, n] * gae_lambda * following
            advantage[t, n] = following
            target[t, n] = following + value[t, n]
