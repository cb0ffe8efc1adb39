"""`python -m analysis.results [tables=a,b] [seeds=1,2] [folder=DIR] [output=FILE.md] [override ...]`.

Makes the tables of analysis/results/README.md from scratch: plays the fixed schedulers, trains what learns, reads the
report blocks once a training. What is there is kept; stopped (Ctrl-C, SIGTERM), the same command goes on where it was,
within a training too. The page is written anew after every finished piece, with gaps for what is missing.

tables   which to make: some of heuristics, ppo_playbook, rollout, ppo_heavy, families, robust, generalisation, study
         (all), in this order, cheap ones first; of the others the page keeps what it says, unless more is there
seeds    training seeds of every table (PPO and robust 1 to 5, families and the study 1 to 3, generalisation 1)
folder   of runs and evaluations (runs/results)
output   the page (analysis/results/README.md)
Overrides (`debug=smoke`) go to every evaluation and training, those of agent (`agent.total_steps=...`) to trainings.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.benchmarks.arguments import names_among, read_arguments
from analysis.results.making import Maker, Result
from analysis.results.page import write_page
from analysis.results.plan import TABLES, Cell
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.interrupts import Interrupts

FOLDER = Path("runs/results")
PAGE = Path("analysis/results/README.md")


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(__doc__)
        return 0
    try:
        own, more = read_arguments(arguments, _READERS)
        with Interrupts() as interrupts:
            is_whole = _make_all(own, more, interrupts)
        return interrupts.exit_code or (0 if is_whole else SchedRLError.exit_code)
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _make_all(own: dict[str, Any], more: Sequence[str], interrupts: Interrupts) -> bool:
    """Make what is wanted and missing, and the page; returns whether nothing failed."""
    names = own.get("tables", tuple(plan.name for plan in TABLES))
    cells = {plan.name: plan.cells(own.get("seeds", plan.seeds)) for plan in TABLES}
    planned = list(dict.fromkeys(cell for each in cells.values() for cell in each))
    wanted = {cell for name in names for cell in cells[name]}
    page = own.get("output", PAGE)
    if not page.absolute().parent.is_dir():
        raise ConfigError(f"output={page}: there is no folder {page.parent}")
    maker = Maker(own.get("folder", FOLDER), more)
    found = {cell: maker.read(cell) for cell in planned}
    results: dict[Cell, Result] = {cell: result for cell, result in found.items() if result is not None}
    missing = [cell for cell in planned if cell in wanted and cell not in results]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} evaluations and trainings are there", flush=True)
    write_page(page, cells, results, more, names)
    failed = 0
    for number, cell in enumerate(missing, start=1):
        if interrupts.requested:
            break
        started_s = time.monotonic()
        try:
            maker.make(cell, interrupts)
            result = maker.read(cell)
        except SchedRLError as error:  # the other cells are worth having without this one
            print(f"[{number}/{len(missing)}] {cell.command}: FAILED, {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        if result is not None:
            results[cell] = result
            write_page(page, cells, {each: results[each] for each in planned if each in results}, more, names)
            seconds = time.monotonic() - started_s
            print(f"[{number}/{len(missing)}] {cell.command}: {_score(result)}, {seconds:.0f} s", flush=True)
    print(f"wrote {page}" + (f"; {failed} failed: the same command tries them again" if failed else ""))
    return failed == 0


def _score(result: Result) -> str:
    if not result.evaluations:  # a training that is judged by a cell of its own
        return "trained"
    return f"worst block {result.own['eval_min_block_return']:.3f}, mean {result.own['eval_mean_return']:.3f}"


def _seeds(key: str, text: str) -> tuple[int, ...]:
    parts = text.strip("[]").split(",")
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise ConfigError(f"{key}={text}: must be whole numbers separated by commas, each once")
    return tuple(int(part) for part in parts)


def _path(key: str, text: str) -> Path:
    if not text:
        raise ConfigError(f"{key}=: must be a path")
    return Path(text)


_READERS = {
    "tables": names_among([plan.name for plan in TABLES]),
    "seeds": _seeds,
    "folder": _path,
    "output": _path,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
