"""`python -m analysis.batch_bars trace=FILE.swf`: what trained batch schedulers are held against, and how they fare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.arguments import keyed_words, listed, number, run_command, whole_number
from analysis.batch_bars.measuring import Bars
from analysis.batch_bars.page import page
from analysis.batch_bars.populations import Asked
from analysis.batch_bars.rules import SETTINGS
from analysis.batch_table import PUBLISHED_STARTS
from sched_rl.errors import ConfigError

DEFAULTS: dict[str, str] = {
    "trace": "",
    "starts": ",".join(map(str, PUBLISHED_STARTS)),
    "count": "1024",
    "load_factor": "1.3",
    "unseen": "100",
    "tuning": "40",
    "output": "batch_bars.md",
    **{str(setting): "" for setting in SETTINGS},
}
USAGE = """usage: python -m analysis.batch_bars trace=FILE.swf [key=value ...]

  trace        a workload in the Standard Workload Format, plain or gzipped
  starts       first jobs of its sequences (default: the ten of RLScheduler's published table)
  count        jobs of every sequence (1024)
  load_factor  of generated sequences, see env=lublin (1.3)
  unseen       generated sequences that are measured, those of eval.split=promote (100)
  tuning       other generated sequences, on which the families are tuned (40)
  output       the page (batch_bars.md); beside it, as .json, what was measured: a command that was stopped goes on
  game, game_backfill, decision, easy
               JSONs of policies in that setting (sched_rl.evaluate output=FILE), one or more a training"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the page and write it; returns the exit code."""
    return run_command(argv, USAGE, _run)


def _run(words: Sequence[str]) -> None:
    values = keyed_words(words, DEFAULTS)
    if not values["trace"]:
        raise ConfigError("trace=FILE.swf: say which workload")
    asked = Asked(
        trace=Path(values["trace"]),
        starts=tuple(whole_number("starts", text) for text in listed(values["starts"])),
        count=whole_number("count", values["count"], 1),
        load_factor=number("load_factor", values["load_factor"], 0.01, 100.0),
        unseen=whole_number("unseen", values["unseen"], 2),
        tuning=whole_number("tuning", values["tuning"], 1),
    )
    output = Path(values["output"])
    if output.suffix != ".md" or not output.absolute().parent.is_dir():
        raise ConfigError(f"output={output}: must be a .md file in a folder that is there")
    policies = {setting: [Path(text) for text in listed(values[setting])] for setting in SETTINGS}
    text = page(Bars(asked, output.with_suffix(".json")), asked, policies)
    print(text, end="")
    output.write_text(text)
    print(f"\nwrote {output}")


if __name__ == "__main__":
    sys.exit(main())
