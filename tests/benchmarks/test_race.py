"""The race itself: processes, medians, files; and what it says to a user who mistypes."""

from __future__ import annotations

import csv
import json

import pytest

from analysis.benchmarks.__main__ import main
from analysis.benchmarks.peers.competitors import entrants
from analysis.benchmarks.peers.options import Options
from analysis.benchmarks.peers.results import Measured, summarise
from analysis.benchmarks.peers.run import run_peers
from analysis.benchmarks.peers.worker import Round
from sched_rl.errors import ConfigError


def measured(name: str, *speeds: float) -> Measured:
    rounds = [
        Round(
            steps=1000,
            wall_s=1000 / speed,
            cpu_s=900 / speed,
            env_s=100 / speed,
            act_s=200 / speed,
            learn_s=600 / speed,
            peak_mib=100.0,
            legal_actions_mean=9.0,
        )
        for speed in speeds
    ]
    return Measured("scorer", entrants()[name], 1, rounds)


def test_ratios_compare_rounds_not_medians():
    """The machine is slow in the second round, for everybody alike: the ratio does not move."""
    ours, peer = measured("ours_packed", 400.0, 40.0, 440.0), measured("maskable_fast", 100.0, 10.0, 110.0)
    row = next(row for row in summarise([ours, peer]) if row.competitor == "ours_packed")
    assert row.ratio_fast == pytest.approx(4.0)
    assert row.ratio_python is None
    assert (row.steps_per_s, row.slowest_steps_per_s, row.fastest_steps_per_s) == pytest.approx(
        (400, 40, 440)
    )
    assert row.cpu_s_per_million_steps == pytest.approx(1e6 * 0.9 / 400)
    assert (row.env_us, row.rest_us) == pytest.approx((1e6 * 0.1 / 400, 1e6 * 0.1 / 400))


def test_a_competitor_that_gave_up_is_compared_over_the_rounds_it_played():
    rows = summarise(
        [measured("ours_dense", 300.0), measured("maskable_fast", 100.0, 50.0), measured("loop_fast")]
    )
    assert [row.competitor for row in rows] == ["ours_dense", "maskable_fast"]
    assert rows[0].ratio_fast == pytest.approx(3.0)


def test_a_race_leaves_table_files_and_picture(tmp_path, capsys, small):
    stem = tmp_path / "results" / "small"
    asked = ["parts=peers", "rounds=2", "steps=33", "networks=mlp", "competitors=ours_dense"]
    assert main([*asked, f"output={stem}.png", *small]) == 0
    assert "sched_rl, dense" in capsys.readouterr().out
    with stem.with_suffix(".csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["steps_per_s"]) > 0
    assert 0 <= float(row["adapter_frac"]) < 1
    content = json.loads(stem.with_suffix(".json").read_text())
    assert [played["steps"] for played in content["rounds"]["mlp/ours_dense"]] == [64, 64]
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.suffix for path in stem.parent.iterdir()) == [".csv", ".json", ".png"]


def test_a_cut_race_keeps_what_it_measured_and_names_who_could_not_start(tmp_path, small):
    stem, said, asked = tmp_path / "cut", [], iter([False, True])
    options = Options(
        rounds=3,
        networks=("mlp",),
        competitors=("loop_python", "ours_dense"),
        output=stem,
        steps=32,
        overrides=(*small, "env.step=decision"),
    )
    run_peers(options, say=said.append, is_over=lambda: next(asked, True))
    assert any("loop_python is left out" in line and "env.step" in line for line in said)
    content = json.loads(stem.with_suffix(".json").read_text())
    assert [(row["competitor"], row["rounds"]) for row in content["rows"]] == [("ours_dense", 1)]
    assert stem.with_suffix(".png").exists()


def test_peers_that_are_not_installed_are_named_with_the_remedy(tmp_path, small, monkeypatch):
    monkeypatch.setattr("analysis.benchmarks.peers.competitors.find_spec", lambda name: None)
    said: list[str] = []
    options = Options(
        networks=("mlp",), competitors=("maskable_fast",), output=tmp_path / "out", overrides=small
    )
    with pytest.raises(ConfigError, match="nothing was measured"):
        run_peers(options, say=said.append, is_over=lambda: False)
    assert said == ["maskable_fast is left out: needs sb3_contrib; pip install -e '.[bench]'"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("rounds=0", "rounds=0: must be a whole number, at least 1"),
        ("steps=many", "steps=many: must be a whole number, at least 1"),
        ("networks=cnn", "networks=cnn: 'cnn' must be one of scorer, mlp, attention"),
        ("competitors=rllib", "competitors=rllib: 'rllib' must be one of"),
        ("parts=all", "parts=all: 'all' must be one of simulator, environments, peers"),
        ("fast", "fast: must be key=value"),
        ("agent.lr=-1", "agent.lr=-1"),
        ("agnt.lr=1", "agnt"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(argument, message, capsys):
    assert main(["parts=peers", argument]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
