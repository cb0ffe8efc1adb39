"""`python -m sched_rl.evaluate agent=NAME | checkpoint=RUN_FOLDER_OR_FILE`: play a scheduler on blocks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.command_line import Arguments, run_command
from sched_rl.errors import ConfigError
from sched_rl.quick_import import quick_import

if TYPE_CHECKING:
    from sched_rl.config.compose import ConfigSources


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("evaluate", argv, _start)


def _start(arguments: Arguments, sources: ConfigSources) -> int:
    from sched_rl.config.load import load_command
    from sched_rl.train import check_device

    if arguments.is_multirun:
        raise ConfigError("-m: evaluate plays one scheduler at a time; call it once for each")
    command = load_command("evaluate", arguments.overrides, sources)
    paths = {key: None if text is None else Path(text) for key, text in command.options.items()}
    for key in ("output", "schedule_output"):
        _check_writable(key, paths[key])
    check_device(command.config)
    with quick_import("sched_rl.evaluator"):
        from sched_rl.evaluator import run_evaluate

    return run_evaluate(command.config, paths["checkpoint"], paths["output"], paths["schedule_output"])


def _check_writable(key: str, path: Path | None) -> None:
    """Better before the evaluation than after it."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{key}={path}: is a folder; give a file")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{key}={path}: there is no folder {path.parent}")


if __name__ == "__main__":
    sys.exit(main())
