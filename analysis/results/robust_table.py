"""What the robust objectives do to the family that a policy for all of them handles worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from analysis.results.family_tables import Judged, block_of
from analysis.results.plan import (
    DISTILLED,
    DUE_RULES,
    LEARNED_TEACHERS,
    ROBUST,
    ROBUST_TEACHERS_SEED,
    judged_name,
)
from analysis.results.tables import GAP, SEED, Named, crossed, markdown
from sched_rl.statistics import mean_interval

#: What the policies of `env=mixed` imitate before they learn.
TEACHER = "laxity_score"


def robust_table(named: Named) -> list[str]:
    """A row an objective: worst family and mean, and what they gain on the plain mean and on the teacher."""
    trainings = {
        label: {result.provenance["seed"]: result.own for result in named.get(judged_name(label), ())}
        for label in ROBUST
    }
    rules = {agent: found[0].own for agent in DUE_RULES if (found := named.get(judged_name(agent)))}
    rows = []
    for label, learned in trainings.items():
        gains = ["", ""] if label == "mean" else _gains(learned, trainings["mean"])
        against = _against(list(learned.values()), rules.get(TEACHER))
        rows.append([f"`{label}`", str(len(learned)), *_worst_and_mean(learned.values()), *gains, *against])
    for agent in DUE_RULES:
        judged = [rules[agent]] if agent in rules else []
        rows.append([f"(`{agent}`)", "", *_worst_and_mean(judged), "", "", "", ""])
    head = ["`agent/objective`", "trainings", "worst family", "mean", "worst minus `mean`'s [95 %]"]
    head += ["mean minus `mean`'s", f"worst family minus `{TEACHER}` there", f"mean minus `{TEACHER}`"]
    return [
        *markdown(head, rows),
        "",
        "On promote, 100 episodes a family: objectives are chosen among here, and nothing of report is read. "
        "Against `mean` trainings are paired by seed, the intervals are over trainings; against the teacher of "
        f"`env=mixed` they are over trainings and episodes. *simulated teachers*: "
        f"`{ROBUST['simulated teachers'][-1]}`. *distilled*: `{' '.join(DISTILLED)}`, and on "
        f"{', '.join(LEARNED_TEACHERS)} the teachers are the policies trained there (seed {ROBUST_TEACHERS_SEED}).",
    ]


def _worst_and_mean(judged: Iterable[Judged]) -> list[str]:
    values = [(row["eval_min_block_return"], row["eval_mean_return"]) for row in judged]
    return [f"{each:.3f}" for each in np.mean(values, axis=0)] if values else [GAP, GAP]


def _against(learned: Sequence[Judged], rule: Judged | None) -> list[str]:
    """Where the rule is worst, and over all families."""
    if not learned or rule is None:
        return [GAP, GAP]
    families = sorted({each["block_name"] for each in rule["episodes"]})
    worst = min(families, key=lambda family: block_of(rule, family)["eval_mean_return"])
    return [
        crossed([(block_of(row, family), block_of(rule, family)) for row in learned]).format(3)
        for family in (worst, "mixed")
    ]


def _gains(found: Mapping[int, Judged], plain: Mapping[int, Judged]) -> list[str]:
    seeds = [seed for seed in found if seed in plain]
    if len(seeds) < 2:
        return [GAP, GAP]
    columns = ("eval_min_block_return", "eval_mean_return")
    differences = [[found[seed][column] - plain[seed][column] for seed in seeds] for column in columns]
    return [mean_interval(each, seed=SEED).format(3) for each in differences]
