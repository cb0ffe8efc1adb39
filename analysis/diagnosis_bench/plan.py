"""Which runs the benchmark trains: kinds x settings x seeds, in two halves of which one is looked at once.

A kind is a file of conf/pathology/. Every kind is trained in several settings, so that no rule can be fitted to one
cluster, and each half has seeds of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HALVES = ("dev", "frozen")

#: Seeds of a kind, by half; healthy runs have as many in every setting. The frozen ones were drawn with
#: `secrets.randbelow` before a rule was tuned on the whole dev half, and committed untrained.
SEEDS = {"dev": (1, 2), "frozen": (8989699, 6645957, 9571628)}

#: Clusters, by name; on all but the long ones the healthy training is seen to learn.
SETTINGS = {
    "heavy8": ("env=heavy",),
    "tail8": ("env=heavy_tail",),
    "heavy16": ("env=heavy", "env.num_gpus=16", "env.jobs_per_episode=100", "env.arrival_span=5000"),
    "heavy4": ("env=heavy", "env.num_gpus=4", "env.jobs_per_episode=60"),
    "bursty8": ("env=bursty", "env.heavy_tail_frac=0.25"),
    "event8": ("env=heavy", "env.step=event", "env.jobs_per_episode=60"),
    "gamma8": ("env=heavy", "agent.gamma=0.99", "agent.gae_lambda=0.95"),
    "slow8": ("env=heavy", "agent.lr=1e-3", "agent.total_steps=98304"),
    "playbook_long": ("env=playbook",),
    "heavy_long": ("env=heavy", "env.arrival_span=40000"),
}
HEALTHY_SETTINGS = ("heavy8", "tail8", "heavy16", "heavy4", "bursty8", "event8", "gamma8", "slow8")

#: Settings that the seeds of a kind go through, in turn. The frozen half begins at the second one.
KINDS: dict[str, tuple[str, ...]] = {
    "overshoot": ("heavy8", "tail8", "heavy16"),
    "mask_bug": ("heavy8", "tail8", "event8"),
    "mask_bug_off_by_one": ("heavy8", "tail8", "heavy16"),
    "noop_collapse": ("heavy8", "tail8", "heavy16"),
    "noop_collapse_bonus": ("heavy8", "tail8", "heavy16"),
    "critic_bottleneck": ("heavy8", "tail8", "heavy16"),
    "critic_starved": ("heavy8", "tail8", "heavy16"),
    "no_signal": ("heavy8", "tail8", "event8"),
    "env_shift": ("heavy8", "tail8", "heavy16"),
    "brittle": ("playbook_long", "heavy_long"),
    "noisy_eval": ("heavy8", "tail8", "heavy16"),
    "slow_drift": ("heavy8", "tail8", "heavy16"),
    "sawtooth": ("heavy8", "tail8", "heavy16"),
    "premature_determinism": ("heavy8", "tail8", "heavy16"),
    "early_best": ("heavy8", "tail8", "heavy16"),
    "pg_loss_extreme": ("heavy8", "tail8", "heavy16"),
    "reward_mismatch": ("playbook_long", "heavy_long"),
    "not_beating_baseline": ("heavy8", "tail8", "heavy16"),
}

#: Pathologies that do not fail as they declare, by an independent judgement: a benchmark of them would measure nothing.
UNCONFIRMED = {
    "narrow_eval": "networks of this size learn no workloads by heart: the best checkpoint leads as much on fresh seeds"
}

HEALTHY = "healthy"


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
        return (f"pathology={self.kind}", *SETTINGS[self.setting], f"seed={self.seed}")


def planned_runs(half: str, kinds: tuple[str, ...] | None = None) -> Iterator[PlannedRun]:
    """The runs of a half, first seeds first, so that an early stop leaves all kinds with some.

    Args:
        half: dev or frozen.
        kinds: only these; None: all.
    """
    chosen = [kind for kind in (*KINDS, HEALTHY) if kinds is None or kind in kinds]
    for turn, seed in enumerate(SEEDS[half]):
        for kind in chosen:
            if kind == HEALTHY:
                yield from (PlannedRun(kind, setting, seed, half) for setting in HEALTHY_SETTINGS)
                continue
            settings = KINDS[kind]
            setting = settings[(turn + HALVES.index(half)) % len(settings)]
            yield PlannedRun(kind, setting, seed, half)
