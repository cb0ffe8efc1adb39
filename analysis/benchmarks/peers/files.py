"""The results as files: every round in JSON, the summary in CSV."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.benchmarks.peers.results import Measured, Row, summarise

_LIBRARIES = ("torch", "numba", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib")


def write_results(stem: Path, results: Sequence[Measured], settings: Mapping[str, Any]) -> None:
    """Write STEM.json and STEM.csv, each whole or not at all.

    Args:
        stem: path without an ending.
        results: so far.
        settings: what the race was asked for.
    """
    rows = summarise(results)
    stem.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "settings": dict(settings),
        "machine": machine(),
        "rows": [dataclasses.asdict(row) for row in rows],
        "rounds": {
            f"{each.network}/{each.entrant.name}": [dataclasses.asdict(played) for played in each.rounds]
            for each in results
        },
    }
    _replace(stem.with_suffix(".json"), json.dumps(content, indent=1) + "\n")
    partial = stem.with_suffix(".csv.partial")
    with partial.open("w", newline="") as file:
        table = csv.DictWriter(file, [column.name for column in dataclasses.fields(Row)])
        table.writeheader()
        table.writerows(dataclasses.asdict(row) for row in rows)
    os.replace(partial, stem.with_suffix(".csv"))


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)


def machine() -> dict[str, str]:
    """What the figures depend on beside this project: processor, Python, libraries."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {"processor": _processor(), "python": platform.python_version(), **versions}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
