from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading

import pytest
from rich.console import Console

from sched_rl.errors import ConfigError
from sched_rl.progress import LIVE_INTERVAL_S, PLAIN_INTERVAL_S, LiveProgress, PlainProgress, open_progress
from sched_rl.reporting.standing import Standing, duration, live_view, plain_line

EVALUATION = {"eval_mean_return": 0.612, "eval_min_block_return": 0.59}
METRICS = {
    "approx_kl_mean": 0.011,
    "approx_kl_max": 0.031,
    "entropy": 1.2,
    "entropy_frac": 0.62,
    "noop_frac": 0.45,
    "noop_feasible_frac": 0.03,
}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal:
    """A pseudo-terminal whose output is collected."""

    def __init__(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("LINES", "40")
        self.master, slave = os.openpty()
        self.stream = os.fdopen(slave, "w", encoding="utf-8")
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                return
            if not chunk:
                return
            self._chunks.append(chunk)

    def finish(self) -> str:
        self.stream.close()
        self._reader.join()
        os.close(self.master)
        text = b"".join(self._chunks).decode()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def shown(standing: Standing, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(live_view(standing))
    return console.file.getvalue()


def test_plain_lines_read_as_documented():
    stream, clock = io.StringIO(), Clock()
    with open_progress(
        "auto", 1_000_000, title="agent=ppo env=heavy", stream=stream, clock=clock
    ) as progress:
        progress.baselines({"sjf": (0.529, 0.511), "linear_score": (0.818, 0.812)})
        clock.now += 2
        progress.update(100_000, METRICS)
        progress.evaluation(EVALUATION, is_best=True)
        progress.evaluation({"eval_mean_return": 0.5, "eval_min_block_return": 0.4}, is_best=False)
    tail = (
        "KL 0.0110 max 0.0310 | entropy 1.20 (62 % of max) | no-op 45 % (3 % when a job fits)"
        " | 50.0k steps/s, 0:18 to go"
    )
    assert stream.getvalue().splitlines() == [
        "agent=ppo env=heavy",
        " 10 %  100,000/1,000,000 steps | mean 0.612  worst block 0.590  NEW BEST"
        f" | best vs linear_score -0.222 | {tail}",
        " 10 %  100,000/1,000,000 steps | mean 0.500  worst block 0.400 | best 0.590 at 100,000"
        f" | best vs linear_score -0.222 | {tail}",
        "100,000 steps in 0:02; best worst block 0.590 (mean 0.612) at 100,000 steps",
    ]


def test_plain_updates_are_rare_and_evaluations_are_all_there():
    stream, clock = io.StringIO(), Clock()
    progress = open_progress("plain", 10_000, title="run", stream=stream, clock=clock)
    for update in range(1, 1001):
        clock.now += PLAIN_INTERVAL_S / 100
        progress.update(update * 10, {})
    lines = stream.getvalue().splitlines()
    assert 9 <= len(lines) - 1 <= 10
    for _ in range(5):
        progress.evaluation(EVALUATION, is_best=False)
    assert len(stream.getvalue().splitlines()) == len(lines) + 5
    progress.note("a note")
    assert stream.getvalue().endswith("a note\n")


def test_an_update_that_is_evaluated_has_one_line():
    stream, clock = io.StringIO(), Clock()
    progress = open_progress("plain", 100, title="run", stream=stream, clock=clock)
    for update in range(1, 5):
        clock.now += 2 * PLAIN_INTERVAL_S
        progress.update(10 * update, {})
        if update % 2 == 0:
            progress.evaluation(EVALUATION, is_best=False)
    steps = [line.split()[2] for line in stream.getvalue().splitlines()[1:]]
    assert steps == ["10/100", "20/100", "30/100", "40/100"]


def test_off_writes_nothing(capsys):
    with open_progress("off", 100, title="run") as progress:
        progress.update(50, METRICS)
        progress.evaluation(EVALUATION, is_best=True)
        progress.note("hidden")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert progress.standing.best is not None


def test_a_misspelt_mode_is_refused():
    with pytest.raises(ConfigError, match="progress=quiet: must be one of auto, plain, off"):
        open_progress("quiet", 100, title="run")


def test_the_kind_follows_the_terminal(monkeypatch):
    terminal = Terminal(monkeypatch)
    with open_progress("auto", 10, title="run", stream=terminal.stream) as live:
        assert isinstance(live, LiveProgress)
    assert isinstance(open_progress("plain", 10, title="run", stream=terminal.stream), PlainProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_progress("auto", 10, title="run", stream=terminal.stream), PlainProgress)
    terminal.finish()


def test_live_display_on_a_terminal_is_throttled_and_leaves_the_last_state(monkeypatch):
    terminal, clock = Terminal(monkeypatch), Clock()
    before = sys.stdout, sys.stderr
    with open_progress("auto", 4000, title="the title", stream=terminal.stream, clock=clock) as progress:
        progress.baselines({"sjf": (0.5, 0.4)})
        for update in range(1, 401):
            clock.now += LIVE_INTERVAL_S / 20
            progress.update(update * 10, METRICS)
        progress.evaluation(EVALUATION, is_best=True)
        progress.note("a note [with brackets]")
        print("a stray print")
    assert (sys.stdout, sys.stderr) == before
    text = terminal.finish()
    assert 15 <= text.count("the title") <= 26  # 400 updates, 20 redraws
    assert "a note [with brackets]" in text
    assert "a stray print" in text
    end = text[text.rindex("the title") :]
    assert "4,000/4,000" in end
    assert re.search(r"best +0\.590 +0\.612 +at 4,000", end)
    assert re.search(r"distance +\+0\.190 +\+0\.112", end)
    assert "KL 0.0110 max 0.0310" in end


def test_live_view_before_anything_is_known_and_in_a_narrow_terminal():
    clock = Clock()
    standing = Standing("run", 1000, clock=clock)
    assert "0 %" in shown(standing)
    assert "? to go" in shown(standing)
    standing.judge(EVALUATION, is_best=True)
    for width in (1, 5, 20, 40, 200):
        assert all(len(line) <= width for line in shown(standing, width).splitlines())


def test_resumed_training_counts_earlier_steps_for_the_bar_and_not_for_the_speed():
    stream, clock = io.StringIO(), Clock()
    progress = open_progress("plain", 1000, title="run", start_steps=500, stream=stream, clock=clock)
    progress.best_so_far(0.7, 0.6, 400)
    clock.now += 10
    progress.update(600, {})
    progress.evaluation(EVALUATION, is_best=False)
    line = stream.getvalue().splitlines()[-1]
    assert line.startswith(" 60 %  600/1,000 steps")
    assert "best 0.600 at 400" in line
    assert line.endswith("10 steps/s, 0:40 to go")


def test_speed_follows_the_last_half_minute():
    clock = Clock()
    standing = Standing("run", 10**6, clock=clock)
    for second in range(1, 101):
        clock.now += 1
        standing.advance(10 * second if second <= 50 else 500 + 100 * (second - 50), {})
    assert standing.steps_per_s == pytest.approx(100)


def test_what_comes_before_the_first_update_does_not_count_for_the_speed():
    clock = Clock()
    progress = open_progress("off", 1000, title="run", clock=clock)
    clock.now += 50  # baselines, compiling
    progress.baselines({"sjf": (0.5, 0.4)})
    clock.now += 5
    progress.evaluation(EVALUATION, is_best=True)
    clock.now += 10
    progress.update(100, {})
    progress.evaluation(EVALUATION, is_best=True)
    assert progress.standing.steps_per_s == pytest.approx(10)
    assert progress.standing.elapsed_s == 65


def test_unknown_numbers_are_left_out():
    standing = Standing("run", 1000, clock=Clock())
    standing.advance(10, {"approx_kl_mean": float("nan"), "noop_frac": 0.5})
    assert plain_line(standing, with_evaluation=True) == "  1 %  10/1,000 steps | no-op 50 %"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3723, "1:02:03"), (float("nan"), "?")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def use(progress):
    with progress:
        progress.baselines({"sjf": (0.5, 0.4)})
        progress.update(10, METRICS)
        progress.evaluation(EVALUATION, is_best=True)
        progress.note("émoji ☃")
    progress.note("after the end")


class Failing(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    def isatty(self):
        return True


@pytest.mark.parametrize("mode", ["auto", "plain"])
@pytest.mark.parametrize(
    "error",
    [OSError("gone"), BrokenPipeError(), ValueError("closed"), UnicodeError("bad"), RuntimeError("odd")],
)
def test_a_failing_terminal_never_stops_the_training(mode, error, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    before = sys.stdout, sys.stderr
    use(open_progress(mode, 100, title="run", stream=Failing(error)))
    assert (sys.stdout, sys.stderr) == before


def test_odd_streams_are_harmless(monkeypatch):
    closed = io.StringIO()
    closed.close()
    use(open_progress("auto", 100, title="run", stream=closed))
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    use(open_progress("auto", 100, title="ünicode", stream=ascii_only))
    assert b"?moji ?" in ascii_only.buffer.getvalue()
    monkeypatch.setattr(sys, "stdout", None)
    use(open_progress("auto", 0, title="no stdout"))


def test_a_terminal_that_is_closed_is_harmless(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream:
        before = sys.stdout, sys.stderr
        progress = open_progress("auto", 100, title="run", stream=stream)
        assert isinstance(progress, LiveProgress)
        os.close(master)
        use(progress)
        assert (sys.stdout, sys.stderr) == before


_TRAINING = """
import sys, time
from sched_rl.progress import open_progress
with open_progress("auto", 1000, title="run") as progress:
    for step in range(1000):
        progress.evaluation({"eval_mean_return": 1.0, "eval_min_block_return": 1.0}, True)
print("the training ended", file=sys.stderr)
"""


def test_a_reader_that_leaves_changes_neither_the_training_nor_its_exit_code():
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAINING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b"the training ended\n"
    process.stderr.close()
    assert process.wait(timeout=20) == 0
