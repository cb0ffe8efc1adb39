"""Two runs side by side: the four questions that close the playbook (section 11)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sched_rl.config.convert import show
from sched_rl.config.schema import DiagnosisConfig
from sched_rl.diagnosis.curves import RunCurves
from sched_rl.diagnosis.differences import stratified_difference
from sched_rl.diagnosis.engine import run_settings
from sched_rl.diagnosis.signals import Signals
from sched_rl.tracking.reading import read_provenance

#: Which keys answer which question; the first prefix that fits.
_QUESTIONS = {
    "measurement": ("Did my measurement change?", ("eval.", "baselines")),
    "data": (
        "Did my data distribution change?",
        ("env.reward.", "env.", "seed", "families", "agent.stagger", "agent.num_envs"),
    ),
    "step": (
        "Did my update step size change?",
        (
            *(
                "agent.lr",
                "agent.value_lr_scale",
                "agent.update_epochs",
                "agent.num_minibatches",
                "agent.rollout_steps",
            ),
            *(
                "agent.clip_coef",
                "agent.target_kl",
                "agent.kl_stop",
                "agent.max_grad_norm",
                "agent.entropy_jump_clip",
            ),
        ),
    ),
    "signal": ("Did my learning signal change?", ("env.reward.", "agent.")),
}
#: Columns whose late level answers a question.
_LEVELS = {
    "data": ("noop_frac", "noop_feasible_frac", "legal_actions_mean", "mean_ep_length"),
    "step": ("approx_kl_mean", "approx_kl_max", "early_stop", "clipfrac", "lr"),
    "signal": ("explained_variance", "v_loss", "advantage_std", "return_std", "entropy_frac"),
}
_IGNORED = (
    "run.",
    "tracking.",
    "diagnosis.",
    "progress",
    "families.",
    "baseline_agents.",
    "agent.name",
    "agent.kind",
)


@dataclass(frozen=True)
class Answer:
    """One question.

    Attributes:
        question: the playbook's.
        changed: yes, no, or unknown (None).
        reasons: what differs, each a clause.
    """

    question: str
    changed: bool | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """The four answers, and what became of the score."""

    answers: tuple[Answer, ...]
    outcome: str

    def text(self) -> str:
        """A few lines for the terminal."""
        lines = [f"  {self.outcome}"]
        for answer in self.answers:
            word = {True: "yes", False: "no", None: "unknown"}[answer.changed]
            lines.append(f"  {answer.question} {word}" + (":" if answer.reasons else ""))
            lines += [f"    - {reason}" for reason in answer.reasons]
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        """Plain containers."""
        return asdict(self)


def compare(before: RunCurves, after: RunCurves, limits: DiagnosisConfig) -> Comparison:
    """Answer the closing questions.

    Args:
        before: the run to compare with.
        after: the run at hand.
        limits: of the rules.
    """
    first, second = (Signals(each, run_settings(each), limits) for each in (before, after))
    changed = _changed_keys(before.config, after.config)
    answers = []
    taken: set[str] = set()
    for name, (question, prefixes) in _QUESTIONS.items():
        own = [text for key, text in changed.items() if key.startswith(prefixes) and key not in taken]
        if name != "data":  # reward keys answer two questions: the data's and the signal's
            taken |= {key for key in changed if key.startswith(prefixes)}
        own += _facts(name, before, after, first, second)
        known = before.config is not None and after.config is not None
        answers.append(Answer(question, bool(own) if known or own else None, tuple(own)))
    return Comparison(tuple(answers), _outcome(first, second))


def _changed_keys(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    if before is None or after is None:
        return {}
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    keys = [key for key in {**old, **new} if not key.startswith(_IGNORED)]
    absent = "(absent)"
    return {
        key: f"{key}: {show(old.get(key, absent))} -> {show(new.get(key, absent))}"
        for key in keys
        if old.get(key, absent) != new.get(key, absent)
    }


def _facts(name: str, before: RunCurves, after: RunCurves, first: Signals, second: Signals) -> list[str]:
    """What the curves and the record say beyond the config."""
    if name == "measurement":
        return _measurement_facts(before, after)
    facts = []
    for column in _LEVELS[name]:
        old, new = first.late(column), second.late(column)
        scale = max(abs(old), abs(new))
        spread = _spread(before, column) + _spread(after, column)
        if math.isfinite(old) and math.isfinite(new) and abs(new - old) > max(2 * spread, 0.2 * scale):
            facts.append(f"{column}, last half: {old:.3g} -> {new:.3g}")
    return facts


def _spread(curves: RunCurves, column: str) -> float:
    values = curves.column(column)
    known = values[np.isfinite(values)]
    late = known[len(known) // 2 :]
    return float(np.subtract(*np.percentile(late, [75, 25]))) if late.size else math.nan


def _measurement_facts(before: RunCurves, after: RunCurves) -> list[str]:
    facts = []
    one, two = before.evaluations, after.evaluations
    if one is not None and two is not None:
        keys = [set(zip(t.blocks.tolist(), t.seeds.tolist(), strict=True)) for t in (one, two)]
        if keys[0] != keys[1]:
            facts.append(
                f"other episodes: {len(keys[0] & keys[1])} in common of {len(keys[0])} and {len(keys[1])}"
            )
    commits = [_provenance(each).get("git_commit") for each in (before, after)]
    if commits[0] != commits[1] and None not in commits:
        facts.append(f"other code: commit {str(commits[0])[:9]} -> {str(commits[1])[:9]}")
    return facts


def _provenance(curves: RunCurves) -> dict[str, Any]:
    if curves.folder is None or not (curves.folder / "provenance.json").is_file():
        return {}
    return read_provenance(curves.folder)


def _outcome(first: Signals, second: Signals) -> str:
    if not first.num_evals or not second.num_evals:
        return "one of the two has no evaluations"
    old, new = float(first.mean[first.best]), float(second.mean[second.best])
    text = f"best eval_mean_return {old:.4g} -> {new:.4g}"
    one, two = first.curves.evaluations, second.curves.evaluations
    a, b = first.episodes(first.best), second.episodes(second.best)
    if one is None or two is None or a is None or b is None or one.seeds.tolist() != two.seeds.tolist():
        return f"{text} (not paired)"
    change = stratified_difference(b - a, one.blocks)
    return f"{text}, paired difference {change.mean:+.3g} +- {2 * change.standard_error:.2g}"


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
