"""The reward, term by term, on clusters small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulator.instances import NO_REWARD, small


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("progress_scale", 2 * 10 / 28),
        ("time_pressure_scale", -2 * 0.05 * 18 / 28),
        ("noop_penalty_scale", 0.0),
        ("early_finish_bonus_scale", 0.0),
        ("deadline_miss_penalty_scale", 0.0),
        ("due_miss_penalty_scale", -2 * 10 / 28),
    ],
)
def test_each_scale_switches_one_term(term, expected):
    # job 0 (work 10) starts at 0 and completes at 5 of 100 s, late; job 1 (work 18) waits
    cluster = small([(0, 5, 2), (0, 6, 3)], due_s=[4.0, 99.0], reward=NO_REWARD | {term: 2.0})
    cluster.step(1)
    assert cluster.now_s == 5.0
    assert cluster.reward == pytest.approx(expected, abs=1e-9)


def test_a_running_job_counts_what_is_left_of_it_in_time_pressure():
    cluster = small([(0, 5, 2), (2, 6, 3)], reward=NO_REWARD | {"time_pressure_scale": 1.0})
    cluster.step(1)  # to the arrival at 2: 3 s of 2 GPUs are left, 18 GPU-seconds wait
    assert cluster.reward == pytest.approx(-0.02 * (6 + 18) / 28, abs=1e-7)


def test_a_noop_with_a_feasible_job_pays_for_what_is_available_after_the_event():
    cluster = small([(0, 5, 2), (2, 6, 3)], reward=NO_REWARD | {"noop_penalty_scale": 1.0})
    cluster.step(0)
    assert cluster.reward == pytest.approx(-1.0)
    assert cluster.noop_feasible


def test_the_bonus_is_the_share_of_the_horizon_that_is_left():
    cluster = small([(0, 5, 2)], horizon_s=20.0, reward=NO_REWARD | {"early_finish_bonus_scale": 2.0})
    cluster.step(1)
    assert cluster.reward == pytest.approx(2 * 15 / 20)


def test_truncation_charges_queued_running_and_arriving_work():
    jobs = [(0, 8, 2), (0, 6, 3), (1, 1, 1), (9, 4, 1)]
    cluster = small(jobs, max_episode_steps=1, reward=NO_REWARD | {"deadline_miss_penalty_scale": 1.0})
    cluster.step(1)  # to the arrival at 1: 7 s of 2 GPUs left, 18 + 1 wait, 4 to come
    assert cluster.truncated
    assert cluster.reward == pytest.approx(-(14 + 19 + 4) / 39, abs=1e-7)


@pytest.mark.parametrize(("horizon_s", "share"), [(0.5, 10.0), (0.25, 10.0), (1.0, 5.0)])
def test_the_share_of_the_horizon_is_clipped_at_ten(horizon_s, share):
    cluster = small(
        [(0, 5, 2), (0, 6, 3)], horizon_s=horizon_s, reward=NO_REWARD | {"time_pressure_scale": 1.0}
    )
    cluster.step(1)
    assert cluster.reward == pytest.approx(-share * 18 / 28)


def test_what_is_left_of_a_running_job_is_clipped_at_max_duration():
    reward = NO_REWARD | {"deadline_miss_penalty_scale": 1.0}
    cluster = small([(0, 8, 1), (1, 1, 1)], max_episode_steps=1, max_duration=2.0, reward=reward)
    cluster.step(1)  # 7 s are left, of which max_duration = 2 s count
    assert cluster.reward == pytest.approx(-(2 + 1) / 9)


# --- due times ---

DUE = NO_REWARD | {"due_miss_penalty_scale": 1.0}


@pytest.mark.parametrize(("due_s", "charged"), [(5.0, 0.0), (4.9, 10 / 28), (np.inf, 0.0)])
def test_a_completion_after_its_due_time_is_charged_its_work(due_s, charged):
    cluster = small([(0, 5, 2), (0, 6, 3)], due_s=[due_s, np.inf], reward=DUE)
    cluster.step(1)
    assert cluster.reward == pytest.approx(-charged)


def test_a_cut_off_charges_every_unfinished_job_past_its_due_time_once():
    jobs = [(0, 5, 2), (0, 6, 2), (0, 7, 1), (9, 1, 1)]  # completes late, runs late, waits late, in time
    cluster = small(jobs, due_s=[1.0, 2.0, 3.0, 99.0], max_episode_steps=2, reward=DUE, step="decision")
    cluster.step(1)
    assert cluster.reward == 0.0
    cluster.step(1)
    assert cluster.now_s == 5.0
    assert cluster.truncated
    assert cluster.reward == pytest.approx(-(10 + 12 + 7) / 30)


def test_a_job_whose_completion_falls_on_the_cut_off_but_was_not_reached_is_charged():
    # Both complete at 5; an event step reaches one of them, and the horizon. The other is unfinished.
    cluster = small([(0, 5, 2), (0, 5, 1), (0, 9, 4)], horizon_s=5.0, due_s=[1.0] * 3, reward=DUE)
    event = cluster.rules
    cluster.rules = (*event[:3], True, *event[4:])
    cluster.step(1)  # time stands still, so that two jobs run
    cluster.rules = event
    cluster.step(1)
    assert cluster.now_s == 5.0
    assert len(cluster.running()) == 1
    assert cluster.reward == pytest.approx(-1.0)
