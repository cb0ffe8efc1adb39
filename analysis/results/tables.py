"""From finished cells to Markdown tables; a cell that is not finished leaves a gap, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis.results.making import Result
from analysis.results.plan import (
    BASELINE,
    FAMILIES,
    HEURISTICS,
    STUDY_BASELINES,
    STUDY_MODES,
    STUDY_NETWORKS,
    Cell,
    study_name,
)
from sched_rl.statistics import Interval, paired_difference
from sched_rl.statistics.crossed import crossed_interval

#: The bootstrap's seed: the same results always give the same table.
SEED = 0
GAP = "…"

#: What the study published for this MDP: scheduler to VAL mean and REPORT mean.
PUBLISHED = {
    "fifo": (0.369, 0.456),
    "sjf": (0.529, 0.534),
    "priority": (0.528, 0.542),
    "rand_feas_no0": (0.525, 0.571),
}
PUBLISHED_PPO = (0.590, 0.615)

Results = Mapping[Cell, Result]
Named = Mapping[str, Sequence[Result]]


def by_name(results: Results) -> dict[str, list[Result]]:
    """Results by the name of their cell; trainings in the order of the plan."""
    named: dict[str, list[Result]] = {}
    for cell, result in results.items():
        named.setdefault(cell.name, []).append(result)
    return named


def heuristics_table(named: Named) -> list[str]:
    """A row a scheduler, a column a family: worst block / mean; the best mean of a family in bold."""
    found = {
        (agent, env): named[f"{agent}-{env}-report"][0].own
        for agent in HEURISTICS
        for env in FAMILIES
        if f"{agent}-{env}-report" in named
    }
    best = {
        env: max(
            (row["eval_mean_return"] for (_, place), row in found.items() if place == env), default=np.nan
        )
        for env in FAMILIES
    }
    rows = []
    for agent in HEURISTICS:
        rows.append([f"`{agent}`", *(_score(found.get((agent, env)), best[env]) for env in FAMILIES)])
    bounds = [
        next((row["fluid_bound_mean"] for (_, at), row in found.items() if at == env), None)
        for env in FAMILIES
    ]
    rows.append(["fluid bound", *(GAP if bound is None else f"{bound:.3f}" for bound in bounds)])
    return markdown(["worst block / mean", *(f"`{env}`" for env in FAMILIES)], rows)


def rollout_table(named: Named) -> list[str]:
    """What the rollouts earn, and their paired difference to the heuristic that they follow."""
    rows = []
    for env, futures in (("playbook", ("oracle", "model")), ("heavy", ("oracle",))):
        base = _only(named, f"{BASELINE}-{env}-report")
        rows.append([f"`{env}`", f"`{BASELINE}` by itself", *scores(base), ""])
        for future in futures:
            row = _only(named, f"rollout-{future}-{env}-report")
            difference = GAP if base is None or row is None else paired(row, base).format(3)
            rows.append([f"`{env}`", f"`rollout`, `agent.future={future}`", *scores(row), difference])
    return markdown(["env", "scheduler", "worst block", "mean", f"minus `{BASELINE}` [95 %]"], rows)


def ppo_table(env: str) -> Callable[[Named], list[str]]:
    """The table of the default PPO on one family."""

    def table(named: Named) -> list[str]:
        return _ppo_table(named.get(f"ppo-{env}", ()))

    return table


def _ppo_table(results: Sequence[Result]) -> list[str]:
    """A row a training seed, then their median and what another seed and other episodes would do."""
    head = ["training", "worst block", "mean", f"minus `{BASELINE}` [95 %]", "best on val", "held", "minutes"]
    rows, numbers = [], []
    for result in results:
        best, held = _holding(result)
        own = result.own
        row = (own["eval_min_block_return"], own["eval_mean_return"], best, held, result.minutes)
        numbers.append(row)
        difference = paired(own, result.evaluations[BASELINE]).format(3)
        seed = result.provenance["seed"]
        rows.append([f"seed {seed}", f"{row[0]:.3f}", f"{row[1]:.3f}", difference, *_course(row[2:])])
    if not rows:
        return markdown(head, [[GAP] * len(head)])
    median = np.median(numbers, axis=0)
    across = crossed([(result.own, result.evaluations[BASELINE]) for result in results]).format(3)
    rows.append(
        [f"median of {len(rows)}", f"{median[0]:.3f}", f"{median[1]:.3f}", across, *_course(median[2:])]
    )
    return [
        *markdown(head, rows),
        "",
        "*held*: mean over val of the last 20 % of the evaluations, minus the best one. The last row's difference is "
        "the mean over the trainings, its interval resamples trainings and episodes.",
    ]


def study_table(named: Named) -> list[str]:
    """The published numbers beside ours, the eight replications, and the study's GAE beside ours."""
    lines = markdown(
        ["mean return", "published, VAL", "ours, VAL", "published, REPORT", "ours, REPORT"],
        [[f"`{agent}`", *_study_baseline(named, agent)] for agent in STUDY_BASELINES],
    )
    names = [study_name(network, mode) for network in STUDY_NETWORKS for mode in STUDY_MODES]
    rows = [[f"`experiment={name}`", *_study_row(named.get(name, ()))] for name in names]
    rows.append(["published: cross-attention, cdf", "1", *(f"{mean:.3f}" for mean in PUBLISHED_PPO), "", ""])
    head = ["200 000 steps", "trainings", "VAL mean", "REPORT mean", "lowest, highest", "minus `sjf` [95 %]"]
    lines += [
        "",
        *markdown(head, rows),
        "",
        "With the study's GAE, which runs on over the ends of episodes:",
        "",
    ]
    rows = [[f"`{network}`, cdf", *_boundary_row(named, network)] for network in STUDY_NETWORKS]
    return lines + markdown(["", "ours", "the study's GAE", "the study's minus ours [95 %]"], rows)


def _study_baseline(named: Named, agent: str) -> list[str]:
    ours = (_only(named, f"{agent}-playbook-{split}") for split in ("val", "report"))
    cells = []
    for published, row in zip(PUBLISHED[agent], ours, strict=True):
        cells += [f"{published:.3f}", scores(row)[1]]
    return cells


def _study_row(results: Sequence[Result]) -> list[str]:
    if not results:
        return ["0", *[GAP] * 4]
    means = [result.own["eval_mean_return"] for result in results]
    val = np.mean([_holding(result)[0] for result in results])
    difference = crossed([(result.own, result.evaluations["sjf"]) for result in results])
    spread = f"{min(means):.3f}, {max(means):.3f}"
    return [str(len(results)), f"{val:.3f}", f"{np.mean(means):.3f}", spread, difference.format(3)]


def _boundary_row(named: Named, network: str) -> list[str]:
    """Trainings of equal seeds are pairs: they begin with the same network on the same episodes."""
    ours, lost = (
        {r.provenance["seed"]: r.own for r in named.get(each, ())}
        for each in (study_name(network, "cdf"), study_name(network, "gae_bug"))
    )
    pairs = [(lost[seed], ours[seed]) for seed in ours if seed in lost]
    if not pairs:
        return [GAP] * 3
    means = [np.mean([pair[k]["eval_mean_return"] for pair in pairs]) for k in (1, 0)]
    return [*(f"{mean:.3f}" for mean in means), crossed(pairs).format(3)]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _only(named: Named, name: str) -> Mapping[str, Any] | None:
    return named[name][0].own if name in named else None


def _score(row: Mapping[str, Any] | None, best: float) -> str:
    if row is None:
        return GAP
    text = " / ".join(scores(row))
    return f"**{text}**" if row["eval_mean_return"] >= best else text


def scores(row: Mapping[str, Any] | None) -> list[str]:
    """Worst block and mean of an evaluation, as text."""
    if row is None:
        return [GAP, GAP]
    return [f"{row['eval_min_block_return']:.3f}", f"{row['eval_mean_return']:.3f}"]


def _course(numbers: Sequence[float]) -> list[str]:
    best, held, minutes = numbers
    return [f"{best:.3f}", f"{held:+.3f}", f"{minutes:.1f}"]


def _holding(result: Result) -> tuple[float, float]:
    """The best mean over val, and how far below it the last fifth of the evaluations lie."""
    means = result.metrics["eval_mean_return"]
    means = means[np.isfinite(means)]
    last = means[-max(1, len(means) // 5) :]
    return float(means.max()), float(last.mean() - means.max())


def paired(row: Mapping[str, Any], other: Mapping[str, Any]) -> Interval:
    """One evaluation minus another, paired by episode."""
    (mine, blocks), (theirs, _) = _returns(row), _returns(other)
    return paired_difference(mine, theirs, strata=blocks, seed=SEED)


def crossed(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Interval:
    """The mean difference over trainings, each paired by episode; the interval resamples both.

    Of a single training it is over the episodes alone, and speaks of that training only.
    """
    if len(pairs) == 1:
        return paired(*pairs[0])
    values = [np.subtract(_returns(one)[0], _returns(other)[0]) for one, other in pairs]
    return crossed_interval(values, strata=_returns(pairs[0][0])[1], seed=SEED)


def _returns(row: Mapping[str, Any]) -> tuple[list[float], list[int]]:
    """Episode returns in the order of the seeds, and the block of each."""
    episodes = sorted(row["episodes"], key=lambda each: (each["block"], each["seed"]))
    return [float(each["return"]) for each in episodes], [int(each["block"]) for each in episodes]
