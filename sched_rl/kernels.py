"""How the numba kernels of this project are compiled and where they are kept.

Numba's own file cache looks at the time stamp of the file that defines a function and misses a change in anything
that it calls or takes its types from. So the cache lies in a folder named after a hash of every source beside a
kernel: a change in any of them makes a new folder, and an old one is never read. The folder is in the user's cache,
so it survives reinstalls and serves installations that are read-only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function")
_KEPT_FOLDERS = 4
_settings: Any = numba.config


def kernel(function: _Function) -> _Function:
    """Compile a function with numba (nopython, cached on disk by the sources of all kernels)."""
    return _compiled(function, nogil=False)


def kernel_without_gil(function: _Function) -> _Function:
    """A kernel beside which other Python threads run: nobody else may write what it is handed."""
    return _compiled(function, nogil=True)


def _compiled(function: _Function, *, nogil: bool) -> _Function:
    options: Any = {"cache": _CACHE is not None, "error_model": "numpy", "nogil": nogil}
    with _cache_in_use():
        return cast(_Function, numba.njit(**options)(function))


def subkernel(function: _Function) -> _Function:
    """Compile a function that kernels call and Python never does.

    It is inlined wherever it is called and may not allocate arrays. In return it costs nothing to hand it many
    arrays, which otherwise travel over the stack and have their references counted at every call (measured: steps
    take a third of the time), and it needs no wrapper for Python, which takes long to compile. As every call is a
    copy, a large one should have few callers.
    """
    options: Any = {"forceinline": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(_Function, numba.njit(error_model="numpy", **options)(function))


def num_processors() -> int:
    """That this process may use: beside how many kernels without the GIL another one pays."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kernel_cache_folder() -> Path:
    """Where this version's compiled kernels are kept: under numba's own folder if NUMBA_CACHE_DIR names one."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sched_rl"
    return (Path(chosen) if chosen else base) / f"kernels-{_sources_digest()}"


def _sources_digest() -> str:
    """Hash of all sources in folders that hold a kernel: types and constants of a kernel lie in its neighbours."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info[:2]}".encode())
    package = Path(__file__).parent
    sources = {path: path.read_bytes() for path in sorted(package.rglob("*.py"))}
    folders = {path.parent for path, text in sources.items() if b"@kernel" in text} - {package}
    for path, text in sources.items():
        if path.parent in folders or b"@kernel" in text:
            digest.update(path.relative_to(package).as_posix().encode() + text)
    return digest.hexdigest()[:16]


def _make_cache_folder() -> Path | None:
    """The folder, made and writable; None where there is none, and then every process compiles for itself."""
    try:
        folder = kernel_cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        if not os.access(folder, os.W_OK):
            return None
        siblings = sorted(folder.parent.glob("kernels-*"), key=lambda path: -path.stat().st_mtime)
    except (OSError, RuntimeError):  # no home, a read-only one, or a sibling that went away meanwhile
        return None
    for stale in siblings[_KEPT_FOLDERS:]:
        shutil.rmtree(stale, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _cache_in_use() -> Iterator[None]:
    """Numba reads the folder when it decorates; other libraries' functions keep the folder that they had."""
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = str(_CACHE or before)
    try:
        yield
    finally:
        _settings.CACHE_DIR = before


_CACHE = _make_cache_folder()
