"""From curves to a diagnosis: every rule that has its columns is asked, one precedence orders the answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sched_rl.config.schema import DiagnosisConfig
from sched_rl.diagnosis.branches import current_branch
from sched_rl.diagnosis.curves import RunCurves
from sched_rl.diagnosis.findings import HEALTHY, TIERS, UNDECIDED, Diagnosis, Finding
from sched_rl.diagnosis.registry import all_rules
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals
from sched_rl.tracking.columns import RESTORED


def diagnose(
    curves: RunCurves, thresholds: DiagnosisConfig | None = None, rules: Sequence[Rule] | None = None
) -> Diagnosis:
    """Ask every rule.

    Args:
        curves: of one run, whole or so far.
        thresholds: None: those of conf/diagnosis/default.yaml.
        rules: None: all that are registered.

    Returns:
        The findings, the primary one first.
    """
    limits = default_thresholds() if thresholds is None else thresholds
    curves = current_branch(curves)
    settings = run_settings(curves)
    signals = Signals(curves, settings, limits)
    findings: list[Finding] = []
    missing: list[str] = []
    for rule in all_rules() if rules is None else rules:
        lacking = [need for need in rule.needs if not _is_there(need, curves)]
        if lacking:
            missing.append(f"{rule.id}: not judged, it needs {', '.join(map(_in_words, lacking))}")
            continue
        signature = rule.detect(signals)
        if signature is not None:
            findings.append(_finding(rule, signature, signals, settings))
    if any(finding.tier != "outcome" for finding in findings):
        findings = [finding for finding in findings if finding.id != HEALTHY]
    findings.sort(key=lambda finding: TIERS.index(finding.tier))  # stable: within a tier as registered
    return Diagnosis(
        primary=findings[0].id if findings else UNDECIDED,
        findings=tuple(findings),
        missing_columns=tuple(missing),
        notes=_notes(curves, settings, signals),
        step_name=curves.step_column or "row",
    )


def run_settings(curves: RunCurves) -> Settings:
    """The run's own settings, else the shipped defaults."""
    if curves.config is not None:
        return Settings(curves.config, is_recorded=True)
    return Settings(shipped_defaults(), is_recorded=False)


@cache
def default_thresholds() -> DiagnosisConfig:
    """The thresholds of conf/diagnosis/default.yaml."""
    from sched_rl.config.load import load_config

    return load_config("train", ["tracking=none"]).diagnosis


@cache
def shipped_defaults() -> dict[str, Any]:
    """The configuration of a run without any override, as nested containers."""
    from sched_rl.config.convert import config_to_dict
    from sched_rl.config.load import load_config

    return config_to_dict(load_config("train", []))


def _is_there(need: str, curves: RunCurves) -> bool:
    if need == "episodes":
        return curves.evaluations is not None
    if need == "baselines":
        return bool(curves.baselines)
    if need == "fresh":
        return bool(curves.fresh)
    return any(curves.has(name) for name in need.split("|"))


def _in_words(need: str) -> str:
    files = {
        "episodes": "evaluations.csv (the episodes of every evaluation)",
        "baselines": "baselines.json (the heuristics on the same blocks)",
        "fresh": "the best checkpoint's episodes on fresh seeds (run=FOLDER with checks=true, or report.json)",
    }
    return files.get(need, need.replace("|", " or "))


def _finding(rule: Rule, signature: Signature, signals: Signals, settings: Settings) -> Finding:
    first, last = signature.rows
    return Finding(
        id=rule.id,
        tier=rule.tier,
        severity=signature.severity,
        confidence=min(max(signature.confidence, 0.01), 1.0),
        updates=(int(signals.steps[first]), int(signals.steps[last])),
        summary=signature.summary,
        evidence=dict(signature.evidence),
        explanation=rule.explanation,
        section=rule.section,
        suspects=rule.suspects,
        checks=rule.checks,
        overrides=tuple(dict.fromkeys(rule.knobs(settings))),
    )


def _notes(curves: RunCurves, settings: Settings, signals: Signals) -> tuple[str, ...]:
    notes = []
    if curves.has(RESTORED):
        notes.append("a guard returned to the best checkpoint; updates that it threw away are not judged")
    if not curves.has("eval_mean_return"):
        notes.append(
            "there is no eval_mean_return: without evaluations on fixed seeds no curve can be trusted"
        )
    elif curves.evaluations is None:
        notes.append(
            "no episodes of the evaluations: block returns are judged alone, against their own jitter"
        )
    if not settings.is_recorded:
        notes.append(
            "no config: overrides are relative to the shipped defaults, and masks are taken to be hard"
        )
    if len(signals.evals) < signals.limits.min_evaluations:
        notes.append(
            f"{len(signals.evals)} evaluations so far; most rules wait for {signals.limits.min_evaluations}"
        )
    if curves.has("num_episodes") and curves.has("mean_ep_return"):
        counts = curves.column("num_episodes")
        notes.append(
            f"mean_ep_return rests on {signals.median(counts):.0f} episodes a rollout (median): a sanity check only"
        )
    return tuple(notes)
