from __future__ import annotations

import contextlib
import csv
import errno
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched_rl.config.record import load_config_file
from sched_rl.errors import ConfigError, RunFolderError
from sched_rl.tracking.columns import record_columns
from sched_rl.tracking.reading import (
    final_status,
    read_baselines,
    read_config,
    read_evaluations,
    read_events,
    read_metrics,
    read_provenance,
)
from sched_rl.tracking.record import RunRecord, lock_folder
from sched_rl.tracking.tables import AppendOnlyFile

from .conftest import BASELINES, CONFIG, append

PUBLIC_COLUMNS = (
    "update timesteps mean_ep_return mean_ep_length num_episodes eval_mean_return eval_min_block_return "
    "eval_max_block_return eval_block0_return eval_block1_return invalid_frac noop_frac noop_feasible_frac "
    "eval_invalid_frac eval_noop_frac eval_noop_feasible_frac lr ent_coef approx_kl approx_kl_last approx_kl_mean "
    "approx_kl_max early_stop early_stop_epoch loss pg_loss v_loss entropy entropy_frac legal_actions_mean clipfrac "
    "v_clipfrac explained_variance grad_norm grad_clip_frac entropy_clamp_frac kl_to_best best_update"
)


def tables(folder):
    return {name: (folder / name).read_bytes() for name in ("metrics.csv", "evaluations.csv")}


def test_the_public_columns_come_first_and_in_order(tmp_path):
    columns = record_columns(2, extra_metrics=["best_update"])
    with RunRecord.create(tmp_path / "run", columns):
        assert (tmp_path / "run/metrics.csv").read_text() == PUBLIC_COLUMNS.replace(" ", ",") + "\n"
    with pytest.raises(RunFolderError, match=r"\['lr'\] are given twice"):
        record_columns(1, extra_metrics=["lr"])


def test_what_is_written_is_what_is_read(start):
    record = start()
    for update in range(1, 11):
        append(record, update)
    record.write_baselines(BASELINES)
    metrics = read_metrics(record.folder)
    assert metrics["update"].tolist() == list(range(1, 11))
    assert metrics["loss"].tolist() == [0.1 * update for update in range(1, 11)]
    assert np.isnan(metrics["grad_norm"]).all()
    assert np.flatnonzero(~np.isnan(metrics["eval_mean_return"])).tolist() == [4, 9]
    evaluations = read_evaluations(record.folder)
    assert evaluations["block"].tolist() == [0, 1, 2, 0, 1, 2]
    assert evaluations["seed"].dtype == np.int64
    assert evaluations["terminated"].dtype == np.bool_
    assert set(evaluations["mean_wait_s"]) == {1 / 3}
    assert read_baselines(record.folder) == BASELINES
    assert read_config(record.folder) == CONFIG
    assert read_provenance(record.folder)["data_digests"] == {"trace": "d1"}


@given(value=st.floats() | st.integers(-(2**63), 2**63 - 1))
def test_every_number_returns_exactly(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("run")
    with RunRecord.create(folder, record_columns(1)) as record:
        record.append_metrics(
            {"update": 1, "loss": value, "lr": np.float64(value), "v_loss": np.float32(0.1)}
        )
    metrics = read_metrics(folder)
    expected = np.array([float(value)])
    assert metrics["loss"].tobytes() == expected.tobytes() or (
        math.isnan(value) and np.isnan(metrics["loss"][0])
    )
    assert metrics["lr"].tobytes() == metrics["loss"].tobytes()
    assert metrics["v_loss"][0] == np.float32(0.1)


def test_csv_readers_and_block_names_agree(tmp_path, columns):
    with RunRecord.create(tmp_path, columns) as record:
        record.append_evaluation(
            [{"update": 1, "block": 'heavy, "odd"', "seed": 2**33 + 1, "terminated": False}]
        )
    with pytest.raises(RunFolderError, match=r"evaluations\.csv:2: steps=''"):
        read_evaluations(tmp_path)
    text = 'update,block,seed,family,wait_s\n1,"heavy, ""odd""",8589934593,,\n1,b,2,light,0.5\n'
    (tmp_path / "evaluations.csv").write_text(text)
    evaluations = read_evaluations(tmp_path)
    assert evaluations["block"].tolist() == ['heavy, "odd"', "b"]
    assert evaluations["seed"].tolist() == [2**33 + 1, 2]
    assert evaluations["family"].tolist() == ["", "light"]
    assert evaluations["wait_s"].tolist()[1] == 0.5


def test_rows_that_make_no_sense_are_refused(start):
    record = start()
    before = tables(record.folder)
    for row, message in (
        ({"update": 1, "grad_nrom": 1.0}, r"metrics\.csv: unknown columns \['grad_nrom'\]"),
        ({"loss": 1.0}, "a row without its update"),
        ({"update": 1, "loss": "two\nlines"}, "one line"),
        ({"update": 1, "loss": [1.0]}, "must be a number"),
    ):
        with pytest.raises(RunFolderError, match=message):
            record.append_metrics(row)
    assert tables(record.folder) == before


def test_a_resumed_run_has_the_tables_of_an_uninterrupted_one(start, columns):
    whole = start("whole")
    for update in range(1, 21):
        append(whole, update)
    broken = start("broken")
    for update in range(1, 14):
        append(broken, update)
        broken.event("finding", update, rule="collapse")
    broken.close()
    with RunRecord.reopen(broken.folder, columns, update=10) as resumed:
        assert [event["update"] for event in read_events(broken.folder)] == [*range(1, 11), 10]
        for update in range(11, 21):
            append(resumed, update)
    assert tables(broken.folder) == tables(whole.folder)
    assert len((broken.folder / "timings.csv").read_text().splitlines()) == 21


@pytest.mark.parametrize("name", ["metrics.csv", "timings.csv", "evaluations.csv", "events.jsonl"])
def test_a_torn_last_line_is_dropped_by_readers_and_by_a_resume(start, columns, name):
    record = start()
    for update in range(1, 7):
        append(record, update)
        record.event("finding", update)
    record.close()
    whole = (record.folder / name).read_bytes()
    (record.folder / name).write_bytes(whole + b'{"kind' if name == "events.jsonl" else whole + b"7,3.")
    assert read_metrics(record.folder)["update"].tolist() == list(range(1, 7))
    assert len(read_evaluations(record.folder)["update"]) == 3
    assert len(read_events(record.folder)) == 6
    with RunRecord.reopen(record.folder, columns, update=6):
        assert (record.folder / name).read_bytes().startswith(whole)
        rest = (record.folder / name).read_bytes()[len(whole) :]
        assert rest == b"" or json.loads(rest)["kind"] == "resume"


def test_a_resume_that_cannot_be_exact_is_refused_and_changes_nothing(start, columns):
    record = start()
    for update in range(1, 9):
        append(record, update)
    record.close()
    before = {path.name: path.read_bytes() for path in record.folder.iterdir()}
    for given_columns, update, message in (
        (columns, 9, r"ends at update 8, the checkpoint is of update 9"),
        (record_columns(2, timings=["steps_per_s"]), 8, r"metrics\.csv:1: the columns are not those"),
        (record_columns(3, timings=[]), 8, r"timings\.csv:1: the columns"),
    ):
        with pytest.raises(RunFolderError, match=message):
            RunRecord.reopen(record.folder, given_columns, update)
        assert {path.name: path.read_bytes() for path in record.folder.iterdir()} == before
    with open(record.folder / "evaluations.csv", "a") as file:
        file.write("x,0\n")
    with pytest.raises(RunFolderError, match=r"evaluations\.csv:5: update='x'"):
        RunRecord.reopen(record.folder, columns, 5)
    assert (record.folder / "metrics.csv").read_bytes() == before["metrics.csv"]


def test_two_processes_never_write_one_folder(start, columns):
    record = start()
    code = (
        "import sys; from pathlib import Path; from sched_rl.tracking.record import lock_folder\n"
        "from sched_rl.errors import RunFolderError\n"
        "try: lock_folder(Path(sys.argv[1]))\n"
        "except RunFolderError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, record.folder], capture_output=True, text=True, check=True
    )
    assert "another process is writing this run" in said.stdout
    record.close()
    lock_folder(record.folder).release()
    with pytest.raises(
        RunFolderError, match=r"holds a run already \(provenance\.json\); continue it with resume="
    ):
        RunRecord.create(record.folder, columns)


def test_what_is_no_run_folder_says_so(tmp_path, columns):
    with pytest.raises(RunFolderError, match="no such run folder"):
        RunRecord.reopen(tmp_path / "absent", columns, 1)
    with pytest.raises(RunFolderError, match=r"metrics\.csv: no such file; is .* a run's folder"):
        RunRecord.reopen(tmp_path, columns, 1)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot be made"):
        RunRecord.create(tmp_path / "file" / "run", columns)


KILLED = """
import sys
from pathlib import Path
from sched_rl.tracking.columns import record_columns
from sched_rl.tracking.record import RunRecord
record = RunRecord.create(Path(sys.argv[1]), record_columns(3))
print("writing", flush=True)
for update in range(1, 10**9):
    record.append_metrics({"update": update, "loss": 1 / update})
    record.append_evaluation({"update": update, "block": b} for b in range(60))
    record.event("finding", update)
"""


def test_a_kill_leaves_whole_lines_and_a_folder_to_reopen(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "run"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    process.kill()
    process.wait()
    process.stdout.close()
    last = 0
    for name in ("metrics.csv", "evaluations.csv", "events.jsonl"):
        content = (tmp_path / "run" / name).read_bytes()
        assert content.endswith(b"\n")
        last = max(last, content.count(b"\n") - 1)
    with RunRecord.reopen(tmp_path / "run", record_columns(3), 5):
        assert len(read_metrics(tmp_path / "run")["update"]) == 5
    assert last > 100


def test_a_full_disk_leaves_whole_rows_and_says_what_to_do(tmp_path, monkeypatch):
    file = AppendOnlyFile(tmp_path / "t.csv")
    file.append(b"whole\n")
    real = os.write
    answers = iter([lambda fd, data: real(fd, data[:3]), None])

    def nearly_full(descriptor, data):
        answer = next(answers)
        if answer is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return answer(descriptor, data)

    monkeypatch.setattr(os, "write", nearly_full)
    with pytest.raises(RunFolderError, match=r"No space left on device.*make room"):
        file.append(b"another\n")
    monkeypatch.undo()
    assert (tmp_path / "t.csv").read_bytes() == b"whole\n"
    file.append(b"another\n")
    file.close()
    assert (tmp_path / "t.csv").read_bytes() == b"whole\nanother\n"


def test_numbers_that_json_lacks_become_null(start):
    record = start()
    record.event("guard", 3, value=float("nan"), array=np.array([1.0, np.inf]), count=np.int64(2))
    record.write_baselines({"sjf": {"p95_wait_s": float("inf")}})
    event = read_events(record.folder)[0]
    assert (event["value"], event["array"], event["count"]) == (None, [1.0, None], 2)
    assert json.loads((record.folder / "baselines.json").read_text()) == {"sjf": {"p95_wait_s": None}}


def test_the_config_keeps_its_numbers_and_loses_its_passwords(start):
    config = CONFIG | {
        "agent": {"lr": 1e-05, "big": 1e22, "tiny": 5e-324, "limit": float("inf"), "sizes": (1, 2)},
        "tracking": {"uri": "postgresql://user:secret@host/db?token=abc", "experiment": "x: y"},
    }
    folder = start(config=config).folder
    assert "secret" not in (folder / "config.yaml").read_text()
    assert "abc" not in (folder / "config.yaml").read_text()
    read = read_config(folder)
    assert read["agent"] == config["agent"] | {"sizes": [1, 2]}
    assert read["tracking"]["uri"] == "postgresql://user:***@host/db?token=***"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [1]\nb: *a\n", "aliases are not allowed"),
        ("a: [", "cannot be read as YAML"),
        ("- 1\n", "holds no configuration"),
        ("a: !!python/object/apply:os.system ['true']\n", "cannot be read as YAML"),
        ("a: " + "x" * 2_000_000, "over 1,000,000 bytes"),
        ("[" * 900_000, "nested deeper than 30 levels"),
        ("a: \x00", "cannot be read as YAML"),
    ],
)
def test_a_hostile_config_is_refused(tmp_path, text, message):
    """By both of its readers: the one of run folders and the one of resume= and checkpoint=."""
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        read_config(tmp_path)
    with pytest.raises(ConfigError, match=message):
        load_config_file(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: no header"),
        ("\n", ":1: no header"),
        ("update,update\n1,2\n", ":1: a column appears twice"),
        ("loss\n1\n", ":1: no column update; the columns are loss"),
        ("update,loss\n1,2\n2\n", ":3: 1 cells under 2 columns"),
        ("update,loss\n1,abc\n", ":2: loss='abc': not a number"),
        ("update,loss\n1,1_0\n", ":2: loss='1_0': not a number"),
        ('update,loss\n1,"2\n', ":2: not CSV"),
        ("update,loss\n1,\udcff\n", ":2: not CSV"),
        ("update,loss\n1," + "9" * 200_000 + "\n", ":2: not CSV"),
    ],
)
def test_malformed_metrics_are_refused_with_file_and_line(tmp_path, text, message):
    (tmp_path / "metrics.csv").write_text(text, errors="surrogateescape")
    with pytest.raises(RunFolderError, match=r"metrics\.csv" + message):
        read_metrics(tmp_path)


def test_a_csv_from_elsewhere_is_read_to_its_end(tmp_path):
    (tmp_path / "other.csv").write_bytes(b"\xef\xbb\xbfupdate,loss\r\n1,0.5\r\n2,")
    metrics = read_metrics(tmp_path / "other.csv")
    assert metrics["update"].tolist() == [1.0, 2.0]
    assert np.isnan(metrics["loss"][1])
    (tmp_path / "header.csv").write_bytes(b"update,loss\n")
    assert read_metrics(tmp_path / "header.csv")["loss"].shape == (0,)


@given(content=st.binary(max_size=60))
def test_no_bytes_make_a_reader_raise_anything_else(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("metrics.csv", "evaluations.csv"):
        (folder / name).write_bytes(b"update,block,terminated,loss\n1,0,1,2\n" + content + b"\n")
    for name in ("events.jsonl", "config.yaml", "baselines.json", "provenance.json"):
        (folder / name).write_bytes(content + b"\n")
    readers = (read_metrics, read_evaluations, read_events, read_config, read_baselines, read_provenance)
    for read in (*readers, final_status):
        with contextlib.suppress(RunFolderError):
            read(folder)


def test_how_a_run_ended(start, columns):
    record = start()
    assert final_status(record.folder) == "KILLED"
    append(record, 1)
    record.end("FINISHED", 1)
    assert final_status(record.folder) == "FINISHED"
    record.close()
    with RunRecord.reopen(record.folder, columns, 1) as resumed:
        assert final_status(record.folder) == "KILLED"
        resumed.end("FAILED", 1)
    assert final_status(record.folder) == "FAILED"


def test_the_csv_module_reads_the_same(start):
    record = start()
    append(record, 5)
    with open(record.folder / "evaluations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mean_wait_s"] for row in rows] == [repr(1 / 3)] * 3
