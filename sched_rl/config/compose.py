"""The one place that touches Hydra's composition: conf/ and the folders of others, as plain containers.

It uses Hydra's loader directly and never `hydra.initialize`, whose global instance would make a second caller
fail: composition works inside a running Hydra application, in threads and in spawned workers alike.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra.version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from packaging.version import Version

from sched_rl.config.launchers import offer_plugin_nodes, refuse_absent_launcher
from sched_rl.config.safety import refuse_files
from sched_rl.errors import ConfigError

#: Hydra's plugin registry is a process-wide singleton that fills itself on first use.
HYDRA_LOCK = threading.RLock()

VERSION_BASE = "1.3"


@dataclass(frozen=True)
class Composition:
    """What a primary and its group choices compose to, before single values are set.

    Attributes:
        tree: the configuration without Hydra's own node.
        chosen: group to option, None for a group that is left out.
        sweeper: class of the sweeper that a multirun would use.
        sweeper_params: sweeps that a file asks for, key to values.
        is_multirun: a file of the composition asks for a multirun.
    """

    tree: DictConfig
    chosen: dict[str, str | None]
    sweeper: str
    sweeper_params: dict[str, str]
    is_multirun: bool


def conf_dir() -> Path:
    """The folder of our own YAML: inside an installed package, else beside it in the repository."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def search_path(config_dirs: Sequence[Path] = ()) -> ConfigSearchPath:
    """conf/ first, then the folders of others."""
    with HYDRA_LOCK:
        path = create_config_search_path(str(conf_dir()))
        offer_plugin_nodes()
        for folder in config_dirs:
            anchor = SearchPathQuery(provider="schema")
            path.prepend("command-line", f"file://{folder.resolve()}", anchor=anchor)
        return path


def one_line(error: BaseException) -> str:
    """A message of Hydra's or omegaconf's, which run over several lines, as one."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
    lines = [
        " ".join(str(each).split()).partition(" full_key:")[0] for each in (error, cause) if each is not None
    ]
    return ": ".join(dict.fromkeys(line for line in lines if line))


class ConfigSources:
    """conf/ and the folders of others: which groups and options there are, and what they compose to."""

    def __init__(self, config_dirs: Sequence[Path] = ()) -> None:
        for folder in config_dirs:
            refuse_files(folder, conf_dir())
        self.config_dirs = tuple(config_dirs)
        with HYDRA_LOCK:
            if not isinstance(hydra.version.getbase(), Version):
                hydra.version.setbase(VERSION_BASE)
            self._loader = ConfigLoaderImpl(search_path(config_dirs))
        self._composed: dict[tuple[str, ...], Composition] = {}
        self._options: dict[tuple[str, str], dict[str, Any]] = {}

    def is_group(self, name: str) -> bool:
        """Whether the name is a config group such as `agent/network`."""
        return bool(name) and self._loader.repository.group_exists(name)

    def options(self, group: str) -> list[str]:
        """The options of a group, sorted."""
        return self._loader.repository.get_group_options(group, ObjectType.CONFIG)

    def groups(self, parent: str = "") -> list[str]:
        """Every group that has options, nested ones after their parent; Hydra's own left out."""
        names: list[str] = []
        for name in self._loader.repository.get_group_options(parent, ObjectType.GROUP):
            group = f"{parent}/{name}".lstrip("/")
            if group != "hydra":
                names += [group] if self.options(group) else []
                names += self.groups(group)
        return names

    def compose(self, primary: str, choices: Sequence[str]) -> Composition:
        """A primary with group choices (`env=heavy`), each known to be an option.

        Raises:
            ConfigError: when the files do not compose.
        """
        key = (primary, *choices)
        if key not in self._composed:
            self._composed[key] = self._compose(primary, choices)
        return copy.deepcopy(self._composed[key])

    def option(self, group: str, name: str) -> dict[str, Any]:
        """One option alone, with what its own defaults list brings, packaged where it belongs.

        Raises:
            ConfigError: when it does not compose without a primary.
        """
        if (group, name) not in self._options:
            self._options[group, name] = self._option(group, name)
        return copy.deepcopy(self._options[group, name])

    def _option(self, group: str, name: str) -> dict[str, Any]:
        try:
            with HYDRA_LOCK:
                config = self._loader._compose_config_from_defaults_list(*self._defaults(f"{group}/{name}"))
                tree = OmegaConf.to_container(config, resolve=False)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(f"{group}={name}: cannot be used here: {one_line(error)}") from error
        return {str(key): value for key, value in tree.items()} if isinstance(tree, dict) else {}

    def files(self, primary: str, choices: Sequence[str]) -> list[tuple[str, Path]]:
        """(package, file) of every file of a composition, in the order in which later ones win."""
        with HYDRA_LOCK:
            defaults = self._loader.compute_defaults_list(primary, list(choices), RunMode.RUN)
        folders = [*self.config_dirs, conf_dir()]
        found: list[tuple[str, Path]] = []
        for item in defaults.defaults:
            paths = [folder / f"{item.config_path}.yaml" for folder in folders]
            found += [(item.package or "", path) for path in paths if path.is_file()]
        return found

    def _defaults(self, name: str) -> tuple[Any, CachingConfigRepository]:
        repository = CachingConfigRepository(self._loader.repository)
        listed = create_defaults_list(repository, name, [], prepend_hydra=False, skip_missing=False)
        return listed.defaults, repository

    def _compose(self, primary: str, choices: Sequence[str]) -> Composition:
        try:
            with HYDRA_LOCK:
                config = self._loader.load_configuration(primary, list(choices), RunMode.RUN)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(one_line(error)) from error
        node = config.hydra
        _refuse_hydra_node(node)
        OmegaConf.set_struct(config, False)
        del config["hydra"]
        params = node.sweeper.get("params") or {}
        return Composition(
            tree=config,
            chosen={
                str(group): option
                for group, option in node.runtime.choices.items()
                if not str(group).startswith("hydra/")
            },
            sweeper=str(node.sweeper._target_),
            sweeper_params={str(key): str(value) for key, value in params.items()},
            is_multirun=node.mode == RunMode.MULTIRUN,
        )


def _refuse_hydra_node(node: DictConfig) -> None:
    """The last look before Hydra may act on its own node; arguments and files were refused earlier."""
    if node.callbacks or node.searchpath:
        raise ConfigError("hydra.callbacks and hydra.searchpath must stay empty")
    refuse_absent_launcher(node.launcher)
    for section in (node.sweeper, node.launcher):
        if "_target_" in str([value for key, value in section.items_ex(resolve=False) if key != "_target_"]):
            raise ConfigError("hydra.sweeper and hydra.launcher: _target_ is refused below their own")
