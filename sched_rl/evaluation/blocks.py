"""Fixed seed blocks in three disjoint splits: val selects, promote judges, report is read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from sched_rl.config.schema import AnyEnvConfig, EnvConfig, EvalConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.errors import WorkloadError
from sched_rl.workloads.site_source import site_source
from sched_rl.workloads.source import WorkloadSource
from sched_rl.workloads.workload import Workload

Split = Literal["val", "promote", "report"]
#: What JSONs and tables call the split where `env.trace.starts` names the sequences: they stand for all three.
NAMED_STARTS = "starts"
#: How far each split's first seed lies above `eval.first_seed`.
SPLIT_OFFSETS: dict[Split, int] = {"val": 0, "promote": 5_000_000, "report": 10_000_000}

#: Blocks whose workloads are kept: those of a split, and of a second one. Sixty workloads take about a megabyte.
_KEPT_BLOCKS = 16


@dataclass(frozen=True)
class Block:
    """Episodes that are judged together.

    Attributes:
        name: `block0`, `block1`, ... or the family's name.
        env: the environment of its episodes: a family, a mixture, or one of Gymnasium's.
        seeds: workload seeds (or what a reset is given), one an episode.
    """

    name: str
    env: AnyEnvConfig
    seeds: tuple[int, ...]


def make_blocks(
    config: EvalConfig, env: AnyEnvConfig, families: Mapping[str, EnvConfig], split: Split
) -> tuple[Block, ...]:
    """The blocks of a split.

    Args:
        config: first seed, number and size of the blocks, and the families of family blocks.
        env: the environment of seed blocks.
        families: configs by name, for family blocks.
        split: which of the three.

    Returns:
        Blocks with consecutive seeds, block by block.
    """
    if isinstance(env, SiteConfig) and env.lublin is None:
        return _trace_blocks(config, env, split)
    first = config.first_seed + SPLIT_OFFSETS[split]
    size = config.episodes_per_block
    seeds = [tuple(range(first + b * size, first + (b + 1) * size)) for b in range(config.num_blocks)]
    if config.families is None:
        return tuple(Block(f"block{b}", env, block) for b, block in enumerate(seeds))
    return tuple(
        Block(name, families[name], block) for name, block in zip(config.families, seeds, strict=True)
    )


def _trace_blocks(config: EvalConfig, env: SiteConfig, split: Split) -> tuple[Block, ...]:
    """Parts of a trace: those that `env.trace.starts` names, or as many of a split as the protocol has episodes."""
    if env.trace.starts is not None:
        return (Block(NAMED_STARTS, env, env.trace.starts),)
    size = config.episodes_per_block
    places = site_source(env).places(split, config.num_blocks * size)
    return tuple(Block(f"block{b}", env, places[b * size : (b + 1) * size]) for b in range(config.num_blocks))


def split_name(env: AnyEnvConfig, split: Split) -> str:
    """What the blocks of a split are to be called: `starts` where `env.trace.starts` replaces them."""
    return NAMED_STARTS if isinstance(env, SiteConfig) and env.trace.starts is not None else split


def block_workloads(
    blocks: Sequence[Block], families: Mapping[str, EnvConfig]
) -> Iterator[tuple[int, EnvConfig, Workload]]:
    """Every episode of some blocks, in order: the number of its block, its family and its jobs.

    Args:
        blocks: from `make_blocks`.
        families: configs of the families that a mixture draws from.
    """
    for number, block in enumerate(blocks):
        names = block.env.families or ()
        for family, workload in _workloads(
            block, tuple((name, families[name]) for name in names if name in families)
        ):
            yield number, family, workload


@lru_cache(maxsize=_KEPT_BLOCKS)
def _workloads(
    block: Block, families: tuple[tuple[str, EnvConfig], ...]
) -> tuple[tuple[EnvConfig, Workload], ...]:
    """The episodes of one block, kept: baselines, probes and every evaluation play the same ones."""
    if not isinstance(block.env, EnvConfig):
        raise WorkloadError(f"env={block.env.name}: has no workloads")
    source = WorkloadSource(block.env, dict(families))
    return tuple(source.workload(seed) for seed in block.seeds)
