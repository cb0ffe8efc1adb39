"""A teacher that is trained first: which run makes it, and what its pupil's configuration records of that."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override

from sched_rl.config.families import SHARED_KEYS, TRAINED
from sched_rl.config.record import config_digest
from sched_rl.config.schema import Config

#: Where such runs lie, relative to the working directory; runs that need the same teacher share it.
TEACHERS = Path("runs/teachers")

#: What the pupil's command line says for its teachers as well, besides the seed and what families share of a cluster.
_SHARED = ("device", "threads", "progress", "debug", "tracking")


def families_to_train_on(agent: Mapping[str, Any], families: Container[str]) -> Iterator[str]:
    """Those families of a mixture whose teacher a configured agent has trained."""
    start = agent.get("warm_start")
    named = start.get("family_teachers") if isinstance(start, Mapping) else None
    for family, name in named.items() if isinstance(named, Mapping) else ():
        if name == TRAINED and family in families:
            yield str(family)


def teacher_overrides(family: str, seed: object, pupil: Sequence[Override]) -> list[str]:
    """The command line that trains the teacher of a family: PPO with the defaults there, on the pupil's cluster.

    Args:
        family: name of the env.
        seed: of the pupil.
        pupil: overrides of its command line.
    """
    shared = [str(override.input_line) for override in pupil if _is_shared(override.key_or_group)]
    return ["agent=ppo", f"env={family}", f"seed={seed}", *shared]


def _is_shared(key: str) -> bool:
    part, _, rest = key.replace("/", ".").partition(".")
    return rest.partition(".")[0] in SHARED_KEYS if part == "env" else part in _SHARED


def in_its_folder(family: str, config: Config) -> Config:
    """A teacher's configuration, with the folder that it is trained in."""
    folder = TEACHERS / f"{family}-seed{config.seed}-{config_digest(config)[:8]}"
    return dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(folder)))


def trained_teacher(config: Config) -> dict[str, Any]:
    """The `TrainedTeacherConfig` of a teacher's configuration, nested."""
    return {"kind": "trained", "name": TRAINED, "folder": config.run.folder, "recipe": config_digest(config)}
