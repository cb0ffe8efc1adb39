"""`python -m analysis.report runs=... | sweep=... | experiment=... [by=...]`: a page for a set of runs."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from analysis.arguments import choice, keyed_words, listed, run_command
from analysis.compare.__main__ import chosen_folders
from analysis.compare.comparison import compare_folders
from analysis.compare.runs import SPLITS, Split
from sched_rl.errors import ConfigError
from sched_rl.reporting.run_page import write_page

HELP = """
Write one page for a set of runs: the statement, the tables and figures, what differs in their configurations, the
diagnosis of each run, and the commands that make them again. The page needs nothing but itself.

  python -m analysis.report runs=runs/clips by=agent.clip_coef
  python -m analysis.report sweep=ppo_core-ppo-heavy output=sweep.html
  python -m analysis.report experiment=sched_rl

runs=, sweep=, experiment=, source=, uri=, by=, against=, split=   as for python -m analysis.compare
output=      the file; default runs/comparison.html
"""
_DEFAULTS = {
    **dict.fromkeys(("runs", "sweep", "experiment", "source", "uri", "by", "against"), ""),
    "split": "val",
    "output": "runs/comparison.html",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(argv, HELP, _run)


def _run(words: Sequence[str]) -> None:
    from analysis.report.page import report_html

    values = keyed_words(words, _DEFAULTS)
    split: Split = next(name for name in SPLITS if name == choice("split", values["split"], SPLITS))
    output = Path(values["output"])
    if output == Path("runs/comparison.html"):  # the default has its folder wherever it is called
        output.parent.mkdir(exist_ok=True)
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise ConfigError(f"output={output}: must be a file in a folder that exists")
    with tempfile.TemporaryDirectory() as scratch:
        folders = chosen_folders(values, Path(scratch))
        comparison = compare_folders(folders, by=listed(values["by"]), split=split, against=values["against"])
        page = report_html(comparison, f"python -m analysis.report {shlex.join(words)}")
    write_page(output, page)
    print(f"wrote {output}")
    print("\n".join(each.sentences[0] for each in comparison.judged))


if __name__ == "__main__":
    sys.exit(main())
