"""Diagnosing a run from the command line: read, ask the rules, run their checks, print, write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sched_rl.checkpoint import write_atomically
from sched_rl.config.compose import ConfigSources
from sched_rl.config.diagnose import DiagnoseConfig
from sched_rl.config.overrides import argument
from sched_rl.config.record import config_from_dict
from sched_rl.config.relaunch import relaunch_overrides
from sched_rl.config.schema import Config
from sched_rl.diagnosis.checks import Subject, run_checks
from sched_rl.diagnosis.comparison import compare
from sched_rl.diagnosis.curves import RunCurves
from sched_rl.diagnosis.engine import diagnose, run_settings, shipped_defaults
from sched_rl.diagnosis.findings import Diagnosis, diagnosis_json
from sched_rl.diagnosis.reading import read_bare_csv, read_run_folder
from sched_rl.diagnosis.signals import Signals
from sched_rl.errors import ConfigError, RunFolderError
from sched_rl.reporting.findings_text import diagnosis_text
from sched_rl.reporting.run_page import page_html, write_page
from sched_rl.tracking.reading import read_events


def run_diagnose(
    config: DiagnoseConfig, output: Path | None, report: Path | None, sources: ConfigSources
) -> tuple[Diagnosis, list[list[str]]]:
    """Diagnose, print the screen, write the JSON and the page.

    Args:
        config: what to diagnose and how.
        output: where to write the JSON.
        report: where to write the page.
        sources: where the options of overrides are.

    Returns:
        The diagnosis, and the overrides of a multirun for each key that the primary finding would turn.

    Raises:
        RunFolderError: curves that cannot be read.
        TrackingError: an MLflow run that cannot be fetched.
    """
    with tempfile.TemporaryDirectory() as scratch:
        curves = _read(config, Path(scratch))
        diagnosis, curves = _examine(curves, config)
        experiments = experiments_of(diagnosis, curves, sources)
        commands = [command_of(overrides) for overrides in experiments]
        print(diagnosis_text(diagnosis, curves.name, commands))
        document = diagnosis_json(diagnosis) | {"commands": commands}
        if config.against is not None:
            comparison = compare(read_run_folder(Path(config.against)), curves, config.diagnosis)
            print(f"\nAgainst {config.against}:\n{comparison.text()}")
            document["against"] = comparison.json()
        if report is not None:
            events = [] if curves.folder is None else read_events(curves.folder)
            page = page_html(curves, diagnosis, config.diagnosis, events=events, commands=commands)
            write_page(report, page)
            print(f"\nwrote {report}")
    if output is not None:
        try:
            write_atomically(output, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
        except OSError as error:
            raise RunFolderError(f"output={output}: cannot be written ({error.strerror})") from error
        print(f"\nwrote {output}")
    return diagnosis, experiments


def experiments_of(diagnosis: Diagnosis, curves: RunCurves, sources: ConfigSources) -> list[list[str]]:
    """The primary finding's overrides as multiruns, one a key, each on top of the run's own command line."""
    if diagnosis.first is None or not diagnosis.first.overrides:
        return []
    base: list[str] = []
    if curves.config is not None:
        try:
            base = relaunch_overrides(curves.config, sources)
        except ConfigError:
            return []  # made by another version: its overrides stand in the finding, its command line is not known
    values: dict[str, list[str]] = {}
    for override in diagnosis.first.overrides:
        key, _, value = override.partition("=")
        values.setdefault(key, []).append(value)
    return [
        [*(text for text in base if text.partition("=")[0] != key), f"{key}={','.join(options)}"]
        for key, options in values.items()
    ]


def command_of(overrides: list[str]) -> str:
    """A multirun as a person can paste it into a shell."""
    *base, swept = overrides
    words = [argument(*text.split("=", 1)) if "[" not in text else f"'{text}'" for text in base]
    quoted = f"'{swept}'" if "[" in swept else swept
    return " ".join(["python -m sched_rl.train -m", *words, quoted])


def _read(config: DiagnoseConfig, scratch: Path) -> RunCurves:
    if config.csv is not None:
        return read_bare_csv(Path(config.csv))
    if config.run is not None:
        return read_run_folder(Path(config.run))
    from sched_rl.tracking.fetching import fetch_run

    folder = fetch_run(str(config.mlflow_run), config.tracking.uri, scratch)
    return replace(read_run_folder(folder), name=f"MLflow run {config.mlflow_run}")


def _examine(curves: RunCurves, config: DiagnoseConfig) -> tuple[Diagnosis, RunCurves]:
    typed = _typed(curves.config)
    play = config.checks and typed is not None and typed.agent.kind == "ppo"
    subject = Subject(Signals(curves, run_settings(curves), config.diagnosis), curves.folder, typed)
    if play:
        import torch

        from sched_rl.diagnosis.checks.played import fresh_scores

        torch.set_num_threads(typed.threads if typed else 1)
        curves = replace(curves, fresh=fresh_scores(subject))
        subject = replace(subject, signals=Signals(curves, run_settings(curves), config.diagnosis))
    return run_checks(diagnose(curves, config.diagnosis), subject, play=play), curves


def _typed(tree: Mapping[str, Any] | None) -> Config | None:
    """The configuration, where the record fits this version: only then can its episodes be played."""
    if tree is None:
        return None
    try:
        return config_from_dict(
            shipped_defaults() | dict(tree)
        )  # records of earlier versions lack newer sections
    except ConfigError:
        return None
