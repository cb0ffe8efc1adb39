"""`python -m sweeps.status` and the lines of a sweep: the numbers that matter, and what to type next."""

from __future__ import annotations

import shlex

import pytest
from optuna.exceptions import StorageInternalError

from sweeps import status
from sweeps.study import best_trials, find_study, open_study

LR = "agent.lr=tag(log,interval(1e-4,1e-2))"
CLIP = "agent.clip_coef=interval(0.05,0.4)"


def test_the_screen_says_where_the_sweep_stands_and_what_to_type(sweep, trials, training, capsys):
    def crash_once(command, folder):
        if command.config.trial.number == 2:
            raise RuntimeError("out of memory")

    sweep(LR, CLIP, "sweep.n_trials=12", "sweep.pruner=none", run=training(crash_once))
    capsys.readouterr()
    assert status.main(["s"]) == 0
    screen = capsys.readouterr().out
    best = best_trials(find_study("s"))[0]
    assert "12 of 12 trials finished (12 complete, 1 failed)" in screen
    assert f"{best.values[0]:.4f}" in screen
    assert f"train the best: python -m sched_rl.train tracking=none {shlex.join(best.overrides)}" in screen
    assert "importance" in screen
    assert "agent.lr" in screen.partition("importance")[2].partition("\n")[0]
    assert "last failure: trial 2, RuntimeError: out of memory" in screen
    assert str(find_study("s").user_attrs["folder"]) in screen
    assert "sweeps.promote sweep=s" in screen
    assert "go on:" not in screen


def test_an_unfinished_sweep_says_how_to_go_on(sweep, training, capsys):
    hook = lambda command, folder: {"exit_code": 130} if command.config.trial.number == 1 else None  # noqa: E731
    sweep(LR, "sweep.n_trials=4", run=training(hook))
    capsys.readouterr()
    status.main([])
    screen = capsys.readouterr().out
    assert "1 of 4 trials finished (1 complete, 1 waiting)" in screen
    assert (
        f"go on: python -m sched_rl.train sweep=custom sweep.name=s tracking=none '{LR}' sweep.n_trials=4"
        in screen
    )


def test_reading_a_sweep_writes_nothing(sweep, tmp_path):
    sweep(LR, "sweep.n_trials=1")
    file = tmp_path / "runs/sweeps/s/study.db"
    before = file.read_bytes()
    study = open_study(f"sqlite:///{file}")
    with pytest.raises(StorageInternalError):
        study.set_user_attr("a", 1)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["other"], r"other: no sweep of that name below runs/sweeps \(there are s\)"),
        (["sqlite:///absent.db"], r"absent.db: no such file"),
        (["a", "b"], "takes one sweep"),
        (["--all"], "takes one sweep"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(sweep, capsys, arguments, message):
    import re

    sweep(LR, "sweep.n_trials=1")
    capsys.readouterr()
    assert status.main(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1


def test_every_trial_gets_a_line_with_its_value_and_the_best_so_far(sweep, trials, capsys):
    sweep(LR, CLIP, "sweep.n_trials=6", "sweep.sampler=random", "sweep.startup_trials=2")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trial  ")]
    for line, trial in zip(lines, trials(), strict=False):
        assert f"{trial.values[0]:.4f}" in line
        assert " ".join(trial.overrides) in line
        assert ("pruned at" in line) == (trial.state == "PRUNED")
        assert "best" in line
    assert len([line for line in lines if "min_block_return" in line]) >= 6


def test_what_trials_print_stays_in_their_folders(sweep, training, capsys, tmp_path):
    sweep(LR, "sweep.n_trials=1", run=training(lambda command, folder: print("chatter")))
    assert "chatter" not in capsys.readouterr().out
    assert (tmp_path / "runs/sweeps/s/0/output.txt").read_text() == "chatter\n"
