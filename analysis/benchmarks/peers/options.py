"""What the benchmark takes on the command line: `key=value`, its own keys and the configuration's overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.benchmarks.peers.competitors import Entrant, entrants
from sched_rl.errors import ConfigError

NETWORKS = ("scorer", "mlp", "attention")
PARTS = ("simulator", "environments", "peers")

USAGE = f"""usage: python -m analysis.benchmarks [key=value ...]

  parts={",".join(PARTS)}  what to measure
  rounds=5                 rounds of which the median counts
  networks={",".join(NETWORKS)}  networks that are learned, names of agent/network
  competitors=NAME,...     who races: {", ".join(entrants())}
                           (default: all; on attention, this project alone)
  steps=8192               environment steps a round and competitor, made whole updates
  output=analysis/results/peers  files to write, without an ending: .json, .csv, .png

Every other key=value overrides the configuration of all alike: env=heavy, agent.num_envs=128, ...
Ctrl-C ends the race after the competitor that is playing; what was measured is kept."""


@dataclass(frozen=True)
class Options:
    """The choices.

    Attributes:
        parts: of `PARTS`.
        rounds: at least one.
        networks: names of agent/network.
        competitors: names; None for the default of each network.
        steps: environment steps a round and competitor.
        output: path without an ending.
        overrides: of the configuration.
    """

    parts: tuple[str, ...] = PARTS
    rounds: int = 5
    networks: tuple[str, ...] = NETWORKS
    competitors: tuple[str, ...] | None = None
    steps: int = 8192
    output: Path = Path("analysis/results/peers")
    overrides: tuple[str, ...] = ()

    def entrants_of(self, network: str) -> list[Entrant]:
        """Who races on a network."""
        everybody = entrants()
        if self.competitors is not None:
            return [everybody[name] for name in self.competitors]
        return [each for each in everybody.values() if each.is_ours or network != "attention"]


def parse_options(arguments: Sequence[str]) -> Options:
    """From `key=value` arguments.

    Raises:
        ConfigError: one line on the first thing that is wrong; overrides are judged by the configuration itself.
    """
    options = Options()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise ConfigError(f"{argument}: must be key=value; --help lists the keys")
        if key == "rounds":
            options = replace(options, rounds=_count(key, value))
        elif key == "steps":
            options = replace(options, steps=_count(key, value))
        elif key == "parts":
            options = replace(options, parts=_names(key, value, PARTS))
        elif key == "networks":
            options = replace(options, networks=_names(key, value, NETWORKS))
        elif key == "competitors":
            options = replace(options, competitors=_names(key, value, tuple(entrants())))
        elif key == "output":
            options = replace(options, output=_stem(value))
        else:
            options = replace(options, overrides=(*options.overrides, argument))
    return options


def _count(key: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ConfigError(f"{key}={value}: must be a whole number, at least 1")
    return int(value)


def _names(key: str, value: str, allowed: Sequence[str]) -> tuple[str, ...]:
    names = tuple(value.strip("[]").split(","))
    for name in names:
        if name not in allowed:
            raise ConfigError(f"{key}={value}: {name!r} must be one of {', '.join(allowed)}")
    return names


def _stem(value: str) -> Path:
    path = Path(value)
    if not path.name:
        raise ConfigError(f"output={value}: must be a path, to which .json, .csv and .png are added")
    return path.with_suffix("") if path.suffix in (".json", ".csv", ".png") else path
