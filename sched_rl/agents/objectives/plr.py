"""Prioritised level replay (Jiang, Grefenstette and Rocktäschel 2021): play again what went wrong, or surprised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sched_rl.agents.objectives.base import Objective, SeededEnvironment, stretches
from sched_rl.agents.rollout import RolloutBuffer
from sched_rl.config.schema import PlrConfig
from sched_rl.envs.vector import fresh_seed
from sched_rl.seeding import generator_state, load_generator_state, stream


class PrioritizedReplay(Objective):
    """Chooses the workload seeds of new episodes; every step counts alike.

    A seed's score is of its latest episode: the mean |advantage|, in the critic's units, or by how much its return fell
    short of the running mean of its family. A replay draws a seed with
    probability (1 - staleness_frac) * score part + staleness_frac * staleness part; the score part goes by rank, the
    staleness part by the number of episodes since the seed was played. A full buffer gives up its lowest score for a
    higher one.
    """

    columns = ("plr_replayed_frac", "plr_mean_score")
    #: Share of a family's running mean return that a new episode of it replaces.
    RENEWAL = 0.01

    def __init__(self, config: PlrConfig, shape: tuple[int, int], seed: int) -> None:
        super().__init__(shape)
        self._config = config
        self._draws = stream(seed, "replay")
        self._scores: dict[int, float] = {}  # by seed, in the order of arrival
        self._played: dict[int, int] = {}  # when, in episodes
        self._clock = 0
        self._sums, self._steps = (
            np.zeros(shape[1]),
            np.zeros(shape[1]),
        )  # |advantage| of the episodes in progress
        self._means: dict[str, float] = {}  # return, by family
        self._num_drawn = self._num_replayed = 0

    def draw_seed(self, generator: np.random.Generator) -> int:
        """The seed of a new episode: one to play again, or the next of the environment's own stream."""
        self._num_drawn += 1
        if len(self._scores) < self._config.buffer_seeds or self._draws.random() >= self._config.replay_prob:
            return fresh_seed(generator)
        self._num_replayed += 1
        return int(self._draws.choice(np.array(list(self._scores)), p=self.probabilities()))

    def probabilities(self) -> NDArray[np.float64]:
        """Of every remembered seed, in the order of the buffer."""
        scores = np.array(list(self._scores.values()))
        rank = np.empty(len(scores))
        rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        by_score = rank ** (-1.0 / self._config.temperature)
        age = self._clock - np.array([self._played[seed] for seed in self._scores], np.float64)
        by_age = age / age.sum() if age.sum() > 0 else np.full(len(age), 1.0 / len(age))
        mixed: NDArray[np.float64] = (1 - self._config.staleness_frac) * by_score / by_score.sum()
        return mixed + self._config.staleness_frac * by_age

    def weigh(
        self, buffer: RolloutBuffer, env: SeededEnvironment, finished: Sequence[Any], critic_scale: float
    ) -> None:
        """See `Objective.weigh`; scores the episodes that ended."""
        size = np.abs(buffer.advantage.astype(np.float64))
        for n, steps, episode in stretches(buffer, finished):
            self._sums[n] += size[steps, n].sum()
            self._steps[n] += steps.stop - steps.start
            if episode is not None:
                shortfall = self._shortfall(env.family_of(episode.seed), episode.total_return)
                error = self._sums[n] / self._steps[n]
                self._remember(episode.seed, error if self._config.score == "critic_error" else shortfall)
                self._sums[n] = self._steps[n] = 0.0

    def _shortfall(self, family: str, total_return: float) -> float:
        mean = self._means.get(family, total_return)
        self._means[family] = mean + self.RENEWAL * (total_return - mean)
        return mean - total_return

    def _remember(self, seed: int, score: float) -> None:
        self._clock += 1
        if seed not in self._scores and len(self._scores) >= self._config.buffer_seeds:
            lowest = min(self._scores, key=lambda each: self._scores[each])
            if self._scores[lowest] >= score:
                return
            del self._scores[lowest], self._played[lowest]
        self._scores[seed], self._played[seed] = float(score), self._clock

    def metrics(self) -> dict[str, float]:
        """See `Objective.metrics`; of the episodes begun since the last call."""
        replayed = self._num_replayed / self._num_drawn if self._num_drawn else float("nan")
        self._num_drawn = self._num_replayed = 0
        score = float(np.mean(list(self._scores.values()))) if self._scores else float("nan")
        return dict(zip(self.columns, (replayed, score), strict=True))

    def state(self) -> dict[str, Any]:
        """See `Objective.state`."""
        return {
            "draws": generator_state(self._draws),
            "seeds": list(self._scores),
            "scores": list(self._scores.values()),
            "played": [self._played[seed] for seed in self._scores],
            "clock": self._clock,
            "families": list(self._means),
            "means": list(self._means.values()),
            "sums": self._sums.copy(),
            "steps": self._steps.copy(),
            "drawn": [self._num_drawn, self._num_replayed],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Objective.load_state`."""
        load_generator_state(self._draws, state["draws"])
        self._scores = dict(zip(state["seeds"], state["scores"], strict=True))
        self._played = dict(zip(state["seeds"], state["played"], strict=True))
        self._clock = int(state["clock"])
        self._means = dict(zip(state.get("families", ()), state.get("means", ()), strict=True))  # none before
        self._sums[:], self._steps[:] = state["sums"], state["steps"]
        self._num_drawn, self._num_replayed = state["drawn"]
