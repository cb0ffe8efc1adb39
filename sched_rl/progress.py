"""What a training shows while it runs: one live display, plain lines where there is no terminal, or nothing.

A display is a convenience: whatever the terminal does (a closed pipe, an encoding that lacks a sign, a width
of zero), training goes on. The first failure switches the display off.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from sched_rl.errors import ConfigError
from sched_rl.reporting.standing import Score, Standing, closing_line, live_view, plain_line

if TYPE_CHECKING:
    from rich.console import Console

#: The live display is redrawn at most this often.
LIVE_INTERVAL_S = 0.25

#: Without a terminal, a line between two evaluations appears at most this often.
PLAIN_INTERVAL_S = 10.0

_MODES = ("auto", "plain", "off")


def open_progress(
    mode: str,
    total_steps: int,
    *,
    title: str,
    start_steps: int = 0,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """The display of a training, as a context manager.

    Args:
        mode: `auto` (live on a terminal, else plain), `plain` or `off`.
        total_steps: environment steps of the whole training.
        title: the run, in a few words.
        start_steps: steps done before a resume; they count for the bar and not for the speed.
        stream: where to write; standard output by default.
        clock: seconds, monotonic.

    Raises:
        ConfigError: a mode that does not exist.
    """
    if mode not in _MODES:
        raise ConfigError(f"progress={mode}: must be one of {', '.join(_MODES)}")
    standing = Standing(title=title, total_steps=total_steps, steps=start_steps, clock=clock)
    stream = sys.stdout if stream is None else stream
    # sys.stdout is None where a process has no standard output at all.
    if mode == "off" or stream is None:
        return Progress(standing)
    if mode == "auto" and _can_redraw(stream):
        return LiveProgress(standing, stream)
    return PlainProgress(standing, stream)


class Progress:
    """A display of a training; this base shows nothing, which is `progress=off`.

    The methods return quickly and never raise because of the terminal.
    """

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self._is_off = False

    def baselines(self, scores: Mapping[str, tuple[float, float]]) -> None:
        """Name the baselines' (mean, worst block); the one with the best worst block is the one to beat."""
        if scores:
            name = max(scores, key=lambda name: (scores[name][1], scores[name][0]))
            self.standing.compare_with(name, Score(*scores[name]))

    def best_so_far(self, mean: float, worst: float, steps: int) -> None:
        """Name the best checkpoint of the training being resumed and the steps at which it was found."""
        self.standing.best, self.standing.best_steps = Score(mean, worst), steps

    def update(self, steps: int, metrics: Mapping[str, float]) -> None:
        """Report an update.

        Args:
            steps: environment steps done so far, those before a resume included.
            metrics: columns of metrics.csv; `approx_kl_mean`, `approx_kl_max`, `entropy`, `entropy_frac`,
                `noop_frac` and `noop_feasible_frac` are shown where present.
        """
        self.standing.advance(steps, metrics)
        self._guarded(self._show_update)

    def evaluation(self, metrics: Mapping[str, float], is_best: bool) -> None:
        """Report an evaluation.

        Args:
            metrics: holds `eval_mean_return` and `eval_min_block_return`.
            is_best: whether this became the best checkpoint.
        """
        self.standing.judge(metrics, is_best)
        self._guarded(lambda: self._show_evaluation(is_best))

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._guarded(lambda: self._show_note(text))

    def close(self) -> None:
        """Leave the last state on the screen and give the terminal back; further calls show nothing."""
        self._guarded(self._show_end)
        self._is_off = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _guarded(self, show: Callable[[], None]) -> None:
        if self._is_off:
            return
        try:
            show()
        except (
            Exception
        ) as error:  # OSError, UnicodeError, ValueError, rich's own: a run outlives its picture
            self._is_off = True
            with contextlib.suppress(Exception):
                self._give_up(error)

    def _show_update(self) -> None:
        return

    def _show_evaluation(self, is_best: bool) -> None:
        return

    def _show_note(self, text: str) -> None:
        return

    def _show_end(self) -> None:
        return

    def _give_up(self, error: Exception) -> None:
        return


class PlainProgress(Progress):
    """A line an evaluation, and between two of them a line every few seconds at most."""

    def __init__(self, standing: Standing, stream: TextIO) -> None:
        super().__init__(standing)
        self._stream = stream
        self._written_s = standing.clock()
        self._pending: str | None = None
        self._guarded(lambda: self._write(standing.title))

    def _show_update(self) -> None:
        # A line waits for the next update: an evaluation of the same update says all of it and more.
        if self._pending is not None:
            self._write(self._pending)
            self._pending = None
        elif self.standing.clock() - self._written_s >= PLAIN_INTERVAL_S:
            self._pending = plain_line(self.standing, with_evaluation=False)

    def _show_evaluation(self, is_best: bool) -> None:
        self._pending = None
        self._write(plain_line(self.standing, with_evaluation=True, is_best=is_best))

    def _show_note(self, text: str) -> None:
        self._write(text)

    def _show_end(self) -> None:
        self._write(closing_line(self.standing))

    def _write(self, text: str) -> None:
        self._written_s = self.standing.clock()
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()

    def _give_up(self, error: Exception) -> None:
        _abandon(self._stream, error)


class LiveProgress(Progress):
    """One display that is redrawn in place, by the training's own thread and at most four times a second."""

    def __init__(self, standing: Standing, stream: TextIO) -> None:
        super().__init__(standing)
        from rich.live import Live

        self._stream = stream
        self._console = _console(stream)
        self._live = Live(live_view(standing), console=self._console, auto_refresh=False)
        self._drawn_s = standing.clock()
        self._guarded(lambda: self._live.start(refresh=True))

    def _show_update(self) -> None:
        if self.standing.clock() - self._drawn_s >= LIVE_INTERVAL_S:
            self._draw()

    def _show_evaluation(self, is_best: bool) -> None:
        self._show_update()

    def _show_note(self, text: str) -> None:
        self._console.print(text, markup=False)

    def _show_end(self) -> None:
        self._draw()
        self._live.stop()

    def _draw(self) -> None:
        self._drawn_s = self.standing.clock()
        self._live.update(live_view(self.standing), refresh=True)

    def _give_up(self, error: Exception) -> None:
        _abandon(self._stream, error)
        self._live.stop()  # gives sys.stdout and sys.stderr back


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    class TrainingConsole(Console):
        """Reports a closed pipe; rich would end the process instead."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, "the reader of the display has left")

    return TrainingConsole(file=stream, highlight=False)


def _abandon(stream: TextIO, error: Exception) -> None:
    """Point a stream whose reader has left (`train | head`, a closed terminal) to nowhere.

    What is still buffered would fail again when Python exits, and change the exit code; Python's manual
    prescribes this (library/signal, "Note on SIGPIPE").
    """
    if isinstance(error, OSError) and error.errno in {errno.EPIPE, errno.EIO}:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _can_redraw(stream: TextIO) -> bool:
    """True on a terminal that can move its cursor."""
    try:
        return stream.isatty() and os.environ.get("TERM", "").lower() not in {"", "dumb", "unknown"}
    except ValueError:  # a closed stream
        return False
