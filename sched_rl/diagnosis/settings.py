"""The settings that a run was made with, and overrides relative to them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sched_rl.config.bounds import BOUNDS
from sched_rl.config.convert import show

#: Keys and groups that speak of workloads drawn from seeds, as simulated clusters have them and sites do not.
_OF_DRAWN_WORKLOADS = frozenset({"env", "agent/objective"})
#: Those that speak of jobs, which an environment of Gymnasium's has not.
_OF_JOBS = _OF_DRAWN_WORKLOADS | {"agent/network", "agent.network.observation", "agent.shape_rewards"}


class Settings:
    """A recorded configuration, read tolerantly: other versions may lack keys.

    Args:
        tree: nested containers as in config.yaml.
        is_recorded: whether it is the run's own, or the shipped defaults in its place.
    """

    def __init__(self, tree: Mapping[str, Any], *, is_recorded: bool) -> None:
        self.tree = tree
        self.is_recorded = is_recorded

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key."""
        node: Any = self.tree
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return default
            node = node[part]
        return node

    def number(self, key: str, default: float) -> float:
        """The value of a dotted key as a number."""
        value = self.get(key)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default

    def scaled(self, key: str, *factors: float) -> list[str]:
        """`key=value * factor` for each factor, in bounds, whole where the key is; none for what does not change."""
        value = self.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
            return []
        texts = []
        for factor in factors:
            new: float | int = float(f"{value * factor:.3g}")
            if isinstance(value, int):
                new = max(1, round(value * factor))
            if new != value and new in BOUNDS[key] and self._leaves_an_update(key, factor):
                texts.append(f"{key}={show(new)}")
        return list(dict.fromkeys(texts))

    def raised(self, key: str, factor: float, least: float) -> list[str]:
        """`key=value * factor`, or `key=least` where it is off (0 or less); none where the run has no such key."""
        current = self.get(key)
        if not isinstance(current, (int, float)) or isinstance(current, bool):
            return []
        return self.scaled(key, factor) if current > 0 else [f"{key}={show(least)}"]

    def _leaves_an_update(self, key: str, factor: float) -> bool:
        """Whether a larger batch still fits into the run."""
        if key not in ("agent.num_envs", "agent.rollout_steps"):
            return True
        batch = self.number("agent.num_envs", 1) * self.number("agent.rollout_steps", 1)
        return factor * batch <= self.number("agent.total_steps", math.inf)

    def changed(self, key: str, value: Any) -> list[str]:
        """`key=value`, unless that is what the run had or a key that its agent or its environment does not take."""
        missing = object()
        current = self.get(key, missing)
        is_possible = current is not missing and current != value and self._is_taken(key)
        return [f"{key}={show(value)}"] if is_possible else []

    def switched_on(self, key: str, value: float) -> list[str]:
        """`key=value` where the clamp is off (0 or less), else half of what it is."""
        current = self.get(key)
        if not isinstance(current, (int, float)):
            return []
        return self.scaled(key, 0.5) if current > 0 else [f"{key}={show(value)}"]

    def option(self, group: str, name: str) -> list[str]:
        """`group=name` where another option of that group was chosen, and the run's environment takes it."""
        node = self.get(group.replace("/", "."))
        if not isinstance(node, Mapping) or name in (node.get("kind"), node.get("name")):
            return []
        return [f"{group}={name}"] if self._is_taken(group) else []

    def _is_taken(self, key: str) -> bool:
        """Whether the run's kind of environment takes a key or group: a simulated cluster, which names none, does."""
        kind = self.get("env.kind")
        return kind is None or key not in (_OF_JOBS if kind == "gymnasium" else _OF_DRAWN_WORKLOADS)
