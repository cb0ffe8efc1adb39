"""Checks that the playbook asks for: some read the record, some play episodes; rules do neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sched_rl.diagnosis.checks import recorded
from sched_rl.diagnosis.checks.subject import Outcome, Subject
from sched_rl.diagnosis.findings import Check, Diagnosis, Finding

__all__ = ["Outcome", "Subject", "run_checks"]

#: Checks that read the record, by name.
_RECORDED: dict[str, Callable[[Subject], Outcome | None]] = {
    "noop_gap": recorded.noop_gap,
    "baselines": recorded.baselines,
    "worst_family": recorded.worst_family,
    "resumed": recorded.resumed,
}
_PLAYED = ("mask_feasibility", "do_nothing", "fresh_seeds")


def run_checks(diagnosis: Diagnosis, subject: Subject, *, play: bool) -> Diagnosis:
    """The diagnosis with the outcome of every check that can be run.

    Args:
        diagnosis: its findings name their checks.
        subject: the run.
        play: whether checks may play episodes.
    """
    outcomes: dict[str, Outcome | None] = {}

    def answered(check: Check) -> Check:
        if check.name is None:
            return check
        if check.name not in outcomes:
            outcomes[check.name] = _run(check.name, subject, play=play)
        outcome = outcomes[check.name]
        return check if outcome is None else replace(check, outcome=outcome.text, supports=outcome.supports)

    def examined(finding: Finding) -> Finding:
        return replace(finding, checks=tuple(answered(check) for check in finding.checks))

    return replace(diagnosis, findings=tuple(examined(finding) for finding in diagnosis.findings))


def _run(name: str, subject: Subject, *, play: bool) -> Outcome | None:
    if name in _RECORDED:
        return _RECORDED[name](subject)
    if name not in _PLAYED or not play:
        return None
    from sched_rl.diagnosis.checks import played  # the simulator and the networks: 2 s

    check: Callable[[Subject], Outcome | None] = getattr(played, name)
    return check(subject)
