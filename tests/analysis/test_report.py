"""The page of a set of runs: everything in one file, what differs and nothing else, commands that run."""

from __future__ import annotations

import html
import re

import pytest

from analysis.report.__main__ import main
from sched_rl.config.load import load_config


@pytest.fixture
def page(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2, 3):
        for lr in (0.001, 0.01):
            make_run(f"{lr}-{seed}<b>", {"seed": seed, "agent.lr": lr}, level=0.9 + lr)
    assert main(["runs=runs", "output=page.html"]) == 0
    capsys.readouterr()
    return (tmp_path / "page.html").read_text()


def test_the_page_needs_nothing_else_and_shows_what_differs(page):
    assert "<script" not in page
    assert "<b>" not in page  # a folder's name is text
    assert re.findall(r'src="([a-z]+:)', page) == ["data:"]
    assert "agent.lr=0.01 beats agent.lr=0.001 on the worst block by" in page
    assert "workload seeds 2000001 to 2000060" in page
    differences = page.partition("differences only")[2].partition("Diagnosis of each run")[0]
    assert re.findall(r"<th>(.*?)</th>", differences) == ["run", "seed", "agent.lr"]
    assert page.partition("Diagnosis of each run")[2].count("<tr>") == 7


def test_the_commands_make_the_runs_again(page):
    commands = html.unescape(page.partition("To reproduce")[2])
    trainings = re.findall(r"python -m sched_rl.train -m (.*)", commands)
    assert [words.split()[-1] for words in trainings] == ["seed=1,2,3", "seed=1,2,3"]
    config = load_config("train", trainings[0].split()[:-1])
    assert (config.env.name, config.agent.lr) == ("heavy", 0.001)
    assert "python -m analysis.report runs=runs output=page.html" in commands


def test_a_folder_is_no_page(tmp_path, capsys):
    assert main(["runs=x", f"output={tmp_path}"]) == 2
    assert "must be a file in a folder that exists" in capsys.readouterr().err
