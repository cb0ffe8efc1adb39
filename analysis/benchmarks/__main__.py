"""`python -m analysis.benchmarks [key=value ...]`: the simulator, its Python twin, and the race against the peers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from analysis.benchmarks import environments, simulator
from analysis.benchmarks.peers.options import USAGE, Options, parse_options
from analysis.benchmarks.peers.run import run_peers
from sched_rl.config.load import load_env_config
from sched_rl.errors import SchedRLError
from sched_rl.interrupts import Interrupts


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are asked for; returns the exit code."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return 0
    try:
        options = parse_options(arguments)
        with Interrupts() as interrupts:
            _run(options, interrupts)
        return interrupts.exit_code
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _run(options: Options, interrupts: Interrupts) -> None:
    of_env = [text for text in options.overrides if text.startswith(("env", "seed="))]
    config = load_env_config(of_env)
    if "simulator" in options.parts:
        simulator.report(config, options.rounds)
    if "environments" in options.parts and not interrupts.requested:
        environments.report(config, options.rounds)
    if "peers" in options.parts and not interrupts.requested:
        run_peers(options, say=_say, is_over=lambda: interrupts.requested)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
