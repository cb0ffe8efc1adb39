"""What a race measured, summed up: medians over the rounds, and ratios of the same round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.benchmarks.peers.competitors import FAST_REFERENCE, PYTHON_REFERENCE, Entrant
from analysis.benchmarks.peers.worker import Round


@dataclass
class Measured:
    """A competitor's rounds on one network.

    Attributes:
        network: a name of agent/network.
        entrant: who.
        num_parameters: of the network.
        rounds: in the order in which they were played.
        profile: one more, in which the clusters were timed apart; None until it was played.
    """

    network: str
    entrant: Entrant
    num_parameters: int = 0
    rounds: list[Round] = field(default_factory=list)
    profile: Round | None = None

    def speeds(self) -> list[float]:
        """Steps a second of each round."""
        return [played.steps / played.wall_s for played in self.rounds]


@dataclass(frozen=True)
class Row:
    """A competitor on one network, in numbers; microseconds are per step of the environment.

    Attributes:
        network: a name of agent/network.
        competitor: its name.
        label: in words.
        rounds: played.
        steps_per_s: median; slowest and fastest of the rounds beside it.
        cpu_s_per_million_steps: median.
        peak_mib: largest resident memory of its process.
        env_us: median; act_us, learn_us and rest_us alike (see `stopwatch.Split`).
        clusters_us: in the clusters themselves; None until profiled.
        adapter_frac: share of the time that goes into adapting the clusters to the library; None until profiled.
        ratio_fast: of its speed to that of MaskablePPO on the compiled clusters, median over the rounds.
        ratio_python: of its speed to that of MaskablePPO on the Python clusters, likewise.
        legal_actions_mean: of a state, in the last rollout.
        num_parameters: of the network.
    """

    network: str
    competitor: str
    label: str
    rounds: int
    steps_per_s: float
    slowest_steps_per_s: float
    fastest_steps_per_s: float
    cpu_s_per_million_steps: float
    peak_mib: float
    env_us: float
    act_us: float
    learn_us: float
    rest_us: float
    clusters_us: float | None
    adapter_frac: float | None
    ratio_fast: float | None
    ratio_python: float | None
    legal_actions_mean: float
    num_parameters: int


def summarise(results: Sequence[Measured]) -> list[Row]:
    """A row for everybody who played a round."""
    references = {(each.network, each.entrant.name): each for each in results}
    return [
        _row(
            each,
            references.get((each.network, FAST_REFERENCE)),
            references.get((each.network, PYTHON_REFERENCE)),
        )
        for each in results
        if each.rounds
    ]


def _row(each: Measured, fast: Measured | None, python: Measured | None) -> Row:
    speeds, rounds, profile = each.speeds(), each.rounds, each.profile
    clusters_us = adapter_frac = None
    if profile is not None and profile.clusters_s is not None:
        clusters_us = 1e6 * profile.clusters_s / profile.steps
        adapter_frac = (profile.env_s - profile.clusters_s) / profile.wall_s
    return Row(
        network=each.network,
        competitor=each.entrant.name,
        label=each.entrant.label,
        rounds=len(rounds),
        steps_per_s=statistics.median(speeds),
        slowest_steps_per_s=min(speeds),
        fastest_steps_per_s=max(speeds),
        cpu_s_per_million_steps=statistics.median(1e6 * played.cpu_s / played.steps for played in rounds),
        peak_mib=max(played.peak_mib for played in rounds),
        env_us=_microseconds(rounds, [played.env_s for played in rounds]),
        act_us=_microseconds(rounds, [played.act_s for played in rounds]),
        learn_us=_microseconds(rounds, [played.learn_s for played in rounds]),
        rest_us=_microseconds(
            rounds, [played.wall_s - played.env_s - played.act_s - played.learn_s for played in rounds]
        ),
        clusters_us=clusters_us,
        adapter_frac=adapter_frac,
        ratio_fast=_ratio(each, fast),
        ratio_python=_ratio(each, python),
        legal_actions_mean=rounds[-1].legal_actions_mean,
        num_parameters=each.num_parameters,
    )


def _microseconds(rounds: Sequence[Round], seconds: Sequence[float]) -> float:
    return statistics.median(
        1e6 * value / played.steps for value, played in zip(seconds, rounds, strict=True)
    )


def _ratio(each: Measured, reference: Measured | None) -> float | None:
    """Median over the rounds that both have played: what disturbs the machine meets neighbours in a round alike."""
    if reference is None or not reference.rounds:
        return None
    pairs = zip(each.speeds(), reference.speeds(), strict=False)
    return statistics.median(speed / other for speed, other in pairs)
