"""The learning side: networks, rollouts, PPO. Torch is imported when something is built, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sched_rl.config.schema import PpoConfig
from sched_rl.envs.layout import ObservationLayout
from sched_rl.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from sched_rl.agents.greedy import GreedyPolicy
    from sched_rl.agents.ppo import PPO

__all__ = ["build_ppo", "load_greedy_policy"]


def build_ppo(
    config: PpoConfig, layout: ObservationLayout, seed: int, device: str = "cpu", num_updates: int = 1
) -> PPO:
    """A learner at its start.

    Args:
        config: of the agent.
        layout: of the observations; the environment's must equal it.
        seed: of the run.
        device: `cpu` or `cuda`.
        num_updates: of the whole run, for the schedules.

    Raises:
        ConfigError: when the device is not there.
    """
    from sched_rl.agents.memory import keep_freed_memory
    from sched_rl.agents.ppo import PPO

    _find_device(device)
    keep_freed_memory()
    return PPO(config, layout, seed, device, num_updates)


def load_greedy_policy(
    config: PpoConfig, layout: ObservationLayout, state: dict[str, Any], device: str = "cpu"
) -> GreedyPolicy:
    """The greedy policy of a saved learner.

    Args:
        config: of the agent that was saved.
        layout: of its observations.
        state: `PPO.state()`; only the weights are read, and their average where the agent keeps one.
        device: `cpu` or `cuda`.

    Raises:
        CheckpointError: when the weights are of another network.
        ConfigError: when the device is not there.
    """
    from sched_rl.agents.averaging import AveragedPolicy
    from sched_rl.agents.greedy import GreedyPolicy, load_weights
    from sched_rl.agents.networks import build_network

    network = build_network(config.network, layout, seed=0, fused=config.kernel != "dense")
    load_weights(network, state["network"])
    average = AveragedPolicy(network, config.average_decay)
    average.load_state(state["average"])
    place = _find_device(device)
    return GreedyPolicy(
        average.network.to(place),
        place,
        mask_actions=config.mask_actions,
        voluntary_waits=config.voluntary_waits,
        kernel=config.kernel,
    )


def _find_device(device: str) -> torch.device:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: torch finds no CUDA device here; use device=cpu")
    return torch.device(device)
