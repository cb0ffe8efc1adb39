"""The architecture's promise about imports: they point one way, and starting up stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sched_rl", "sweeps", "analysis")

# From the bottom to the top; a part may import its own layer and those before it.
LAYERS = (
    {"errors", "interrupts", "kernels", "quick_import", "seeding", "statistics"},
    {"config"},
    {"workloads"},
    {"simulator"},
    {"envs", "schedulers"},
    {"agents"},
    {"evaluation", "checkpoint", "run_folder"},
    {"diagnosis", "pathologies", "tracking", "observers"},
    {"reporting", "progress"},
    {"trainer", "run_session", "evaluator", "diagnoser"},
    {"teacher_training"},
    {"train", "evaluate", "diagnose", "command_line", "command_help", "multirun", "sweep_job"},
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

BELOW_SIMULATOR = set().union(*LAYERS[:3])
STRANGERS = {  # library: the parts of sched_rl that must not know it
    "torch": BELOW_SIMULATOR | {"simulator", "envs"},
    "gymnasium": BELOW_SIMULATOR | {"simulator"},
    "numba": set(RANK) - {"kernels"},  # the kernel cache is keyed on what goes through kernels.py
    "mlflow": set(RANK) - {"tracking"},
    "hydra": set(RANK) - {"config", "multirun"},  # multirun drives Hydra's sweepers, before the boundary
    "omegaconf": set(RANK) - {"config", "multirun"},
    "optuna": set().union(*LAYERS[: RANK["agents"] + 1]),
}


def imported_modules(source: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Every import of a file, late ones included, as (line, absolute dotted name).

    `from sched_rl import envs` counts as sched_rl.envs; whether the last part of a name is a module or an
    attribute does not matter to anybody below.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)


def project_imports() -> list[tuple[str, str, str]]:
    """All imports of the project as (place, importing module, imported name)."""
    found = []
    for root in PACKAGES:
        for path in sorted((ROOT / root).rglob("*.py")):
            module = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(module).removesuffix(".__init__")
            for line, target in imported_modules(path.read_text(), module[:-1]):
                found.append((f"{path.relative_to(ROOT)}:{line}", name, target))
    return found


def part_of(name: str) -> str | None:
    """The part of sched_rl that a name lies in; None for the package's front and for other packages."""
    top, _, rest = name.partition(".")
    part = rest.partition(".")[0]
    return part if top == "sched_rl" and part in RANK else None


@pytest.fixture(scope="module")
def imports() -> list[tuple[str, str, str]]:
    return project_imports()


def test_every_part_of_sched_rl_has_a_layer():
    found = {path.stem for path in (ROOT / "sched_rl").glob("[a-z]*.py")}
    found |= {path.parent.name for path in (ROOT / "sched_rl").glob("[a-z]*/__init__.py")}
    assert found <= set(RANK), f"give {sorted(found - set(RANK))} a place in LAYERS"


def test_no_part_imports_a_layer_above_it(imports):
    upward = [
        f"{place}: {source} imports {target}"
        for place, source, target in imports
        if (here := part_of(source)) and (there := part_of(target)) and RANK[there] > RANK[here]
    ]
    assert not upward, "\n".join(upward)


def test_neighbours_in_a_layer_do_not_import_each_other_in_a_circle(imports):
    edges = {(part_of(source), part_of(target)) for _, source, target in imports}
    circles = [f"{a} and {b}" for a, b in edges if a and b and a < b and (b, a) in edges]
    assert not circles, f"these import each other: {circles}"


def test_sched_rl_never_imports_sweeps_or_analysis(imports):
    outward = [
        f"{place}: {target}"
        for place, source, target in imports
        if source.partition(".")[0] == "sched_rl"
        and target.partition(".")[0] in {"sweeps", "analysis", "hydra_plugins"}
    ]
    assert not outward, "\n".join(outward)


@pytest.mark.parametrize("library", sorted(STRANGERS))
def test_libraries_stay_where_they_belong(imports, library):
    strays = [
        f"{place}: {target}"
        for place, source, target in imports
        if target.partition(".")[0] == library and part_of(source) in STRANGERS[library]
    ]
    assert not strays, "\n".join(strays)


@pytest.mark.parametrize("module", ["sched_rl", "sched_rl.train", "sched_rl.evaluate"])
def test_starting_up_imports_nothing_slow(module):
    code = f"import sys, {module}; print(sorted({{'torch', 'mlflow', 'numba', 'optuna'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", f"import {module} brings in {done.stdout.strip()}; import it late"


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import torch.nn", ("sched_rl", "envs"), ["torch.nn"]),
        ("from sched_rl import agents", ("sched_rl", "envs"), ["sched_rl.agents"]),
        ("from . import layout", ("sched_rl", "envs"), ["sched_rl.envs.layout"]),
        ("from ..agents.ppo import PPO", ("sched_rl", "envs"), ["sched_rl.agents.ppo.PPO"]),
        ("def f():\n    import mlflow", ("sched_rl", "agents"), ["mlflow"]),
    ],
)
def test_the_reader_sees_every_way_to_import(source, package, expected):
    assert [name for _, name in imported_modules(source, package)] == expected
