"""A whole comparison: what a notebook or a command calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.compare import views
from analysis.compare.grouping import Grouping, group_runs
from analysis.compare.judging import Judged, judge
from analysis.compare.runs import Run, Split, read_runs
from analysis.compare.selecting import run_folders
from sched_rl.errors import RunFolderError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison:
    """Runs, divided and judged.

    Attributes:
        runs: that were compared.
        grouping: problems, variants, seeds.
        judged: each problem.
        split: whose episodes were compared.
        left_out: a line for each run that was not.
    """

    runs: tuple[Run, ...]
    grouping: Grouping
    judged: tuple[Judged, ...]
    split: Split
    left_out: tuple[str, ...]

    @property
    def statement(self) -> str:
        """The first problem's sentence."""
        return self.judged[0].sentences[0]

    def text(self) -> str:
        """Tables and sentences for a terminal."""
        text = views.render_text(self.grouping, self.judged, self.split)
        return "\n".join([*self.left_out, text])

    def csv(self) -> str:
        """A row a variant."""
        return views.render_csv(self.judged)

    def figure(self, problem: int = 0) -> Figure:
        """Curves, intervals, profiles and blocks of a problem on one sheet."""
        from analysis.compare.figures import overview

        return overview(self.judged[problem], self.split)

    def write(self, folder: Path) -> list[Path]:
        """Write the tables and a sheet of figures for each problem; returns what was written.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        from sched_rl.reporting.style import save_figure

        written = [folder / "comparison.csv", folder / "runs.csv"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written[0].write_text(self.csv(), encoding="utf-8")
            written[1].write_text(views.runs_csv(self.judged), encoding="utf-8")
            for number in range(len(self.judged)):
                name = "comparison.png" if len(self.judged) == 1 else f"comparison-{number}.png"
                written.append(folder / name)
                save_figure(self.figure(number), written[-1])
        except OSError as error:
            raise RunFolderError(f"output={folder}: cannot be written ({error.strerror})") from error
        return written


def compare_runs(
    paths: Sequence[str | Path], *, by: Sequence[str] = (), split: Split = "val", against: str = ""
) -> Comparison:
    """Compare runs by their paths; see `compare_folders`.

    Args:
        paths: run folders, folders of runs, or patterns.
        by: keys that tell the variants apart; empty: those in which the runs differ.
        split: whose episodes.
        against: the reference variant or baseline.
    """
    return compare_folders(run_folders([str(path) for path in paths]), by=by, split=split, against=against)


def compare_folders(
    folders: Sequence[Path], *, by: Sequence[str] = (), split: Split = "val", against: str = ""
) -> Comparison:
    """Compare the runs of some folders.

    Raises:
        RunFolderError: a folder that cannot be read, or none with a finished run.
        ConfigError: a key that no run has, or a reference that is not there.
    """
    runs, left_out = read_runs(folders, split)
    grouping = group_runs(runs, by)
    return Comparison(tuple(runs), grouping, tuple(judge(grouping, against)), split, tuple(left_out))
