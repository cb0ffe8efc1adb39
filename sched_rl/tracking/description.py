"""How a run looks in MLflow: name, note, tags, params. Pure functions over its config and provenance."""

from __future__ import annotations

import getpass
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sched_rl.tracking.redaction import redact

# MLflow's limits, in characters.
MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000

#: Derived parts of a config; they stay in the artifact config.yaml.
_NOT_PARAMS = frozenset({"families", "baseline_agents", "tracking", "progress"})


def run_name(config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """What tells a run from its neighbours: `run.name`, else agent, env and seed; then what a grid or sweep varied.

    Args:
        config: of the run.
        tags: of the run; `trial` is its number in a sweep, `varied` what `varied_text` says.
    """
    name, varied = str(_at(config, "run", "name") or ""), tags.get("varied", "")
    if "trial" in tags:
        name = f"{name} trial {tags['trial']}"
    elif not name:
        seed = "" if "seed=" in varied else f" seed={config.get('seed')}"
        name = f"{_at(config, 'agent', 'name')} {_at(config, 'env', 'name')}{seed}"
    return f"{name} {varied}".strip()[:MAX_KEY]


def varied_text(values: Mapping[str, Any]) -> str:
    """Swept keys and their values, short: `lr=0.00271 clip_coef=0.2`."""
    short = {
        key: f"{value:.3g}" if isinstance(value, float) else _text(value) for key, value in values.items()
    }
    return " ".join(f"{re.split('[./]', key)[-1]}={value}" for key, value in short.items())


def last_step(config: Mapping[str, Any]) -> int:
    """The environment steps at which a training will be done; 0 for a fixed scheduler."""
    parts = [_at(config, "agent", key) for key in ("total_steps", "num_envs", "rollout_steps")]
    if not all(isinstance(part, int) and part > 0 for part in parts):
        return 0
    total, num_envs, rollout_steps = parts
    return int(total // (num_envs * rollout_steps) * num_envs * rollout_steps)


def run_tags(config: Mapping[str, Any], provenance: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What runs are grouped, filtered and traced back by."""
    agent, env = _at(config, "agent", "name"), _at(config, "env", "name")
    where = folder.resolve()
    command = provenance.get("command") or "python -m sched_rl.train"
    tags: dict[str, Any] = {
        "agent": agent,
        "env": env,
        "eval": _at(config, "eval", "name"),
        "network": _at(config, "agent", "network", "kind"),
        "run_folder": str(where),
        **{name: provenance.get(name) for name in _TAGGED},
        **{f"version.{name}": version for name, version in (provenance.get("versions") or {}).items()},
        **{f"data.{name}": digest for name, digest in (provenance.get("data_digests") or {}).items()},
        "mlflow.note.content": (
            f"**{agent}** on **{env}**, seed {config.get('seed')}\n\n"
            f"    {command}\n\n"
            f"Folder: `{where}`\n\nResume: `python -m sched_rl.train resume={shlex.quote(str(where))}`"
        ),
        "mlflow.source.name": "sched_rl",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": provenance.get("git_commit"),
        "mlflow.user": _user(),
        **(provenance.get("tags") or {}),
    }
    return {
        metric_key(key): redact(_text(value))[:MAX_TAG] for key, value in tags.items() if value is not None
    }


_TAGGED = (
    *("run_uid", "seed", "config_digest", "git_commit", "git_dirty"),
    *("python", "platform", "threads", "device"),
)


def run_params(config: Mapping[str, Any]) -> dict[str, str]:
    """The config as MLflow params: dotted keys as on the command line, values as YAML writes them."""
    kept = {key: value for key, value in config.items() if key not in _NOT_PARAMS}
    return {metric_key(key): redact(_text(value))[:MAX_PARAM] for key, value in _flatten(kept, "")}


def metric_key(name: str) -> str:
    """A name that MLflow accepts as a key: its alphabet, a normal relative path, 250 characters."""
    allowed = re.sub(r"[^A-Za-z0-9_\-. :/]", "_", name)[:MAX_KEY]
    normal = posixpath.normpath(allowed).lstrip("/")
    return "_" + normal if normal in ("", ".") or normal.startswith("..") else normal


def _flatten(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(item) for item in value)}]"
    return str(value)


def _at(config: Mapping[str, Any], *path: str) -> Any:
    node: Any = config
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        return None
