"""Real trainings, failed on purpose or healthy: the short version of the benchmark, on what was kept of them.

Each file of data/ holds the command that made it (`analysis.diagnosis_bench.storing` wrote them).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.diagnosis_bench.judging import first_open, up_to
from analysis.diagnosis_bench.onset import visible_at
from analysis.diagnosis_bench.storing import read_stored
from sched_rl.config.load import load_config
from sched_rl.diagnosis.engine import diagnose

FILES = sorted((Path(__file__).parent / "data").glob("*.json.gz"))
HEALTHY = [path for path in FILES if path.name.startswith("healthy")]
FAULTY = [path for path in FILES if path not in HEALTHY]
#: What playbook columns alone can show: these need neither episodes nor baselines.
BARE = ("overshoot", "mask_bug", "noop_collapse", "critic", "no_signal", "premature", "env_shift")
#: A swing must be seen to turn several times before it is one.
LATE = ("sawtooth",)


def name_of(path):
    return path.name.removesuffix(".json.gz")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_primary_finding_is_the_fault_that_was_built_in(path):
    curves = read_stored(path)
    found = diagnose(curves)
    assert found.primary == curves.config["pathology"]["expected"], [each.summary for each in found.findings]


@pytest.mark.parametrize("path", HEALTHY, ids=name_of)
def test_a_healthy_run_raises_no_alarm_at_any_evaluation(path):
    """Beside a training, every evaluation is an opportunity for a false alarm."""
    curves = read_stored(path)
    alarms = {}
    for index in range(len(curves.evaluations.updates)):
        found = diagnose(up_to(curves, curves.evaluations, index))
        alarms |= {each.id: index for each in found.findings if each.tier != "outcome"}
    assert alarms == {}


@pytest.mark.parametrize("path", [path for path in FAULTY if not path.name.startswith(LATE)], ids=name_of)
def test_the_finding_opens_at_most_two_evaluations_after_it_can_be_seen(path):
    curves = read_stored(path)
    table, declared = curves.evaluations, curves.config["pathology"]
    seen = visible_at(table, declared["expected"], declared["onset_update"])
    assert first_open(curves, table, declared["expected"], seen) <= seen + 2


@pytest.mark.parametrize("path", [path for path in FAULTY if path.name.startswith(BARE)], ids=name_of)
def test_the_playbooks_columns_alone_lead_to_the_same_finding(path):
    curves = read_stored(path)
    bare = replace(curves, evaluations=None, baselines={}, fresh={}, config=None)
    assert diagnose(bare).primary == curves.config["pathology"]["expected"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_stored_command_is_the_training_that_the_run_records(path):
    document = json.loads(gzip.decompress(path.read_bytes()))
    program, _, overrides = document["command"].partition("sched_rl.train ")
    assert program == "python -m "
    config = load_config("train", overrides.split())
    recorded = document["config"]
    assert (config.seed, config.env.name) == (recorded["seed"], recorded["env"]["name"])
    assert config.pathology.expected == recorded["pathology"]["expected"]
    assert config.agent.lr == recorded["agent"]["lr"]
