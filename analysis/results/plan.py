"""What each table needs: evaluations of fixed schedulers, and trainings, as command lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

FAMILIES = ("playbook", "light", "heavy", "bursty", "heavy_tail", "deadline", "mixed")
HEURISTICS = (
    *("fifo", "sjf", "priority", "rand_feas_no0", "longest", "narrowest", "least_work", "linear_score"),
)
#: Rules that go by due times, and the families that have them.
DUE_RULES, DUE_FAMILIES = ("least_laxity", "laxity_score"), ("deadline", "mixed")
#: Schedulers of the study's own table.
STUDY_BASELINES = ("fifo", "sjf", "priority", "rand_feas_no0")
STUDY_NETWORKS = ("mlp", "attention")
STUDY_MODES = ("off", "per_gpu", "sorted", "cdf")
#: What a training is compared with, at its end, on the report blocks.
BASELINE = "linear_score"
#: A block a family, twenty episodes each.
BY_FAMILY = ("eval=family_blocks", "eval.episodes_per_block=20")
#: Where families are judged: 600 episodes, the first 60 of which are those of the other tables. With 60 the interval
#: of a difference is wider than most differences between good policies.
WIDE, WIDE_BY_FAMILY = "eval.num_blocks=30", "eval.episodes_per_block=100"
#: Families whose own policies may teach the one for all of them: there a policy gets clear beyond the rules.
LEARNED_TEACHERS = ("playbook", "heavy", "bursty", "heavy_tail")
#: Smaller steps after learned teachers, which leave little to gain and much to lose; what rules teach is simulated.
DISTILLED = ("agent.lr=0.0003", "agent.warm_start.simulate=known", "agent.warm_start.num_rollouts=64")
#: What may hold up the worst family: the objectives, teachers that simulate, and learned ones (experiment=robust).
ROBUST: dict[str, tuple[str, ...]] = {
    **{
        objective: (f"agent/objective={objective}",)
        for objective in ("mean", "family_baseline", "group_dro", "cvar", "plr")
    },
    "simulated teachers": ("agent/objective=mean", "agent.warm_start.simulate=known"),
    "distilled": ("agent/objective=mean", *DISTILLED),
}
#: Whose learned teachers all trainings of `distilled` imitate, whatever their own seed.
ROBUST_TEACHERS_SEED = 1
#: Objectives are chosen among, so on promote; a taught policy is where it stays after a third of the default steps.
ROBUST_STEPS = "agent.total_steps=1000000"
JUDGED_BY_FAMILY = ("eval=family_blocks", WIDE_BY_FAMILY, "eval.split=promote")
#: GPU-seconds of the playbook's 400 jobs, on average over seeds 0 to 199.
PLAYBOOK_WORK = 1_487_000.0
#: GPUs, offered load and window of the queue that the generalising policies are trained on, and tried on.
Place = tuple[int, float, int]
TRAINED_ON: Place = (16, 0.9, 50)
CLUSTERS: tuple[Place, ...] = (
    *((num_gpus, load, 50) for num_gpus in (8, 16, 32, 64) for load in (0.5, 0.9, 1.3)),
    *((16, 0.9, window) for window in (25, 100)),
)
GENERAL_RIVALS = (BASELINE, "sjf", "fifo")
GENERAL_NETWORKS = ("scorer", "attention")
#: Where the queue is short, a sixth of the default steps is enough; attention takes as long for them as scorer for all.
GENERAL_STEPS = "agent.total_steps=500000"


@dataclass(frozen=True)
class Cell:
    """One evaluation or training.

    Attributes:
        name: of the cell, without its seed; trainings of one name differ in their seed alone.
        overrides: of `python -m sched_rl.evaluate` or `.train`.
        seed: of the training; None for an evaluation.
        training: whose best checkpoint an evaluation plays; None: a fixed scheduler.
        teachers: families, and the trainings whose best checkpoints a training imitates on them.
    """

    name: str
    overrides: tuple[str, ...]
    seed: int | None = None
    training: Cell | None = None
    teachers: tuple[tuple[str, Cell], ...] = ()

    @property
    def command(self) -> str:
        """As typed, without its folder or file."""
        module = "evaluate" if self.seed is None else "train"
        played = () if self.training is None else (f"checkpoint=RUN_FOLDER_OF_{self.training.name}",)
        taught = (f"{teacher_key(family)}=RUN_FOLDER_OF_{cell.name}" for family, cell in self.teachers)
        return " ".join((f"python -m sched_rl.{module}", *played, *self.overrides, *taught))


def teacher_key(family: str) -> str:
    """The key that names a family's teacher."""
    return f"agent.warm_start.family_teachers.{family}"


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
        cells += _trained(experiment, (f"experiment={experiment}", "eval.every_updates=4"), "sjf", seeds)
    return cells


def tuned(env: str) -> str:
    """The linear score whose weights were found on a family; the shipped one's were found on the playbook's."""
    return BASELINE if env == "playbook" else f"{BASELINE}_{env}"


def rivals_on(env: str) -> tuple[str, ...]:
    """What PPO has to beat on a family."""
    return tuple(dict.fromkeys((*HEURISTICS, tuned(env), *(DUE_RULES if env in DUE_FAMILIES else ()))))


def rivals_by_family() -> tuple[str, ...]:
    """What one policy for all families has to beat on each of them."""
    return tuple(dict.fromkeys((*HEURISTICS, *DUE_RULES, *(tuned(env) for env in FAMILIES))))


def _specialists(seed: int) -> tuple[tuple[str, Cell], ...]:
    """The trainings of a seed that teach one policy for all families."""
    return tuple((family, _ppo(family)((seed,))[0]) for family in LEARNED_TEACHERS)


def _families(seeds: Sequence[int]) -> list[Cell]:
    cells: list[Cell] = []
    trained_as = ("agent=ppo", *DISTILLED, "env=mixed", *BY_FAMILY, ROBUST_STEPS)
    for_all = [
        replace(cell, teachers=_specialists(int(cell.seed or 0)))
        for cell in _trained("ppo-by-family", trained_as, BASELINE, seeds)
    ]
    for env in FAMILIES:
        there = (f"env={env}", "eval=playbook", WIDE, "eval.split=report")
        cells += [Cell(wide_name(agent, env), (f"agent={agent}", *there)) for agent in rivals_on(env)]
        # Three blocks of mixed episodes choose by the families that they happen to draw; a block a family does not.
        for training in for_all if env == "mixed" else _ppo(env)(seeds):
            cells += [training, Cell(wide_name("ppo", env), there, None, training)]
    on_all = ("env=mixed", "eval=family_blocks", WIDE_BY_FAMILY, "eval.split=report")
    cells += [
        Cell(wide_name(agent, "by-family"), (f"agent={agent}", *on_all)) for agent in rivals_by_family()
    ]
    cells += [Cell(wide_name("ppo", "by-family"), on_all, None, training) for training in for_all]
    return list(dict.fromkeys(cells))


def wide_name(agent: str, env: str) -> str:
    """A scheduler on the many report episodes of a family (`by-family`: of all of them)."""
    return f"{agent}-{env}-wide"


def _robust(seeds: Sequence[int]) -> list[Cell]:
    cells: list[Cell] = []
    for label, overrides in ROBUST.items():
        name = f"ppo-{label.replace(' ', '_')}-robust"
        trained_as = ("agent=ppo", *overrides, "env=mixed", *BY_FAMILY, ROBUST_STEPS)
        teachers = _specialists(ROBUST_TEACHERS_SEED) if label == "distilled" else ()
        cells += [teacher for _, teacher in teachers]
        for seed in seeds:
            training = Cell(name, (*trained_as, "baselines=[]", f"seed={seed}"), seed, teachers=teachers)
            cells += [training, Cell(judged_name(label), JUDGED_BY_FAMILY, None, training)]
    cells += [
        Cell(judged_name(agent), (f"agent={agent}", "env=mixed", *JUDGED_BY_FAMILY)) for agent in DUE_RULES
    ]
    return cells


def judged_name(player: str) -> str:
    """What was tried, or a fixed scheduler, on the many promote episodes of every family."""
    return f"{player.replace(' ', '_')}-by-family-promote"


def arrival_span(num_gpus: int, load: float) -> str:
    """`env.arrival_span` that offers a load to so many GPUs, given the playbook's jobs."""
    return f"env.arrival_span={PLAYBOOK_WORK / (num_gpus * load):.0f}"


def general_name(network: str, num_gpus: int, load: float, window: int) -> str:
    """The evaluation of a network, or of a heuristic, on a cluster."""
    return f"{network}-{num_gpus}gpus-load{load}-window{window}"


def _generalisation(seeds: Sequence[int]) -> list[Cell]:
    cells: list[Cell] = []
    num_gpus, load, window = TRAINED_ON
    cluster = (f"env.num_gpus={num_gpus}", arrival_span(num_gpus, load), f"env.max_queue_size={window}")
    for network in GENERAL_NETWORKS:
        learner = ("agent=ppo", f"agent/network={network}", GENERAL_STEPS)
        training = _trained(f"ppo-{network}-general", (*learner, *cluster), BASELINE, seeds)
        cells += training
        for place in CLUSTERS:
            cells.append(Cell(general_name(network, *place), _cluster(*place), None, training[0]))
    for place in CLUSTERS:
        for agent in GENERAL_RIVALS:
            cells.append(Cell(general_name(agent, *place), (f"agent={agent}", *_cluster(*place))))
    return cells


def _cluster(num_gpus: int, load: float, window: int) -> tuple[str, ...]:
    span = arrival_span(num_gpus, load)
    return (f"env.num_gpus={num_gpus}", span, f"env.max_queue_size={window}", "eval.split=report")


#: In the order in which they are made: the cheap and important first.
TABLES = (
    TablePlan("heuristics", _heuristics, (), "Fixed schedulers, family by family"),
    TablePlan("ppo_playbook", _ppo("playbook"), (1, 2, 3, 4, 5), "Default PPO on `env=playbook`"),
    TablePlan("rollout", _rollout, (), "What one step of simulation reaches"),
    TablePlan("ppo_heavy", _ppo("heavy"), (1, 2, 3, 4, 5), "Default PPO on `env=heavy`"),
    TablePlan("families", _families, (1, 2, 3), "PPO against every heuristic, family by family"),
    TablePlan("robust", _robust, (1, 2, 3, 4, 5), "What the objectives do to the worst family"),
    TablePlan("generalisation", _generalisation, (1,), "Other sizes, loads and windows than trained on"),
    TablePlan("study", _study, (1, 2, 3), "The playbook's study, again"),
)
