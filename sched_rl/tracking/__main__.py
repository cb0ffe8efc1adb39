"""Look at runs in MLflow, and bring those into it that were not tracked, or not to their end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import SchedRLError, TrackingError
from sched_rl.tracking.redaction import redact

USAGE = """\
usage: python -m sched_rl.tracking ui [uri=ADDRESS] [port=5000]
       python -m sched_rl.tracking import RUN_FOLDER [RUN_FOLDER ...] [uri=ADDRESS] [experiment=NAME]

ui      shows MLflow's pages of a store, on this machine only, and prints the addresses that open on its runs.
import  brings runs into MLflow; a run that is there already is completed, nothing is doubled."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    name, *words = arguments
    try:
        if name == "ui":
            return _show(words)
        if name == "import":
            return _import(words)
        raise TrackingError(f"unknown command {name!r}; there are: ui, import RUN_FOLDER [...]")
    except SchedRLError as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        return error.exit_code


def _show(words: Sequence[str]) -> int:
    from sched_rl.tracking.ui import serve_pages

    options = {"uri": "", "port": "5000"}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in options:
            raise TrackingError(f"ui: {word}: must be uri=ADDRESS or port=NUMBER{did_you_mean(key, options)}")
        options[key] = value
    port = options["port"]
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise TrackingError(f"ui: port={port}: must be a whole number from 1 to 65535")
    return serve_pages(options["uri"] or None, int(port))


def _import(words: Sequence[str]) -> int:
    from sched_rl.tracking.importing import import_run

    options: dict[str, str] = {}
    folders = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in ("uri", "experiment"):
            options[key] = value
        else:
            folders.append(Path(word))
    if not folders:
        raise TrackingError("import: name at least one run folder")
    for folder in folders:
        print(import_run(folder, options.get("uri"), options.get("experiment")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
