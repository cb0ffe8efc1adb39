"""What must never reach Hydra: Python objects named in configuration, callbacks, search paths.

Hydra calls whatever `_target_` names and starts `hydra.callbacks` before our code runs, so arguments and the
files of others are refused before Hydra sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Override

from sched_rl.config.convert import show
from sched_rl.errors import ConfigError

#: An interpolation that calls something, or whose name hides in another: `${oc.env:KEY}`, `${oc.${a}:KEY}`.
_CALL = re.compile(r"\$\{[^}]*(?:\$\{|:)")

#: What of Hydra's own configuration arguments and files may choose.
_OPEN_TO_USERS = ("launcher", "sweeper", "mode")

_REASON = "a configuration names a kind, never a Python object"


def refuse_arguments(overrides: Sequence[Override]) -> None:
    """Refuse `_target_`, calls in interpolations, `hydra.callbacks` and every Hydra setting that is not open to users.

    Raises:
        ConfigError: naming the argument.
    """
    for override in overrides:
        text = str(override.input_line)
        if "_target_" in text or _has_target(override.value()):
            raise ConfigError(f"{text}: _target_ is refused: {_REASON}")
        if _CALL.search(text):
            refuse_calls(override.key_or_group, text.partition("=")[2])
        parts = re.split(r"[./]", override.key_or_group)
        if parts[0] != "hydra" and (override.package is None or not override.package.startswith("hydra")):
            continue
        section = parts[1] if len(parts) > 1 else ""
        if section == "callbacks":
            raise ConfigError(f"{text}: hydra.callbacks is refused: {_REASON}")
        if override.package is not None or section not in _OPEN_TO_USERS:
            raise ConfigError(
                f"{text}: of Hydra's own settings only hydra.launcher and hydra.sweeper are open; "
                f"a run's folder is run.folder=..., files of others come with --config-dir"
            )


def refuse_files(folder: Path, own: Path) -> None:
    """Refuse a folder of others' YAML that names Python objects, touches Hydra, or hides a file of ours.

    Args:
        folder: what `--config-dir` names.
        own: our conf folder; a file of the same name there would win silently.

    Raises:
        ConfigError: naming the file and the key.
    """
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {folder}: no such folder")
    for path in sorted(folder.rglob("*.y*ml")):
        relative = path.relative_to(folder)
        if (own / relative.with_suffix(".yaml")).exists():
            group, name = relative.parent.as_posix(), relative.stem
            raise ConfigError(f"{path}: {group}={name} exists already; give the file another name")
        _refuse_file(path, relative)


def refuse_calls(key: str, node: Any) -> None:
    """Refuse interpolations that read more than other keys, such as the environment, whose secrets would be recorded.

    Args:
        key: of the node, dotted; empty for a whole configuration.
        node: unresolved values in nested containers.

    Raises:
        ConfigError: naming the key.
    """
    if isinstance(node, Mapping):
        for name, value in node.items():
            refuse_calls(f"{key}.{name}".lstrip("."), value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            refuse_calls(key, value)
    elif isinstance(node, str) and _CALL.search(node):
        raise ConfigError(
            f"{key}={node[:80]}: an interpolation names another key, such as ${{seed}}; "
            "it calls nothing and reads no environment"
        )


def _refuse_file(path: Path, relative: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}: not valid YAML{line}") from error
    if _has_target(content):
        raise ConfigError(f"{path}: _target_ is refused: {_REASON}")
    package = re.search(r"@package\s+(\S+)", text)
    names = [package.group(1)] if package else []
    if relative.parts[0] == "hydra":
        names.append(".".join(relative.with_suffix("").parts))
    for name in [*names, *_hydra_names(content)]:
        section = re.split(r"[./]", name.removeprefix("_global_."))
        if section[0] != "hydra":
            continue
        if section[1:2] == ["callbacks"]:
            raise ConfigError(f"{path}: hydra.callbacks is refused: {_REASON}")
        if section[1:2] == [] or section[1] not in _OPEN_TO_USERS:
            raise ConfigError(
                f"{path}: {name}: of Hydra's own settings only hydra.launcher and hydra.sweeper are open"
            )


def _has_target(node: Any) -> bool:
    return any(str(key) == "_target_" for key, _ in _items(node))


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every key and value of nested containers."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key, value
            yield from _items(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _items(value)


def _hydra_names(content: Any) -> Iterator[str]:
    """Dotted names below `hydra` that a file sets, chooses in its defaults list or packages into."""
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if str(key) == "hydra" and isinstance(value, Mapping):
            yield from (f"hydra.{inner}" for inner in value)
        elif str(key).startswith("hydra"):
            yield str(key)
    defaults = content.get("defaults")
    for entry in defaults if isinstance(defaults, list) else []:
        for word in show(entry).strip("{}").split():
            # `override /hydra/sweeper:optuna`, `name@hydra.callbacks`
            for part in word.split("@"):
                if part.lstrip("/").removeprefix("_global_.").startswith("hydra"):
                    yield part.lstrip("/").partition(":")[0]
