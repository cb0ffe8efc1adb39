"""The rules beside a training: what opens and closes, what is recorded, what a resumed run remembers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.live import LiveDiagnosis
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.observers import Observation
from sched_rl.tracking.reading import read_events
from sched_rl.train import main
from tests.diagnosis.synthetic import EVERY, healthy, pathological


def replay(curves, folder, upto=None):
    """A run's updates as an observer meets them; returns the observer and every reaction by update."""
    folder.mkdir(exist_ok=True)
    scores = {
        name: {
            "eval_mean_return": score.mean,
            "eval_min_block_return": score.worst,
            "episodes": [
                {"block": b, "seed": s, **numbers} for (b, s), numbers in score.episodes.items()
            ],
        }
        for name, score in curves.baselines.items()
    }  # fmt: skip
    (folder / "baselines.json").write_text(json.dumps(scores))
    live = LiveDiagnosis(load_config("train", []), folder)
    table, reactions = curves.evaluations, {}
    for row, update in enumerate(curves.steps[:upto].tolist()):
        values = {
            name: float(column[row]) for name, column in curves.columns.items() if np.isfinite(column[row])
        }
        found = np.flatnonzero(table.updates == update)
        evaluation = None
        if found.size:
            numbers = [
                {"block": int(b), "seed": int(s), "return": float(r)}
                for b, s, r in zip(table.blocks, table.seeds, table.returns[found[0]], strict=True)
            ]
            evaluation = SimpleNamespace(numbers=lambda numbers=numbers: numbers)
        reaction = live.observe(Observation(update, update, values, evaluation, False))
        if reaction is not None:
            reactions[update] = reaction
    return live, reactions


def test_a_healthy_run_is_left_in_peace(tmp_path):
    for seed in range(3):
        live, reactions = replay(healthy(seed), tmp_path / str(seed))
        assert [note for reaction in reactions.values() for note in reaction.notes] == []
        assert live.diagnosis.primary == "healthy"


@pytest.mark.parametrize("curve", ["overshoot", "slow_drift", "env_shift", "noisy_eval", "mask_bug"])
def test_live_says_in_the_end_what_the_whole_run_says(tmp_path, curve):
    curves = pathological(curve)
    live, reactions = replay(curves, tmp_path / "run")
    assert live.diagnosis.ids == diagnose(curves).ids
    assert list(reactions.values())[-1].tags["diagnosis"] == curve


def test_a_collapse_is_told_within_two_evaluations_and_recorded_once(tmp_path):
    _, reactions = replay(pathological("overshoot"), tmp_path / "run")
    opened = [
        (update, event)
        for update, reaction in reactions.items()
        for event in reaction.events
        if event["id"] == "overshoot"
    ]
    assert [event["kind"] for _, event in opened] == ["finding_opened"]
    update = opened[0][0]
    assert 11 * EVERY <= update <= 13 * EVERY  # evaluation 11 is the first that lies below the best
    (note,) = [note for note in reactions[update].notes if "overshoot" in note]
    assert f"at update {update}" in note
    assert reactions[update].tags["diagnosis.overshoot"] == f"open since update {update}"


def test_what_recovers_is_closed(tmp_path):
    means = np.full(21, 1.1)
    means[0] = 0.9
    means[8:13] = 0.8
    _, reactions = replay(healthy(mean=means), tmp_path / "run")
    events = [
        event for reaction in reactions.values() for event in reaction.events if event["id"] == "slow_drift"
    ]
    assert [event["kind"] for event in events] == ["finding_opened", "finding_closed"]
    assert any("slow_drift: closed" in note for reaction in reactions.values() for note in reaction.notes)


TINY = ["debug=smoke", "eval.every_updates=1", "agent.total_steps=2048", "tracking=none", "progress=off"]


def test_a_training_records_its_findings_and_ends_with_the_primary_one(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main([*TINY, "eval.episodes_per_block=1", f"run.folder={folder}"]) == 0
    printed = capsys.readouterr().out
    assert f"diagnose it: python -m sched_rl.diagnose run={folder}" in printed
    opened = [event["id"] for event in read_events(folder) if event["kind"] == "finding_opened"]
    assert "noisy_eval" in opened
    assert "diagnosis:  noisy_eval (critical)" in printed
    assert diagnose(read_run_folder(folder)).primary == "noisy_eval"


def test_a_resumed_run_does_not_tell_again_what_is_open(tmp_path):
    """Its observer finds the rows so far in the folder, wound back to the checkpoint."""
    folder = tmp_path / "run"
    assert (
        main([*TINY, "eval.episodes_per_block=1", "run.checkpoint_every_updates=1", f"run.folder={folder}"])
        == 0
    )
    before = diagnose(read_run_folder(folder)).ids
    for path in (folder / "checkpoints").glob(
        "*8*"
    ):  # the last update's, so that there is something left to do
        path.unlink()
    assert main([f"resume={folder}"]) == 0
    opened = [event["id"] for event in read_events(folder) if event["kind"] == "finding_opened"]
    assert opened.count("noisy_eval") == 1
    assert diagnose(read_run_folder(folder)).ids == before


def test_diagnosis_none_is_silent(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main([*TINY, "diagnosis=none", "eval.episodes_per_block=1", f"run.folder={folder}"]) == 0
    assert "diagnose it:" not in capsys.readouterr().out
    assert not [event for event in read_events(folder) if event["kind"].startswith("finding")]


def test_a_fault_of_the_diagnosis_costs_no_training(tmp_path, monkeypatch):
    def fail(curves, limits):
        raise ValueError("True is not in list")

    monkeypatch.setattr("sched_rl.diagnosis.live.diagnose", fail)
    live, reactions = replay(healthy(0), tmp_path / "run")
    (reaction,) = reactions.values()  # said once, not at every evaluation
    assert "the diagnosis failed at update" in reaction.notes[0]
    assert reaction.events[0]["kind"] == "diagnosis_failed"
    assert live.diagnosis is None
