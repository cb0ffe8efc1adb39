"""A cluster as a small image: the clock, the GPUs with the time left of their jobs, and the window.

Lengths of time are drawn as their square roots, since most jobs are short and a few very long. Colours are Okabe and
Ito's, which differ for every kind of colour vision; what fits is told by filling, too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.envs.pictures.glyphs import draw_string, string_width
from sched_rl.envs.pictures.view import ClusterView, QueuedJob

WIDTH, HEIGHT = 480, 360
_MARGIN, _SCALE = 8, 2
_LANES_TOP, _LANES_HEIGHT = 58, 112
_CELLS_TOP, _COLUMNS, _CELL_ROWS = 192, 10, 5

_Color = tuple[int, int, int]
_WHITE, _INK, _FRAME, _EMPTY = (255, 255, 255), (40, 40, 40), (200, 200, 200), (238, 238, 238)
_FITS, _TOO_WIDE = (0, 114, 178), (213, 94, 0)
#: Fills of running jobs by their first GPU, so that neighbours differ; all light enough for dark letters.
_JOB_COLORS: tuple[_Color, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 188, 140),
    (240, 228, 66),
    (221, 150, 190),
    (244, 140, 80),
)


def draw_image(view: ClusterView) -> NDArray[np.uint8]:
    """The picture, uint8 (360, 480, 3)."""
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    _draw_clock(image, view)
    _draw_gpus(image, view)
    _draw_window(image, view)
    return image


def _fill(image: NDArray[np.uint8], x: int, y: int, width: int, height: int, color: _Color) -> None:
    image[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = color


def _outline(image: NDArray[np.uint8], x: int, y: int, width: int, height: int, color: _Color) -> None:
    _fill(image, x, y, width, 1, color)
    _fill(image, x, y + height - 1, width, 1, color)
    _fill(image, x, y, 1, height, color)
    _fill(image, x + width - 1, y, 1, height, color)


def _length(time_s: float, view: ClusterView) -> float:
    return math.sqrt(min(max(time_s / view.longest_s, 0.0), 1.0))


def _draw_clock(image: NDArray[np.uint8], view: ClusterView) -> None:
    share, width = min(view.now_s / view.horizon_s, 1.0), WIDTH - 2 * _MARGIN
    left = f"{view.now_s:.0f} / {view.horizon_s:.0f} s  step {view.steps}  return {view.total_return:+.3f}"
    draw_string(image, _MARGIN, _MARGIN, left, _INK, _SCALE)
    _fill(image, _MARGIN, 24, width, 6, _EMPTY)
    _fill(image, _MARGIN, 24, round(share * width), 6, _INK)


def _draw_gpus(image: NDArray[np.uint8], view: ClusterView) -> None:
    """A lane a GPU, its job's bar as long as the time left; many GPUs share a row of pixels."""
    title = f"{view.num_gpus} GPUs  {view.num_idle} idle  {len(view.running)} running"
    draw_string(image, _MARGIN, 40, title, _INK, _SCALE)
    full, lanes = WIDTH - 2 * _MARGIN, min(view.num_gpus, _LANES_HEIGHT)
    height = min(_LANES_HEIGHT // lanes, 28)
    gap = 1 if height >= 4 else 0
    lane_of = {gpu: gpu * lanes // view.num_gpus for gpu in range(view.num_gpus)}
    _fill(image, _MARGIN, _LANES_TOP, full, lanes * height, _EMPTY)
    for run in view.running:
        length = max(round(_length(run.left_s, view) * full), 1)
        color = _JOB_COLORS[run.gpus[0] % len(_JOB_COLORS)]
        held = sorted({lane_of[gpu] for gpu in run.gpus})
        for lane in held:
            top = _LANES_TOP + lane * height
            _fill(image, _MARGIN, top, length, height - gap, color)
            if lane - 1 not in held:
                _draw_label(image, str(run.job), top, height - gap, length)
    for lane in range(1, lanes):
        if gap:
            _fill(image, _MARGIN, _LANES_TOP + lane * height - 1, full, 1, _WHITE)


def _draw_label(image: NDArray[np.uint8], label: str, top: int, height: int, length: int) -> None:
    """Whose bar it is, on it or, where it is too short, beside it."""
    if height > 5 * _SCALE:
        inside = string_width(label, _SCALE) + 4 <= length
        x = _MARGIN + (3 if inside else length + 3)
        draw_string(image, x, top + (height - 5 * _SCALE) // 2, label, _INK, _SCALE)


def _draw_window(image: NDArray[np.uint8], view: ClusterView) -> None:
    """A cell a slot, its box as wide as the job is long and as high as it needs GPUs."""
    shown = view.window[: _COLUMNS * _CELL_ROWS]
    hidden = view.num_queued - len(shown)
    title = f"queue  {view.num_queued} waiting" + (f"  {hidden} not shown" if hidden else "")
    draw_string(image, _MARGIN, _CELLS_TOP - 16, title, _INK, _SCALE)
    legend = "fits"
    x = WIDTH - _MARGIN - string_width(legend, _SCALE)
    draw_string(image, x, _CELLS_TOP - 16, legend, _INK, _SCALE)
    _fill(image, x - 16, _CELLS_TOP - 16, 12, 10, _FITS)
    width, height = (WIDTH - 2 * _MARGIN) // _COLUMNS, (HEIGHT - _CELLS_TOP - _MARGIN) // _CELL_ROWS
    for slot in range(_COLUMNS * _CELL_ROWS):
        x, y = _MARGIN + slot % _COLUMNS * width, _CELLS_TOP + slot // _COLUMNS * height
        _outline(image, x, y, width - 1, height - 1, _FRAME)
        if slot < len(shown):
            _draw_job(image, x + 2, y + 2, width - 5, height - 5, shown[slot], view)


def _draw_job(
    image: NDArray[np.uint8],
    x: int,
    y: int,
    most_wide: int,
    most_high: int,
    job: QueuedJob,
    view: ClusterView,
) -> None:
    width = max(round(_length(job.duration_s, view) * most_wide), 3)
    height = max(round(job.gpus / view.num_gpus * most_high), 3)
    if job.fits:
        _fill(image, x, y, width, height, _FITS)
    else:
        _outline(image, x, y, width, height, _TOO_WIDE)
