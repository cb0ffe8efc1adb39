"""The compiled simulator against a plain one written from the specification: every number after every step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from tests.simulator.instances import ACTIONS, CompiledCluster, clusters
from tests.simulator.naive import NaiveCluster


def assert_same(compiled, naive):
    assert compiled.now_s == naive.now
    assert compiled.queue() == naive.queue
    assert compiled.running() == naive.running
    assert compiled.starts() == naive.start
    assert compiled.state.idle[0].tolist() == naive.idle
    assert [None if job < 0 else job for job in compiled.state.gpu_job[0].tolist()] == naive.gpu_job
    assert compiled.mask[0].tolist() == naive.mask()
    np.testing.assert_allclose(compiled.playbook_observation(), naive.playbook_observation(), atol=1e-6)
    np.testing.assert_allclose(compiled.rich_observation(), naive.rich_observation(), atol=2e-6)


@settings(max_examples=150)
@given(clusters(), ACTIONS)
def test_every_number_after_every_step(cluster, actions):
    env, workload, capacity = cluster
    compiled, naive = CompiledCluster(env, workload, capacity), NaiveCluster(env, workload, capacity)
    assert_same(compiled, naive)
    for action in actions:
        compiled.step(action)
        naive.step(action)
        assert_same(compiled, naive)
        assert compiled.reward == pytest.approx(naive.reward, abs=1e-6, rel=1e-6)
        assert compiled.dt_s == naive.dt
        flags = ("terminated", "truncated", "noop_feasible")
        assert [bool(getattr(compiled, name)) for name in flags] == [getattr(naive, name) for name in flags]
        assert compiled.invalid_action == naive.invalid
        assert compiled.finished == (naive.terminated or naive.truncated)
        if compiled.finished:
            break
    assert compiled.steps == naive.steps
    assert compiled.total_return == pytest.approx(naive.total_return, abs=1e-6, rel=1e-6)
