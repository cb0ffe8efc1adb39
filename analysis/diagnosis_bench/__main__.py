"""`python -m analysis.diagnosis_bench [train|judge] [half=dev|frozen] [jobs=2] [kinds=a,b] [folder=DIR] [delays=true]`.

Trains the runs of a half that are not there yet, then diagnoses all of them: confusion matrix, precision and recall,
delays, false alarms. `train` or `judge` does one of the two. The frozen half may be trained at any time; each look at
it is written down in analysis/results/diagnosis_bench_looks.jsonl.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.diagnosis_bench.plan import HALVES, HEALTHY, KINDS, PlannedRun, planned_runs
from analysis.diagnosis_bench.training import train_missing
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.interrupts import Interrupts

if TYPE_CHECKING:
    from analysis.diagnosis_bench.judging import Verdict

RESULTS = Path("analysis/results")
LOOKS = RESULTS / "diagnosis_bench_looks.jsonl"


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    steps: tuple[str, ...] = ("train", "judge")
    half: str = "dev"
    jobs: int = 2
    kinds: tuple[str, ...] | None = None
    folder: Path = Path("runs/diagnosis_bench")
    delays: bool = True


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(__doc__)
        return 0
    try:
        options = parse(arguments)
        runs = list(planned_runs(options.half, options.kinds))
        with Interrupts() as interrupts:
            if "train" in options.steps:
                train_missing(runs, options.folder, options.jobs, _say, lambda: interrupts.requested)
            if "judge" in options.steps and not interrupts.requested:
                _judge(runs, options)
        return interrupts.exit_code
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def parse(arguments: Sequence[str]) -> Options:
    """The options of a command line.

    Raises:
        ConfigError: naming what is not understood and what is allowed.
    """
    given: dict[str, object] = {}
    steps = tuple(argument for argument in arguments if argument in ("train", "judge"))
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if argument in steps:
            continue
        if not equals or key not in ("half", "jobs", "kinds", "folder", "delays"):
            raise ConfigError(f"{argument}: must be train, judge, half=, jobs=, kinds=, folder= or delays=")
        given[key] = _parsed(key, text)
    return Options(steps=steps or ("train", "judge"), **given)  # type: ignore[arg-type]


def _parsed(key: str, text: str) -> object:
    if key == "half" and text in HALVES:
        return text
    if key == "jobs" and text.isdecimal() and int(text) > 0:
        return int(text)
    if key == "delays" and text in ("true", "false"):
        return text == "true"
    if key == "folder" and text:
        return Path(text)
    if key == "kinds" and text and set(text.split(",")) <= {*KINDS, HEALTHY}:
        return tuple(text.split(","))
    allowed = {
        "half": "dev or frozen",
        "jobs": "a whole number from 1",
        "delays": "true or false",
        "folder": "a folder",
        "kinds": f"some of {', '.join((*KINDS, HEALTHY))}",
    }[key]
    raise ConfigError(f"{key}={text}: must be {allowed}")


def _judge(runs: Sequence[PlannedRun], options: Options) -> None:
    from analysis.diagnosis_bench.judging import judge_all
    from analysis.diagnosis_bench.picture import draw_confusion
    from analysis.diagnosis_bench.tables import confusion_table, score_table, summary

    if options.half == "frozen":
        _write_down_the_look(options)
    verdicts = judge_all(runs, options.folder, _say, with_delay=options.delays)
    counted = [each for each in verdicts if each.label is None or each.label.is_healthy]
    if not counted:
        raise ConfigError(
            f"folder={options.folder}: holds no finished run of half={options.half}; train first"
        )
    report = f"{confusion_table(counted)}\n\n{score_table(counted)}\n\n{summary(verdicts)}"
    print(f"\n{report}")
    folder = RESULTS if options.kinds is None else options.folder
    picture = folder / f"diagnosis_bench_{options.half}.png"
    draw_confusion(counted, picture, f"Diagnosis benchmark, {options.half} half, {len(counted)} runs")
    rows = [asdict(each) | {"right": each.is_right, "delay": each.delay} for each in verdicts]
    command = f"python -m analysis.diagnosis_bench half={options.half}"
    text = f"# Diagnosis benchmark, {options.half} half\n\n`{command}`\n\n```\n{report}\n```\n"
    picture.with_suffix(".md").write_text(text, encoding="utf-8")
    table = picture.with_suffix(".json")
    table.write_text(json.dumps(rows, indent=1, default=str) + "\n", encoding="utf-8")
    _write_csv(picture.with_suffix(".csv"), verdicts)
    print(f"\nwrote {picture}, .md, .json and .csv")


def _write_csv(path: Path, verdicts: Sequence[Verdict]) -> None:
    """A row a run; empty where a finding never opened, or could not."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = "kind setting seed expected primary right findings visible opened delay evaluations labelled_healthy"
        writer.writerow(names.split())
        for each in verdicts:
            run, findings = each.run, " ".join(each.findings)
            label = None if each.label is None else each.label.is_healthy
            row: list[object] = [run.kind, run.setting, run.seed, each.expected, each.primary, each.is_right]
            row += [findings, each.visible, each.opened, each.delay, each.evaluations, label]
            writer.writerow(row)


def _write_down_the_look(options: Options) -> None:
    """The frozen half is for one look: that it was looked at is part of the result."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    look = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit, "kinds": options.kinds}
    LOOKS.parent.mkdir(parents=True, exist_ok=True)
    with LOOKS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(look) + "\n")
    _say(f"this is look {len(LOOKS.read_text(encoding='utf-8').splitlines())} at the frozen half ({LOOKS})")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
