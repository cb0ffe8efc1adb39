"""How the numba kernels of this project are compiled and where they are kept.

Numba's own file cache looks at the time stamp of the file that defines a function and misses a change in a
function that it calls. So the cache lies in a folder named after a hash of every kernel source: a change anywhere
makes a new folder, and an old one is never read. The folder is in the user's cache, so it survives reinstalls and
serves installations that are read-only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function")
_KEPT_FOLDERS = 4


def kernel(function: _Function) -> _Function:
    """Compile a function with numba (nopython, cached on disk by the sources of all kernels)."""
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


def kernel_cache_folder() -> Path:
    """Where this version's compiled kernels are kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "sched_rl" / f"kernels-{_sources_digest()}"


def _sources_digest() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info[:2]}".encode())
    package = Path(__file__).parent
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if b"@kernel" in text:
            digest.update(source.relative_to(package).as_posix().encode() + text)
    return digest.hexdigest()[:16]


def _use_cache_folder() -> None:
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    folder = kernel_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        siblings = sorted(folder.parent.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for stale in siblings[_KEPT_FOLDERS:]:
            shutil.rmtree(stale, ignore_errors=True)
    except OSError:
        return  # numba then falls back to the package folder or a temporary one
    settings: Any = numba.config
    settings.CACHE_DIR = str(folder)


_use_cache_folder()
