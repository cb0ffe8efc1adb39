"""The race over all networks: start, tables, files, picture; what was measured is kept, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.benchmarks.peers.figure import save
from analysis.benchmarks.peers.files import machine, write_results
from analysis.benchmarks.peers.options import Options
from analysis.benchmarks.peers.race import Race
from analysis.benchmarks.peers.results import Measured, summarise
from analysis.benchmarks.peers.table import network_table
from analysis.benchmarks.peers.task import load_task
from sched_rl.errors import ConfigError


def run_peers(options: Options, *, say: Callable[[str], None], is_over: Callable[[], object]) -> None:
    """Race on every network.

    Args:
        options: checked.
        say: takes lines of progress and the tables.
        is_over: true once nobody is to begin anything new.

    Raises:
        ConfigError: when the overrides are at fault, or nobody could race.
    """
    tasks = {network: load_task(network, options.overrides) for network in options.networks}
    finished: list[Measured] = []
    settings = {
        "networks": list(options.networks),
        "rounds": options.rounds,
        "steps": options.steps,
        "overrides": list(options.overrides),
    }

    def keep(current: Sequence[Measured]) -> None:
        write_results(options.output, [*finished, *current], settings)

    for network, task in tasks.items():
        race = Race(network, options.entrants_of(network), options.overrides, say=say, is_over=is_over)
        race.run(options.rounds, options.steps, keep)
        finished += race.results
        rows = [row for row in summarise(finished) if row.network == network]
        if rows:
            say(f"\n{network_table(network, task, rows)}\n")
        if is_over():
            break
    rows = summarise(finished)
    if not rows and not is_over():
        raise ConfigError("nothing was measured: every competitor was left out, each for the reason above")
    if rows:
        write_results(options.output, finished, settings)
        of = machine()
        env = tasks[options.networks[0]].env.name
        save(options.output, rows, f"env={env}, {of['processor']}, torch {of['torch']}, median of the rounds")
        say(f"wrote {options.output}.json, .csv and .png")
