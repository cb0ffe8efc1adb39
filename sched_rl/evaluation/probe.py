"""Fixed states on which two policies are compared: drift is told from noise by how far the policy itself moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sched_rl.config.schema import Encoding, EnvConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.vector import random_feasible_actions
from sched_rl.evaluation.blocks import Block, block_workloads
from sched_rl.seeding import stream

#: How many states are compared, and how many steps lie between two looks at an episode.
NUM_STATES = 512
STEPS_BETWEEN = 25


class ProbeStates(NamedTuple):
    """States with a choice: float32 (M, D) observations and bool (M, K + 1) masks with two jobs or more that fit."""

    observation: NDArray[np.float32]
    action_mask: NDArray[np.bool_]


def probe_states(
    blocks: Sequence[Block], families: Mapping[str, EnvConfig], encoding: Encoding
) -> ProbeStates:
    """States that a random feasible scheduler meets on the blocks; the same for every policy and every run.

    Args:
        blocks: the val blocks.
        families: configs of the families that a mixture draws from.
        encoding: the observation of the policies to compare.

    Returns:
        At most `NUM_STATES` states, spread over episodes and time.
    """
    env, draws = blocks[0].env, stream(blocks[0].seeds[0], "probe")
    if isinstance(env, SiteConfig):
        from sched_rl.evaluation.site_blocks import probe_sites

        return ProbeStates(*probe_sites(env, blocks, encoding, draws, NUM_STATES, STEPS_BETWEEN))
    if not isinstance(env, EnvConfig):
        from sched_rl.evaluation.gymnasium_blocks import probe_gymnasium

        seeds = [seed for block in blocks for seed in block.seeds]
        return ProbeStates(*probe_gymnasium(env, seeds, draws, NUM_STATES))
    batch = ClusterBatch(env, encoding, sum(len(block.seeds) for block in blocks))
    for index, (_, family, workload) in enumerate(block_workloads(blocks, families)):
        batch.begin(index, family, workload)
    step, observations, masks, gathered = 0, [], [], 0
    while gathered < NUM_STATES and not batch.state.clusters["finished"].all():
        if step % STEPS_BETWEEN == 0:
            rows = ~batch.state.clusters["finished"] & (batch.state.clusters["num_feasible"] >= 2)
            observations.append(batch.observation[rows].copy())
            masks.append(batch.action_mask[rows].copy())
            gathered += int(rows.sum())
        batch.step(random_feasible_actions(batch.action_mask, draws))
        step += 1
    return ProbeStates(np.concatenate(observations)[:NUM_STATES], np.concatenate(masks)[:NUM_STATES])
