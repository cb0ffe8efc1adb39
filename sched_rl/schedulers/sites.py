"""Written schedulers on sites: the order of each and its mode, played in one compiled call a sequence."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import (
    FixedSchedulerConfig,
    LinearScoreConfig,
    PriorityRuleConfig,
    RandomFeasibleConfig,
)
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.sites.batch import SiteBatch
from sched_rl.errors import ConfigError
from sched_rl.schedulers.textbook import TEXTBOOK_NAMES
from sched_rl.seeding import stream
from sched_rl.simulator.committed import game_keys
from sched_rl.simulator.site.playing import (
    CONSERVATIVE,
    EASY,
    GREEDY,
    LINEAR_SCORE,
    STATIC,
    STRICT,
    UNICEP,
    WFP3,
    impose_starts,
    play_site,
)
from sched_rl.simulator.textbook import replay, static_keys
from sched_rl.workloads.sequences import JobSequence

_MODES: Final = {"strict": STRICT, "greedy": GREEDY, "easy": EASY, "conservative": CONSERVATIVE}
_NO_WEIGHTS = np.zeros(6)


def play_sites(config: FixedSchedulerConfig, batch: SiteBatch, env: SiteConfig) -> None:
    """Play every sequence of a batch, which has begun, to its end.

    Args:
        config: a priority, the linear score, or a random order.
        batch: the sites.
        env: their config; it decides what a mode left open means.

    Raises:
        ConfigError: a scheduler that sites have no state for.
    """
    for c in range(batch.num_clusters):
        jobs = batch.sequence(c)
        if isinstance(config, PriorityRuleConfig):
            _play_rule(config, batch, env, c, jobs)
        elif isinstance(config, LinearScoreConfig):
            threshold = np.inf if config.noop_threshold is None else config.noop_threshold
            weights = np.array(config.weights, np.float64)
            _play(batch, c, np.arange(jobs.num_jobs), LINEAR_SCORE, GREEDY, weights, threshold)
        elif isinstance(config, RandomFeasibleConfig):
            rank = stream(jobs.seed, "rand_feas_no0").permutation(jobs.num_jobs)
            _play(batch, c, rank, STATIC, GREEDY)
        else:
            raise ConfigError(f"agent={config.name}: simulates the playbook's clusters, not env={env.name}")


def mode_on_site(config: PriorityRuleConfig, env: SiteConfig) -> str:
    """The mode that a rule plays in: its own, or the environment's backfilling, or greedy."""
    return config.mode or ("easy" if env.backfill == "easy" else "greedy")


def _play_rule(
    config: PriorityRuleConfig, batch: SiteBatch, env: SiteConfig, c: int, jobs: JobSequence
) -> None:
    mode = mode_on_site(config, env)
    if mode == "conservative" and len(batch.capacity) == 1 and config.priority in TEXTBOOK_NAMES:
        machine = jobs.submit_s, jobs.run_s, jobs.requested_s, jobs.demand[:, 0], int(batch.capacity[0])
        starts = replay(*machine, TEXTBOOK_NAMES[config.priority], "conservative")
        impose_starts(batch.arrays, batch.rules, c, starts)
        return
    dynamic = {"wfp3": WFP3, "unicep": UNICEP}.get(config.priority, STATIC)
    if env.keys == "game":
        dynamic = STATIC
    _play(batch, c, _rank(config, env, jobs), dynamic, _MODES[mode])


def _play(
    batch: SiteBatch,
    c: int,
    rank: NDArray[np.int64],
    dynamic: int,
    mode: int,
    weights: NDArray[np.float64] = _NO_WEIGHTS,
    threshold: float = np.inf,
) -> None:
    procs = batch.sequence(c).procs
    play_site(batch.arrays, batch.rules, c, rank, procs, dynamic, weights, threshold, mode)


def _rank(config: PriorityRuleConfig, env: SiteConfig, jobs: JobSequence) -> NDArray[np.int64]:
    """Places in the order of a rule, int64 (n,); ties by arrival."""
    columns = jobs.submit_s, jobs.requested_s, jobs.procs
    name, second = config.priority, np.zeros(jobs.num_jobs)
    if name == "priority":
        first = -jobs.priority.astype(np.float64)
    elif name == "longest":
        first = -jobs.requested_s
    elif name == "narrowest":
        first = jobs.procs.astype(np.float64)
    elif env.keys == "game" and name not in ("saf", "least_work"):
        keys = game_keys(*columns, TEXTBOOK_NAMES[name])  # type: ignore[arg-type]
        first, second = keys[:, 0], keys[:, 1]
    else:
        first = static_keys(*columns, TEXTBOOK_NAMES[name])
    rank = np.empty(jobs.num_jobs, np.int64)
    rank[np.lexsort((second, first))] = np.arange(jobs.num_jobs)
    return rank
