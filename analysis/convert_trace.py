"""Traces from other tools: `python -m analysis.convert_trace sacct=FILE output=FILE.swf|FILE.csv [procs=N]`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.arguments import keyed_words, run_command
from sched_rl.errors import ConfigError, WorkloadError
from sched_rl.workloads.sacct import SacctJobs, read_sacct
from sched_rl.workloads.swf import FIELDS, write_swf

USAGE = """usage: python -m analysis.convert_trace sacct=FILE output=FILE.swf|FILE.csv [procs=N]

  sacct    what `sacct --parsable2 -o JobIDRaw,User,State,Submit,Start,ElapsedRaw,TimelimitRaw,AllocTRES` printed
  output   a new file: SWF of CPUs (*.swf, *.swf.gz), or the table of jobs with GPUs (*.csv); env.trace.path takes both
  procs    CPUs of the machine, for the header of SWF (default: the most that ran at once)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Convert, and say what was left out; returns the exit code."""
    return run_command(argv, USAGE, _run)


def _run(words: Sequence[str]) -> None:
    given = keyed_words(words, {"sacct": "", "output": "", "procs": ""})
    if not given["sacct"] or not given["output"]:
        raise ConfigError("sacct=FILE output=FILE: say what to convert, and into which file")
    if given["procs"] and not given["procs"].isdecimal():
        raise ConfigError(f"procs={given['procs']}: must be a whole number")
    jobs, output = read_sacct(Path(given["sacct"])), Path(given["output"])
    if output.suffix == ".csv":
        count = write_gpu_table(output, jobs)
    else:
        procs = int(given["procs"]) if given["procs"] else most_at_once(jobs)
        write_swf(output, jobs.records, (f" UnixStartTime: {jobs.start_unix_s}",), machine_procs=procs)
        count = len(jobs.records)
    notes = "".join(f"; {reason}: {number:,}" for reason, number in jobs.notes.items())
    print(f"wrote {output}: {count:,} jobs{notes}")


def write_gpu_table(path: Path, jobs: SacctJobs) -> int:
    """Write the jobs that took GPUs; returns how many.

    Raises:
        WorkloadError: the file exists or cannot be written.
    """
    rows = np.flatnonzero(jobs.gpus > 0)
    columns = {
        name: jobs.records[:, FIELDS.index(name)] for name in ("submit_s", "run_s", "requested_s", "user")
    }
    try:
        with path.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("submit_s", "duration_s", "gpus", "requested_s", "cpus", "mem_gib", "user"))
            for row in rows.tolist():
                times = [int(columns[name][row]) for name in ("submit_s", "run_s")]
                requested_s, user = (int(columns[name][row]) for name in ("requested_s", "user"))
                mem_gib = float(jobs.mem_gib[row])
                writer.writerow(
                    (*times, int(jobs.gpus[row]), requested_s, int(jobs.cpus[row]), mem_gib, user)
                )
    except FileExistsError as error:
        raise WorkloadError(f"{path}: exists already; name another file") from error
    except OSError as error:
        raise WorkloadError(f"{path}: cannot be written ({error.strerror})") from error
    return len(rows)


def most_at_once(jobs: SacctJobs) -> int:
    """CPUs that the accounting itself had in use at its busiest."""
    submit, wait, run = (jobs.records[:, FIELDS.index(name)] for name in ("submit_s", "wait_s", "run_s"))
    times = np.concatenate((submit + wait, submit + wait + run))
    changes = np.concatenate((jobs.cpus, -jobs.cpus))
    order = np.lexsort((changes, times))  # completions of an instant before starts
    return int(np.cumsum(changes[order]).max())


if __name__ == "__main__":
    sys.exit(main())
