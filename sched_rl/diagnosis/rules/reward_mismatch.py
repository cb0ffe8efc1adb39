"""The return rises and the schedules get worse (playbook, sections 4 "Reward landscape weirdness", 6)."""

from __future__ import annotations

import math

import numpy as np

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: What a user of the cluster feels: the smallest relative change that is noticed, with the sign of worse. Waits vary by
#: factors with the order of jobs, what is served by percents.
_FELT = {
    "mean_wait_s": 0.5,
    "mean_bounded_slowdown": 0.5,
    "throughput_jobs_per_hour": -0.1,
    "completed_jobs": -0.1,
}
_SERVED = "completed_jobs"
#: Standard errors beyond which such a change is clear: several are looked at.
_CLEAR = 3.0
#: Whoever serves jobs worse than this, and earns more, is paid for the wrong thing.
_AIMLESS = "rand_feas_no0"


def _detect(signals: Signals) -> Signature | None:
    """The return rises, something that users feel gets noticeably worse, and nothing that they feel gets better.

    A reward that counts work lets short jobs wait while more gets done: throughput then says what the return pays for.
    """
    if not signals.has_enough:
        return None
    need, last = signals.limits.persistence_evaluations, signals.num_evals - 1
    window = range(last - need + 1, last + 1)
    if not all(signals.is_above(0, e) for e in window):
        return None
    if any(_improves(signals, name, last) for name in reversed(_FELT)):
        return None  # what gets better elsewhere is what the return pays for: a choice between users, not a fault
    changes = {name: _worsening(signals, name, window) for name in _FELT}
    worse = {name: value for name, value in changes.items() if value is not None}
    if not worse:
        return None
    change = signals.difference(0, last)
    told = ", ".join(f"{name} {value:+.0%}" for name, value in worse.items())
    return Signature(
        rows=signals.rows(0, last),
        severity="critical",
        confidence=0.9,
        summary=f"eval_mean_return rose by {change.mean:.3g} while schedules got worse: {told}",
        evidence={
            "eval_mean_return, change": change.mean,
            **{f"{name}, change": v for name, v in worse.items()},
        },
    )


def _improves(signals: Signals, name: str, last: int) -> bool:
    """Whether a measurement is clearly better than at the first evaluation; of fewer jobs served it says nothing."""
    if signals.episodes(0, name) is None:
        return False

    def improvement(of: str) -> float:
        return -math.copysign(1, _FELT[of]) * signals.difference(0, last, of).z

    served = signals.episodes(0, _SERVED) is None or improvement(_SERVED) > -_CLEAR
    return served and improvement(name) > _CLEAR


def _worsening(signals: Signals, name: str, window: range) -> float | None:
    """Relative change since the first evaluation where it is clearly and noticeably worse; None otherwise.

    Where random orders are among the baselines it must be noticeably worse than theirs too: a start that happened to
    serve jobs well is no promise.
    """
    first, last = signals.episodes(0, name), signals.episodes(window[-1], name)
    if first is None or last is None or not np.isfinite(first).any():
        return None
    base = abs(float(np.nanmean(first)))
    changes = [signals.difference(0, e, name) for e in window]
    sign, noticeable = math.copysign(1, _FELT[name]), abs(_FELT[name]) * base
    is_clear = all(sign * each.mean > max(_CLEAR * each.standard_error, noticeable) for each in changes)
    aimless = signals.baseline_episodes(_AIMLESS, name) if _AIMLESS in signals.curves.baselines else None
    least = abs(_FELT[name]) * abs(float(np.nanmean(aimless))) if aimless is not None else 0.0
    is_aimless = aimless is None or sign * float(np.nanmean(last - aimless)) > least
    return changes[-1].mean / base if is_clear and is_aimless and base > 0 else None


def _knobs(settings: Settings) -> list[str]:
    """Back to the playbook's reward terms, one by one."""
    terms = {
        "progress_scale": 1.0,
        "time_pressure_scale": 1.0,
        "noop_penalty_scale": 0.05,
        "early_finish_bonus_scale": 1.0,
        "deadline_miss_penalty_scale": 1.0,
    }
    changed = [
        text for name, value in terms.items() for text in settings.changed(f"env.reward.{name}", value)
    ]
    return changed or settings.scaled("env.reward.noop_penalty_scale", 4.0)


RULE = Rule(
    id="reward_mismatch",
    tier="cause",
    section="4, 6",
    needs=("eval_mean_return", "episodes"),
    explanation=(
        "Shaped rewards can be earned in ways that nobody wanted: return goes up while waits, slowdown and throughput "
        "get worse. Then the reward is wrong, not the learner."
    ),
    suspects=(
        "a reward term pays for the wrong thing",
        "the scales of the terms drown the one that matters",
    ),
    checks=(
        Check("do_nothing", "what does a scheduler earn that waits whenever it may?"),
        Check("baselines", "do heuristics with short waits earn less than this policy?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
