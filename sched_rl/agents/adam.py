"""Adam (Kingma and Ba 2015) in one fused pass over all parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_BETA_MEAN, _BETA_SQUARE = 0.9, 0.999


class FusedAdam:
    """`torch.optim.Adam(..., fused=True)` to the bit, with the same `state_dict`.

    Torch's own class imports its compiler when it is made, a second or more, and spends several times as long on
    each step as the pass itself takes.

    Args:
        groups: parameters that share a learning rate; every one must have a gradient at every step.
        lr: learning rate of all groups.
        eps: added to the root of the second moment.

    Attributes:
        param_groups: a dict a group; `lr` may be changed.
    """

    def __init__(self, groups: Sequence[Iterable[nn.Parameter]], lr: float, eps: float) -> None:
        self._parameters: list[list[Tensor]] = [list(group) for group in groups]
        everyone = [parameter for group in self._parameters for parameter in group]
        self._moments: dict[str, list[Tensor]] = {
            "step": [torch.zeros((), device=parameter.device) for parameter in everyone],
            "exp_avg": [torch.zeros_like(parameter.detach()) for parameter in everyone],
            "exp_avg_sq": [torch.zeros_like(parameter.detach()) for parameter in everyone],
        }
        self._members: list[slice] = []
        for group in self._parameters:
            first = self._members[-1].stop if self._members else 0
            self._members.append(slice(first, first + len(group)))
        self.param_groups: list[dict[str, Any]] = [
            {"lr": lr, "eps": eps, "params": list(range(members.start, members.stop))}
            for members in self._members
        ]

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for group in self._parameters:
            for parameter in group:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters against their gradients."""
        torch._foreach_add_(self._moments["step"], 1)
        for parameters, members, group in zip(
            self._parameters, self._members, self.param_groups, strict=True
        ):
            steps, means, squares = (values[members] for values in self._moments.values())
            torch._fused_adam_(
                parameters,
                [parameter.grad for parameter in parameters if parameter.grad is not None],
                means,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=_BETA_MEAN,
                beta2=_BETA_SQUARE,
                weight_decay=0.0,
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Moments by the number of the parameter, and the groups; tensors are not copied."""
        numbers = range(len(self._moments["step"]))
        return {
            "state": {i: {name: values[i] for name, values in self._moments.items()} for i in numbers},
            "param_groups": [dict(group) for group in self.param_groups],
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`.

        Raises:
            ValueError: when it is of other parameters.
            KeyError: when something is missing.
        """
        members = [group["params"] for group in state["param_groups"]]
        if members != [group["params"] for group in self.param_groups]:
            raise ValueError("the optimizer's parameter groups have other sizes")
        for name, values in self._moments.items():
            for i, value in enumerate(values):
                saved = state["state"][i][name]
                if saved.shape != value.shape:
                    raise ValueError(f"{name} of parameter {i} has shape {tuple(saved.shape)}")
                value.copy_(saved)
        for group, saved_group in zip(self.param_groups, state["param_groups"], strict=True):
            group.update(lr=saved_group["lr"], eps=saved_group["eps"])
