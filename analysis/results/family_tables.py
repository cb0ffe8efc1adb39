"""PPO against every heuristic on each family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.results.plan import (
    FAMILIES,
    rivals_by_family,
    rivals_on,
    wide_name,
)
from analysis.results.tables import GAP, Named, crossed, markdown
from sched_rl.statistics import Interval

Judged = Mapping[str, Any]


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
        there = {agent: part for agent, row in known.items() if (part := block_of(row, family))["episodes"]}
        ours = [part for row in learned if (part := block_of(row, family))["episodes"]]
        if there and ours:
            found.append(_judge(family, there, ours))
    return found


def block_of(row: Judged, family: str) -> dict[str, Any]:
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
