"""Guards: when they act, what becomes of a run that they acted on, and that nothing of it is left to chance."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from sched_rl.config.convert import config_to_dict
from sched_rl.config.load import load_config
from sched_rl.config.record import config_digest, config_from_dict
from sched_rl.diagnosis import live
from sched_rl.diagnosis.branches import current_branch
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.guards import RollbackGuard, StopGuard, make_guard
from sched_rl.diagnosis.reading import read_run_folder
from sched_rl.observers import Observation
from sched_rl.tracking.columns import RESTORED
from sched_rl.tracking.reading import read_events
from sched_rl.train import main
from tests.diagnosis.synthetic import EVERY, collapse, healthy, pathological


class Watch:
    """A diagnosis with a prescribed opinion at every evaluation, over curves that have collapsed or not."""

    def __init__(self, opinions, curves=None):
        self.opinions, self.curves = list(opinions), curves
        self.diagnosis = None

    def state(self):
        return {}

    def show(self, guard, update):
        self.diagnosis = SimpleNamespace(ids=self.opinions[update])
        return guard.observe(Observation(update, update, {}, SimpleNamespace(), False))


def acts(guard, watch):
    """Updates at which a guard asked for something."""
    return [u for u in range(len(watch.opinions)) if watch.show(guard, u) is not None]


def guard_of(name, watch, **changes):
    config = load_config(
        "train", [f"guard={name}", *(f"guard.{key}={value}" for key, value in changes.items())]
    )
    return make_guard(config, watch, is_silent=False)


def test_a_stop_waits_until_a_hopeless_finding_has_stood_long_enough():
    bad, good, other = ("overshoot",), ("healthy",), ("noisy_eval", "sawtooth")
    watch = Watch([bad, bad, good, bad, bad, other, bad, bad, bad, bad])
    guard = guard_of("stop", watch, patience_evaluations=3)
    assert isinstance(guard, StopGuard)
    assert acts(guard, watch) == [8, 9]
    stop = watch.show(guard, 9).stop
    assert (stop.kind, stop.with_summary) == ("guard_stop", True)
    assert "overshoot" in stop.reason


def test_a_return_needs_a_collapse_and_a_cause_and_is_made_so_often():
    cause = [("overshoot",)] * 9
    watch = Watch(cause, healthy())
    assert acts(guard_of("rollback", watch), watch) == []
    fallen = pathological("overshoot")
    watch = Watch([("noisy_eval",)] * 9, fallen)
    assert acts(guard_of("rollback", watch), watch) == []
    watch = Watch(cause, fallen)
    guard = guard_of("rollback", watch, patience_evaluations=2, max_rollbacks=3)
    assert isinstance(guard, RollbackGuard)
    assert acts(guard, watch) == [1, 3, 5]  # the count begins again after each


def test_a_resumed_guard_acts_when_the_first_would_have():
    watch = Watch([("overshoot",)] * 6, pathological("overshoot"))
    for name in ("stop", "rollback"):
        first = guard_of(name, watch, patience_evaluations=4)
        assert [watch.show(first, u) for u in range(3)] == [None] * 3
        resumed = guard_of(name, watch, patience_evaluations=4)
        resumed.load_state(json.loads(json.dumps(first.state())))
        assert watch.show(resumed, 3) is not None


def test_what_was_thrown_away_is_not_judged():
    """A collapse of evaluations 11 to 15, then a return to the best: the branch of today has none."""
    means = collapse(11, 0.7)
    means[16:] = means[10]
    curves = healthy(mean=means)
    restored = np.full(curves.num_rows, np.nan)
    restored[15 * EVERY + 1] = 10 * EVERY
    columns = dict(curves.columns) | {RESTORED: restored}
    branch = current_branch(type(curves)(**{**vars(curves), "columns": columns}))
    gone = set(range(10 * EVERY + 1, 15 * EVERY + 1))
    assert set(curves.steps) - set(branch.steps) == gone
    assert set(curves.evaluations.updates) - set(branch.evaluations.updates) == {
        u for u in gone if u % EVERY == 0
    }
    found = diagnose(type(curves)(**{**vars(curves), "columns": columns}))
    assert found.primary == "healthy"
    assert any("guard returned to the best" in note for note in found.notes)
    assert current_branch(curves) is curves


def test_a_guard_counts_for_the_digest_and_a_watching_diagnosis_does_not():
    digest = config_digest(load_config("train", []))
    assert config_digest(load_config("train", ["guard=none", "diagnosis.shift_sigmas=7"])) == digest
    guarded = {config_digest(load_config("train", [f"guard={name}"])) for name in ("stop", "rollback")}
    assert len(guarded | {digest}) == 3
    assert config_digest(load_config("train", ["guard=stop", "diagnosis=none"])) in guarded
    assert config_digest(load_config("train", ["guard=stop", "diagnosis.shift_sigmas=7"])) not in guarded


def test_a_record_from_before_there_were_guards_has_none():
    tree = config_to_dict(load_config("train", []))
    del tree["guard"]
    assert config_from_dict(tree).guard.kind == "none"


def test_findings_that_no_rule_makes_are_refused(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["debug=smoke", "guard=stop", "guard.findings=[overshot]", f"run.folder={folder}"]) == 2
    assert "no finding is called overshot (did you mean overshoot?)" in capsys.readouterr().err
    assert not folder.exists()


#: Its best evaluation comes early, so that there is something to go back to when the fixture says so.
TINY = ["debug=smoke", "agent.total_steps=2048", "agent.vf_clip_coef=0", "eval.every_updates=1",
        "run.checkpoint_every_updates=1", "tracking=none", "progress=off", "baselines=[]",
        "guard.patience_evaluations=1"]  # fmt: skip


@pytest.fixture
def collapsed(monkeypatch):
    """Every diagnosis from update 3 on finds a collapse after update 1."""
    real = live.diagnose

    def found(curves, limits):
        answer = real(curves, limits)
        ids = ("overshoot",) if curves.steps[-1] >= 3 else ()
        return SimpleNamespace(ids=ids, primary="undecided", findings=answer.findings)

    monkeypatch.setattr(live, "diagnose", found)
    monkeypatch.setattr(RollbackGuard, "_has_collapsed", lambda self: True)


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_stop_ends_the_run_and_says_so(tmp_path, capsys, collapsed):
    folder = tmp_path / "run"
    assert main([*TINY, "guard=stop", f"run.folder={folder}"]) == 0
    assert len(rows(folder)) == 4
    assert "guard: stopped at update 3: overshoot at 1 evaluations in a row" in capsys.readouterr().out
    assert [event["kind"] for event in read_events(folder) if event["kind"].startswith("guard")] == [
        "guard_stop"
    ]
    assert "guard: stopped" in (folder / "report.html").read_text()


def test_a_return_takes_back_the_policy_and_lowers_the_lr(tmp_path, capsys, collapsed):
    folder = tmp_path / "run"
    options = [
        *TINY,
        "guard=rollback",
        "guard.max_rollbacks=1",
        "guard.lr_factor=0.25",
        "agent/lr_schedule=constant",
    ]
    assert main([*options, f"run.folder={folder}"]) == 0
    (event,) = [event for event in read_events(folder) if event["kind"] == "guard_rollback"]
    at, best = event["update"], event["to_update"]
    table = rows(folder)
    assert {row["update"]: row[RESTORED] for row in table if row[RESTORED]} == {str(at + 1): str(best)}
    lrs = [float(row["lr"]) for row in table[1:]]
    assert lrs[:at] == [lrs[0]] * at
    assert lrs[at:] == pytest.approx([0.25 * lrs[0]] * (8 - at))
    assert f"guard: at update {at} back to update {best}, lr x 0.25" in capsys.readouterr().out
    assert "guard: back to the best" in (folder / "report.html").read_text()
    # the first policy after the return is near the best one, as it was one update after it
    assert float(table[at + 1]["kl_to_best"]) < 10 * float(table[best + 1]["kl_to_best"]) + 1e-6
    branch = current_branch(read_run_folder(folder))
    assert branch.steps.tolist() == [u for u in range(9) if not best < u <= at]


@pytest.mark.parametrize("diagnosis", ["default", "none"])
def test_a_guarded_run_resumes_to_the_bit_whenever_it_is_stopped(tmp_path, collapsed, diagnosis):
    options = [*TINY, "guard=rollback", "guard.max_rollbacks=2", f"diagnosis={diagnosis}"]
    whole = tmp_path / "whole"
    assert main([*options, f"run.folder={whole}"]) == 0
    (first, *_) = [event["update"] for event in read_events(whole) if event["kind"] == "guard_rollback"]
    for update in (first - 1, first, first + 1):
        folder = tmp_path / f"stopped-{update}"
        assert main([*options, f"run.folder={folder}", "run.keep_checkpoints=100"]) == 0
        for path in folder.glob("checkpoints/update_*.pt"):
            if int(path.stem.split("_")[1]) > update:
                path.unlink()
        assert main([f"resume={folder}"]) == 0
        assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_without_a_guard_the_columns_are_what_they_were(tmp_path):
    folder = tmp_path / "run"
    assert main(["debug=smoke", "tracking=none", "progress=off", "baselines=[]", f"run.folder={folder}"]) == 0
    assert RESTORED not in rows(folder)[0]
