"""Bring runs that were not tracked, or not to their end, into MLflow."""

from __future__ import annotations

import sys
from pathlib import Path

from sched_rl.errors import SchedRLError, TrackingError
from sched_rl.tracking.importing import import_run

USAGE = (
    "usage: python -m sched_rl.tracking import RUN_FOLDER [RUN_FOLDER ...] [uri=ADDRESS] [experiment=NAME]\n"
    "Imports runs into MLflow; a run that is there already is completed, nothing is doubled."
)


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    try:
        folders, options = _parse(arguments)
        for folder in folders:
            print(import_run(folder, options.get("uri"), options.get("experiment")))
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parse(arguments: list[str]) -> tuple[list[Path], dict[str, str]]:
    if arguments[0] != "import":
        raise TrackingError(f"unknown command {arguments[0]!r}; the only one is: import RUN_FOLDER [...]")
    options: dict[str, str] = {}
    folders = []
    for argument in arguments[1:]:
        name, equals, value = argument.partition("=")
        if equals and name in ("uri", "experiment"):
            options[name] = value
        else:
            folders.append(Path(argument))
    if not folders:
        raise TrackingError("import: name at least one run folder")
    return folders, options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
