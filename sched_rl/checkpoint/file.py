"""One checkpoint file: a torch archive and its SHA-256 beside it in `FILE.sha256`.

A process killed at any moment leaves the old checkpoint or the new one, each verifiable, never a mixture.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

from sched_rl.checkpoint.codec import decode, encode
from sched_rl.errors import CheckpointError

FORMAT = "sched_rl checkpoint"
#: Raise when readers of this version could no longer make sense of the file.
VERSION = 1

_FALL_BACK = "restore it from a copy, or use an older checkpoint of the run"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file so that a crash at any moment leaves the old content or the new one.

    Raises:
        OSError: the folder is missing, not writable or full; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # without it a power cut may undo the rename
    finally:
        os.close(descriptor)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state and its SHA-256, replacing what was there.

    Args:
        path: the file; its folder must exist.
        state: tensors, NumPy arrays and plain containers, see `codec.encode`.

    Raises:
        CheckpointError: a value of another type (the message names its place), or the disk refused.
    """
    import torch

    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, "state": encode(state)}, buffer)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    digest_file = digest_path(path)
    try:
        # While the file is replaced, both digests count: whichever content a crash leaves can be verified.
        old = _recorded_digests(digest_file) if path.exists() and digest_file.exists() else []
        write_atomically(digest_file, _digest_lines(path, [digest, *old]))
        write_atomically(path, data)
        if old:
            write_atomically(digest_file, _digest_lines(path, [digest]))
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot write the checkpoint ({error.strerror}); the checkpoints before it are intact: "
            f"make room or restore write access in {path.parent}, then resume"
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint back, tensors on the CPU, after verifying its SHA-256.

    Raises:
        CheckpointError: missing, damaged, from a newer version, or holding anything but data.
    """
    data = _verified_bytes(path)
    _check_archive(path, data)
    payload = _unpickle(path, data)
    if not isinstance(payload, dict) or payload.get("format") != FORMAT:
        raise CheckpointError(f"{path}: a torch file, but not a checkpoint of sched_rl")
    version, state = payload.get("version"), payload.get("state")
    if type(version) is int and version > VERSION:
        raise CheckpointError(
            f"{path}: written by a newer sched_rl (checkpoint version {version}, this one reads up to "
            f"{VERSION}); upgrade sched_rl"
        )
    if version != VERSION or not isinstance(state, dict):
        raise CheckpointError(f"{path}: malformed, {version=}; {_FALL_BACK}")
    try:
        decoded: dict[str, Any] = decode(state, len(data))
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: malformed state ({error}); {_FALL_BACK}") from error
    return decoded


def digest_path(path: Path) -> Path:
    """Where the SHA-256 of a file lies; `sha256sum -c` reads it."""
    return path.with_name(path.name + ".sha256")


def _digest_lines(path: Path, digests: list[str]) -> bytes:
    return "".join(f"{digest}  {path.name}\n" for digest in digests).encode()


def _recorded_digests(digest_file: Path) -> list[str]:
    text = digest_file.read_text(encoding="ascii", errors="replace")
    return re.findall(r"^([0-9a-f]{64})  ", text, flags=re.MULTILINE)


def _verified_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; name a checkpoint file or a run's folder")
    digest_file = digest_path(path)
    try:
        data = path.read_bytes()
        expected = _recorded_digests(digest_file)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: {digest_file.name} is missing, so the file cannot be verified; copy it along from the "
            f"run, or, if you trust the file: sha256sum {path.name} > {digest_file.name}"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {_FALL_BACK}") from error
    if hashlib.sha256(data).hexdigest() not in expected:
        raise CheckpointError(f"{path}: damaged, it does not match {digest_file.name}; {_FALL_BACK}")
    return data


def _check_archive(path: Path, data: bytes) -> None:
    """Let only what `torch.save` writes reach torch: a zip archive that stores its members uncompressed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception as error:  # a crafted zip directory raises more than BadZipFile
        raise CheckpointError(f"{path}: not a checkpoint of sched_rl (no torch archive)") from error
    stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    if not stored or sum(member.file_size for member in members) > len(data):
        raise CheckpointError(f"{path}: refused, its members unpack to more than the file holds")


def _unpickle(path: Path, data: bytes) -> Any:
    import torch

    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # hostile bytes raise nearly anything inside the unpickler
        raise CheckpointError(
            f"{path}: refused, it holds something other than tensors and plain containers, and nothing in it "
            f"was executed ({type(error).__name__}); use checkpoints that sched_rl wrote"
        ) from error
