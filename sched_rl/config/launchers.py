"""Launchers of multiruns: our recipes in conf/hydra/launcher/ build on the nodes of Hydra's plugins.

A recipe bears its plugin's name (`hydra/launcher=joblib`). Hydra would take the plugin's own node of that name
for the recipe's schema, with a warning that this is deprecated; so that node moves, into the group
`hydra/launcher/plugin`. Where a plugin is not installed a mark stands in, and whoever composes says which
extra to install instead of Hydra's traceback.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hydra.core.config_store import ConfigStore

from sched_rl.errors import ConfigError

#: From each recipe to the extra of pyproject.toml that brings its plugin.
EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}

_GROUP = "hydra/launcher"
_ABSENT = "absent_plugin"


def offer_plugin_nodes() -> None:
    """Move every launcher plugin's node to where recipes find it; after Hydra has found its plugins.

    Doing it again changes nothing.
    """
    store = ConfigStore.instance()
    launchers = store.repo["hydra"]["launcher"]
    offered = launchers.get("plugin", {})
    for name in EXTRAS:
        entry = launchers.pop(f"{name}.yaml", None)
        if entry is not None:
            store.store(group=f"{_GROUP}/plugin", name=name, node=entry.node, provider=entry.provider)
        elif f"{name}.yaml" not in offered:
            store.store(group=f"{_GROUP}/plugin", name=name, node={_ABSENT: name}, provider="sched_rl")


def refuse_absent_launcher(launcher: Mapping[Any, Any]) -> None:
    """Refuse a launcher whose plugin is not installed.

    Args:
        launcher: the composed node `hydra.launcher`.

    Raises:
        ConfigError: naming the extra.
    """
    name = launcher.get(_ABSENT)
    if name is not None:
        raise ConfigError(
            f"hydra/launcher={name}: its plugin is not installed; the extra {EXTRAS[name]!r} brings it: "
            f"pip install 'sched_rl[{EXTRAS[name]}]'"
        )


def agree_on_signals() -> None:
    """Have submitit announce the end of a job's time by SIGUSR1, on which a training saves and stops.

    Its own default, SIGUSR2, would end the training between two checkpoints. Read when submitit is imported,
    here and in the jobs, which inherit the environment.
    """
    os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
