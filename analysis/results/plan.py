"""What each table needs: evaluations of fixed schedulers, and trainings, as command lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

FAMILIES = ("playbook", "light", "heavy", "bursty", "heavy_tail", "deadline", "mixed")
HEURISTICS = (
    *("fifo", "sjf", "priority", "rand_feas_no0", "longest", "narrowest", "least_work", "linear_score"),
)
#: Schedulers of the study's own table.
STUDY_BASELINES = ("fifo", "sjf", "priority", "rand_feas_no0")
STUDY_NETWORKS = ("mlp", "attention")
STUDY_MODES = ("off", "per_gpu", "sorted", "cdf")
#: What a training is compared with, at its end, on the report blocks.
BASELINE = "linear_score"


@dataclass(frozen=True)
class Cell:
    """One evaluation or training.

    Attributes:
        name: of the cell, without its seed; trainings of one name differ in their seed alone.
        overrides: of `python -m sched_rl.evaluate` or `.train`.
        seed: of the training; None for an evaluation.
    """

    name: str
    overrides: tuple[str, ...]
    seed: int | None = None

    @property
    def command(self) -> str:
        """As typed, without its folder or file."""
        module = "evaluate" if self.seed is None else "train"
        return " ".join((f"python -m sched_rl.{module}", *self.overrides))


@dataclass(frozen=True)
class TablePlan:
    """A table.

    Attributes:
        name: on the command line.
        cells: what it needs, given the training seeds.
        seeds: training seeds where the command line names none.
        title: of its section.
    """

    name: str
    cells: Callable[[Sequence[int]], list[Cell]]
    seeds: tuple[int, ...]
    title: str


def _judged(agent: str, env: str, split: str, *more: str) -> Cell:
    parts = [part.partition("=")[2] for part in more]
    return Cell(
        "-".join((agent, *parts, env, split)), (f"agent={agent}", *more, f"env={env}", f"eval.split={split}")
    )


def _trained(name: str, overrides: Sequence[str], baseline: str, seeds: Sequence[int]) -> list[Cell]:
    fixed = (*overrides, f"baselines=[{baseline}]", "eval.final_report=true")
    return [Cell(name, (*fixed, f"seed={seed}"), seed) for seed in seeds]


def _heuristics(_: Sequence[int]) -> list[Cell]:
    return [_judged(agent, env, "report") for env in FAMILIES for agent in HEURISTICS]


def _rollout(_: Sequence[int]) -> list[Cell]:
    return [
        _judged(BASELINE, "playbook", "report"),
        _judged("rollout", "playbook", "report", "agent.future=oracle"),
        _judged("rollout", "playbook", "report", "agent.future=model"),
        _judged(BASELINE, "heavy", "report"),
        _judged("rollout", "heavy", "report", "agent.future=oracle"),
    ]


def _ppo(env: str) -> Callable[[Sequence[int]], list[Cell]]:
    def cells(seeds: Sequence[int]) -> list[Cell]:
        return _trained(f"ppo-{env}", ("agent=ppo", f"env={env}"), BASELINE, seeds)

    return cells


def study_name(network: str, mode: str) -> str:
    """The experiment of a network and a look-ahead mode; `gae_bug` is cdf with the fault of the study's code."""
    return f"study_{network}_{mode}"


def _study(seeds: Sequence[int]) -> list[Cell]:
    cells = [_judged(agent, "playbook", split) for split in ("val", "report") for agent in STUDY_BASELINES]
    experiments = [(network, mode) for network in STUDY_NETWORKS for mode in STUDY_MODES]
    experiments += [(network, "gae_bug") for network in STUDY_NETWORKS]
    for experiment in (study_name(*each) for each in experiments):
        cells += _trained(experiment, (f"experiment={experiment}",), "sjf", seeds)
    return cells


#: In the order in which they are made: the cheap and important first.
TABLES = (
    TablePlan("heuristics", _heuristics, (), "Fixed schedulers, family by family"),
    TablePlan("ppo_playbook", _ppo("playbook"), (1, 2, 3, 4, 5), "Default PPO on `env=playbook`"),
    TablePlan("rollout", _rollout, (), "What one step of simulation reaches"),
    TablePlan("ppo_heavy", _ppo("heavy"), (1, 2, 3, 4, 5), "Default PPO on `env=heavy`"),
    TablePlan("study", _study, (1, 2, 3), "The playbook's study, again"),
)
