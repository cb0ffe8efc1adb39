"""Our cluster against episodes of an independent implementation, step by step, in every look-ahead mode."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sched_rl.envs.batch import ClusterBatch
from sched_rl.workloads.playbook import generate_workload

TOLERANCE = 1e-6


@pytest.mark.parametrize("lookahead", ["off", "per_gpu", "sorted", "cdf"])
def test_trajectory_equals_the_oracle(oracle, playbook_env, lookahead):
    (episode,) = [each for each in oracle("val_trajectories.json") if each["lookahead"] == lookahead]
    assert episode["columns"] == ["action", "reward", "time", "mask_count", "invalid", "obs_sum"]
    env = dataclasses.replace(playbook_env, lookahead=lookahead)
    batch = ClusterBatch(env, "playbook", 1)
    batch.begin(0, env, generate_workload(env, episode["seed"]))
    np.testing.assert_allclose(batch.observation[0], episode["initial_obs"], rtol=0, atol=TOLERANCE)

    expected = np.array(episode["steps"], np.float64)
    actual = np.array([row_after_step(batch, int(row[0])) for row in episode["steps"]])
    exact, within_tolerance = [0, 2, 3, 4], [1, 5]  # action, time, mask_count, invalid; reward, obs_sum
    np.testing.assert_array_equal(actual[:, exact], expected[:, exact])
    np.testing.assert_allclose(
        actual[:, within_tolerance], expected[:, within_tolerance], rtol=0, atol=TOLERANCE
    )
    cluster = batch.state.clusters[0]
    assert cluster["finished"]
    assert cluster["terminated"] == episode["terminated"]
    assert cluster["truncated"] != episode["terminated"]
    assert cluster["invalid_steps"] == sum(row[4] for row in episode["steps"])


@pytest.mark.parametrize("lookahead", ["off", "per_gpu", "sorted", "cdf"])
def test_whole_observations_equal_the_oracle(oracle, playbook_env, lookahead):
    (episode,) = [each for each in oracle("val_trajectories.json") if each["lookahead"] == lookahead]
    env = dataclasses.replace(playbook_env, lookahead=lookahead)
    batch = ClusterBatch(env, "playbook", 1)
    batch.begin(0, env, generate_workload(env, episode["seed"]))
    expected = dict(episode["obs_at"])
    assert len(expected) >= 4
    for number, row in enumerate(episode["steps"]):
        batch.step(np.array([row[0]]))
        if number in expected:
            np.testing.assert_allclose(
                batch.observation[0], expected.pop(number), rtol=0, atol=TOLERANCE, err_msg=f"row {number}"
            )
    assert not expected


def row_after_step(batch: ClusterBatch, action: int) -> list[float]:
    batch.step(np.array([action]))
    cluster = batch.state.clusters[0]
    return [
        action,
        cluster["reward"],
        cluster["now_s"],
        int(batch.action_mask[0].sum()),
        cluster["invalid_action"],
        batch.observation[0].astype(np.float64).sum(),
    ]
