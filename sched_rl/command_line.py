"""What every command's entry point shares: its arguments, its one line of error, its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.quick_import import quick_import
from sched_rl.tracking.redaction import redact

if TYPE_CHECKING:
    from sched_rl.config.compose import ConfigSources

#: Exit code after Ctrl-C before a run could take the signal itself (128 + SIGINT).
EXIT_INTERRUPTED = 130
#: Exit code when the reader of the output went away (128 + SIGPIPE).
EXIT_PIPE_CLOSED = 141

_OPTIONS = ("--help", "--multirun", "--cfg", "--config-dir")


@dataclass(frozen=True)
class Arguments:
    """A command line taken apart.

    Attributes:
        overrides: `group=option` and `key=value`, in order.
        is_multirun: -m was given.
        wants_help: --help was given.
        wants_config: `--cfg job` was given.
        config_dirs: folders of others' YAML.
    """

    overrides: tuple[str, ...]
    is_multirun: bool
    wants_help: bool
    wants_config: bool
    config_dirs: tuple[Path, ...]


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Options and overrides in any order, `--option value` or `--option=value`.

    Raises:
        ConfigError: on an unknown option or one without its value.
    """
    overrides: list[str] = []
    flags: set[str] = set()
    config_dirs: list[Path] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in ("-h", "--help"):
            flags.add("help")
        elif word in ("-m", "--multirun"):
            flags.add("multirun")
        elif name in ("--cfg", "-c", "--config-dir", "-cd"):
            if not equals:
                value = rest.pop(0) if rest else ""
            if name in ("--cfg", "-c"):
                _check_cfg(value)
                flags.add("cfg")
            else:
                _check_folder_given(value)
                config_dirs.append(Path(value))
        elif word.startswith("-"):
            raise ConfigError(_unknown_option(word))
        else:
            overrides.append(word)
    return Arguments(
        tuple(overrides), "multirun" in flags, "help" in flags, "cfg" in flags, tuple(config_dirs)
    )


def run_command(
    primary: str,
    argv: Sequence[str] | None,
    run: Callable[[Arguments, ConfigSources], int],
) -> int:
    """Run a command; help and `--cfg job` are answered here.

    Args:
        primary: `train`, `evaluate` or `diagnose`, the name of the file in conf/.
        argv: the arguments; None: the process's own.
        run: does the work and returns the exit code.

    Returns:
        The exit code: 0, or that of the error whose one line went to stderr.
    """
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
        # Hydra is slow to import, and a misspelt option needs no Hydra.
        with quick_import("sched_rl.config.compose"):
            from sched_rl.config.compose import ConfigSources

        sources = ConfigSources(arguments.config_dirs)
        if arguments.wants_help:
            from sched_rl.command_help import help_text

            print(help_text(primary, arguments.overrides, sources), flush=True)
            return 0
        if arguments.wants_config and primary == "diagnose":
            raise ConfigError("--cfg job: diagnose trains nothing; --help shows its keys and their values")
        if arguments.wants_config:
            from sched_rl.config.load import load_command
            from sched_rl.config.record import config_to_yaml

            print(config_to_yaml(load_command(primary, arguments.overrides, sources).config), end="")
            return 0
        return run(arguments, sources)
    except SchedRLError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; what Python still holds back must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED


def report(error: SchedRLError) -> None:
    """One line on stderr."""
    # a message may repeat the user's words, and the words hold an address with its password
    print(f"error: {redact(' '.join(str(error).splitlines()))}", file=sys.stderr)


def _unknown_option(word: str) -> str:
    name, equals, _ = word.partition("=")
    close = did_you_mean(name, _OPTIONS)
    if equals and not close:
        return f"unknown option {word}; keys have no dashes: {word.lstrip('-')}"
    return f"unknown option {word}{close}"


def _check_cfg(value: str) -> None:
    if value != "job":
        raise ConfigError(f"{f'--cfg {value}'.strip()}: must be --cfg job, the resolved configuration")


def _check_folder_given(value: str) -> None:
    if not value:
        raise ConfigError("--config-dir: needs a folder")
