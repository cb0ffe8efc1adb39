"""The command line of `python -m sched_rl.diagnose`, checked; it trains nothing, so its keys are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sched_rl.config.bounds import check_bounds
from sched_rl.config.choices import check_choice
from sched_rl.config.compose import HYDRA_LOCK, ConfigSources
from sched_rl.config.convert import show, tree_to
from sched_rl.config.load import split_overrides
from sched_rl.config.schema import DiagnosisConfig, TrackingConfig
from sched_rl.config.values import resolve, set_value
from sched_rl.errors import ConfigError

#: Keys of which exactly one says what to diagnose.
SOURCES = ("run", "mlflow_run", "csv")
_PATHS = (*SOURCES, "against", "output", "report")


@dataclass(frozen=True, kw_only=True)
class DiagnoseConfig:
    """What to diagnose, with which thresholds, and what to do with the answer."""

    run: str | None
    mlflow_run: str | None
    csv: str | None
    against: str | None
    output: str | None
    report: str | None
    checks: bool
    apply: bool
    diagnosis: DiagnosisConfig
    tracking: TrackingConfig


def load_diagnose(overrides: Sequence[str], sources: ConfigSources) -> DiagnoseConfig:
    """Compose conf/diagnose.yaml with overrides, convert and check it.

    Raises:
        ConfigError: one line on the first thing that is wrong.
    """
    with HYDRA_LOCK:
        choices, values = split_overrides(overrides, sources)
        for choice in choices:
            if choice.key_or_group not in ("diagnosis", "tracking"):
                raise ConfigError(f"{choice.input_line}: diagnose reads the run's own {choice.key_or_group}")
        options = [f"{choice.key_or_group}={check_choice(choice, sources)}" for choice in choices]
        tree = sources.compose("diagnose", options).tree
        for override in values:
            set_value(tree, override, sources)
        plain = resolve(tree)
    for key in _PATHS:
        if isinstance(plain[key], (int, float)) and not isinstance(plain[key], bool):
            plain[key] = show(plain[key])
    config = tree_to(DiagnoseConfig, plain)
    check_bounds(config)
    return config


def check_source(config: DiagnoseConfig) -> None:
    """Exactly one of run, mlflow_run and csv.

    Raises:
        ConfigError: naming those that were given.
    """
    given = [key for key in SOURCES if getattr(config, key) is not None]
    if not given:
        raise ConfigError("nothing to diagnose: give run=RUN_FOLDER, mlflow_run=ID or csv=FILE")
    if len(given) > 1:
        raise ConfigError(
            f"{given[0]}= and {given[1]}=: diagnose looks at one run at a time; give one of them"
        )
