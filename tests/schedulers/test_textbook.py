"""The textbook's schedulers on clusters of the playbook's kind."""

from __future__ import annotations

import pytest

from sched_rl.config.load import load_config
from sched_rl.evaluation.blocks import Block
from sched_rl.evaluation.summary import evaluate
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.simulator.textbook import replay

SHORT = ["env.jobs_per_episode=60", "env.max_queue_size=60"]
#: Arrivals one by one over most of the episode: the book breaks ties by number, the cluster by its calendar.
SPREAD = ["env=heavy", "env.arrival_span=40000", "env.burst_prob=0"]


def play(*overrides, seeds=(7, 8)):
    config = load_config("evaluate", ["tracking=none", *SHORT, *overrides])
    return evaluate(build_scheduler(config.agent), [Block("b", config.env, seeds)], {}).episodes


@pytest.mark.parametrize("mode", ["strict", "greedy", "easy", "conservative"])
@pytest.mark.parametrize("priority", ["fcfs", "saf", "f1", "wfp3", "unicep"])
def test_with_decision_steps_the_schedule_is_the_books(priority, mode):
    asked = [f"agent={priority}", f"agent.mode={mode}", *SPREAD, "env.step=decision", "env.horizon_factor=9"]
    for episode in play(*asked):
        jobs = episode.schedule
        order = jobs["submit_s"].argsort(kind="stable")
        columns = jobs["submit_s"], jobs["duration_s"], jobs["duration_s"], episode.gpus
        expected = replay(*(column[order] for column in columns), 8, priority, mode)
        assert episode.numbers["terminated"]
        assert jobs["start_s"][order].tolist() == pytest.approx(expected.tolist(), abs=1e-3)


@pytest.mark.parametrize("agent", ["f1", "easy", "conservative"])
def test_with_event_steps_they_take_no_illegal_action_and_serve_everybody(agent):
    (episode,) = play(f"agent={agent}", "env=playbook", seeds=(7,))
    assert episode.numbers["invalid_steps"] == 0
    assert episode.numbers["terminated"]


def test_the_head_of_the_queue_is_not_delayed_by_those_behind_it():
    asked = ["env=playbook", "env.step=decision", "env.horizon_factor=9", "env.arrival_mode=all_at_zero"]
    easy, greedy = (play(f"agent={name}", *asked, seeds=(7,))[0].schedule for name in ("easy", "fcfs"))
    held_up = easy["start_s"] < greedy["start_s"]
    wide = play("agent=fcfs", *asked, seeds=(7,))[0].gpus == 8
    assert held_up[wide].all()
