"""Which runs the benchmark trains: kinds x settings x seeds, in two halves of which one is looked at once.

A kind is a file of conf/pathology/. Every kind is trained in several settings, so that no rule can be fitted to one
cluster, and each half has seeds of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HALVES = ("dev", "frozen")

#: Seeds of a kind, by half. Those of the frozen half are drawn with `secrets.randbelow` after the rules were committed
#: (the third draw; those of the first two, looked at on 22 and 23 November 2026, are in the history of this file).
SEEDS = {"dev": (1, 2, 3, 4), "frozen": (843357, 3193829, 2066571, 8872677, 4393531)}
#: Seeds of a healthy run in each of its settings.
HEALTHY_SEEDS = {"dev": (1,), "frozen": (7855462, 1997189, 6949885, 8108108)}

#: Clusters, by name.
SETTINGS = {
    "heavy8": ("env=heavy",),
    "tail8": ("env=heavy_tail",),
    "heavy16": ("env=heavy", "env.num_gpus=16", "env.jobs_per_episode=100", "env.arrival_span=5000"),
    "heavy4": ("env=heavy", "env.num_gpus=4", "env.jobs_per_episode=60"),
    "bursty8": ("env=bursty", "env.heavy_tail_frac=0.25"),
    "event8": ("env=heavy", "env.step=event", "env.jobs_per_episode=60"),
    "playbook8": ("env=playbook",),
    "tail4": ("env=heavy_tail", "env.num_gpus=4", "env.jobs_per_episode=60"),
    "bursty4": ("env=bursty", "env.num_gpus=4", "env.jobs_per_episode=60"),
    "playbook4": ("env=playbook", "env.num_gpus=4", "env.jobs_per_episode=60"),
    "light8": ("env=light", "env.arrival_span=62000"),
    "deadline8": ("env=deadline", "env.arrival_span=21280"),
    "long8": ("env=heavy", "env.heavy_tail_frac=0.4"),
    # What is judged is a running average of the weights, as in the shipped agent.
    "averaged8": ("env=heavy", "agent.average_decay=0.85"),
    # The start that env=heavy gave a training of full length when the halves were declared; other healthy runs begin
    # at random.
    "taught8": (
        *("env=heavy", "agent.warm_start.teacher=linear_score_heavy", "agent.warm_start.simulate=none"),
        *("agent.warm_start.num_rollouts=8", "agent.warm_start.lr_end_frac=1"),
    ),
    "playbook_long": ("env=playbook",),
    "heavy_long": ("env=heavy", "env.arrival_span=40000"),
}
HEALTHY_SETTINGS = (
    *("heavy8", "tail8", "bursty8", "playbook8", "light8", "long8"),
    *("heavy4", "tail4", "bursty4", "playbook4", "taught8"),
)

#: Settings that the seeds of a kind go through, in turn. The frozen half begins at the second one.
_USUAL = ("heavy8", "tail8", "heavy16")
_ALSO_AVERAGED = ("heavy8", "tail8", "averaged8", "heavy16")
KINDS: dict[str, tuple[str, ...]] = {
    "overshoot": _ALSO_AVERAGED,
    "mask_bug": ("heavy8", "tail8", "event8"),
    "mask_bug_off_by_one": _USUAL,
    "noop_collapse": _ALSO_AVERAGED,
    "noop_collapse_bonus": _ALSO_AVERAGED,
    "critic_bottleneck": _ALSO_AVERAGED,
    "critic_starved": _ALSO_AVERAGED,
    "no_signal": ("heavy8", "tail8", "averaged8", "event8"),
    "env_shift": _USUAL,
    "brittle": ("playbook_long", "heavy_long"),
    "noisy_eval": _ALSO_AVERAGED,
    "slow_drift": _ALSO_AVERAGED,
    "sawtooth": _USUAL,
    "premature_determinism": _USUAL,
    "early_best": _USUAL,
    "pg_loss_extreme": _ALSO_AVERAGED,
    "not_beating_baseline": _USUAL,
}

#: Pathologies that do not fail as they declare, by an independent judgement: a benchmark of them would measure nothing.
UNCONFIRMED = {
    "narrow_eval": "networks of this size learn no workloads by heart: the best checkpoint leads as much on fresh seeds"
}

HEALTHY = "healthy"
#: Settings whose env had no keys of its own for what learns when the halves were declared, and what healthy runs had.
_THEN_PLAIN = ("tail8", "bursty8", "tail4", "bursty4")
_PLAIN_START = ("agent.lr=0.01", "agent.update_epochs=8")
#: What pathologies start from, no failure itself.
CONTROL = "control"


@dataclass(frozen=True)
class PlannedRun:
    """One training of the benchmark.

    Attributes:
        kind: option of conf/pathology/.
        setting: name of its cluster.
        seed: of the run.
        half: dev or frozen.
    """

    kind: str
    setting: str
    seed: int
    half: str

    @property
    def folder(self) -> Path:
        """Relative to the benchmark's folder."""
        group = f"healthy_{self.half}" if self.kind == HEALTHY else self.half
        return Path(group) / f"{self.kind}-{self.setting}-{self.seed}"

    @property
    def overrides(self) -> tuple[str, ...]:
        """What `python -m sched_rl.train` is given."""
        pinned = _PLAIN_START if self.kind == HEALTHY and self.setting in _THEN_PLAIN else ()
        return (f"pathology={self.kind}", *SETTINGS[self.setting], *pinned, f"seed={self.seed}")


def planned_runs(half: str, kinds: tuple[str, ...] | None = None) -> Iterator[PlannedRun]:
    """The runs of a half, first seeds first, so that an early stop leaves all kinds with some.

    Args:
        half: dev or frozen.
        kinds: only these; None: all.
    """
    chosen = [kind for kind in KINDS if kinds is None or kind in kinds]
    for turn, seed in enumerate(SEEDS[half]):
        for kind in chosen:
            settings = KINDS[kind]
            yield PlannedRun(kind, settings[(turn + HALVES.index(half)) % len(settings)], seed, half)
    if kinds is None or HEALTHY in kinds:
        for seed in HEALTHY_SEEDS[half]:
            yield from (PlannedRun(HEALTHY, setting, seed, half) for setting in HEALTHY_SETTINGS)
