"""Where a running training stands, and how that reads: as one plain line or as a live view."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Steps/s and time to go are those of this last stretch, so that they follow a changing speed.
_RATE_WINDOW_S = 30.0


@dataclass(frozen=True)
class Score:
    """An evaluation: the mean over blocks and the worst block."""

    mean: float
    worst: float


@dataclass
class Standing:
    """Everything that a display of a running training shows.

    Attributes:
        title: the run, in a few words.
        total_steps: environment steps of the whole training.
        steps: environment steps done so far, those before a resume included.
        clock: seconds, monotonic.
        metrics: the last value of every metric.
        last: the last evaluation.
        best: the evaluation of the best checkpoint.
        best_steps: the environment steps at which it was found.
        baseline: the name and score of the baseline to beat.
    """

    title: str
    total_steps: int
    steps: int = 0
    clock: Callable[[], float] = time.monotonic
    metrics: dict[str, float] = field(default_factory=dict)
    last: Score | None = None
    best: Score | None = None
    best_steps: int = 0
    baseline: tuple[str, Score] | None = None

    def __post_init__(self) -> None:
        self._started_s = self.clock()
        self._history = deque([(self._started_s, self.steps)])

    def advance(self, steps: int, metrics: Mapping[str, float]) -> None:
        """Note an update: the steps done so far and its metrics."""
        now = self.clock()
        self.steps = steps
        self.metrics.update(metrics)
        self._history.append((now, steps))
        while len(self._history) > 2 and self._history[1][0] <= now - _RATE_WINDOW_S:
            self._history.popleft()

    def judge(self, metrics: Mapping[str, float], is_best: bool) -> None:
        """Note an evaluation, and whether it became the best."""
        self._begin_later()
        self.metrics.update(metrics)
        self.last = Score(_number(metrics, "eval_mean_return"), _number(metrics, "eval_min_block_return"))
        if is_best:
            self.best, self.best_steps = self.last, self.steps

    def compare_with(self, name: str, score: Score) -> None:
        """Note the baseline to beat."""
        self._begin_later()
        self.baseline = (name, score)

    def _begin_later(self) -> None:
        """Keep what comes before the first update (baselines, compiling) out of the speed."""
        if len(self._history) == 1:
            self._history[0] = (self.clock(), self.steps)

    @property
    def steps_per_s(self) -> float:
        """Environment steps a second over the last stretch; NaN before the first update."""
        (first_s, first), (last_s, last) = self._history[0], self._history[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else math.nan

    @property
    def to_go_s(self) -> float:
        """Seconds to go at this speed; NaN while it is unknown."""
        rate = self.steps_per_s
        return max(0, self.total_steps - self.steps) / rate if rate > 0 else math.nan

    @property
    def elapsed_s(self) -> float:
        """Seconds since the display was opened."""
        return self.clock() - self._started_s


def plain_line(standing: Standing, *, with_evaluation: bool, is_best: bool = False) -> str:
    """One line of ASCII; what is unknown is left out.

    Args:
        standing: what to show.
        with_evaluation: whether the last evaluation is news and belongs into the line.
        is_best: whether it became the best.
    """
    share = 100 * standing.steps / standing.total_steps if standing.total_steps else 100
    parts = [f"{share:3.0f} %  {standing.steps:,}/{standing.total_steps:,} steps"]
    if with_evaluation and standing.last is not None:
        news = "  NEW BEST" if is_best else ""
        parts.append(f"mean {standing.last.mean:.3f}  worst block {standing.last.worst:.3f}{news}")
        if standing.best is not None and not is_best:
            parts.append(f"best {standing.best.worst:.3f} at {standing.best_steps:,}")
        if standing.best is not None and standing.baseline is not None:
            name, score = standing.baseline
            parts.append(f"best vs {name} {standing.best.worst - score.worst:+.3f}")
    parts.extend(_update_parts(standing))
    if standing.steps_per_s > 0:
        parts.append(f"{_rate(standing.steps_per_s)}, {duration(standing.to_go_s)} to go")
    return " | ".join(parts)


def closing_line(standing: Standing) -> str:
    """The last plain line of a training."""
    text = f"{standing.steps:,} steps in {duration(standing.elapsed_s)}"
    if standing.best is None:
        return text
    best = standing.best
    return (
        f"{text}; best worst block {best.worst:.3f} (mean {best.mean:.3f}) at {standing.best_steps:,} steps"
    )


def live_view(standing: Standing) -> RenderableType:
    """The display of a terminal, about ten lines high."""
    from rich.console import Group
    from rich.text import Text

    lines: list[RenderableType] = [Text(standing.title, style="bold"), _bar(standing)]
    if standing.last is not None or standing.baseline is not None:
        lines.append(_scores(standing))
    numbers = Text("   ".join(_update_parts(standing)))
    if numbers.plain:
        lines.append(numbers)
    return Group(*lines)


def duration(seconds: float) -> str:
    """`0:17`, `1:02:03`; `?` where unknown."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _bar(standing: Standing) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    share = 100 * standing.steps / standing.total_steps if standing.total_steps else 100
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1, min_width=8)
    for _ in range(4):
        grid.add_column(no_wrap=True, justify="right")
    grid.add_row(
        ProgressBar(total=max(1, standing.total_steps), completed=standing.steps),
        f"{share:.0f} %",
        f"{standing.steps:,}/{standing.total_steps:,}",
        _rate(standing.steps_per_s),
        f"{duration(standing.elapsed_s)} gone, {duration(standing.to_go_s)} to go",
    )
    return grid


def _scores(standing: Standing) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("worst block", justify="right")
    table.add_column("mean", justify="right")
    table.add_column("")
    if standing.last is not None:
        table.add_row("last", f"{standing.last.worst:.3f}", f"{standing.last.mean:.3f}", "")
    if standing.best is not None:
        best = standing.best
        table.add_row(
            "best", f"{best.worst:.3f}", f"{best.mean:.3f}", f"at {standing.best_steps:,}", style="bold"
        )
    if standing.baseline is not None:
        name, score = standing.baseline
        table.add_row(name, f"{score.worst:.3f}", f"{score.mean:.3f}", "best baseline")
        if standing.best is not None:
            worst, mean = standing.best.worst - score.worst, standing.best.mean - score.mean
            style = "green" if worst > 0 else "yellow"
            table.add_row("distance", f"{worst:+.3f}", f"{mean:+.3f}", "", style=style)
    return table


def _update_parts(standing: Standing) -> Iterator[str]:
    """KL, entropy and no-ops of the last update, each where it is known."""
    metrics = standing.metrics
    kl, kl_max = _number(metrics, "approx_kl_mean"), _number(metrics, "approx_kl_max")
    if math.isfinite(kl):
        yield f"KL {kl:.4f}" + (f" max {kl_max:.4f}" if math.isfinite(kl_max) else "")
    entropy, share = _number(metrics, "entropy"), _number(metrics, "entropy_frac")
    if math.isfinite(entropy):
        yield f"entropy {entropy:.2f}" + (f" ({100 * share:.0f} % of max)" if math.isfinite(share) else "")
    noop, avoidable = _number(metrics, "noop_frac"), _number(metrics, "noop_feasible_frac")
    if math.isfinite(noop):
        yield f"no-op {100 * noop:.0f} %" + (
            f" ({100 * avoidable:.0f} % when a job fits)" if math.isfinite(avoidable) else ""
        )


def _number(metrics: Mapping[str, float], name: str) -> float:
    value = metrics.get(name)
    return math.nan if value is None else float(value)


def _rate(steps_per_s: float) -> str:
    if not math.isfinite(steps_per_s):
        return "? steps/s"
    if steps_per_s >= 10_000:
        return f"{steps_per_s / 1000:.1f}k steps/s"
    return f"{steps_per_s:,.0f} steps/s"
