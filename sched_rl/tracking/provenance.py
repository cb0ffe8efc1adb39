"""Where a run comes from: code, versions, machine, config, data."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("sched_rl", "gymnasium", "hydra-core", "mlflow", "numba", "numpy"),
    *("omegaconf", "optuna", "scipy", "torch"),
)
#: What a run's numbers depend on; notes and results beside it leave a checkout clean.
_SOURCES = ("sched_rl", "sweeps", "analysis", "conf", "pyproject.toml", "constraints.txt")


def collect_provenance(
    *,
    seed: int,
    threads: int,
    device: str,
    config_digest: str,
    data_digests: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Gather what it takes to say where numbers come from, for `RunRecord.write_provenance`.

    Args:
        seed: the run's seed.
        threads: torch's threads; results are equal only at equal counts.
        device: `cpu` or `cuda`.
        config_digest: of the resolved config.
        data_digests: of traces and other files read, by name.
        tags: more tags of the MLflow run, for example `sweep_id` or `mlflow.parentRunId`.

    Returns:
        Plain containers. `run_uid` identifies the run in every store it is imported to.
    """
    commit, dirty = git_state(Path(__file__).resolve().parents[2])
    return {
        "run_uid": uuid.uuid4().hex,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
        "seed": seed,
        "threads": threads,
        "device": device,
        "config_digest": config_digest,
        "data_digests": dict(data_digests or {}),
        "git_commit": commit,
        "git_dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "versions": installed_versions(),
        "tags": dict(tags or {}),
    }


def git_state(checkout: Path) -> tuple[str | None, bool | None]:
    """The commit of a checkout and whether its sources differ from it.

    Args:
        checkout: the folder that must itself be the top of the repository; an installed package that merely
            lies inside somebody's repository has no commit of its own.

    Returns:
        Twice None without git, outside a checkout, or before the first commit.
    """
    top = _git(checkout, "rev-parse", "--show-toplevel")
    commit = _git(checkout, "rev-parse", "--verify", "HEAD")
    status = _git(checkout, "status", "--porcelain", "--untracked-files=all", "--", *_SOURCES)
    if not top or not commit or status is None or Path(top).resolve() != checkout.resolve():
        return None, None
    return commit, bool(status)


def installed_versions() -> dict[str, str]:
    """The versions of the packages that numbers depend on, read without importing them."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
