"""This project's networks, dense and in plain torch, as a policy of sb3-contrib."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from torch import Tensor

from sched_rl.agents.networks import ActorCritic


class NetworkPolicy(MaskableActorCriticPolicy):  # type: ignore[misc]  # skipped by mypy
    """An `ActorCritic` in the place of features extractor, towers and heads; the distributions are the library's."""

    def __init__(self, *arguments: Any, make_network: Callable[[], ActorCritic], **options: Any) -> None:
        self._make_network = make_network
        super().__init__(*arguments, **options)

    def _build(self, lr_schedule: Callable[[float], float]) -> None:
        self.network = self._make_network()
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def forward(
        self, obs: Tensor, deterministic: bool = False, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Actions, values and log-probabilities."""
        distribution = self.get_distribution(obs, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, self.network.values(obs), distribution.log_prob(actions)

    def evaluate_actions(
        self, obs: Tensor, actions: Tensor, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values, log-probabilities and entropy of recorded actions."""
        distribution = self.get_distribution(obs, action_masks)
        return self.network.values(obs), distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: Tensor, action_masks: Any = None) -> Any:
        """The masked distribution of actions."""
        distribution = self.action_dist.proba_distribution(action_logits=self.network.logits(obs))
        if action_masks is not None:
            distribution.apply_masking(action_masks)
        return distribution

    def predict_values(self, obs: Tensor) -> Tensor:
        """Values of states."""
        return self.network.values(obs)
