"""The benchmark's own judgement: its plan, its yardstick for onsets, its counts, its command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.diagnosis_bench import __main__ as bench
from analysis.diagnosis_bench.judging import Verdict
from analysis.diagnosis_bench.onset import first_drop, visible_at
from analysis.diagnosis_bench.plan import (
    CONTROL,
    HALVES,
    HEALTHY,
    KINDS,
    UNCONFIRMED,
    PlannedRun,
    planned_runs,
)
from analysis.diagnosis_bench.tables import confusion, score_table, summary
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_config
from sched_rl.diagnosis.curves import EvaluationTable


def table(means, noise=0.1, blocks=3, episodes=10):
    """Evaluations whose episodes differ between seeds by much and between evaluations by `noise`."""
    draws = np.random.default_rng(0)
    seeds = draws.normal(0, 5, blocks * episodes)
    returns = np.array([mean + seeds + draws.normal(0, noise, seeds.size) for mean in means])
    place = np.repeat(np.arange(blocks), episodes)
    updates = np.arange(len(means)) * 2
    return EvaluationTable(updates, place, np.arange(seeds.size), {"return": returns})


def verdict(expected, primary, visible=0, opened=0, label=None):
    run = PlannedRun(expected, "heavy8", 1, "dev")
    return Verdict(run, expected, (), primary, (primary,), visible, opened, 20, label)


def test_the_plan_has_every_kind_in_two_settings_and_no_run_in_both_halves():
    kinds = {name for name in ConfigSources().options("pathology")} - {HEALTHY, CONTROL, *UNCONFIRMED}
    assert set(KINDS) == kinds
    assert all(len(set(settings)) >= 2 for settings in KINDS.values())
    halves = [list(planned_runs(half)) for half in HALVES]
    seeds = [{run.seed for run in runs} for runs in halves]
    assert not seeds[0] & seeds[1]
    for runs in halves:
        assert len({run.folder for run in runs}) == len(runs)
    both = [run.kind for runs in halves for run in runs]
    assert {kind: both.count(kind) for kind in kinds} == dict.fromkeys(kinds, 9)
    assert both.count(HEALTHY) >= 30


@pytest.mark.parametrize(
    "run",
    list({(run.kind, run.setting): run for run in planned_runs("dev")}.values()),
    ids=lambda run: str(run.folder),
)
def test_every_planned_run_is_a_training(run):
    assert load_config("train", list(run.overrides)).pathology.name == run.kind


def test_a_drop_is_seen_where_the_paired_difference_passes_two_errors_not_before():
    rising, noise = [0.0, 1.0, 2.0, 3.0, 3.0], 0.1
    assert first_drop(table(rising, noise)) is None
    assert first_drop(table([*rising, 2.99, 2.0, 1.0], noise)) == 6
    assert first_drop(table([3.0, 1.0, 3.0, 3.0, 1.0], noise), since=2) == 4


def test_what_has_no_drop_is_seen_from_its_declared_onset():
    flat = table([1.0] * 10)
    assert visible_at(flat, "mask_bug", onset_update=7) == 4  # evaluations every second update
    assert visible_at(flat, "no_signal", onset_update=0) == 0
    assert visible_at(table(list(range(10))), "overshoot", onset_update=0) is None
    assert visible_at(flat, "env_shift", onset_update=99) is None


def test_brittleness_is_seen_in_the_block_that_falls_while_the_mean_holds():
    split = table([1.0] * 8)
    fallen = split.returns.copy()
    fallen[4:, split.blocks == 1] -= 20.0
    fallen[4:, split.blocks != 1] += 10.0
    split = replace(split, values={"return": fallen})
    assert visible_at(split, "slow_drift", onset_update=8) != 4
    assert visible_at(split, "brittle", onset_update=8) == 4  # the fifth evaluation, every second update


def test_the_counts_are_those_of_the_verdicts():
    verdicts = [
        verdict("overshoot", "overshoot"),
        verdict("overshoot", "sawtooth"),
        verdict("brittle", "brittle"),
    ]
    expected, primary, counts = confusion(verdicts)
    assert (expected, primary) == (["brittle", "overshoot"], ["brittle", "overshoot", "sawtooth"])
    assert counts.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert "2/3 (66.7%)" in summary(verdicts)


def test_recall_precision_and_delay_of_a_finding():
    verdicts = [
        verdict("overshoot", "overshoot", visible=3, opened=4),
        verdict("overshoot", "brittle", visible=3, opened=None),
        verdict("brittle", "brittle", visible=0, opened=5),
    ]
    rows = {line.split()[0]: line.split()[1:] for line in score_table(verdicts).splitlines()[1:]}
    assert rows["overshoot"] == ["2", "50%", "100%", "1/2", "1/2", "1,", "1"]
    assert rows["brittle"] == ["1", "100%", "50%", "1/1", "0/1", "5,", "5"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("half=both", "half=both: must be dev or frozen"),
        ("jobs=0", "jobs=0: must be a whole number from 1"),
        ("kinds=nonsense", "kinds=nonsense: must be some of overshoot"),
        ("look", "look: must be train, judge"),
    ],
)
def test_a_wrong_word_is_refused_with_what_is_allowed(argument, message, capsys):
    assert bench.main([argument]) == 2
    assert message in capsys.readouterr().err


def test_each_look_at_the_frozen_half_is_written_down(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "LOOKS", tmp_path / "looks.jsonl")
    for number in (1, 2):
        assert bench.main(["judge", "half=frozen", f"folder={tmp_path}"]) == 2  # nothing trained there
        assert f"look {number} at the frozen half" in capsys.readouterr().out
    looks = [json.loads(line) for line in Path(tmp_path / "looks.jsonl").read_text().splitlines()]
    assert len(looks) == 2
