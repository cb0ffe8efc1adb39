"""`python -m analysis.compare runs=... | experiment=... | sweep=...`: which runs are better, and how surely."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from analysis.arguments import choice, keyed_words, listed, run_command
from analysis.compare.comparison import compare_folders
from analysis.compare.runs import SPLITS, Split
from analysis.compare.selecting import experiment_folders, run_folders, sweep_folders
from sched_rl.errors import ConfigError

HELP = """
Compare runs: groups by setting, training seeds as replicates, 95 % intervals, one sentence, one sheet of figures.

  python -m analysis.compare runs=runs/clips                         # the runs of a multirun
  python -m analysis.compare runs=runs/A,runs/B,runs/C               # three runs
  python -m analysis.compare runs='runs/2026*' by=agent.lr           # a pattern, quoted
  python -m analysis.compare sweep=ppo_core-ppo-heavy by=agent.update_epochs
  python -m analysis.compare experiment=sched_rl by=agent            # of MLflow

runs=        run folders, folders of runs, or patterns; separated by commas
sweep=       a sweep below runs/sweeps
experiment=  an experiment of the tracking store
source=      mlflow or folders: where experiment= and sweep= are looked up; default mlflow for experiment=, folders
             for sweep=. Both give the same comparison; from MLflow, artifacts stand in for folders that are gone
uri=         tracking.uri of the store; default as in training
by=          keys that tell the variants apart: agent.clip_coef, agent, agent/network; default: whatever differs
against=     the variant (its value is enough) or baseline that the others are compared with; default: the first
split=       val (default; these blocks chose the checkpoints), promote (played now on blocks that chose nothing) or
             report (needs runs with eval.final_report=true)
output=      folder for comparison.csv, runs.csv and comparison.png; default runs/comparison; none: only the table

Differences are paired by training seed where both sides have the same seeds. Runs of different env or eval keys are
different problems and are never subtracted. An interval that includes 0 settles nothing, and the sentence says so.
"""

_DEFAULTS = {
    "runs": "",
    "sweep": "",
    "experiment": "",
    "source": "",
    "uri": "",
    "by": "",
    "against": "",
    "split": "val",
    "output": "runs/comparison",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(argv, HELP, _run)


def _run(words: Sequence[str]) -> None:
    values = keyed_words(words, _DEFAULTS)
    split: Split = next(name for name in SPLITS if name == choice("split", values["split"], SPLITS))
    with tempfile.TemporaryDirectory() as scratch:
        folders = chosen_folders(values, Path(scratch))
        comparison = compare_folders(folders, by=listed(values["by"]), split=split, against=values["against"])
        written = [] if values["output"] == "none" else comparison.write(Path(values["output"]))
    if written:
        print(f"wrote {', '.join(str(path) for path in written)}")
    print(comparison.text())


def chosen_folders(values: dict[str, str], scratch: Path) -> list[Path]:
    """The run folders that `runs=`, `sweep=` or `experiment=` names.

    Args:
        values: of the keys runs, sweep, experiment, source and uri.
        scratch: an empty folder for artifacts.

    Raises:
        ConfigError: none or several of the three.
        RunFolderError, TrackingError: nothing there.
    """
    given = [key for key in ("runs", "sweep", "experiment") if values[key]]
    if len(given) != 1:
        raise ConfigError(
            f"got {' and '.join(f'{key}=' for key in given) or 'no runs'}; give one of runs=, sweep=, experiment="
        )
    key = given[0]
    source = choice("source", values["source"], ("mlflow", "folders")) if values["source"] else ""
    if key == "runs":
        if source == "mlflow":
            raise ConfigError("runs= names folders; source=mlflow goes with experiment= or sweep=")
        return run_folders(listed(values["runs"]))
    if source == "mlflow" or (key == "experiment" and not source):
        from sched_rl.tracking.listing import fetch_runs

        return fetch_runs(**{key: values[key]}, uri=values["uri"] or None, scratch=scratch)
    return sweep_folders(values[key]) if key == "sweep" else experiment_folders(values[key])


if __name__ == "__main__":
    sys.exit(main())
