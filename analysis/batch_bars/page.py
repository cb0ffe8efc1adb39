"""The bars and the policies as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.batch_bars.measuring import Bars, Measured
from analysis.batch_bars.policies import difference, played, spread
from analysis.batch_bars.populations import Asked
from analysis.batch_bars.rules import SETTINGS, Setting

POPULATIONS = ("published", "unseen")


def page(bars: Bars, asked: Asked, policies: Mapping[Setting, Sequence[Path]]) -> str:
    """Tables by setting: the bar and what else there is, and the policies against the bar."""
    starts = ", ".join(map(str, asked.starts))
    titles = {
        "published": f"{len(asked.starts)} sequences of {asked.trace.name}, from jobs {starts}",
        "unseen": f"{asked.unseen} generated sequences (Lublin-Feitelson, load_factor {asked.load_factor:g})",
    }
    lines = [f"Mean bounded slowdown, {asked.count} jobs a sequence, 95 % intervals.", ""]
    lines += [f"- *{name}*: {titles[name]}" for name in POPULATIONS]
    lines += [
        f"- families are tuned on {asked.tuning} other generated sequences, moved to the clock of those measured"
    ]
    for setting, (title, _) in SETTINGS.items():
        lines += [
            "",
            f"## {title}",
            "",
            *_best(bars, setting),
            "",
            *_policies(bars, asked, setting, policies),
        ]
    lines += ["", "## All fixed schedulers", ""]
    for setting in SETTINGS:
        lines += [*_all(bars, setting), ""]
    return "\n".join(lines).rstrip() + "\n"


def _best(bars: Bars, setting: Setting) -> list[str]:
    lines = ["| sequences | best priority | f1, tuned | requested^a * procs, tuned | the bar |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for population in POPULATIONS:
        found = bars.of(population, setting)
        fixed = next(one for one in found if not one.tuned)
        tuned = {one.rule.priority: one for one in found if one.tuned}
        cells = [_cell(one) for one in (fixed, tuned["f1"], tuned["power"])]
        lines.append(f"| {population} | {' | '.join(cells)} | **{found[0].mean:.2f}** |")
    return lines


def _cell(one: Measured) -> str:
    return f"{one.rule.label}: {spread(one.slowdowns).format(2)}"


def _policies(
    bars: Bars, asked: Asked, setting: Setting, policies: Mapping[Setting, Sequence[Path]]
) -> list[str]:
    lines = [
        "| sequences | PPO, by training | mean | minus the bar | mean wait s | longest wait s | utilization |"
    ]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for population in POPULATIONS:
        found = played(policies.get(setting, ()), population, asked)
        if not found:
            continue
        bar = bars.of(population, setting)[0]
        means = [float(one.slowdowns.mean()) for one in found]
        waits, longest, used = (
            float(np.mean([getattr(one, name).mean() for one in found]))
            for name in ("mean_wait_s", "max_wait_s", "utilization")
        )
        lines.append(
            f"| {population} | {', '.join(f'{mean:.2f}' for mean in means)} | **{np.mean(means):.2f}** "
            f"| {difference(found, bar.slowdowns).format(2)} | {waits:,.0f} | {longest:,.0f} | {used:.1%} |"
        )
    return lines if len(lines) > 2 else []


def _all(bars: Bars, setting: Setting) -> list[str]:
    found = {population: bars.of(population, setting) for population in POPULATIONS}
    lines = [f"| {SETTINGS[setting][0]} | {' | '.join(POPULATIONS)} |", "| --- | --- | --- |"]
    labels = dict.fromkeys(one.rule.label for population in POPULATIONS for one in found[population])
    for label in labels:
        means = {name: one.mean for name in POPULATIONS for one in found[name] if one.rule.label == label}
        cells = [f"{means[name]:,.2f}" if name in means else "" for name in POPULATIONS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines
