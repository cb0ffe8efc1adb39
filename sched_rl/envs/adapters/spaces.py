"""What both faces share: spaces, rendering, and what `reset` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import EnvConfig, SchedulingEnvConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.layout import ObservationLayout
from sched_rl.envs.make_batch import AnyBatch
from sched_rl.envs.pictures.image import draw_image
from sched_rl.envs.pictures.text import draw_text
from sched_rl.envs.pictures.view import view_cluster
from sched_rl.errors import ConfigError, SimulationError

RENDER_MODES = ("ansi", "rgb_array")


def observation_space(layout: ObservationLayout) -> gymnasium.Space[NDArray[np.float32]]:
    """One flat float32 box: the playbook's numbers lie in [0, 1], the rich ones in [-1, 1]."""
    low = 0.0 if layout.encoding == "playbook" else -1.0
    box: Any = gymnasium.spaces.Box(low, 1.0, (layout.size,), np.float32)
    return cast("gymnasium.Space[NDArray[np.float32]]", box)


def action_space(layout: ObservationLayout) -> gymnasium.spaces.Discrete:
    """0 = no-op, i = start the i-th job of the window."""
    return gymnasium.spaces.Discrete(layout.num_actions)


def check_render_mode(render_mode: str | None, env: SchedulingEnvConfig) -> str | None:
    """The mode, if there is such a one.

    Raises:
        ConfigError: naming the modes that there are, or the kind of clusters that have none.
    """
    if render_mode is not None and not isinstance(env, EnvConfig):
        raise ConfigError(f"{render_mode=}: there are no pictures of env={env.name}; leave it None")
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ConfigError(
            f"{render_mode=}: must be one of {', '.join(RENDER_MODES)}, or None for no pictures"
        )
    return render_mode


def check_seed(seed: int) -> int:
    """The seed, if it names a workload.

    Raises:
        SimulationError: when it is no whole number from 0 to 2**32 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise SimulationError(
            f"reset({seed=}): must be a whole number from 0 to {2**32 - 1}, a workload's seed"
        )
    return int(seed)


def check_options(options: Mapping[str, Any] | None) -> None:
    """Refuse options, of which there are none, rather than pass over a misunderstanding.

    Raises:
        SimulationError: naming them.
    """
    if options:
        raise SimulationError(f"reset(options={dict(options)}): takes no options; choose by the seed")


def render_cluster(batch: AnyBatch, c: int, longest_s: float, render_mode: str) -> Any:
    """The picture of one cluster in a mode."""
    view = view_cluster(cast(ClusterBatch, batch), c, longest_s)  # `check_render_mode` let no other through
    return draw_text(view) if render_mode == "ansi" else draw_image(view)
