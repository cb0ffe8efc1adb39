"""`python -m sched_rl.diagnose run=RUN_FOLDER | mlflow_run=ID | csv=FILE`: what the curves show, and what to try."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.command_line import Arguments, run_command
from sched_rl.errors import ConfigError

if TYPE_CHECKING:
    from sched_rl.config.compose import ConfigSources


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("diagnose", argv, _start)


def _start(arguments: Arguments, sources: ConfigSources) -> int:
    from sched_rl.config.diagnose import check_source, load_diagnose

    if arguments.is_multirun:
        raise ConfigError("-m: diagnose looks at one run at a time; call it once for each")
    config = load_diagnose(arguments.overrides, sources)
    check_source(config)
    output, report = _file("output", config.output), _file("report", config.report)
    from sched_rl.diagnoser import run_diagnose

    _, experiments = run_diagnose(config, output, report, sources)
    if not config.apply:
        return 0
    if not experiments:
        raise ConfigError("apply=true: the primary finding proposes nothing that could be launched")
    from sched_rl import train
    from sched_rl.multirun import run_multirun

    for overrides in experiments:
        if code := run_multirun(overrides, sources, train.run_training, train.check_device):
            return code
    return 0


def _file(key: str, given: str | None) -> Path | None:
    path = None if given is None else Path(given)
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise ConfigError(f"{key}={path}: must be a file in a folder that is there")
    return path


if __name__ == "__main__":
    sys.exit(main())
