"""Checkpoints: tensors and plain containers on disk, verified before reading, replaced without a gap."""

from __future__ import annotations

from sched_rl.checkpoint.file import load_checkpoint, save_checkpoint, write_atomically
from sched_rl.checkpoint.store import CheckpointStore, StoredCheckpoint, find_checkpoint

__all__ = [
    "CheckpointStore",
    "StoredCheckpoint",
    "find_checkpoint",
    "load_checkpoint",
    "save_checkpoint",
    "write_atomically",
]
