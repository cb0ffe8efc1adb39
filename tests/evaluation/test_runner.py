from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.evaluation import runner
from sched_rl.evaluation.blocks import Block, make_blocks
from sched_rl.evaluation.runner import run_blocks
from sched_rl.evaluation.schedule_csv import HEADER, write_schedule_csv
from sched_rl.evaluation.selection import BestSoFar
from sched_rl.evaluation.summary import Evaluation, evaluate, evaluation_json
from sched_rl.schedulers.registry import build_scheduler


@pytest.fixture(scope="module")
def config():
    return load_config("train", ["agent=sjf", "env=playbook", "eval=playbook", "env.jobs_per_episode=60"])


@pytest.fixture(scope="module")
def evaluation(config):
    blocks = make_blocks(config.eval, config.env, {}, "val")
    return evaluate(build_scheduler(config.agent), blocks, {})


def test_splits_are_disjoint_and_where_the_protocol_puts_them(config):
    seeds = {
        split: [s for block in make_blocks(config.eval, config.env, {}, split) for s in block.seeds]
        for split in ("val", "promote", "report")
    }
    assert seeds["val"] == list(range(2000001, 2000061))
    assert seeds["promote"][0] == 7000001
    assert seeds["report"][0] == 12000001
    assert len(set(itertools.chain(*seeds.values()))) == 180


def test_family_blocks_hold_one_family_each():
    config = load_config("train", ["agent=sjf", "env=mixed", "eval=family_blocks"])
    blocks = make_blocks(config.eval, config.env, config.families, "val")
    assert [block.env.name for block in blocks] == list(config.eval.families)
    assert [block.name for block in blocks] == list(config.eval.families)


def test_the_grouping_of_episodes_does_not_change_them(config, evaluation, monkeypatch):
    monkeypatch.setattr(runner, "MAX_BATCH", 7)
    blocks = make_blocks(config.eval, config.env, {}, "val")
    regrouped = evaluate(build_scheduler(config.agent), blocks, {})
    for ours, theirs in zip(regrouped.episodes, evaluation.episodes, strict=True):
        assert list(ours.numbers) == list(theirs.numbers)
        np.testing.assert_equal(list(ours.numbers.values()), list(theirs.numbers.values()))
        np.testing.assert_array_equal(ours.schedule["start_s"], theirs.schedule["start_s"])


def test_block_returns_are_means_and_the_worst_block_is_the_smallest(evaluation):
    returns = np.array([episode.numbers["return"] for episode in evaluation.episodes]).reshape(3, 20)
    assert evaluation.block_returns == pytest.approx(returns.mean(axis=1))
    assert evaluation.min_block_return == min(evaluation.block_returns)
    assert evaluation.mean_return == pytest.approx(returns.mean())


def test_json_has_the_public_names(config, evaluation):
    document = evaluation_json(evaluation, agent="sjf", env="playbook", split="val")
    assert {"agent", "env", "split", "eval_mean_return", "eval_min_block_return", "eval_max_block_return",
            "fluid_bound_mean", "blocks", "episodes"} <= set(document)  # fmt: skip
    assert {"name", "mean_return"} <= set(document["blocks"][0])
    assert {"block", "seed", "return", "steps", "noop_steps", "noop_feasible_steps", "invalid_steps", "terminated",
            "end_time", "horizon", "fluid_bound"} <= set(document["episodes"][0])  # fmt: skip


def test_schedule_csv_lists_every_job_of_every_episode(tmp_path, evaluation):
    path = tmp_path / "schedule.csv"
    write_schedule_csv(path, evaluation.episodes)
    lines = path.read_text().splitlines()
    assert lines[0] == ",".join(HEADER) == "episode,job_id,submit_s,start_s,end_s,processors,requested_s"
    assert len(lines) == 1 + 60 * 60
    first = evaluation.episodes[0]
    row = lines[1].split(",")
    assert [int(row[0]), int(row[1])] == [0, 0]
    assert float(row[3]) == first.schedule["start_s"][0]
    assert float(row[4]) == first.schedule["start_s"][0] + first.schedule["duration_s"][0]


def test_every_job_starts_after_it_arrives_and_fits(evaluation):
    for episode in evaluation.episodes:
        jobs = episode.schedule
        started = ~np.isnan(jobs["start_s"])
        assert (jobs["start_s"][started] >= jobs["submit_s"][started]).all()
        events = [(s, g) for s, g in zip(jobs["start_s"][started], episode.gpus[started], strict=True)]
        events += [(s + d, -g) for (s, g), d in zip(events, jobs["duration_s"][started], strict=True)]
        busy = np.cumsum([change for _, change in sorted(events)])
        assert busy.max() <= 8


def test_waits_of_two_jobs_by_hand(config):
    """One GPU, two jobs at time 0: the second waits for the first."""
    env = dataclasses.replace(
        config.env, num_gpus=1, jobs_per_episode=2, arrival_mode="all_at_zero", max_episode_time=1e9
    )
    scheduler = build_scheduler(load_config("train", ["agent=fifo"]).agent)
    (episode,) = run_blocks(scheduler, [Block("b", env, (5,))], {})
    first_s, second_s = episode.schedule["duration_s"]
    numbers = episode.numbers
    assert numbers["mean_wait_s"] == pytest.approx(first_s / 2)
    assert numbers["max_wait_s"] == pytest.approx(first_s)
    assert numbers["mean_bounded_slowdown"] == pytest.approx((1 + (first_s + second_s) / second_s) / 2)
    assert numbers["utilization"] == pytest.approx(1.0)
    assert numbers["end_time"] == pytest.approx(first_s + second_s)
    assert numbers["throughput_jobs_per_hour"] == pytest.approx(2 * 3600 / (first_s + second_s))
    assert episode.by_width["1"]["jobs"] == 2


def test_an_unstarted_job_keeps_waiting_until_the_cut(config):
    env = dataclasses.replace(
        config.env, num_gpus=1, jobs_per_episode=2, arrival_mode="all_at_zero", max_episode_time=1.0
    )
    scheduler = build_scheduler(load_config("train", ["agent=fifo"]).agent)
    (episode,) = run_blocks(scheduler, [Block("b", env, (5,))], {})
    assert not episode.numbers["terminated"]
    assert episode.numbers["unstarted_jobs"] == 1
    assert episode.numbers["max_wait_s"] == pytest.approx(episode.schedule["duration_s"][0])


def test_deadline_family_counts_misses():
    config = load_config("train", ["agent=fifo", "env=deadline"])
    blocks = make_blocks(config.eval, config.env, {}, "val")
    (episode, *_) = run_blocks(build_scheduler(config.agent), blocks[:1], {})
    jobs = episode.schedule
    complete_s = jobs["start_s"] + jobs["duration_s"]
    assert episode.numbers["due_miss_frac"] == pytest.approx(np.mean(complete_s > jobs["due_s"]))


def test_selection_prefers_the_worst_block_then_the_mean():
    def result(*blocks):
        return Evaluation(("a", "b"), (), blocks)

    best = BestSoFar()
    assert best.offer(1, result(0.5, 0.7))
    assert not best.offer(2, result(0.4, 0.9))
    assert best.offer(3, result(0.8, 0.5))
    assert not best.offer(4, result(0.8, 0.5))
    assert not best.offer(5, result(float("nan"), 0.9))
    assert best.update == 3
    restored = BestSoFar()
    restored.load_state(best.state())
    assert restored == best
