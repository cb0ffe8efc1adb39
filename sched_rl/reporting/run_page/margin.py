"""The names of the levels in the right margin, apart from each other and within the panel."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from sched_rl.reporting.reference_lines import spread_labels
from sched_rl.reporting.run_page.frame import LEFT, PLOT_WIDTH, TOP
from sched_rl.reporting.run_page.markup import element, number_text
from sched_rl.reporting.run_page.panels import Level
from sched_rl.reporting.run_page.scales import Scale

#: Height of a line of text; pixels.
_LINE = 12.0


def level_names(levels: Sequence[Level], y: Scale, height: float) -> list[Element]:
    """A name with its value for each level that has one, and a line from the name to its level."""
    named = sorted((level for level in levels if level.label), key=lambda level: y.place(level.value))
    wanted = [y.place(level.value) for level in named]
    drawn = []
    for level, at, place in zip(
        named, wanted, within(spread_labels(wanted, _LINE), _LINE, height), strict=True
    ):
        strong = " strong" * level.is_strong
        edge = LEFT + PLOT_WIDTH
        leader = f"M{edge} {number_text(TOP + at)}L{edge + 7} {number_text(TOP + place)}"
        text = {"class": f"level-name{strong}", "x": edge + 10, "y": TOP + place + 4}
        drawn.append(element("path", {"class": f"leader{strong}", "d": leader}))
        drawn.append(element("text", text, f"{level.label} {level.value:.3g}"))
    return drawn


def within(places: Sequence[float], gap: float, height: float) -> list[float]:
    """Ascending places pushed back between 0 and `height`, at least `gap` apart; the lower end may give way."""
    moved = list(places)
    limit = height
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - gap
    limit = 0.0
    for index in range(len(moved)):
        moved[index] = max(moved[index], limit)
        limit = moved[index] + gap
    return moved
