"""What an observer sees of a training, and what becomes of its answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sched_rl.config.load import load_config
from sched_rl.observers import Observation, Reaction, Stop
from sched_rl.trainer import TrainResult, train

TINY = [
    "debug=smoke",
    "agent.num_envs=4",
    "agent.rollout_steps=32",
    "agent.total_steps=768",
    "agent.num_minibatches=2",
    "eval.every_updates=2",
    "baselines=[]",
    "progress=plain",
    "tracking=none",
]


class Watcher:
    """Counts what it saw; asks for a stop at an update, if told to."""

    name = "watcher"

    def __init__(self, stop_at: int = -1, *, with_summary: bool = False) -> None:
        self.seen: list[Observation] = []
        self.count = 0
        self._stop = Stop("pruned", "the test says so", with_summary)
        self._stop_at = stop_at

    def observe(self, observation: Observation) -> Reaction | None:
        self.seen.append(observation)
        self.count += 1
        if observation.update != self._stop_at:
            return None
        return Reaction(
            notes=("a line for the person",),
            events=({"kind": "finding", "id": "test"},),
            stop=self._stop,
        )

    def state(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state(self, saved: dict[str, Any]) -> None:
        self.count = saved["count"]


def run(folder: Path, watcher: Watcher, *, resume: bool = False) -> TrainResult:
    config = load_config("train", TINY)
    return train(config, folder, folder if resume else None, [watcher])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_recorded_update_is_seen_with_its_evaluation(tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(tmp_path / "run", watcher)
    assert [seen.update for seen in watcher.seen] == list(range(7))
    assert [seen.evaluation is not None for seen in watcher.seen] == [True, False] * 3 + [True]
    for seen, row in zip(watcher.seen, rows(tmp_path / "run"), strict=True):
        assert seen.row["timesteps"] == seen.steps == int(row["timesteps"])
        if seen.evaluation is not None:
            assert seen.evaluation.min_block_return == float(row["eval_min_block_return"])
    bests = [seen.row["eval_min_block_return"] for seen in watcher.seen if seen.is_best]
    assert bests == sorted(bests)
    assert bests[-1] == result.best_min_block_return
    assert result.last_min_block_return == watcher.seen[-1].row["eval_min_block_return"]
    assert result.steps == 768
    assert result.stop is None


@pytest.mark.parametrize("with_summary", [False, True])
def test_a_stop_ends_the_run_in_order(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], with_summary: bool
) -> None:
    result = run(tmp_path / "run", Watcher(stop_at=2, with_summary=with_summary))
    assert result.stop == Stop("pruned", "the test says so", with_summary)
    assert (result.updates, result.exit_code, result.steps) == (2, 0, 256)
    assert len(rows(tmp_path / "run")) == 3
    printed = "".join(capfd.readouterr())
    assert "a line for the person" in printed
    assert ("run folder: " in printed) == with_summary
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    kinds = [event["kind"] for event in events]
    assert kinds == ["finding", "pruned", "end"]
    assert events[-1]["status"] == "FINISHED"


def test_a_resumed_run_hands_an_observer_its_state(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, Watcher(stop_at=2))
    resumed = Watcher()
    assert run(folder, resumed, resume=True).updates == 6
    assert [seen.update for seen in resumed.seen] == [3, 4, 5, 6]
    assert resumed.count == 3 + 4


def test_a_run_resumes_without_the_observer_that_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, Watcher(stop_at=2))
    config = load_config("train", TINY)
    assert train(config, folder, folder).updates == 6
