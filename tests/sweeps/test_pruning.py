"""Pruning: what is compared, who is cut short, and that the best survives."""

from __future__ import annotations

import optuna
import pytest

from sweeps.pruners import MILESTONES, passed, reports
from sweeps.study import best_trials, find_study

LR = "agent.lr=tag(log,interval(1e-4,1e-2))"
CLIP = "agent.clip_coef=interval(0.05,0.4)"


@pytest.mark.parametrize("updates", [1, 3, 7, 24, 1000])
def test_every_training_passes_every_milestone_once_in_order(updates):
    marks = [mark for update in range(updates) for mark in passed(update / updates, (update + 1) / updates)]
    assert marks == list(range(1, MILESTONES + 1))


def test_reports_are_the_objective_or_its_blocks():
    assert reports("median", 3, (0.5, 0.4, 0.6)) == [(30, 0.4)]
    assert reports("wilcoxon", 3, (0.5, 0.4, 0.6)) == [(9, 0.5), (10, 0.4), (11, 0.6)]
    steps = [
        step for mark in range(1, MILESTONES + 1) for step, _ in reports("wilcoxon", mark, (0.0, 0.0, 0.0))
    ]
    assert len(set(steps)) == 3 * MILESTONES, "a block at a milestone is one pair of the test"


def test_the_same_points_with_and_without_pruning_have_the_same_winner_for_fewer_steps(sweep, trials):
    """The curves of the fake never cross, so a pruner that ends the best trial is wrong."""
    settings = (LR, CLIP, "sweep.sampler=qmc", "sweep.n_trials=12", "sweep.startup_trials=4")
    names = ("none", "median", "hyperband", "wilcoxon")
    for pruner in names:
        sweep(*settings, f"sweep.pruner={pruner}", name=pruner)
    best = best_trials(find_study("none"))[0].number
    steps = {
        name: sum(trial.attrs["steps"] for trial in trials(name))
        for name in ("none", "median", "hyperband", "wilcoxon")
    }
    for name in names[1:]:
        assert [trial.overrides for trial in trials(name)] == [trial.overrides for trial in trials("none")]
        assert steps[name] < 0.9 * steps["none"]
    # Hyperband halves within brackets by rank, whatever the ranks are worth.
    assert (
        best_trials(find_study("median"))[0].number == best_trials(find_study("wilcoxon"))[0].number == best
    )


def test_a_pruned_trial_keeps_its_best_so_far_and_when_it_was_cut(sweep, trials):
    sweep(LR, CLIP, "sweep.sampler=qmc", "sweep.n_trials=12", "sweep.startup_trials=3")
    pruned = [trial for trial in trials() if trial.state == "PRUNED"]
    assert pruned
    for trial in pruned:
        assert trial.values == (pytest.approx(trial.attrs["min_block_return"]),)
        assert trial.attrs["pruned_at"] == pytest.approx(trial.attrs["steps"] / 3_000_000)
        assert 0.2 <= trial.attrs["pruned_at"] < 1
    numbers = {trial.number for trial in pruned}
    assert not numbers & {trial.number for trial in best_trials(find_study("s"))}


def test_nothing_is_pruned_before_the_warm_up_or_the_first_trials(sweep, trials):
    sweep(
        LR, CLIP, "sweep.sampler=qmc", "sweep.n_trials=10", "sweep.startup_trials=5", "sweep.warmup_frac=0.6"
    )
    pruned = [trial for trial in trials() if trial.state == "PRUNED"]
    assert pruned
    assert min(trial.number for trial in pruned) >= 5
    assert min(trial.attrs["pruned_at"] for trial in pruned) >= 0.6


def test_trials_whose_evaluations_fall_on_other_steps_are_compared_all_the_same(tmp_path):
    """One evaluates ten times, the other three times: both report at every milestone."""
    from sched_rl.evaluation.summary import Evaluation
    from sched_rl.observers import Observation
    from sweeps.observer import TrialObserver

    study = optuna.create_study(direction="maximize")
    seen = []
    for evaluations in (10, 3):
        trial = study.ask()
        observer = TrialObserver(trial, "median", 900, {})
        for index in range(evaluations + 1):
            blocks = (float(index), float(index) + 1)
            observation = Observation(
                index, 900 * index // evaluations, {}, Evaluation(("a", "b"), (), blocks), True
            )
            observer.observe(observation)
        seen.append(study._storage.get_trial(trial._trial_id).intermediate_values)
    assert list(seen[0]) == list(seen[1]) == [10 * mark for mark in range(1, MILESTONES + 1)]
    # After one third of the training the second trial's milestone of 30 % is its first evaluation.
    assert [seen[1][step] for step in (10, 20, 30, 40, 60, 100)] == [0.0, 0.0, 1.0, 1.0, 2.0, 3.0]


def test_a_resumed_trial_reports_what_it_had_reported(tmp_path):
    from sched_rl.evaluation.summary import Evaluation
    from sched_rl.observers import Observation
    from sweeps.observer import TrialObserver

    study = optuna.create_study(direction="maximize")
    dead, retried = study.ask(), study.ask()
    first = TrialObserver(dead, "median", 100, {})
    evaluation = Evaluation(("a",), (), (0.5,))
    for steps in (0, 20, 40):
        first.observe(Observation(steps, steps, {}, evaluation, steps == 0))
    second = TrialObserver(retried, "median", 100, {})
    saved = first.state()
    second.load_state(saved)
    second.observe(Observation(60, 60, {}, evaluation, False))
    reported = study._storage.get_trial(retried._trial_id).intermediate_values
    assert reported == {10 * mark: 0.5 for mark in range(1, 7)}
    assert second.wall_s >= saved["wall_s"] > 0
