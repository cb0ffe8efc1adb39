"""`env=trace` and its relatives from the outside: splits, honest training, estimates, what a command line may ask."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from sched_rl.config.convert import config_to_dict
from sched_rl.config.load import load_config
from sched_rl.config.record import config_from_dict, digested
from sched_rl.errors import ConfigError, WorkloadError
from sched_rl.evaluation.blocks import make_blocks, split_name
from sched_rl.evaluation.schedule_csv import write_schedule_csv
from sched_rl.evaluation.summary import evaluate, evaluation_json
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.seeding import TRAINING_SEED_LOW
from sched_rl.simulator.textbook import replay
from sched_rl.workloads.site_source import (
    check_site,
    check_untrained,
    site_report,
    site_source,
    training_places,
)

from .sites import random_jobs, site_env, write_trace


@pytest.fixture(scope="module")
def jobs():
    return random_jobs(120, 8, seed=1)


@pytest.fixture(scope="module")
def trace(jobs, tmp_path_factory):
    return write_trace(tmp_path_factory.mktemp("trace") / "small.swf", jobs, 8)


def overrides(trace, *more):
    return [f"env.trace.path={trace}", "env.trace.count=12", *more]


def test_splits_share_no_job_and_keep_the_order_of_time(trace):
    env = site_env(*overrides(trace))
    source, spans = site_source(env), {}
    for split in ("val", "promote", "report"):
        places = source.places(split, 7)
        spans[split] = (min(places), max(places) + 12)
    training = training_places(env.trace, 120)
    spans["train"] = (int(training.min()), int(training.max()) + 12)
    assert spans == {"train": (0, 48), "val": (48, 72), "promote": (72, 96), "report": (96, 120)}
    drawn = {source.sequence(TRAINING_SEED_LOW + seed).start for seed in range(600)}
    assert drawn == set(training.tolist())


def test_training_keeps_clear_of_the_sequences_that_are_named(trace):
    env = site_env(*overrides(trace, "env.trace.starts=[20,60]"))
    places = training_places(env.trace, 120)
    for start in (20, 60):
        assert not ((places < start + 12) & (places + 12 > start)).any()
    assert {0, 8, 32, 48, 72, 108} <= set(places.tolist())
    with pytest.raises(
        WorkloadError, match=r"env\.trace\.train_jobs=\[0,40\]: holds jobs of evaluated sequences"
    ):
        check_site(
            site_env(*overrides(trace, "env.trace.starts=[20]", "env.trace.train_jobs=[0,40]")), trains=True
        )
    with pytest.raises(WorkloadError, match="no 12 jobs in a row are left to train on"):
        check_site(site_env(*overrides(trace, "env.trace.starts=[5,25,45,65,85,105]")), trains=True)


def test_a_policy_is_not_judged_on_what_it_was_trained_on(trace):
    trained = site_env(*overrides(trace))
    check_untrained(site_env(*overrides(trace, "env.trace.starts=[48]")), trained)
    with pytest.raises(WorkloadError, match="the policy was trained on job 48 and 0 more"):
        check_untrained(site_env(*overrides(trace, "env.trace.starts=[47]")), trained)
    check_untrained(site_env("env=lublin"), trained)


@pytest.mark.parametrize("mode", ["strict", "greedy", "easy", "conservative"])
def test_an_evaluation_is_the_textbooks_with_true_run_times_and_estimates(trace, jobs, mode, tmp_path):
    config = load_config(
        "evaluate",
        ["agent=saf", f"agent.mode={mode}", "env=trace", *overrides(trace, "env.trace.starts=[30,7]")],
    )
    blocks = make_blocks(config.eval, config.env, {}, "val")
    evaluation = evaluate(build_scheduler(config.agent), blocks, {})
    shown = json.loads(json.dumps(evaluation_json(evaluation, agent="saf", env="trace", split="val")))
    assert [block["name"] for block in shown["blocks"]] == ["starts"]
    assert [split_name(config.env, split) for split in ("val", "report")] == ["starts", "starts"]
    write_schedule_csv(tmp_path / "s.csv", evaluation.episodes)
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    for number, start in enumerate((30, 7)):
        part = jobs[start : start + 12]
        columns = [np.array([job[name] for job in part]) for name in ("submit", "run", "requested", "procs")]
        expected = replay(*columns, 8, "saf", mode)
        mine = [row for row in rows if row["episode"] == str(number)]
        assert [float(row["start_s"]) for row in mine] == expected.tolist()
        assert [float(row["end_s"]) for row in mine] == (expected + columns[1]).tolist()
        assert [int(row["job_id"]) for row in mine] == list(range(start + 1, start + 13))
        assert [float(row["requested_s"]) for row in mine] == columns[2].tolist()
        episode = shown["episodes"][number]
        assert (episode["start"], episode["terminated"]) == (start, True)
        assert episode["return"] == pytest.approx(-episode["mean_bounded_slowdown"])
        span = (expected + columns[1]).max() - columns[0][0]
        assert episode["utilization"] == pytest.approx((columns[1] * columns[3]).sum() / (8 * span))
        assert episode["makespan_s"] == span


def test_a_record_from_before_areas_were_charged_is_read_as_it_was():
    config = load_config("train", ["agent=ppo", "env=lublin"])
    older = config_to_dict(config)
    del older["env"]["reward"]["area_wait_scale"]
    assert config_from_dict(older) == config
    assert digested(config)["env"]["reward"] == older["env"]["reward"]


def test_load_factor_warm_up_and_kills(trace, jobs):
    env = site_env(*overrides(trace, "env.trace.load_factor=2", "env.trace.kill_overruns=true"))
    part = site_source(env).sequence(10)
    first = jobs[0]["submit"]
    assert part.submit_s.tolist() == [first + (job["submit"] - first) / 2 for job in jobs[10:22]]
    assert part.run_s.tolist() == [min(job["run"], job["requested"]) for job in jobs[10:22]]
    assert "killed then" in site_report(env)
    env = site_env(*overrides(trace, "env.trace.warm_up_frac=0.25", "env.trace.cool_down_frac=0.5"))
    assert site_source(env).sequence(10).scored == slice(3, 6)


def test_trimmed_metrics_are_those_of_the_jobs_between(trace):
    found = {}
    for name, more in (("all", []), ("trimmed", ["env.trace.warm_up_frac=0.5"])):
        config = load_config(
            "evaluate", ["agent=sjf", "env=trace", *overrides(trace, "env.trace.starts=[3]", *more)]
        )
        found[name] = evaluate(
            build_scheduler(config.agent), make_blocks(config.eval, config.env, {}, "val"), {}
        ).episodes[0]
    schedule = found["all"].schedule[6:]
    waits = schedule["start_s"] - schedule["submit_s"]
    assert found["trimmed"].numbers["mean_wait_s"] == pytest.approx(waits.mean())
    for name in ("utilization", "return"):
        assert found["trimmed"].numbers[name] == found["all"].numbers[name]
    assert sum(row["jobs"] for row in found["trimmed"].by_width.values()) == 6


def test_generated_sequences_come_from_their_seed_alone():
    env = site_env("env=lublin", "env.trace.count=40", "env.lublin.estimates=tsafrir")
    one, again, other = (site_source(env).sequence(seed) for seed in (5, 5, 6))
    assert one.submit_s.tolist() == again.submit_s.tolist() != other.submit_s.tolist()
    assert (one.requested_s >= one.run_s).all()
    assert (one.procs <= 256).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["agent=easy", "env=committed"], "agent=easy with agent.mode=easy: in env.step=commit"),
        (["agent=fcfs", "agent.mode=greedy", "env=committed"], "a chosen job is served whatever fits"),
        (["agent=fcfs", "env=trace", "env.backfill=game"], "env.backfill=game: with env.step=decision it must be none"),
        (["agent=fcfs", "env=committed", "env.backfill=easy"], "it must be none or game"),
        (["agent=fcfs", "env=trace", "env.keys=game"], "belongs to the committed game"),
        (["agent=saf", "agent.mode=strict", "env=trace", "env.backfill=easy"], "contradicts env.backfill=easy"),
        (["agent=rollout", "agent.base=f1"], "agent.base=f1: goes by the clock and the running jobs"),
        (["agent=rollout", "env=trace"], "simulates clusters of the playbook's kind, not env=trace"),
        (["agent=sjf", "env=trace", "env.num_gpus=4"], "env=trace has no num_gpus"),
        (["agent=sjf", "env=trace", "env.trace.starts=[]"], "needs at least one start"),
        (["agent=sjf", "env=trace", "env.trace.split_fracs=[1,1]"], "must be shares of train, val, promote and report"),
        (["agent=sjf", "env=lublin", "env.trace.path=x"], "env=lublin generates its jobs"),
        (["agent=sjf", "env=trace", "eval=family_blocks"], "has no workload families"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(asked, message):
    with pytest.raises(ConfigError) as caught:
        load_config("evaluate", asked)
    assert message in str(caught.value)


def test_who_is_imitated_goes_by_observations():
    with pytest.raises(ConfigError, match=r"agent\.warm_start\.teacher=easy: goes by the clock"):
        load_config("train", ["env=lublin", "agent.warm_start.teacher=easy"])


def test_a_trace_is_asked_for(trace):
    with pytest.raises(WorkloadError, match=r"env\.trace\.path: env=trace needs a trace"):
        site_source(site_env())
    with pytest.raises(WorkloadError, match=r"val has 24 of the 120 usable jobs"):
        site_source(site_env(f"env.trace.path={trace}", "env.trace.count=30")).places("val", 3)
