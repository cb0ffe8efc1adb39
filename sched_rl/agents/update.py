"""Epochs of minibatches over one rollout: loss, gradient clip, finite check, stop on KL, optimizer step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from sched_rl.agents.adam import FusedAdam
from sched_rl.agents.evaluators import PolicyEvaluator
from sched_rl.agents.losses import LossTerms, MinibatchSamples
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import PpoConfig
from sched_rl.errors import CheckpointError, SimulationError

ADAM_EPS = 1e-5
_REMEDY = (
    "Lower agent.lr or agent.value_lr_scale, set agent.max_grad_norm > 0, "
    "or look for infinite rewards or observations"
)

#: Columns that measure how far an update moved the policy.
STEP_COLUMNS = ("approx_kl", "approx_kl_last", "approx_kl_mean", "approx_kl_max", "approx_kl_k1", "clipfrac")


@dataclass
class MinibatchLog:
    """What was measured, a row a minibatch, in the order of LossTerms and then the gradient norm."""

    rows: list[list[float]] = field(default_factory=list)
    early_stop_epoch: int = 0

    def column(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """One measurement over the minibatches."""
        names = (*LossTerms._fields, "grad_norm")
        return np.array([row[names.index(name)] for row in self.rows])

    def metrics(self, config: PpoConfig) -> dict[str, float]:
        """Columns of the metrics table.

        Means over minibatches, the one that stopped the update included. `early_stop_epoch` counts from 1;
        0 means that no stop occurred.
        """
        kl, norm = self.column("approx_kl"), self.column("grad_norm")
        binds = norm > config.max_grad_norm if config.max_grad_norm > 0 else np.zeros_like(norm)
        averaged = ("loss", "pg_loss", "v_loss", "entropy", "approx_kl_k1", "clipfrac", "v_clipfrac")
        return {
            "approx_kl": float(kl.mean()),
            "approx_kl_last": float(kl[-1]),
            "approx_kl_mean": float(kl.mean()),
            "approx_kl_max": float(kl.max()),
            "early_stop": float(self.early_stop_epoch > 0),
            "early_stop_epoch": float(self.early_stop_epoch),
            **{name: float(self.column(name).mean()) for name in averaged},
            "grad_norm": float(norm.mean()),
            "grad_norm_max": float(norm.max()),
            "grad_clip_frac": float(binds.mean()),
            "entropy_clamp_frac": float(self.column("entropy_clamp_frac").mean()),
            "num_minibatches_done": float(len(self.rows)),
        }


class PolicyUpdate:
    """Adam over both paths of the network; the value path's rate is `value_lr_scale` times the policy's."""

    def __init__(self, config: PpoConfig, network: ActorCritic, evaluator: PolicyEvaluator) -> None:
        self.config = config
        self.network = network
        self.evaluator = evaluator
        self._parameters = [*network.policy.parameters(), *network.value.parameters()]
        groups = (network.policy.parameters(), network.value.parameters())
        self.optimizer = FusedAdam(groups, config.lr, ADAM_EPS)

    def run(
        self,
        buffer: RolloutBuffer,
        policy_lr: float,
        lr: float,
        ent_coef: float,
        generator: np.random.Generator,
        weight: NDArray[np.float32] | None = None,
    ) -> MinibatchLog:
        """Learn from a rollout.

        Args:
            buffer: with advantages and targets.
            policy_lr: of the policy path in this update; 0 while the critic catches up.
            lr: of the schedule; the value path's is `value_lr_scale` times it.
            ent_coef: of this update.
            generator: shuffles the samples, once an epoch.
            weight: float32 (T, N), factors of the normalised advantages; None: all 1.

        Raises:
            SimulationError: when loss, gradient or weights stop being finite; the step is not taken.
        """
        config, log = self.config, MinibatchLog()
        policy_group, value_group = self.optimizer.param_groups
        policy_group["lr"], value_group["lr"] = policy_lr, lr * config.value_lr_scale
        device = self._parameters[0].device
        self.evaluator.load(buffer)
        names = ("log_prob", "entropy", "value", "advantage", "target", "has_choice")
        fields = {name: torch.from_numpy(buffer.flat(name)).to(device) for name in names}
        counts = None if weight is None else torch.from_numpy(weight.reshape(-1)).to(device)
        recorded = MinibatchSamples(**fields, weight=counts)
        for epoch in range(1, config.update_epochs + 1):
            order = torch.from_numpy(generator.permutation(buffer.num_samples)).to(device)
            for samples in torch.tensor_split(order, config.num_minibatches):
                if self._step(samples, recorded, ent_coef, log):
                    log.early_stop_epoch = epoch
                    return log
            # The study's rule: finish the epoch, then start no other one if its last minibatch had gone too
            # far.
            if config.target_kl > 0 and config.kl_stop == "epoch" and self._last_kl(log) > config.target_kl:
                log.early_stop_epoch = epoch
                return log
        return log

    def _last_kl(self, log: MinibatchLog) -> float:
        return log.rows[-1][LossTerms._fields.index("approx_kl")]

    def _step(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float, log: MinibatchLog) -> bool:
        """One minibatch; true when its KL forbids the step, which is then not taken."""
        config = self.config
        terms = self.evaluator.differentiate(samples, recorded, ent_coef).float()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = get_total_norm(gradients)
        # The only synchronisation of a minibatch: all scalars at once.
        row = torch.cat((terms, norm.float().reshape(1))).tolist()
        if not (math.isfinite(row[0]) and math.isfinite(row[-1])):
            self._raise_not_finite(LossTerms(*terms))
        log.rows.append(row)
        if config.target_kl > 0 and config.kl_stop == "minibatch" and self._last_kl(log) > config.target_kl:
            return True
        if config.max_grad_norm > 0:
            clip_grads_with_norm_(self._parameters, config.max_grad_norm, norm)
        self.optimizer.step()
        return False

    def _raise_not_finite(self, terms: LossTerms) -> None:
        parts = {name: value for name, value in terms._asdict().items() if name != "loss"}
        names = [self.network.non_finite_parameter()]
        names += [f"{name} (loss term)" for name, value in parts.items() if not bool(torch.isfinite(value))]
        names += [
            f"gradient of {name}"
            for name, parameter in self.network.named_parameters()
            if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all())
        ]
        name = next((name for name in names if name), "gradient norm")
        raise SimulationError(f"{name} is not finite; the optimizer step was not taken. {_REMEDY}")

    def check_weights(self) -> None:
        """Raise SimulationError when a weight is not finite."""
        if not bool(torch.isfinite(get_total_norm(self._parameters))):
            name = self.network.non_finite_parameter() or "norm of the weights"
            raise SimulationError(f"{name} is not finite after the update. {_REMEDY}")

    def state(self) -> dict[str, Any]:
        """The optimizer's moments and counters, copied."""
        state: dict[str, Any] = copied(self.optimizer.state_dict())
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state()`."""
        try:
            self.optimizer.load_state_dict(copied(state))
        except (ValueError, KeyError) as error:
            raise CheckpointError(
                f"optimizer state does not fit agent.network: {error}; resume with the recorded config"
            ) from error


def copied(value: Any) -> Any:
    """A nested container with its tensors cloned, so that later steps do not change it."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(copied(item) for item in value)
    return value
