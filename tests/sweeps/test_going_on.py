"""A sweep that was stopped, killed, failing or shared goes on: exact counts, no sample twice, nothing overwritten."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from sched_rl.errors import SchedRLError
from sched_rl.tracking.reading import read_metrics
from sweeps.storage import claim, fail_dead_trials, open_storage

LR = "agent.lr=tag(log,interval(1e-4,1e-2))"
CLIP = "agent.clip_coef=interval(0.05,0.4)"
GRID = ("agent.lr=choice(1e-3,2e-3,3e-3)", "agent.clip_coef=0.1,0.2", "sweep.sampler=grid")


def chosen(trials):
    return [tuple(trial.overrides) for trial in trials if trial.overrides]


def finished(trials):
    return [trial for trial in trials if trial.state in ("COMPLETE", "PRUNED")]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "qmc", "random"])
def test_a_resumed_sampler_replays_nothing(sweep, trials, sampler):
    for n_trials in (3, 6):
        sweep(LR, CLIP, f"sweep.sampler={sampler}", "sweep.pruner=none", "sweep.startup_trials=2",
              f"sweep.n_trials={n_trials}")  # fmt: skip
    assert len(set(chosen(trials()))) == len(trials()) == 6


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_an_interruption_changes_no_sample(sweep, trials, sampler):
    for n_trials in (2, 5):
        sweep(
            LR,
            CLIP,
            f"sweep.sampler={sampler}",
            "sweep.pruner=none",
            f"sweep.n_trials={n_trials}",
            name="parts",
        )
    sweep(LR, CLIP, f"sweep.sampler={sampler}", "sweep.pruner=none", "sweep.n_trials=5", name="whole")
    assert chosen(trials("parts")) == chosen(trials("whole"))


def test_a_grid_is_played_once_and_no_further(sweep, trials):
    sweep(*GRID, "sweep.n_trials=2")
    sweep(*GRID, "sweep.n_trials=100")
    assert len(trials()) == len(set(chosen(trials()))) == 6


def test_a_grid_leaves_out_what_does_not_exist(sweep, trials):
    sweep(
        "sweep=ppo_lr_schedule", "agent.lr=1e-3", "agent.lr_schedule.end_frac=0.1,0.2",
        "agent.lr_schedule.warmup_frac=0.0,0.1", "sweep.sampler=grid", "sweep.pruner=none",
    )  # fmt: skip
    # constant 1, linear 2, exponential 2, cosine 2 x 2
    assert len(trials()) == len(set(chosen(trials()))) == 9


def test_a_finished_sweep_trains_nothing_more(sweep, training, capsys):
    sweep(LR, "sweep.n_trials=2")
    run = training()
    assert sweep(LR, "sweep.n_trials=2", run=run) == 0
    assert run.seen == []
    assert "2 of 2 trials finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["env=heavy"], "env.duration_mode|env.num_bursts|env.name: was playbook, is heavy"),
        (["agent.total_steps=32768"], "agent.total_steps: was 3000000, is 32768"),
        (["sweep.sampler=random"], "sweep.sampler: was tpe, is random"),
        (
            ["agent.lr=interval(1e-4,1e-2)"],
            r"sweep.space.agent.lr: was tag\(log,interval\(1e-4,1e-2\)\), is interval",
        ),
        (["seed=2"], "seed: was 1, is 2"),
    ],
)
def test_other_settings_under_the_same_name_are_refused_key_by_key(sweep, training, changed, message):
    sweep(LR, "sweep.n_trials=1")
    run = training()
    with pytest.raises(SchedRLError, match=message) as error:
        sweep(LR, "sweep.n_trials=2", *changed, run=run)
    assert "sweep.name=NAME" in str(error.value)
    assert run.seen == []


@pytest.mark.parametrize(
    "changed", ["threads=2", "sweep.max_retries=0", "progress=plain", "sweep.heartbeat_s=5"]
)
def test_what_decides_no_result_may_change(sweep, trials, changed):
    sweep(LR, "sweep.n_trials=1")
    assert sweep(LR, "sweep.n_trials=2", changed) == 0
    assert len(trials()) == 2


def test_trials_of_another_storage_are_not_overwritten(sweep):
    sweep(LR, "sweep.n_trials=1")
    with pytest.raises(SchedRLError, match=r"holds 1 trials of a sweep that .*other\.db does not know"):
        sweep(LR, "sweep.n_trials=1", "sweep.storage=other.db")


def test_an_interrupted_trial_is_continued_and_counts_for_nothing_until_then(sweep, trials, training, capsys):
    calls = []

    def interrupt_the_second(command, folder):
        calls.append(folder)
        return {"exit_code": 130} if len(calls) == 2 else None

    assert sweep(LR, "sweep.n_trials=3", run=training(interrupt_the_second)) == 130
    out = capsys.readouterr().out
    assert "stopped; nothing is lost" in out
    assert "python -m sched_rl.train sweep=custom sweep.name=s" in out
    assert [trial.state for trial in trials()] == ["COMPLETE", "FAIL", "WAITING"]
    assert sweep(LR, "sweep.n_trials=3") == 0
    assert [trial.state for trial in trials()] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials()[2].params == trials()[1].params
    assert trials()[2].attrs["retry_of"] == 1


def test_a_crash_is_a_failure_with_its_message_and_the_sweep_goes_on(sweep, trials, training, tmp_path):
    def crash_once(command, folder):
        if command.config.trial.number == 1:
            raise RuntimeError("out of memory")

    assert sweep(LR, "sweep.n_trials=3", run=training(crash_once)) == 0
    assert [trial.state for trial in trials()] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials()[1].attrs["error"] == "RuntimeError: out of memory"
    assert trials()[1].values == ()
    assert "Traceback" in (tmp_path / "runs/sweeps/s/1/output.txt").read_text()


def test_a_value_that_is_no_number_is_never_told(sweep, trials, training):
    run = training(
        lambda command, folder: {"height": float("nan")} if command.config.trial.number == 0 else None
    )
    sweep(LR, "sweep.n_trials=1", "sweep.pruner=none", run=run)
    assert trials()[0].state == "FAIL"
    assert "eval_min_block_return is" in trials()[0].attrs["error"]


def test_failures_in_a_row_stop_the_sweep(sweep, trials, training):
    def fail(command, folder):
        raise RuntimeError("no space left")

    with pytest.raises(SchedRLError, match=r"the last 3 trials failed, .*no space left.*sweep.max_failures"):
        sweep(LR, "sweep.n_trials=9", "sweep.max_failures=3", run=training(fail))
    assert [trial.state for trial in trials()] == ["FAIL"] * 3
    assert sweep(LR, "sweep.n_trials=9", "sweep.max_failures=3") == 0, "mended, the sweep goes on"
    assert len(finished(trials())) == 9


def test_a_dead_trial_is_found_and_tried_again_a_bounded_number_of_times(sweep, trials, tmp_path):
    """Deaths are staged: a trial is asked for, and its heart stops an hour ago."""
    sweep(LR, "sweep.n_trials=1")
    file = tmp_path / "runs/sweeps/s/study.db"
    address = f"sqlite:///{file}"
    study = optuna.load_study(study_name="s", storage=open_storage(address))
    for death in range(3):
        trial = study.ask()
        trial.suggest_float("agent.lr", 1e-4, 1e-2, log=True)
        study._storage.record_heartbeat(trial._trial_id)
        with sqlite3.connect(file) as database:
            database.execute("update trial_heartbeats set heartbeat = datetime('now', '-1 hour')")
        fail_dead_trials(address, "s", heartbeat_s=1, max_retries=2)
        waiting = [each for each in trials() if each.state == "WAITING"]
        assert len(waiting) == (1 if death < 2 else 0)
    dead = trials()[1:]
    assert [trial.state for trial in dead] == ["FAIL"] * 3
    assert len({trial.params["agent.lr"] for trial in dead}) == 1
    assert [trial.attrs.get("retry_of") for trial in dead] == [None, 1, 2]


def test_a_trial_whose_process_is_gone_is_found_at_once(sweep, trials, tmp_path):
    """No minute of silence on the host that it died on; a live process and another host's are left alone."""
    sweep(LR, "sweep.n_trials=1")
    address = f"sqlite:///{tmp_path}/runs/sweeps/s/study.db"
    study = optuna.load_study(study_name="s", storage=open_storage(address))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid, host in ((gone.pid, None), (os.getpid(), None), (gone.pid, "elsewhere")):
        trial = study.ask()
        trial.suggest_float("agent.lr", 1e-4, 1e-2, log=True)
        claim(study, trial.number)
        trial.set_user_attr("pid", pid)
        if host is not None:
            trial.set_user_attr("process", {"host": host, "pid_space": ""})
    fail_dead_trials(address, "s", heartbeat_s=20, max_retries=2)
    assert [trial.state for trial in trials()] == ["COMPLETE", "FAIL", "RUNNING", "RUNNING", "WAITING"]
    assert trials()[4].attrs["retry_of"] == 1


def test_a_launcher_that_starts_nothing_ends_the_sweep(sweep, trials, monkeypatch):
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    def refuse(self, job_overrides, initial_job_idx):
        raise OSError("sbatch: command not found")

    with monkeypatch.context() as patch:
        patch.setattr(BasicLauncher, "launch", refuse)
        with pytest.raises(SchedRLError, match="could not start a trial: OSError: sbatch"):
            sweep(LR, "sweep.n_trials=3", "sweep.n_jobs=2")
    assert [trial.state for trial in trials()] == ["FAIL", "FAIL", "WAITING", "WAITING"]
    assert sweep(LR, "sweep.n_trials=3") == 0
    assert len(finished(trials())) == 3


def test_results_of_a_batch_survive_its_launcher(sweep, trials, monkeypatch, capsys):
    """A worker is killed after others of the batch have finished: the launcher raises, their results stay."""
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    whole, calls = BasicLauncher.launch, []

    def lose(self, job_overrides, initial_job_idx):
        calls.append(len(job_overrides))
        if len(calls) > 1:
            return whole(self, job_overrides, initial_job_idx)
        whole(self, job_overrides[:2], initial_job_idx)
        raise RuntimeError("a worker was killed")

    monkeypatch.setattr(BasicLauncher, "launch", lose)
    assert sweep(LR, "sweep.n_trials=4", "sweep.n_jobs=3") == 0
    assert [trial.state for trial in trials()] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials()[3].params == trials()[2].params
    assert calls == [3, 2]
    assert "the launcher gave up a batch: RuntimeError: a worker was killed" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "warned"), [("nfs4", True), ("ext4", False)])
def test_sqlite_on_a_network_file_system_gets_a_warning(sweep, tmp_path, monkeypatch, capsys, kind, warned):
    mounts = f"disk / ext4 rw 0 0\nserver:/home {tmp_path} {kind} rw 0 0\n"
    whole = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, **how: mounts if str(path) == "/proc/mounts" else whole(path, **how)
    )
    sweep(LR, "sweep.n_trials=1")
    assert ("lies on a network file system (nfs4)" in capsys.readouterr().err) == warned


def test_a_trial_that_was_given_up_stops_writing(sweep, trials, training):
    """The process was suspended, say; meanwhile its trial was failed and given to another."""

    def lose(command, folder):
        if command.config.trial.number == 0:
            study = optuna.load_study(study_name="s", storage=open_storage(command.config.trial.storage))
            study.tell(0, state=optuna.trial.TrialState.FAIL)

    run = training(lose)
    sweep(LR, "sweep.n_trials=1", run=run)
    assert [trial.state for trial in trials()] == ["FAIL", "COMPLETE"]
    assert "outcome" not in trials()[0].attrs


def test_of_two_workers_that_ask_at_once_the_first_stays(sweep, trials, tmp_path):
    """The second one looked before the first one's trial was there."""
    from unittest.mock import MagicMock

    from sweeps.sweeper import _Sweep

    sweep(LR, "sweep.n_trials=1")
    study = optuna.load_study(
        study_name="s", storage=open_storage(f"sqlite:///{tmp_path}/runs/sweeps/s/study.db")
    )
    plan = MagicMock(n_trials=2)
    plan.space.suggest.return_value, plan.space.overrides.return_value = {}, []
    one, other = (_Sweep(plan, study, *(MagicMock() for _ in range(3))) for _ in range(2))
    assert one._ask_one() is not None
    assert other._ask_one() is None
    assert trials()[2].attrs["surplus"] is True


KILLED = (
    *("sweep=custom", "sweep.name=killed", LR, "debug=smoke", "tracking=none", "sweep.n_trials=3", "seed=3"),
    *(
        "sweep.heartbeat_s=1",
        "sweep.pruner=none",
        "agent.total_steps=16384",
        "run.checkpoint_every_updates=4",
    ),
)


@pytest.fixture
def start(tmp_path):
    """Start the sweep in a process of its own, which does not outlive the test."""
    started = []

    def run(*overrides, stdout=subprocess.DEVNULL):
        command = [sys.executable, "-m", "sched_rl.train", *KILLED, *overrides]
        started.append(
            subprocess.Popen(command, cwd=tmp_path, stdout=stdout, stderr=subprocess.STDOUT, text=True)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for(what, process, seconds=280):
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, "the sweep ended too early"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.timeout(600)
def test_a_killed_sweep_finishes_with_exactly_its_trials(start, tmp_path, trials):
    folder = tmp_path / "runs/sweeps/killed"
    process = start()
    wait_for(lambda: any((folder / "1/checkpoints").glob("update*.pt")), process)
    process.kill()
    process.wait()
    assert [trial.state for trial in trials("killed")] == ["COMPLETE", "RUNNING"]
    first = (folder / "0/metrics.csv").read_bytes()

    again = start(stdout=subprocess.PIPE)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert [trial.state for trial in trials("killed")] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    dead, retried = trials("killed")[1:3]
    assert retried.params == dead.params
    assert (retried.attrs["retry_of"], retried.attrs["retries"]) == (1, 1)
    assert '"resume"' in (folder / "2/events.jsonl").read_text(), "it went on from the checkpoint"
    assert read_metrics(folder / "2")["update"].tolist() == list(range(65))
    assert (folder / "0/metrics.csv").read_bytes() == first
    assert "going on" in out


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_sweep_in_order(start, tmp_path, trials, number, code):
    process = start(stdout=subprocess.PIPE)
    folder = tmp_path / "runs/sweeps/killed/0"
    wait_for(lambda: (folder / "metrics.csv").is_file(), process)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == code
    assert "To go on:\n  python -m sched_rl.train sweep=custom sweep.name=killed" in out
    assert [trial.state for trial in trials("killed")] == ["FAIL", "WAITING"]
    assert trials("killed")[0].attrs["interrupted"] is True


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_worker_of_a_parallel_launcher_loses_only_its_own_trial(start, tmp_path, trials):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    parallel = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "sweep.n_jobs=2")
    process = start(*parallel, stdout=subprocess.PIPE)
    folder = tmp_path / "runs/sweeps/killed"
    wait_for(lambda: all((folder / f"{k}/metrics.csv").is_file() for k in (0, 1)), process)
    workers = {trial.attrs["pid"] for trial in trials("killed")}
    assert len(workers) == 2
    assert process.pid not in workers
    os.kill(min(workers), signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert "the launcher gave up a batch" in out
    assert len(finished(trials("killed"))) == 3
    dead = [trial for trial in trials("killed") if trial.state == "FAIL"]
    again = [trial for trial in trials("killed") if "retry_of" in trial.attrs]
    assert dead
    assert [trial.params for trial in again] == [trial.params for trial in dead]
