"""The packed learner and actor: only legal rows are scored.

Masked logits have exactly zero gradient and rows are scored independently given the state, so leaving the
illegal rows out changes nothing but the time.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sched_rl.agents.evaluators import Evaluation, Floats, NetworkEvaluator, raise_unservable
from sched_rl.agents.kernels.categorical import SERVED, sample_packed
from sched_rl.agents.kernels.packing import find_rows, write_legal_rows
from sched_rl.agents.networks import PackableActorCritic, PackedStates
from sched_rl.agents.networks.base import packed_logits
from sched_rl.agents.networks.packed_ops import segment_categorical
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import PpoConfig
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import SimulationError


class PackedEvaluator(NetworkEvaluator):
    """`PolicyEvaluator` over legal rows."""

    network: PackableActorCritic
    _buffer: RolloutBuffer
    _num_rows: NDArray[np.int64]

    def __init__(self, network: PackableActorCritic, device: torch.device, config: PpoConfig) -> None:
        super().__init__(network, device, config)

    @torch.no_grad()
    def sample(
        self,
        observation: Floats,
        mask: NDArray[np.bool_],
        uniform: NDArray[np.float64],
        action: NDArray[np.int64],
        log_prob: Floats,
        entropy: Floats,
    ) -> None:
        """Draw an action a row; see `PolicyEvaluator`."""
        everyone = np.arange(len(observation))
        states = pack(observation, mask, everyone, self.network.layout, int(np.count_nonzero(mask)))
        logits = packed_logits(self.network.policy, states.to(self.device)).float().cpu().numpy()
        row = sample_packed(
            logits, states.row_action.numpy(), states.offsets.numpy(), uniform, action, log_prob, entropy
        )
        if row != SERVED:
            raise_unservable(self.network, mask, row)

    def load(self, buffer: RolloutBuffer) -> None:
        """Learn from this rollout from now on."""
        self._buffer = buffer
        self._observation = buffer.flat("observation")
        self._mask = buffer.flat("mask") if self.mask_actions else np.ones_like(buffer.flat("mask"))
        self._num_rows = self._mask.sum(1)

    def evaluate(self, samples: Tensor) -> Evaluation:
        """Recorded actions of some samples under the current network."""
        index = samples.cpu().numpy()
        num_rows = int(self._num_rows[index].sum())
        states = pack(self._observation, self._mask, index, self.network.layout, num_rows)
        chosen = np.empty(len(index), np.int64)
        row = find_rows(
            states.row_action.numpy(), states.offsets.numpy(), self._buffer.flat("action")[index], chosen
        )
        if row != SERVED:
            raise SimulationError(
                f"sample {index[row]} of the rollout took an action that its recorded mask forbids"
            )
        states = states.to(self.device)
        logits, values = self.network.packed_logits_and_values(states)
        log_prob, entropy = segment_categorical(logits, states, torch.from_numpy(chosen).to(self.device))
        return Evaluation(log_prob, entropy, values)


def pack(
    observation: Floats,
    mask: NDArray[np.bool_],
    index: NDArray[np.int64],
    layout: ObservationLayout,
    num_rows: int,
) -> PackedStates:
    """The legal rows of some states.

    Args:
        observation: (M, D).
        mask: bool (M, A).
        index: int64 (B,), which states, in this order.
        layout: of the observations.
        num_rows: legal actions in all of them.
    """
    rows = np.empty((num_rows, layout.job_features + 1), observation.dtype)
    row_state, row_action = np.empty(num_rows, np.int64), np.empty(num_rows, np.int64)
    offsets = np.empty(len(index) + 1, np.int64)
    write_legal_rows(observation, mask, index, layout.job_features, rows, row_state, row_action, offsets)
    source, states = torch.from_numpy(observation), torch.from_numpy(index)
    shared = source[:, layout.window * layout.job_features :]
    return PackedStates(
        source,
        states,
        shared.index_select(0, states),
        torch.from_numpy(rows),
        torch.from_numpy(row_state),
        torch.from_numpy(row_action),
        torch.from_numpy(offsets),
    )
