"""`python -m sweeps.status [SWEEP]`: a sweep in one screen, read while it runs or long after.

SWEEP is a name below runs/sweeps, a folder, a study file, or the address of a storage (ADDRESS#NAME where it holds
several sweeps). Without it: the sweep that was written last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sched_rl.command_line import report
from sched_rl.errors import ConfigError, SchedRLError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ("-h", "--help"):
        print((__doc__ or "").replace("`", ""))
        return 0
    try:
        if len(arguments) > 1 or any(word.startswith("-") for word in arguments):
            raise ConfigError(
                f"{' '.join(arguments)}: takes one sweep; python -m sweeps.status --help says which"
            )
        reference = arguments[0].removeprefix("sweep=") if arguments else None
        import optuna

        from sweeps.study import find_study
        from sweeps.summary import print_summary

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        print_summary(find_study(reference), sys.stdout)
    except SchedRLError as error:
        report(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
