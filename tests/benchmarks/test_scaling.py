"""The scaling benchmark: everything runs, and what it holds still stands still."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from analysis.benchmarks.scaling import main, simulator_mib
from analysis.benchmarks.scaling_axes import AXES
from analysis.benchmarks.scaling_subjects import Crowd, simulator_config
from sched_rl.envs.vector import VectorClusterEnv, random_feasible_actions

SUBJECTS = {"simulator, playbook", "simulator, rich", "training, scorer", "training, mlp"}


def test_every_value_and_subject_is_measured_drawn_and_written(tmp_path, capsys):
    axes = [axis for axis in AXES if axis.key in ("window", "clusters")]
    assert main(["small=true", "axes=window,clusters", f"output={tmp_path / 'out' / 'growth'}"]) == 0
    with (tmp_path / "out" / "growth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = {(row["axis"], int(row["value"]), row["subject"]) for row in rows}
    assert measured == {
        (axis.key, value, subject) for axis in axes for value in axis.small for subject in SUBJECTS
    }
    assert all(float(row["ns_per_step"]) > 0 for row in rows)
    assert (tmp_path / "out" / "growth.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert all(axis.label in printed for axis in axes)


def crowd_of(key, value, steps):
    """Jobs that run and wait at a value of an axis, with random feasible actions."""
    (axis,) = [axis for axis in AXES if axis.key == key]
    config = simulator_config(axis.overrides(value))
    env, draws, crowd = VectorClusterEnv(config.env, "rich", 32, seed=1), np.random.default_rng(1), Crowd()
    env.reset()
    env.stagger(2 * config.env.jobs_per_episode, 1)
    for _ in range(steps):
        env.step(random_feasible_actions(env.action_mask, draws))
        crowd.look(env)
    return np.mean(crowd.running), np.mean(crowd.visible)


def test_longer_episodes_have_as_many_jobs_running_and_waiting():
    (few_run, few_wait), (many_run, many_wait) = (crowd_of("jobs", value, 1500) for value in (100, 1000))
    assert many_run == pytest.approx(few_run, rel=0.05)
    assert many_wait == pytest.approx(few_wait, rel=0.15)


def test_a_larger_cluster_of_wider_jobs_runs_as_many_and_one_of_equal_jobs_more():
    (few_run, few_wait), (many_run, many_wait) = (crowd_of("gpus", value, 400) for value in (8, 4096))
    assert many_run == pytest.approx(few_run, rel=0.3)
    assert many_wait == pytest.approx(few_wait, rel=0.05)
    assert crowd_of("gpus_more_running", 512, 400)[0] > 10 * few_run


def test_a_thousand_clusters_of_ten_thousand_jobs_fit_a_small_machine():
    assert simulator_mib(1024, 10_000) < 1536


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("rounds=0", "rounds=0: must be a whole number, at least 1"),
        ("axes=windows", "axes=windows: 'windows' must be one of window, clusters"),
        ("subjects=gym", "subjects=gym: 'gym' must be one of simulator, training"),
        ("small=yes", "small=yes: must be true or false"),
        ("output=", "output=: must be a path"),
        ("rounds", "rounds: must be key=value"),
        ("env.num_gpu=3", "unknown key env.num_gpu"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(argument, message, capsys):
    assert main(["axes=jobs", "small=true", argument]) == 2
    assert message in capsys.readouterr().err
