"""A schedule as it is drawn: no GPU twice, the numbers of the evaluation, a page that needs and betrays nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from analysis.schedule import record_schedule
from analysis.schedule.__main__ import main
from analysis.schedule.course import busy_gpus, chosen_waits, gantt_bars, queue_length
from analysis.schedule.figures import window_means
from analysis.schedule.importance import permutation_importance
from analysis.schedule.page import schedule_html

SMALL = ["env=heavy", "env.jobs_per_episode=60"]


@pytest.fixture(scope="module")
def sjf():
    return record_schedule(["agent=sjf", *SMALL], seed=5)


@pytest.fixture(scope="module")
def linear_score():
    return record_schedule(["agent=linear_score", *SMALL], seed=5)


def test_no_gpu_runs_two_jobs_and_every_job_gets_its_gpus(sjf):
    bars = gantt_bars(sjf)
    gpus = dict.fromkeys(range(len(sjf.episode.gpus)), 0)
    for bar in bars:
        gpus[bar.job] += bar.num_gpus
    assert list(gpus.values()) == sjf.episode.gpus.tolist()  # all started
    for gpu in range(sjf.num_gpus):
        own = sorted(
            (bar.start_s, bar.end_s) for bar in bars if bar.first_gpu <= gpu < bar.first_gpu + bar.num_gpus
        )
        assert all(end <= start + 1e-6 for (_, end), (start, _) in pairwise(own))


def test_the_courses_add_up_to_the_evaluations_own_numbers(sjf):
    jobs, numbers = sjf.episode.schedule, sjf.episode.numbers
    edges = np.array([float(jobs["submit_s"].min()), sjf.end_s])
    assert window_means(busy_gpus(sjf), edges)[0] / sjf.num_gpus == pytest.approx(numbers["utilization"])
    waiting = window_means(queue_length(sjf), np.array([0.0, sjf.end_s]))[0] * sjf.end_s
    assert waiting / len(jobs) == pytest.approx(numbers["mean_wait_s"])  # Little's law
    assert queue_length(sjf).values.min() >= 0
    assert busy_gpus(sjf).values.max() <= sjf.num_gpus
    assert len(chosen_waits(sjf)) == numbers["noop_feasible_steps"]


def test_a_scheduler_depends_on_what_its_rule_reads(sjf, linear_score):
    by_duration = {each.feature: each.changed for each in permutation_importance(sjf)}
    assert by_duration.pop("job: duration") > 0.1
    assert set(by_duration.values()) == {0.0}
    scored = {each.feature: each.changed for each in permutation_importance(linear_score)}
    assert scored["job: GPUs"] > 0
    assert scored["job: duration"] > 0


def test_the_page_is_complete_in_itself_and_escapes_what_it_is_given(sjf, linear_score):
    bad = "</script><img src=x onerror=alert(1)>"
    page = schedule_html([replace(sjf, name=bad), linear_score], [permutation_importance(sjf), []])
    assert bad not in page
    assert "&lt;/script&gt;&lt;img" in page
    tags = _Tags()
    tags.feed(page)
    assert "img" not in tags.names
    assert not tags.attributes & {"src", "href", "onerror", "style"}
    assert not re.search(r"https?://|@import|url\(", page)
    block = re.search(r'<script type="application/json" id="schedules">(.*?)</script>', page, re.DOTALL)
    data = json.loads(block[1])
    assert [len(each["submit"]) for each in data["schedules"]] == [60, 60]
    assert len(set(re.findall(r'data-job="(\d+)"', page))) == 60


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_command_draws_two_on_the_same_jobs(tmp_path, capsys):
    words = ["agent=sjf", *SMALL, "seed=5", "against=fifo", "importance=false", f"output={tmp_path / 'two'}"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("sjf: return ")
    assert out.splitlines()[1].startswith("fifo: return ")
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
    assert "fifo" in (tmp_path / "two.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["agent=sfj"], "sjf"),
        (["agent=sjf", "seed=-1"], "seed=-1: must be a whole number"),
        (["agent=ppo"], "checkpoint="),
        (["agent=sjf", "importance=no"], "must be true or false"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(words, message, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
