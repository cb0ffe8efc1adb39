"""PPO against every heuristic on each family, the robust objectives, and other clusters than trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.results.plan import (
    CLUSTERS,
    DUE_RULES,
    FAMILIES,
    GENERAL_RIVALS,
    OBJECTIVES,
    general_name,
    judged_name,
    rivals_by_family,
    rivals_on,
    wide_name,
)
from analysis.results.tables import GAP, SEED, Named, crossed, markdown, paired, scores
from sched_rl.statistics import Interval, mean_interval

Judged = Mapping[str, Any]
#: What the policies of `env=mixed` imitate before they learn.
TEACHER = "laxity_score"


@dataclass(frozen=True)
class Contest:
    """Learned policies against the best heuristic on one family.

    Attributes:
        family: where.
        rival: the heuristic with the highest mean on these very episodes.
        rival_mean: its mean.
        means: of the trainings.
        difference: trainings minus rival, over trainings and episodes.
    """

    family: str
    rival: str
    rival_mean: float
    means: tuple[float, ...]
    difference: Interval


def families_table(named: Named) -> list[str]:
    """A row a family: the best heuristic, the policy trained there, the one policy trained on all of them."""
    own = {contest.family: contest for contest in contests(named)}
    one = {contest.family: contest for contest in contests_of_one(named)}
    head = ["family", "best heuristic", "mean", "PPO trained on it", "minus the heuristic [95 %]"]
    head += ["PPO trained on `mixed`", "minus the best heuristic there [95 %]"]
    rows = []
    for family in FAMILIES:
        rival = own.get(family)
        named_rival = [f"`{rival.rival}`", f"{rival.rival_mean:.3f}"] if rival else [GAP, GAP]
        rows.append([f"`{family}`", *named_rival, *_contest(own.get(family)), *_contest(one.get(family))])
    return [
        *markdown(head, rows),
        "",
        "Best heuristic: of all fixed ones, with `linear_score` as shipped and with weights found on the family, and "
        "with `least_laxity` and `laxity_score` where jobs have due times, the one that did best on these very "
        "episodes: 600 of report, the first 60 of them those of the other tables. Differences are paired by episode; "
        "intervals resample trainings and episodes. The last two columns are of 100 episodes a family "
        "(`eval=family_blocks`).",
    ]


def contests(named: Named) -> list[Contest]:
    """The policies trained on each family against the heuristics there; families without results are left out."""
    found = []
    for family in FAMILIES:
        known = {
            agent: named[name][0].own
            for agent in rivals_on(family)
            if (name := wide_name(agent, family)) in named
        }
        learned = [result.own for result in named.get(wide_name("ppo", family), ())]
        if known and learned:
            found.append(_judge(family, known, learned))
    return found


def contests_of_one(named: Named) -> list[Contest]:
    """The policies trained on the mixture against the heuristics, family by family, and on all of them."""
    known = {
        agent: named[name][0].own
        for agent in rivals_by_family()
        if (name := wide_name(agent, "by-family")) in named
    }
    learned = [result.own for result in named.get(wide_name("ppo", "by-family"), ())]
    if not known or not learned:
        return []
    found = []
    for family in FAMILIES:
        there = {agent: part for agent, row in known.items() if (part := _block(row, family))["episodes"]}
        ours = [part for row in learned if (part := _block(row, family))["episodes"]]
        if there and ours:
            found.append(_judge(family, there, ours))
    return found


def _block(row: Judged, family: str) -> dict[str, Any]:
    """The part of an evaluation that one family's block is; all of it for the mixture."""
    episodes = [each for each in row["episodes"] if family in ("mixed", each.get("block_name"))]
    blocks = {each["block"] for each in episodes}
    means = [
        np.mean([each["return"] for each in episodes if each["block"] == block]) for block in sorted(blocks)
    ]
    return {"episodes": episodes, "eval_mean_return": float(np.mean(means)) if means else np.nan}


def _judge(family: str, rivals: Mapping[str, Judged], learned: Sequence[Judged]) -> Contest:
    best = max(rivals, key=lambda agent: rivals[agent]["eval_mean_return"])
    difference = crossed([(row, rivals[best]) for row in learned])
    means = tuple(float(row["eval_mean_return"]) for row in learned)
    return Contest(family, best, float(rivals[best]["eval_mean_return"]), means, difference)


def _contest(contest: Contest | None) -> list[str]:
    if contest is None:
        return [GAP, GAP]
    text = contest.difference.format(3)
    return [f"{np.mean(contest.means):.3f}", f"**{text}**" if contest.difference.is_above_zero else text]


def robust_table(named: Named) -> list[str]:
    """A row an objective: worst family and mean, and what they gain on the plain mean and on the teacher."""
    trainings = {
        objective: {result.provenance["seed"]: result.own for result in named.get(judged_name(objective), ())}
        for objective in OBJECTIVES
    }
    rules = {agent: found[0].own for agent in DUE_RULES if (found := named.get(judged_name(agent)))}
    rows = []
    for objective, learned in trainings.items():
        gains = ["", ""] if objective == "mean" else _gains(learned, trainings["mean"])
        against = _against(list(learned.values()), rules.get(TEACHER))
        rows.append(
            [f"`{objective}`", str(len(learned)), *_worst_and_mean(learned.values()), *gains, *against]
        )
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
        "`env=mixed` they are over trainings and episodes.",
    ]


def _worst_and_mean(judged: Iterable[Judged]) -> list[str]:
    values = [(row["eval_min_block_return"], row["eval_mean_return"]) for row in judged]
    return [f"{each:.3f}" for each in np.mean(values, axis=0)] if values else [GAP, GAP]


def _against(learned: Sequence[Judged], rule: Judged | None) -> list[str]:
    """Where the rule is worst, and over all families."""
    if not learned or rule is None:
        return [GAP, GAP]
    families = sorted({each["block_name"] for each in rule["episodes"]})
    worst = min(families, key=lambda family: _block(rule, family)["eval_mean_return"])
    return [
        crossed([(_block(row, family), _block(rule, family)) for row in learned]).format(3)
        for family in (worst, "mixed")
    ]


def _gains(found: Mapping[int, Judged], plain: Mapping[int, Judged]) -> list[str]:
    seeds = [seed for seed in found if seed in plain]
    if len(seeds) < 2:
        return [GAP, GAP]
    columns = ("eval_min_block_return", "eval_mean_return")
    differences = [[found[seed][column] - plain[seed][column] for seed in seeds] for column in columns]
    return [mean_interval(each, seed=SEED).format(3) for each in differences]


def generalisation_table(named: Named) -> list[str]:
    """A row a cluster: what the policies earn that were trained on one of them, and the heuristics."""
    rows = []
    for place in CLUSTERS:
        judged = {
            player: named[name][0].own
            for player in ("scorer", "attention", *GENERAL_RIVALS)
            if (name := general_name(player, *place)) in named
        }
        cells = [scores(judged.get(player))[1] for player in ("scorer", "attention", *GENERAL_RIVALS)]
        rivals = [judged[agent] for agent in GENERAL_RIVALS if agent in judged]
        best = max(rivals, key=lambda row: row["eval_mean_return"], default=None)
        for network in ("scorer", "attention"):
            known = best is not None and network in judged
            cells.append(paired(judged[network], best).format(3) if known and best is not None else GAP)
        num_gpus, load, window = place
        rows.append([str(num_gpus), f"{load}", str(window), *cells])
    head = ["GPUs", "load", "window", "scorer", "attention", *(f"`{agent}`" for agent in GENERAL_RIVALS)]
    head += ["scorer minus the best [95 %]", "attention minus the best [95 %]"]
    return [*markdown(head, rows), "", "Trained on 16 GPUs, load 0.9, window 50; nothing is trained again."]
