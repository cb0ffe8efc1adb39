from __future__ import annotations

from sched_rl.agents.memory import keep_freed_memory


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
