"""The page: every table with its commands, seeds, dates, versions; written anew after each finished cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from analysis.results.family_tables import contests, contests_of_one, families_table
from analysis.results.forest_figure import Side, draw_forest
from analysis.results.making import Result
from analysis.results.plan import CLUSTERS, FAMILIES, GENERAL_NETWORKS, TABLES, TRAINED_ON, Cell
from analysis.results.robust_table import robust_table
from analysis.results.tables import Named, by_name, heuristics_table, ppo_table, rollout_table, study_table
from analysis.results.transfer_table import generalisation_table, transfers
from sched_rl.checkpoint import write_atomically

_TABLES: dict[str, Callable[[Named], list[str]]] = {
    "heuristics": heuristics_table,
    "ppo_playbook": ppo_table("playbook"),
    "rollout": rollout_table,
    "ppo_heavy": ppo_table("heavy"),
    "families": families_table,
    "robust": robust_table,
    "generalisation": generalisation_table,
    "study": study_table,
}

#: As `_where_from` writes it.
_FINISHED = re.compile(r"^(\d+) of \d+ evaluations and trainings;", re.MULTILINE)

_HEAD = """# Results

Made by `make results`{more}: trained and played from scratch, with fixed seeds, default settings but for what a command
says. Scores are returns on the REPORT blocks (3 x 20 episodes that chose nothing; read once a training, at its end)
unless said; intervals are 95 % bootstrap intervals of differences paired by episode; of several trainings they
resample those too, of one they speak of that one alone. Checkpoints were chosen on VAL.
"""


def write_page(
    path: Path,
    cells: Mapping[str, Sequence[Cell]],
    results: Mapping[Cell, Result],
    more: Sequence[str],
    wanted: Collection[str],
) -> None:
    """Write the page, whole or not at all.

    A table that nobody asked for keeps what the page has of it, made elsewhere, while that is more than what is here.

    Args:
        path: of the Markdown file.
        cells: of each table.
        results: those that are finished, in the order of the plan.
        more: overrides of every cell, if any.
        wanted: names of the tables that were asked for.
    """
    lines = [_HEAD.format(more=f' (`ARGS="{" ".join(more)}"`)' if more else "")]
    lines += _others(path)
    sections = _sections(path)
    for plan in TABLES:
        finished = {cell: results[cell] for cell in cells[plan.name] if cell in results}
        there = sections.get(plan.title, "")
        if plan.name not in wanted and _num_finished(there) > len(finished):
            lines += ["", f"## {plan.title}", there.rstrip()]
            continue
        lines += ["", f"## {plan.title}", "", *_TABLES[plan.name](by_name(finished)), ""]
        lines += _picture(plan.name, by_name(finished), path)
        lines += _where_from(plan.name, cells[plan.name], finished)
    write_atomically(path, ("\n".join(lines).rstrip() + "\n").encode())


def _sections(path: Path) -> dict[str, str]:
    """What an earlier page says below each of its titles; nothing where there is none."""
    if not path.is_file():
        return {}
    parts = path.read_text(encoding="utf-8").split("\n## ")[1:]
    return {title: text for title, _, text in (part.partition("\n") for part in parts)}


def _num_finished(section: str) -> int:
    """How many evaluations and trainings a section says that it shows."""
    found = _FINISHED.search(section)
    return int(found[1]) if found else 0


def _families_picture(named: Named, path: Path) -> bool:
    sides = [
        Side(label, {contest.family: contest.difference for contest in found})
        for label, found in (
            ("trained on the family", contests(named)),
            ("trained on `mixed`", contests_of_one(named)),
        )
    ]
    title = "PPO against the best heuristic of each family"
    return draw_forest(FAMILIES, sides, path, title, tolerated=0.01)


def _generalisation_picture(named: Named, path: Path) -> bool:
    rows = {place: "{} GPUs, load {}, window {}".format(*place) for place in CLUSTERS}
    sides = [
        Side(network, {rows[place]: each for place, each in transfers(named, network).items()})
        for network in GENERAL_NETWORKS
    ]
    title = "Trained on {} GPUs, load {}, window {}: on other clusters".format(*TRAINED_ON)
    return draw_forest(list(rows.values()), sides, path, title)


#: Pictures beside the page: of which table, and what they show. False from drawing: there is nothing to draw yet.
_PICTURES: dict[str, tuple[Callable[[Named, Path], bool], str]] = {
    "families": (_families_picture, "PPO minus the best heuristic of each family, with intervals"),
    "generalisation": (
        _generalisation_picture,
        "PPO minus the best heuristic on each cluster, with intervals",
    ),
}


def _picture(name: str, named: Named, page: Path) -> list[str]:
    """A table's picture, if it has one."""
    if name not in _PICTURES:
        return []
    draw, shown = _PICTURES[name]
    picture = page.with_name(f"{name}.png")
    return [f"![{shown}]({picture.name})", ""] if draw(named, picture) else []


def _others(path: Path) -> list[str]:
    """Pages that other commands wrote beside this one."""
    others = sorted(other.name for other in path.parent.glob("*.md") if other != path)
    return [f"Beside it: {', '.join(f'[{name}]({name})' for name in others)}."] if others else []


def _where_from(name: str, cells: Sequence[Cell], finished: Mapping[Cell, Result]) -> list[str]:
    """How many of the cells are there, the commands behind them, when and with what they ran."""
    lines = [
        f"{len(finished)} of {len(cells)} evaluations and trainings; again: `python -m analysis.results tables={name}`."
    ]
    commands = list(dict.fromkeys(_without_seed(cell) for cell in cells))
    lines += ["", "<details><summary>commands, dates, versions</summary>", "", "```"]
    lines += [*commands, "```", ""]
    made = [result.provenance for result in finished.values()]
    if made:
        dates = sorted(str(each["created"])[:10] for each in made)
        commits = dict.fromkeys(_commit(each) for each in made)
        days = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
        lines += [f"Made {days}; commit {', '.join(commits)}.", ""]
        for each in dict.fromkeys(_machine(each) for each in made):
            lines += [each, ""]
    return [*lines, "</details>"]


def _without_seed(cell: Cell) -> str:
    return cell.command if cell.seed is None else cell.command.replace(f" seed={cell.seed}", " seed=SEED")


def _commit(provenance: Mapping[str, object]) -> str:
    commit = str(provenance["git_commit"] or "unknown")[:10]
    return f"{commit} with changes" if provenance["git_dirty"] else commit


def _machine(provenance: Mapping[str, object]) -> str:
    versions = provenance["versions"]
    named = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
    threads = f"{provenance['threads']} thread{'s' if provenance['threads'] != 1 else ''}"
    return f"Python {provenance['python']}, {', '.join(named)}; {threads} of {provenance['cpu_count']} cores."
