from __future__ import annotations

import resource
import sys

import pytest

from sched_rl.agents.memory import keep_freed_memory


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_updates_stop_asking_the_kernel_for_pages(learner):
    ppo, env = learner(num_envs=32, rollout_steps=128, network="mlp")
    if not keep_freed_memory():
        pytest.skip("not glibc")
    faults = []
    for _ in range(4):
        ppo.collect(env)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        ppo.update()
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert faults[-1] < 500
