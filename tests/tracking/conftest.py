"""Run folders as a training would leave them, and a store that need not be created anew for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sched_rl.config.schema import TrackingConfig
from sched_rl.tracking.columns import record_columns
from sched_rl.tracking.provenance import collect_provenance
from sched_rl.tracking.record import RunRecord

CONFIG = {
    "seed": 3,
    "run": {"name": None, "folder": None},
    "agent": {"kind": "ppo", "name": "ppo", "lr": 3e-4, "network": {"kind": "mlp", "hidden_sizes": [64, 64]}},
    "env": {"name": "heavy", "num_gpus": 8, "max_episode_time": None, "reward": {"progress_scale": 1.0}},
    "eval": {"name": "playbook"},
    "tracking": {"kind": "mlflow", "uri": None, "experiment": "tests"},
    "families": {"heavy": {"num_gpus": 8}},
}
BASELINES = {
    "sjf": {"eval_mean_return": 0.7, "eval_min_block_return": 0.6, "episodes": [{"seed": 1, "return": 0.7}]},
    "fifo": {"eval_mean_return": 0.5, "eval_min_block_return": None, "episodes": []},
}


@pytest.fixture
def columns():
    return record_columns(3, timings=["steps_per_s"], extra_evaluations=["mean_wait_s"])


def append(record: RunRecord, update: int) -> None:
    """The rows of one update: everything depends on the update alone, as after an exact resume."""
    row = {
        "update": update,
        "timesteps": update * 512,
        "lr": 3e-4 / update,
        "loss": 0.1 * update,
        "early_stop": False,
    }
    if update % 5 == 0:
        row |= {
            "eval_mean_return": update / 10,
            "eval_min_block_return": update / 20,
            "eval_block1_return": 1 / update,
        }
        record.append_evaluation(
            {"update": update, "block": block, "seed": 10 + block, "return": 0.1 * update, "terminated": True}
            | {
                "steps": 7,
                "noop_steps": 1,
                "noop_feasible_steps": 0,
                "invalid_steps": 0,
                "mean_wait_s": 1 / 3,
            }
            for block in range(3)
        )
    record.append_metrics(row)
    record.append_timings({"update": update, "steps_per_s": 1000.0 + update})


@pytest.fixture
def start(tmp_path, columns):
    """Starts a run in tmp_path/run (or another name) and gives its record; closes all records at the end."""
    records = []

    def make(name: str = "run", config=CONFIG, tags=None) -> RunRecord:
        record = RunRecord.create(tmp_path / name, columns)
        records.append(record)
        record.write_config(config)
        digests = {"seed": config["seed"], "threads": 1, "device": "cpu", "config_digest": "abc"}
        record.write_provenance(collect_provenance(**digests, data_digests={"trace": "d1"}, tags=tags))
        return record

    yield make
    for record in records:
        record.close()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    from sched_rl.tracking.mlflow_store import open_client

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{path}")
    return path


@pytest.fixture
def tracking(tmp_path, empty_store) -> TrackingConfig:
    """A tracking config with a sqlite store of its own."""
    path = tmp_path / "store" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(empty_store, path)
    return TrackingConfig(kind="mlflow", uri=f"sqlite:///{path}", experiment="tests")
