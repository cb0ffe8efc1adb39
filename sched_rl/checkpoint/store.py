"""The checkpoints of one run: which to keep, which to fall back to."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sched_rl.checkpoint.file import digest_path, load_checkpoint, save_checkpoint
from sched_rl.errors import CheckpointError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint that was read and verified; `update` is None where the file's name does not tell it."""

    path: Path
    update: int | None
    state: dict[str, Any]


class CheckpointStore:
    """The last few periodic checkpoints, and every best one that one of those may need.

    A best checkpoint carries its update in its name and stays while a periodic checkpoint older than its
    successor exists. So after a resume from any periodic checkpoint, `best()` is the best of that moment.

    Args:
        folder: the run's `checkpoints/`; made by the first save.
        keep: periodic checkpoints to keep, at least 1.
    """

    def __init__(self, folder: Path, keep: int = 1) -> None:
        if keep < 1:
            raise CheckpointError(f"run.keep_checkpoints={keep}: must be at least 1")
        self.folder = folder
        self.keep = keep

    def save_periodic(self, update: int, state: dict[str, Any]) -> Path:
        """Save the state of an update, then drop what only older checkpoints needed."""
        path = self._save("update", update, state)
        self._prune()
        return path

    def save_best(self, update: int, state: dict[str, Any]) -> Path:
        """Save the best state so far; its predecessor stays until no periodic checkpoint needs it."""
        return self._save("best", update, state)

    def latest(self) -> StoredCheckpoint | None:
        """The newest intact periodic checkpoint, with a warning for each damaged one; None if there is none.

        Raises:
            CheckpointError: there are checkpoints, but none can be read.
        """
        return self._newest_intact("update")

    def best(self) -> StoredCheckpoint | None:
        """The best checkpoint; falls back like `latest`."""
        return self._newest_intact("best")

    def latest_path(self) -> Path | None:
        """Where the newest periodic checkpoint lies, unverified."""
        return next((path for _, path in self._listed("update")), None)

    def best_path(self) -> Path | None:
        """Where the best checkpoint lies, unverified."""
        return next((path for _, path in self._listed("best")), None)

    def rewind(self, update: int) -> None:
        """Set aside (rename, never delete) what is newer than the update that a run resumes from."""
        for kind in ("update", "best"):
            for number, path in self._listed(kind):
                if number > update:
                    for file in (path, digest_path(path)):
                        if file.exists():
                            os.replace(file, file.with_name(file.name + ".set_aside"))

    def _save(self, kind: str, update: int, state: dict[str, Any]) -> Path:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{self.folder}: cannot make the folder ({error.strerror})") from error
        path = self.folder / f"{kind}_{update:08d}.pt"
        save_checkpoint(path, state)
        return path

    def _listed(self, kind: str) -> list[tuple[int, Path]]:
        """Updates and paths, newest first."""
        matches = [(re.fullmatch(rf"{kind}_(\d+)\.pt", path.name), path) for path in self.folder.glob("*.pt")]
        return sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)

    def _newest_intact(self, kind: str) -> StoredCheckpoint | None:
        failures: list[CheckpointError] = []
        for update, path in self._listed(kind):
            try:
                state = load_checkpoint(path)
            except CheckpointError as error:
                failures.append(error)
                continue
            for failure in failures:
                log.warning("%s. Falling back to %s", failure, path.name)
            return StoredCheckpoint(path, update, state)
        if failures:
            raise CheckpointError(f"{failures[0]}. None of the {len(failures)} checkpoints there can be read")
        return None

    def _prune(self) -> None:
        periodic, best = self._listed("update"), self._listed("best")
        kept = [update for update, _ in periodic[: self.keep]]
        needed = {max((number for number, _ in best if number <= update), default=-1) for update in kept}
        needed |= {number for number, _ in best if number > kept[0]}
        stale = [path for _, path in periodic[self.keep :]]
        stale += [path for number, path in best if number not in needed]
        for path in stale:
            path.unlink(missing_ok=True)
            digest_path(path).unlink(missing_ok=True)
        for leftover in self.folder.glob(".*.tmp"):  # of a process that was killed while it saved
            leftover.unlink(missing_ok=True)


def find_checkpoint(path: Path) -> StoredCheckpoint:
    """Read what `checkpoint=RUN_FOLDER_OR_FILE` means: of a folder the best checkpoint, else the latest.

    Raises:
        CheckpointError: neither a file nor a folder with checkpoints, or none that can be read.
    """
    if path.is_file():
        match = re.search(r"_(\d+)\.pt$", path.name)
        return StoredCheckpoint(path, int(match[1]) if match else None, load_checkpoint(path))
    store = CheckpointStore(path / "checkpoints" if (path / "checkpoints").is_dir() else path)
    found = store.best() or store.latest()
    if found is None:
        raise CheckpointError(f"{path}: no checkpoint there; name a run's folder or a checkpoint file")
    return found
