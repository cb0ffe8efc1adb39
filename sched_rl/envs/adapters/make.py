"""Environments from configuration overrides, as on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from gymnasium.envs.registration import EnvSpec

from sched_rl.config.load import load_env_config
from sched_rl.config.schema import Config
from sched_rl.envs.adapters.single import ClusterEnv
from sched_rl.envs.adapters.vector import ClusterVectorEnv
from sched_rl.errors import ConfigError


def make_env(overrides: Sequence[str] = (), *, render_mode: str | None = None) -> ClusterEnv:
    """A cluster as a `gymnasium.Env`.

    Args:
        overrides: Hydra overrides such as `["env=heavy", "env.observation=rich"]`; by default `env=playbook` with the
            playbook's observation. With `seed=7`, `reset()` without a seed draws the same workloads in every run;
            otherwise it draws from the operating system's randomness, as gymnasium has it.
        render_mode: `ansi`, `rgb_array` or None.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    config = _load(overrides)
    env = ClusterEnv(
        config.scheduling,
        config.scheduling.observation or "playbook",
        families=config.families,
        seed=_explicit_seed(config, overrides),
        render_mode=render_mode,
    )
    env.spec = EnvSpec(
        id="sched_rl/Cluster-v0", entry_point="sched_rl:make_env", kwargs={"overrides": list(overrides)}
    )
    return env


def make_vec_env(
    overrides: Sequence[str] = (), num_envs: int = 1, *, render_mode: str | None = None
) -> ClusterVectorEnv:
    """N clusters as a `gymnasium.vector.VectorEnv` that resets in the step that ends an episode.

    Args:
        overrides: as in `make_env`.
        num_envs: N.
        render_mode: `ansi`, `rgb_array` or None.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    config = _load(overrides)
    return ClusterVectorEnv(
        config.scheduling,
        config.scheduling.observation or "playbook",
        num_envs,
        families=config.families,
        seed=_explicit_seed(config, overrides),
        render_mode=render_mode,
    )


def _load(overrides: Sequence[str]) -> Config:
    if isinstance(overrides, str):
        raise ConfigError(f"{overrides=}: must be a list of overrides, such as [{overrides!r}]")
    return load_env_config(list(overrides))


def _explicit_seed(config: Config, overrides: Sequence[str]) -> int | None:
    """The seed, if it was asked for: copies of an environment should not all play the same episodes by default."""
    return config.seed if any(override.startswith("seed=") for override in overrides) else None
