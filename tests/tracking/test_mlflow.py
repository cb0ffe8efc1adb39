from __future__ import annotations

import collections
import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sched_rl.checkpoint import CheckpointStore
from sched_rl.errors import TrackingError
from sched_rl.tracking.__main__ import main
from sched_rl.tracking.mlflow_run import MlflowRun
from sched_rl.tracking.mlflow_store import StoreBusyError, check_not_busy, open_client, resolve_uri
from sched_rl.tracking.mlflow_writer import MlflowWriter, NullWriter, open_writer
from sched_rl.tracking.record import RunRecord

from .conftest import BASELINES, CONFIG, append


def rows_of(uri, run_id):
    """All metric rows of a run as (key, step, value), straight from the database."""
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        rows = connection.execute(
            "SELECT key, step, value FROM metrics WHERE run_uuid = ?", [run_id]
        ).fetchall()
    connection.close()
    return sorted(rows)


def without_timings(rows):
    return [row for row in rows if not row[0].startswith("timing/")]


def runs_of(uri):
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        found = connection.execute("SELECT run_uuid, status FROM runs").fetchall()
    connection.close()
    return found


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_run_arrives_whole(start, tracking):
    record = start(tags={"sweep_id": "s1"})
    writer = open_writer(tracking, record.folder)
    record.write_baselines(BASELINES)
    for update in range(1, 61):
        append(record, update)
    store = CheckpointStore(record.checkpoints)
    store.save_best(55, {"x": 1})
    store.save_periodic(60, {"x": 2})
    assert writer.run_id is not None
    writer.set_tags({"verdict": "good"})
    record.end("FINISHED", 60)
    writer.finish("FINISHED")

    client = open_client(tracking.uri)
    run = client.get_run(writer.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "ppo heavy seed=3"
    assert run.data.params["agent.lr"] == "0.0003"
    assert run.data.tags.items() >= {"agent": "ppo", "sweep_id": "s1", "verdict": "good"}.items()
    assert run.data.metrics["baseline.sjf.eval_min_block_return"] == 0.6
    assert "baseline.fifo.eval_min_block_return" not in run.data.metrics
    losses = client.get_metric_history(writer.run_id, "loss")
    assert [(metric.step, metric.value) for metric in losses] == [(512 * u, 0.1 * u) for u in range(1, 61)]
    assert len(client.get_metric_history(writer.run_id, "eval_mean_return")) == 12
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(Path(tracking.uri.removeprefix("sqlite:///")).parent / "mlartifacts")
    assert {file.path for file in client.list_artifacts(writer.run_id)} >= {
        "config.yaml",
        "metrics.csv",
        "checkpoints",
    }
    assert (artifacts / "checkpoints/best_00000055.pt").read_bytes() == store.best_path().read_bytes()
    assert (artifacts / "checkpoints/update_00000060.pt.sha256").exists()


def test_a_missing_library_is_refused_at_once(start, tracking, monkeypatch):
    monkeypatch.setattr("sched_rl.tracking.mlflow_store.find_spec", lambda name: None)
    with pytest.raises(TrackingError, match="MLflow is not installed; use tracking=none"):
        open_writer(tracking, start().folder)


def test_a_resumed_run_continues_the_same_run_without_doubles(start, tracking, columns):
    whole = start("whole")
    writer = open_writer(tracking, whole.folder)
    for update in range(1, 31):
        append(whole, update)
    writer.finish("FINISHED")

    broken = start("broken")
    killed = open_writer(tracking, broken.folder)
    for update in range(1, 24):
        append(broken, update)
        if update == 17:
            assert killed.run_id is not None  # all rows so far are there, the later ones may be
    broken.close()
    with RunRecord.reopen(broken.folder, columns, update=20) as record:
        resumed = open_writer(tracking, broken.folder)
        assert resumed.run_id == killed.run_id
        for update in range(21, 31):
            append(record, update)
        resumed.finish("FINISHED")
    ours, theirs = (rows_of(tracking.uri, run.run_id) for run in (resumed, writer))
    assert without_timings(ours) == without_timings(theirs)
    assert max(collections.Counter((key, step) for key, step, _ in ours).values()) == 1
    assert len(runs_of(tracking.uri)) == 2


def test_a_kill_before_the_id_was_noted_makes_no_second_run(start, tracking):
    record = start()
    first = open_writer(tracking, record.folder)
    assert first.run_id is not None
    (record.folder / "tracking.json").unlink()
    assert open_writer(tracking, record.folder).run_id == first.run_id


def test_a_run_deleted_from_the_store_is_made_anew_and_filled(start, tracking):
    record = start()
    first = open_writer(tracking, record.folder)
    append(record, 1)
    assert first.run_id is not None
    open_client(tracking.uri).delete_run(first.run_id)
    second = open_writer(tracking, record.folder)
    assert second.run_id != first.run_id
    assert without_timings(rows_of(tracking.uri, second.run_id)) == without_timings(
        rows_of(tracking.uri, first.run_id)
    )


def test_changed_params_are_noted_not_overwritten(start, tracking):
    record = start()
    writer = open_writer(tracking, record.folder)
    assert writer.run_id is not None
    changed = CONFIG | {"agent": CONFIG["agent"] | {"lr": 1e-4, "new": 1}}
    record.write_config(changed)
    assert open_writer(tracking, record.folder).run_id == writer.run_id
    data = open_client(tracking.uri).get_run(writer.run_id).data
    assert (data.params["agent.lr"], data.params["agent.new"]) == ("0.0003", "1")
    assert data.tags["changed_params"] == "agent.lr: 0.0003 -> 0.0001"


def test_a_request_that_arrived_although_it_seemed_to_fail_is_not_doubled(start, tracking, monkeypatch):
    record = start()
    run = MlflowRun(record.folder, tracking.uri, tracking.experiment)
    run.connect()
    for update in range(1, 11):
        append(record, update)
    real = run._client.log_batch

    def times_out(*arguments, **keywords):
        real(*arguments, **keywords)
        raise ConnectionError("read timed out")

    monkeypatch.setattr(run._client, "log_batch", times_out)
    with pytest.raises(TrackingError, match="read timed out"):
        run.send()
    monkeypatch.undo()
    assert run.send() == 10
    counts = collections.Counter((key, step) for key, step, _ in rows_of(tracking.uri, run.run_id))
    assert len(counts) > 50
    assert set(counts.values()) == {1}


def test_a_slow_store_gets_a_twentieth_of_the_time(start, tracking, monkeypatch):
    record, clock = start(), Clock()
    run = MlflowRun(record.folder, tracking.uri, tracking.experiment)
    writer = MlflowWriter(run, clock)
    real, requests = run._client.log_batch, []

    def slow(*arguments, **keywords):
        clock.now += 3
        requests.append(clock.now)
        real(*arguments, **keywords)

    monkeypatch.setattr(run._client, "log_batch", slow)
    update = 0
    while clock.now < 600:
        update += 1
        clock.now += 1
        append(record, update)
        writer.flush()
    assert 3 * len(requests) < 0.1 * 600
    writer.finish("FINISHED")
    assert len({step for _, step, _ in rows_of(tracking.uri, writer.run_id)}) == update


def test_a_locked_store_holds_nothing_up_and_nothing_is_lost(start, tracking, caplog):
    record, clock = start(), Clock()
    writer = MlflowWriter(MlflowRun(record.folder, tracking.uri, tracking.experiment), clock)
    locker = sqlite3.connect(tracking.uri.removeprefix("sqlite:///"), isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    for update in range(1, 11):
        clock.now += 3
        append(record, update)
        writer.flush()
    assert time.monotonic() - started < 5
    assert caplog.records == []  # 30 s are a passing lock, not worth a word
    clock.now += 100
    writer.flush()
    assert ["locked" in message for message in caplog.messages] == [True]
    locker.execute("ROLLBACK")
    locker.close()
    clock.now += 1000
    writer.flush()
    assert len({step for _, step, _ in rows_of(tracking.uri, writer.run_id)}) == 10
    writer.finish("FINISHED")
    assert len(caplog.records) == 1


def test_a_server_that_is_down_costs_a_warning_and_an_import_mends_it(
    start, tracking, caplog, capsys, columns
):
    config = CONFIG | {"tracking": {"uri": "http://user:secret@127.0.0.1:9", "experiment": "tests"}}
    record, clock = start(config=config), Clock()
    down = dataclasses.replace(tracking, uri="http://user:secret@127.0.0.1:9")
    run = MlflowRun(record.folder, down.uri, down.experiment)
    started = time.monotonic()
    writer = MlflowWriter(run, clock)
    for update in range(1, 50):
        append(record, update)
        clock.now += 0.5
        writer.flush()
    record.end("FINISHED", 49)
    writer.finish("FINISHED")
    assert time.monotonic() - started < 30
    assert writer.run_id is None
    first, last = caplog.messages
    assert "127.0.0.1:9: [Errno 111] Connection refused. " in first
    assert "Training goes on; its rows stay in" in first
    assert f"python -m sched_rl.tracking import {record.folder}" in last
    assert "secret" not in caplog.text
    record.close()

    assert main(["import", str(record.folder), f"uri={tracking.uri}"]) == 0
    assert "49 new rows" in capsys.readouterr().out
    ((run_id, status),) = runs_of(tracking.uri)
    assert status == "FINISHED"
    before = rows_of(tracking.uri, run_id)
    assert main(["import", str(record.folder), f"uri={tracking.uri}"]) == 0
    assert "0 new rows" in capsys.readouterr().out
    assert rows_of(tracking.uri, run_id) == before
    assert len(runs_of(tracking.uri)) == 1
    with RunRecord.reopen(record.folder, columns, 49) as resumed:
        append(resumed, 50)
    assert main(["import", str(record.folder), f"uri={tracking.uri}"]) == 0
    assert "1 new rows" in capsys.readouterr().out
    assert [status for _, status in runs_of(tracking.uri)] == ["KILLED"]


def test_imports_that_cannot_be_done_end_with_one_line_and_code_2(start, tmp_path, capsys):
    record = start()
    for arguments, message in (
        (["import"], "name at least one run folder"),
        (["export", "x"], "unknown command 'export'"),
        (["import", str(tmp_path / "absent")], "config.yaml: no such file"),
        (["import", str(record.folder)], "another process is writing this run"),
        (["import", str(record.folder), "experimnt=x"], "config.yaml: no such file"),
    ):
        if message.startswith("config.yaml") and len(arguments) == 3:
            record.close()
            arguments.remove(str(record.folder))
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.startswith("error: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:///tmp/mlruns", "no such store; use sqlite:///"),
        ("./mlruns", "no such store"),
        ("sqlite://", "store in memory"),
        ("sqlite:///:memory:", "store in memory"),
        ("redis://user:secret@host", r"redis://user:\*\*\*@host: MLflow has no such store"),
        ("postgresql://user:***@host/db", "records hide the password"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused_before_training(start, tracking, uri, message):
    with pytest.raises(TrackingError, match=message):
        open_writer(dataclasses.replace(tracking, uri=uri), start().folder)


def test_where_runs_go_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolve_uri(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolve_uri("sqlite:///a/b.db") == f"sqlite:///{tmp_path}/a/b.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert resolve_uri(None) == "http://127.0.0.1:5000"


def test_a_resumed_run_goes_on_in_its_store_from_any_directory(start, tracking, tmp_path, monkeypatch):
    record = start()
    first = open_writer(tracking, record.folder)
    assert first.run_id is not None
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = open_writer(dataclasses.replace(tracking, uri=None), record.folder)
    assert second.run_id == first.run_id
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_deleted_experiment_is_told_and_training_goes_on(start, tracking, caplog):
    client = open_client(tracking.uri)
    client.delete_experiment(client.create_experiment("tests"))
    writer = open_writer(tracking, start().folder)
    assert writer.run_id is None
    assert "tracking.experiment=tests: deleted" in caplog.text


def test_no_tracking_is_no_tracking(start, tracking):
    record = start()
    writer = open_writer(dataclasses.replace(tracking, kind="none"), record.folder)
    assert isinstance(writer, NullWriter)
    writer.set_tags({})
    writer.finish("FINISHED")
    assert not (record.folder / "tracking.json").exists()


def test_a_damaged_store_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(TrackingError, match="file is not a database"):
        check_not_busy(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(TrackingError, match=r"mlflow\.db"):
        open_client(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_busy_store_is_known_within_a_second(tracking):
    locker = sqlite3.connect(tracking.uri.removeprefix("sqlite:///"), isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(StoreBusyError, match="locked"):
        check_not_busy(tracking.uri)
    assert time.monotonic() - started < 2
    locker.close()


STARTER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from sched_rl.config.schema import TrackingConfig
    from sched_rl.tracking.columns import record_columns
    from sched_rl.tracking.mlflow_writer import open_writer
    from sched_rl.tracking.provenance import collect_provenance
    from sched_rl.tracking.record import RunRecord
    from sched_rl.tracking.mlflow_store import import_mlflow
    number = sys.argv[1]
    import_mlflow()
    print("ready", flush=True)
    sys.stdin.readline()
    with RunRecord.create(Path("runs") / number, record_columns(1)) as record:
        record.write_config({"seed": int(number), "agent": {"name": "ppo"}, "env": {"name": "heavy"}})
        record.write_provenance(collect_provenance(seed=1, threads=1, device="cpu", config_digest="d"))
        writer = open_writer(TrackingConfig(kind="mlflow", uri=None, experiment="e"), record.folder)
        for update in range(1, 101):
            record.append_metrics({"update": update, "timesteps": update, "loss": 1.0})
            record.append_timings({"update": update})
        writer.finish("FINISHED")
""")


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from sched_rl.config.schema import TrackingConfig
    from sched_rl.tracking.columns import record_columns
    from sched_rl.tracking.mlflow_writer import open_writer
    from sched_rl.tracking.provenance import collect_provenance
    from sched_rl.tracking.record import RunRecord
    record = RunRecord.create(Path("run"), record_columns(1))
    record.write_config({"seed": 1, "agent": {"name": "ppo"}, "env": {"name": "heavy"}})
    record.write_provenance(collect_provenance(seed=1, threads=1, device="cpu", config_digest="d"))
    open_writer(TrackingConfig(kind="mlflow", uri=sys.argv[1], experiment="e"), record.folder)
    record.append_metrics({"update": 1, "timesteps": 64, "loss": 1.0})
    os.kill(os.getpid(), signal.SIGKILL)
""")


def test_a_killed_run_is_completed_as_killed(tmp_path, tracking):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", KILLED, tracking.uri], cwd=tmp_path, env=environment)
    assert ended.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while [status for _, status in runs_of(tracking.uri)] != ["KILLED"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ((run_id, _),) = runs_of(tracking.uri)
    assert ("loss", 64, 1.0) in rows_of(tracking.uri, run_id)


def start_together(folder, count):
    """Start processes on a folder without a store, at the same moment; returns their (exit code, stderr)."""
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(i)], cwd=folder, env=environment, text=True, **pipes
        )
        for i in range(count)
    ]
    for starter in starters:
        starter.stdout.readline()
    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    ends = [(starter, starter.communicate()) for starter in starters]
    return [(starter.returncode, stderr) for starter, (_, stderr) in ends]


@pytest.mark.slow
def test_eight_starters_on_a_fresh_store_all_live_and_say_nothing(tmp_path):
    count = 8
    assert start_together(tmp_path, count) == [(0, "")] * count
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    runs = runs_of(uri)
    assert [status for _, status in runs] == ["FINISHED"] * count
    for run_id, _ in runs:
        assert len([key for key, _, _ in rows_of(uri, run_id) if key == "loss"]) == 100
    assert {path.name for path in tmp_path.iterdir()} == {
        "mlflow.db",
        "mlflow.db.lock",
        "mlartifacts",
        "runs",
    }


def test_a_folder_with_odd_characters_holds_a_store(tmp_path):
    folder = tmp_path / "a b=c,(d) 50% ö"
    folder.mkdir()
    open_client(f"sqlite:///{folder}/mlflow.db")
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
