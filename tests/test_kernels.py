"""Where compiled kernels are kept: never stale, never in the way, and not needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sched_rl"
FOLDER = "import sched_rl.kernels as k; print(k.kernel_cache_folder())"


def run(code, root=PACKAGE.parent, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=root,
        env=environment | {"PYTHONPATH": str(root)} | variables,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "sched_rl", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("simulator/dynamics.py", True),
        ("simulator/state.py", True),  # the records and tuples that kernels take, but no kernel
        ("envs/layout.py", True),
        ("kernels.py", True),
        ("config/schema.py", False),
    ],
)
def test_a_change_beside_a_kernel_makes_a_new_folder(copied, source, changes):
    before = run(FOLDER, copied)
    path = copied / "sched_rl" / source
    path.write_text(path.read_text() + "\n# changed\n")
    assert (run(FOLDER, copied) != before) is changes


def test_the_folder_is_the_users_cache_or_numbas_own(tmp_path):
    assert Path(run(FOLDER, XDG_CACHE_HOME=str(tmp_path))).parent == tmp_path / "sched_rl"
    assert Path(run(FOLDER, NUMBA_CACHE_DIR=str(tmp_path / "n"))).parent == tmp_path / "n"


KERNEL = "import sched_rl.kernels as k; f = k.kernel(lambda x: x + 1); print(f(1), k._CACHE is None)"


def test_kernels_work_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    assert run(KERNEL, XDG_CACHE_HOME=str(tmp_path / "file" / "below")) == "2 True"


def test_other_libraries_keep_their_folder(tmp_path):
    code = "import numba, sched_rl.workloads.legacy_stream; print(repr(numba.config.CACHE_DIR))"
    assert run(code, XDG_CACHE_HOME=str(tmp_path)) == "''"


def test_compiled_kernels_are_found_again_and_old_folders_go(tmp_path):
    for number in range(6):
        (tmp_path / "sched_rl" / f"kernels-{number}").mkdir(parents=True)
    code = (
        "from sched_rl.workloads import legacy_stream as s; s.LegacyStream(1).rand(3); "
        "print(sum(s._fill_uniform.stats.cache_hits.values()))"
    )
    assert run(code, XDG_CACHE_HOME=str(tmp_path)) == "0"
    assert run(code, XDG_CACHE_HOME=str(tmp_path)) == "1"
    assert len(list((tmp_path / "sched_rl").glob("kernels-*"))) == 4
