"""The rules of the MDP that no oracle file decides, each on a cluster small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulator.instances import NO_REWARD, small


def outcome(cluster):
    return bool(cluster.terminated), bool(cluster.truncated)


# --- the end of an episode ---


def test_the_step_limit_truncates_at_exactly_that_many_steps():
    cluster = small([(0, 1, 1), (0, 1, 1)], max_episode_steps=3)
    for _ in range(2):
        cluster.step(0)
        assert outcome(cluster) == (False, False)
    cluster.step(0)
    assert outcome(cluster) == (False, True)
    assert cluster.steps == 3


def test_finishing_on_the_last_allowed_step_is_a_termination():
    cluster = small([(0, 1, 1)], max_episode_steps=1)
    cluster.step(1)
    assert outcome(cluster) == (True, False)


@pytest.mark.parametrize(("horizon_s", "truncated"), [(4.0, True), (4.0000005, False)])
def test_the_horizon_is_reached_at_equality(horizon_s, truncated):
    cluster = small([(0, 4, 1), (0, 1, 1)], horizon_s=horizon_s)
    cluster.step(1)
    assert cluster.now_s == 4.0
    assert outcome(cluster) == (False, truncated)


def test_completing_everything_at_or_after_the_horizon_terminates_without_a_bonus():
    for horizon_s in (4.0, 3.0):
        cluster = small(
            [(0, 4, 1)], horizon_s=horizon_s, reward=NO_REWARD | {"early_finish_bonus_scale": 1.0}
        )
        cluster.step(1)
        assert outcome(cluster) == (True, False)
        assert cluster.reward == 0.0


def test_a_finished_cluster_does_not_move_and_reports_nothing():
    cluster = small([(0, 4, 2)], capacity=(2,))
    cluster.step(7)
    cluster.step(1)
    before = {name: cluster.state.clusters[name].copy() for name in ("now_s", "steps", "total_return")}
    assert cluster.step(9) == 0
    assert (cluster.reward, cluster.dt_s) == (0.0, 0.0)
    assert not cluster.invalid_action
    assert not cluster.noop_feasible
    assert outcome(cluster) == (True, False)
    for name, value in before.items():
        np.testing.assert_array_equal(cluster.state.clusters[name], value)


def test_a_step_counts_the_clusters_that_it_finished():
    cluster = small([(0, 4, 1)])
    assert cluster.step(0) == 0
    assert cluster.step(1) == 1


# --- events ---


def test_jobs_that_arrive_at_zero_are_in_the_first_window():
    cluster = small([(0, 1, 1), (2, 1, 1), (0, 1, 1)])
    assert cluster.queue() == [0, 2]
    assert cluster.mask[0].tolist() == [True, True, True, False]


def test_an_arrival_comes_before_a_completion_of_the_same_instant():
    cluster = small([(0, 5, 1), (5, 1, 1)])
    cluster.step(1)
    assert cluster.now_s == 5.0
    assert cluster.queue() == [1]
    assert cluster.running() == {0: 5.0}
    cluster.step(0)
    assert (cluster.now_s, cluster.dt_s) == (5.0, 0.0)
    assert cluster.running() == {}


def test_one_event_a_step_even_after_a_start():
    cluster = small([(0, 5, 1), (1, 1, 1), (1, 1, 1)])
    cluster.step(1)
    assert cluster.now_s == 1.0
    assert cluster.queue() == [1]


def test_without_an_event_left_nothing_happens_but_the_step_counts():
    cluster = small([(0, 1, 1)], reward=NO_REWARD | {"time_pressure_scale": 1.0})
    cluster.step(0)
    assert (cluster.now_s, cluster.dt_s, cluster.reward, cluster.steps) == (0.0, 0.0, 0.0, 1)
    assert outcome(cluster) == (False, False)


# --- actions ---


@pytest.mark.parametrize("action", [-1, -(2**63), 3, 4, 51, 2**31, 2**63 - 1])
def test_an_action_out_of_range_is_invalid_and_a_noop(action):
    jobs, scales = [(0, 5, 1), (0, 5, 4), (1, 1, 1)], {"noop_penalty_scale": 1.0}
    invalid, noop = (small(jobs, reward=NO_REWARD | scales, max_queue_size=3) for _ in range(2))
    invalid.step(action)
    noop.step(0)
    assert invalid.invalid_action
    assert not noop.invalid_action
    assert invalid.invalid_steps == 1
    assert (invalid.now_s, invalid.reward) == (noop.now_s, noop.reward)
    assert invalid.noop_feasible
    assert invalid.noop_steps == noop.noop_steps == 1
    assert invalid.starts() == {}


def test_a_job_that_does_not_fit_is_invalid_and_waiting_for_it_costs_nothing():
    cluster = small([(0, 5, 3), (0, 5, 3), (1, 1, 4)], reward=NO_REWARD | {"noop_penalty_scale": 1.0})
    cluster.step(1)
    cluster.step(1)
    assert cluster.invalid_action
    assert not cluster.noop_feasible
    assert cluster.reward == 0.0
    assert cluster.noop_feasible_steps == 0


def test_the_window_ends_at_its_size_and_moves_up():
    cluster = small([(at, 9, 1) for at in range(5)], max_queue_size=2)
    for _ in range(3):
        cluster.step(0)
    assert cluster.queue() == [0, 1, 2, 3]
    assert cluster.mask[0].tolist() == [True, True, True]
    cluster.step(3)
    assert cluster.invalid_action
    cluster.step(2)
    assert cluster.queue() == [0, 2, 3, 4]


def test_a_job_must_fit_every_resource():
    jobs = [(0, 9, (1, 3)), (1, 5, (1, 2)), (2, 5, (3, 1)), (3, 1, (1, 0))]
    cluster = small(jobs, capacity=(4, 4), max_queue_size=4)
    for _ in range(2):
        cluster.step(0)
    assert cluster.mask[0].tolist() == [True, True, True, True, False]
    cluster.step(1)
    assert cluster.state.idle[0].tolist() == [3, 1]
    assert cluster.queue() == [1, 2, 3]
    assert cluster.mask[0].tolist() == [True, False, True, True, False]
    cluster.step(1)
    assert cluster.invalid_action


# --- decision steps ---


def test_decision_steps_stand_still_while_something_fits():
    cluster = small([(0, 5, 2), (0, 6, 1), (0, 7, 4)], step="decision")
    cluster.step(1)
    assert (cluster.now_s, cluster.dt_s) == (0.0, 0.0)
    cluster.step(1)  # now nothing fits: on to the first completion, where job 2 does not fit yet, and further
    assert cluster.now_s == 6.0
    assert cluster.running() == {}
    assert cluster.mask[0].tolist() == [True, True, False, False]


def test_decision_steps_take_whole_instants():
    cluster = small([(0, 5, 2), (0, 5, 2), (5, 1, 1), (5, 1, 1), (1, 9, 4)], step="decision")
    cluster.step(1)
    cluster.step(1)
    assert cluster.now_s == 5.0
    assert sorted(cluster.queue()) == [2, 3, 4]
    assert cluster.running() == {}


def test_a_noop_moves_decision_steps_to_the_next_instant():
    cluster = small([(0, 5, 2), (3, 1, 1), (3, 1, 1), (4, 1, 1)], step="decision")
    cluster.step(0)
    assert cluster.now_s == 3.0
    assert sorted(cluster.queue()) == [0, 1, 2]


def test_decision_steps_begin_where_something_can_start():
    cluster = small([(3, 5, 2), (3, 1, 1), (4, 1, 1)], step="decision")
    assert cluster.now_s == 3.0
    assert cluster.queue() == [0, 1]
    assert cluster.steps == 0


def test_decision_steps_stop_at_the_horizon():
    cluster = small([(0, 5, 4), (0, 9, 4), (20, 1, 1)], horizon_s=5.0, step="decision")
    cluster.step(1)
    assert cluster.now_s == 5.0
    assert outcome(cluster) == (False, True)


def test_decision_steps_pay_time_pressure_event_by_event():
    jobs, reward = [(0, 4, 4), (2, 1, 1), (3, 1, 1)], NO_REWARD | {"time_pressure_scale": 1.0}
    cluster = small(jobs, step="decision", reward=reward)
    cluster.step(1)  # arrivals at 2 and 3, completion at 4
    assert cluster.now_s == 4.0
    expected = 0.02 * (2 * 4 + 1) + 0.01 * (1 * 4 + 2) + 0.01 * 2
    assert cluster.reward == pytest.approx(-expected / 18, abs=1e-7)
