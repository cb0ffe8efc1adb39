from __future__ import annotations

import itertools

import pytest

from sched_rl.errors import RunFolderError
from sched_rl.tracking.description import metric_key, run_params, run_tags
from sched_rl.tracking.feed import FULL_RESOLUTION_UPDATES, RunFeed, is_shown

from .conftest import CONFIG, append


def drain(feed):
    rows = []
    while (row := feed.next_row()) is not None:
        rows.append(row)
    return rows


def test_the_feed_follows_a_growing_run(start):
    record = start()
    feed = RunFeed(record.folder, -1, 0)
    assert drain(feed) == []
    append(record, 1)
    append(record, 2)
    rows = drain(feed)
    assert [(row.update, row.step) for row in rows] == [(1, 512), (2, 1024)]
    values = dict(rows[1].values)
    assert values == {
        "update": 2.0,
        "timesteps": 1024.0,
        "lr": 1.5e-4,
        "loss": 0.2,
        "early_stop": 0.0,
        "timing/steps_per_s": 1002.0,
    }
    assert drain(feed) == []
    append(record, 3)
    assert [row.update for row in drain(feed)] == [3]


def test_what_is_logged_already_is_skipped_and_times_come_from_the_record(start):
    record = start()
    for update in range(1, 8):
        append(record, update)
    rows = drain(RunFeed(record.folder, 4, 0))
    assert [row.update for row in rows] == [5, 6, 7]
    assert rows == drain(RunFeed(record.folder, 4, 99))  # a row sent twice is the same row, time included
    assert rows[0].timestamp_ms > 1_700_000_000_000


def test_numbers_that_are_not_finite_never_reach_mlflow(start):
    record = start()
    record.append_metrics(
        {"update": 1, "timesteps": 1, "loss": float("nan"), "lr": float("inf"), "v_loss": 1.0}
    )
    record.append_timings({"update": 1, "steps_per_s": float("inf")})
    assert dict(drain(RunFeed(record.folder, -1, 0))[0].values) == {
        "update": 1.0,
        "timesteps": 1.0,
        "v_loss": 1.0,
    }


def test_missing_timings_cost_only_the_timings(start):
    record = start()
    for update in (1, 2, 3):
        record.append_metrics({"update": update, "timesteps": update})
        if update != 2:
            record.append_timings({"update": update, "steps_per_s": 1.0})
    rows = drain(RunFeed(record.folder, -1, 0))
    assert ["timing/steps_per_s" in dict(row.values) for row in rows] == [True, False, True]


def test_half_a_line_waits_for_its_rest(start):
    record = start()
    append(record, 1)
    feed = RunFeed(record.folder, -1, 0)
    path = record.folder / "metrics.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + b"2,102")
    assert [row.update for row in drain(feed)] == [1]
    path.write_bytes(whole + b"2,1024" + b"," * (whole.split(b"\n")[0].count(b",") - 1) + b"\n")
    assert [(row.update, row.step) for row in drain(feed)] == [(2, 1024)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2,3", "2 cells under"),
        ("x" + "," * 40, "not a whole number"),
        ("2,many" + "," * 39, "timesteps='many'"),
    ],
)
def test_malformed_rows_are_named(tmp_path, line, message):
    header = "update,timesteps" + "".join(f",c{i}" for i in range(39))
    (tmp_path / "metrics.csv").write_text(f"{header}\n{line}\n")
    (tmp_path / "timings.csv").write_text("update,unix_time_s\n")
    with pytest.raises(RunFolderError, match=rf"metrics\.csv:2: .*{message}"):
        drain(RunFeed(tmp_path, -1, 0))


def test_long_runs_thin_out_but_keep_every_evaluation():
    shown = [update for update in range(1, 1_000_001) if is_shown(update, has_evaluation=False)]
    assert shown[:FULL_RESOLUTION_UPDATES] == list(range(1, FULL_RESOLUTION_UPDATES + 1))
    assert len(shown) < 7_000
    gaps = [later - earlier for earlier, later in itertools.pairwise(shown)]
    assert max(gap / later for gap, later in zip(gaps, shown[1:], strict=True) if later > 1000) < 1 / 450
    assert is_shown(999_999, has_evaluation=True)


def test_params_are_the_overrides_that_would_set_them():
    params = run_params(CONFIG)
    assert params["agent.lr"] == "0.0003"
    assert params["agent.network.hidden_sizes"] == "[64, 64]"
    assert params["env.max_episode_time"] == "null"
    assert not any(key.startswith(("families", "tracking")) for key in params)
    assert len(run_params({"agent": {"text": "x" * 10_000}})["agent.text"]) == 6000


def test_tags_trace_a_run_back(tmp_path):
    provenance = {"git_commit": "c0ffee", "git_dirty": True, "versions": {"torch": "2.13"}, "seed": 3}
    tags = run_tags(CONFIG, provenance | {"tags": {"sweep_id": "s1", "secret": "http://u:pw@h"}}, tmp_path)
    assert tags["git_dirty"] == "true"
    assert tags["version.torch"] == "2.13"
    assert (tags["agent"], tags["env"], tags["seed"], tags["network"]) == ("ppo", "heavy", "3", "mlp")
    assert tags["sweep_id"] == "s1"
    assert tags["secret"] == "http://u:***@h"
    assert f"resume={tmp_path}" in tags["mlflow.note.content"]
    assert "config_digest" not in tags  # unknown, so not claimed


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("eval_block0_return", "eval_block0_return"),
        ("wait<60s (%)", "wait_60s ___"),
        ("größe", "gr__e"),
        ("a//b/", "a/b"),
        ("../../etc", "_../../etc"),
        ("/abs", "abs"),
        (".", "_."),
        ("", "_."),
        ("k" * 300, "k" * 250),
    ],
)
def test_keys_fit_mlflow(name, key):
    assert metric_key(name) == key
