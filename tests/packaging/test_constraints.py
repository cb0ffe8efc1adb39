"""constraints.txt pins everything, names no source, and agrees with pyproject.toml."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(text) for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"])]
# A CUDA build of torch pins its own libraries; which ones depends on the build that the machine offers.
CUDA_ONLY = ("cuda-", "nvidia-", "triton")


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    odd = [line for line in entries if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert not odd, f"a pin is NAME==VERSION, without address, path or build tag: {odd}"
    pairs = [line.split("==") for line in entries]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_every_direct_dependency_is_pinned_within_its_bounds(pins, requirement):
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_everything_that_they_bring_in_is_pinned_too(pins):
    """Walks the installed packages' own requirements, whatever machine this is."""
    distributions = importlib.metadata.distributions()
    installed = {canonicalize_name(dist.metadata["Name"]): dist for dist in distributions}
    pending = [canonicalize_name(requirement.name) for requirement in DIRECT]
    reached: set[str] = set()
    while pending:
        name = pending.pop()
        if name in reached or name not in installed or name.startswith(CUDA_ONLY):
            continue
        reached.add(name)
        for requirement in map(Requirement, installed[name].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(canonicalize_name(requirement.name))
    assert reached <= set(pins), f"add these to constraints.txt: {sorted(reached - set(pins))}"
