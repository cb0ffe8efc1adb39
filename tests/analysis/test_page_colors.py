"""The pages read in the light and in the dark: enough contrast, and shades in one order of brightness."""

from __future__ import annotations

import re
from importlib import resources
from itertools import pairwise

import pytest

from analysis.report.page import _STYLE

SCHEDULE = resources.files("analysis.schedule").joinpath("page.css").read_text(encoding="utf-8")
READABLE = 4.5  # WCAG 2.1, 1.4.3: text on its ground
SEEN = 3.0  # 1.4.11: marks on theirs


def themes(css: str) -> list[dict[str, str]]:
    """The colours of the light theme and of the dark one."""
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part)) for part in re.split(r"@media screen", css)[:2]
    )
    return [light, {**light, **dark}]


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, brighter = sorted((luminance(one), luminance(other)))
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", themes(SCHEDULE), ids=["light", "dark"])
def test_a_schedule_is_readable(theme):
    assert contrast(theme["ink"], theme["paper"]) > READABLE
    assert contrast(theme["soft"], theme["paper"]) > READABLE
    assert min(contrast(theme[mark], theme["paper"]) for mark in ("blue", "vermillion")) > SEEN
    shades = [luminance(theme[f"w{shade}"]) for shade in range(6)]
    assert all(brighter > darker + 0.03 for darker, brighter in pairwise(shades))
    assert contrast(theme["w0"], theme["lanes"]) > 1.9  # the least wait still shows on an empty lane


@pytest.mark.parametrize("theme", themes(_STYLE), ids=["light", "dark"])
def test_a_report_is_readable(theme):
    assert contrast(theme["ink"], theme["paper"]) > READABLE
    assert contrast(theme["ink"], theme["card"]) > READABLE
    assert min(contrast(theme[name], theme["paper"]) for name in ("critical", "warning")) > READABLE


@pytest.mark.parametrize("css", [SCHEDULE, _STYLE])
def test_every_colour_belongs_to_a_theme(css):
    """A colour written elsewhere would stay as it is in the dark."""
    rules = css.partition("body {")[2]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", re.sub(r"#scrubber", "", rules)) == []
