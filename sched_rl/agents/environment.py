"""What the learner needs of a vector environment: `envs.vector.VectorClusterEnv` and the tests' probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sched_rl.envs.layout import ObservationLayout

#: Steps of an episode for each of its jobs: one event when it arrives, one when it completes.
TYPICAL_STEPS_PER_JOB = 2


class EpisodeRecord(Protocol):
    """An episode that ended."""

    @property
    def total_return(self) -> float:
        """Undiscounted sum of the rewards."""

    @property
    def steps(self) -> int:
        """Length."""


class VectorEnvironment(Protocol):
    """N episodes side by side, numpy only, with a reset in the same step that ends an episode.

    `observation` float32 (N, D) and `action_mask` bool (N, K + 1) are the state to act on; `step` may be
    given the arrays that the next state is to be written to. `final_observation` rows are valid where an
    episode ended and hold the observation before the reset.
    """

    @property
    def num_envs(self) -> int:
        """N."""

    @property
    def layout(self) -> ObservationLayout:
        """How an observation is divided."""

    @property
    def observation(self) -> NDArray[np.float32]:
        """float32 (N, D), to act on."""

    @property
    def action_mask(self) -> NDArray[np.bool_]:
        """bool (N, K + 1), of `observation`, no-op first."""

    @property
    def reward(self) -> NDArray[np.float64]:
        """float64 (N,), of the last step, and so are the following."""

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """bool (N,), the episode came to its end."""

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """bool (N,), the episode was cut."""

    @property
    def invalid_action(self) -> NDArray[np.bool_]:
        """bool (N,), the action was outside the mask."""

    @property
    def noop_feasible(self) -> NDArray[np.bool_]:
        """bool (N,), a no-op was taken although some job fitted."""

    @property
    def dt_s(self) -> NDArray[np.float64]:
        """float64 (N,), simulated seconds that passed."""

    @property
    def final_observation(self) -> NDArray[np.float32]:
        """float32 (N, D), before the reset; valid where an episode ended."""

    @property
    def finished(self) -> Sequence[EpisodeRecord]:
        """Episodes that ended in the last step."""

    def reset(self) -> Any:
        """Start every episode anew."""

    def step(
        self,
        actions: NDArray[np.int64],
        observation: NDArray[np.float32] | None = None,
        action_mask: NDArray[np.bool_] | None = None,
    ) -> Any:
        """Advance every episode by one action; the next state goes to the given arrays, if any."""


@runtime_checkable
class ShapedEnvironment(Protocol):
    """A vector environment that also knows how much its states are worth, roughly (`agent.shape_rewards`)."""

    @property
    def potential_before(self) -> NDArray[np.float64]:
        """float64 (N,), of the states that the last step left."""

    @property
    def potential_after(self) -> NDArray[np.float64]:
        """float64 (N,), of the states that it led to, before any reset; 0 where terminated."""
