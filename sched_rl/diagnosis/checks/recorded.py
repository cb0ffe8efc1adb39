"""Checks that the record answers: nothing is played."""

from __future__ import annotations

import math

from sched_rl.diagnosis.checks.subject import Outcome, Subject
from sched_rl.tracking.reading import read_events


def noop_gap(subject: Subject) -> Outcome | None:
    """Do training and greedy evaluation wait equally often?"""
    signals = subject.signals
    name = "noop_frac" if not signals.curves.has("noop_feasible_frac") else "noop_feasible_frac"
    training, greedy = signals.late(name, 0.25), signals.late(f"eval_{name}", 0.25)
    if not (math.isfinite(training) and math.isfinite(greedy)):
        return None
    return Outcome(
        f"{name}: {training:.1%} in training, {greedy:.1%} in greedy evaluation", greedy > training + 0.05
    )


def baselines(subject: Subject) -> Outcome | None:
    """How does the best evaluation compare with every heuristic on the same blocks?"""
    signals = subject.signals
    if not signals.curves.baselines or not signals.num_evals:
        return None
    best = float(signals.mean[signals.best])
    ranked = sorted(signals.curves.baselines.items(), key=lambda item: -item[1].mean)
    told = ", ".join(f"{name} {score.mean:.3f}" for name, score in ranked[:4])
    random = signals.curves.baselines.get("rand_feas_no0")
    tail = "" if random is None else f"; rand_feas_no0 {random.mean:.3f}"
    return Outcome(f"best {best:.3f}; {told}{tail}", best <= ranked[0][1].mean)


def worst_family(subject: Subject) -> Outcome | None:
    """How do the baselines do on the block that is the worst now?"""
    signals = subject.signals
    if not signals.blocks.size or signals.curves.evaluations is None:
        return None
    block = int(signals.blocks[-1].argmin())
    members = signals.curves.evaluations.blocks == block
    scores = {}
    for name in signals.curves.baselines:
        episodes = signals.baseline_episodes(name)
        if episodes is not None:
            scores[name] = float(episodes[members].mean())
    if not scores:
        return None
    best, own = max(scores, key=lambda name: scores[name]), float(signals.blocks[-1, block])
    return Outcome(f"block {block}: policy {own:.3f}, {best} {scores[best]:.3f}", own < scores[best])


def resumed(subject: Subject) -> Outcome | None:
    """Was the run resumed?"""
    if subject.folder is None:
        return None
    updates = [event["update"] for event in read_events(subject.folder) if event["kind"] == "resume"]
    if not updates:
        return Outcome("no: the run was never resumed", None)
    return Outcome(f"yes, at update {', '.join(map(str, updates))}: compare commits and configs", True)
