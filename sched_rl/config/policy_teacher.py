"""A learned policy as a teacher: named by its run folder or checkpoint file, known by what is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sched_rl.config.record import load_config_file
from sched_rl.config.recorded import find_config_file
from sched_rl.config.schema import PpoConfig
from sched_rl.errors import ConfigError


def is_path(name: str) -> bool:
    """Whether a teacher's name is that of a run folder or a file, not of a scheduler."""
    return "/" in name or Path(name).exists()


def policy_teacher(key: str, name: str) -> dict[str, Any]:
    """The `PolicyTeacherConfig` of a path, nested.

    Args:
        key: of the configuration that names it.
        name: a run folder, whose best checkpoint is meant, else the latest, or a checkpoint file.

    Raises:
        ConfigError: nothing there, or nothing that learned.
    """
    path = Path(name).expanduser()
    recorded = load_config_file(find_config_file(key, path))
    if not isinstance(recorded.agent, PpoConfig):
        raise ConfigError(
            f"{key}={name}: agent={recorded.agent.name} did not learn; name the scheduler itself"
        )
    return {"kind": "policy", "name": name, "sha256": content_digest(checkpoint_file(key, path))}


def checkpoint_file(key: str, path: Path) -> Path:
    """The checkpoint that a path stands for: of a run folder the best, else the latest; a file is itself.

    Raises:
        ConfigError: none there.
    """
    if path.is_file():
        return path
    for kind in ("best", "update"):
        if numbered := sorted((path / "checkpoints").glob(f"{kind}_*.pt")):
            return numbered[-1]
    raise ConfigError(f"{key}={path}: no checkpoint there; name a run that has one")


def content_digest(file: Path) -> str:
    """SHA-256 (hex) of what a file holds.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
