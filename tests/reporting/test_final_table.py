from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from sched_rl.reporting.final_table import ReportError, final_table, verdict
from sched_rl.reporting.table_views import render_rich, render_text
from sched_rl.statistics import Interval, paired_difference


def episodes(shift=0.0, noise=0.0, *, blocks=3, per_block=20, **fields):
    """Returns that differ from seed to seed far more than between schedulers."""
    rng = np.random.default_rng(0)
    own = np.random.default_rng(1)
    listed = []
    for index in range(blocks * per_block):
        value = 0.5 + 0.1 * (index // per_block) + rng.normal(0, 0.2) + shift + own.normal(0, 1) * noise
        listed.append({"block": index // per_block, "seed": 2_000_001 + index, "return": value, **fields})
    return listed


def printed(table, width=120, **options):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render_rich(table, **options))
    return console.file.getvalue()


def test_a_clear_win_is_called_one_and_the_closest_baseline_is_named():
    table = final_table(
        {"sjf": episodes(-0.2), "linear_score": episodes(-0.02, 0.03), "ppo": episodes()},
        checkpoint="ppo",
        split="report",
    )
    assert [row.name for row in table.rows] == ["ppo", "linear_score", "sjf"]
    assert table.verdict.startswith("ppo beats every baseline; the closest, linear_score, by 0.02")
    assert table.rows[0].difference is None
    closest = table.rows[1].difference
    assert closest is not None
    assert closest.is_above_zero
    assert str(closest) in table.verdict


def test_the_row_is_the_protocols_mean_worst_block_and_paired_interval():
    ours, theirs = episodes(), episodes(-0.1, 0.2)
    row = final_table({"ppo": ours, "sjf": theirs}, checkpoint="ppo", split="report").rows[1]
    block_means = [np.mean([e["return"] for e in theirs if e["block"] == block]) for block in range(3)]
    assert row.mean == pytest.approx(np.mean(block_means))
    assert row.worst == pytest.approx(min(block_means))
    assert list(row.blocks.values()) == pytest.approx(block_means)
    assert row.difference == paired_difference(
        [e["return"] for e in ours],
        [e["return"] for e in theirs],
        strata=[e["block"] for e in ours],
        seed=0,
    )


def test_the_order_of_the_episodes_does_not_matter():
    ours, theirs = episodes(), episodes(-0.1, 0.2)
    table = final_table({"ppo": ours, "sjf": theirs}, checkpoint="ppo", split="report")
    assert final_table({"ppo": ours, "sjf": theirs[::-1]}, checkpoint="ppo", split="report") == table


def test_an_unsettled_difference_is_never_called_a_win():
    table = final_table(
        {"ppo": episodes(0.001), "linear_score": episodes(0, 0.1), "fifo": episodes(-0.3)},
        checkpoint="ppo",
        split="report",
    )
    assert table.verdict.startswith("ppo does NOT beat linear_score: difference ")
    assert table.verdict.endswith("includes 0")


@pytest.mark.parametrize(
    ("differences", "sentence"),
    [
        (
            {"sjf": Interval(0.3, 0.2, 0.4, 60), "linear_score": Interval(0.021, 0.012, 0.031, 60)},
            "ppo beats every baseline; the closest, linear_score, by 0.021 [0.012, 0.031]",
        ),
        ({"sjf": Interval(0.3, 0.2, 0.4, 60)}, "ppo beats sjf by 0.300 [0.200, 0.400]"),
        (
            {"sjf": Interval(0.3, 0.2, 0.4, 60), "linear_score": Interval(-0.01, -0.02, 0.0, 60)},
            "ppo does NOT beat linear_score: difference -0.010 [-0.020, 0.000] includes 0",
        ),
        (
            # a wide interval is not beaten even where a closer baseline is
            {"rand": Interval(0.3, -0.1, 0.7, 60), "sjf": Interval(0.1, 0.05, 0.2, 60)},
            "ppo does NOT beat rand: difference 0.300 [-0.100, 0.700] includes 0",
        ),
        (
            {"a": Interval(-0.1, -0.2, -0.05, 60), "b": Interval(0, -0.1, 0.1, 60)},
            "ppo does NOT beat a: difference -0.100 [-0.200, -0.050] is below 0; nor does it beat b",
        ),
        ({}, "ppo was compared with no baseline"),
    ],
)
def test_verdict_sentences(differences, sentence):
    assert verdict("ppo", differences) == sentence


def test_text_table():
    fields = {"mean_wait_s": 1234.5, "utilization": 0.875, "fluid_bound": 0.91}
    table = final_table(
        {
            "ppo": [
                {"block": b, "seed": s, "return": 0.5 + 0.1 * b, **fields} for b in (0, 1) for s in (1, 2)
            ],
            "sjf": [
                {"block": b, "seed": s, "return": 0.25, "utilization": None} for b in (0, 1) for s in (1, 2)
            ],
        },
        checkpoint="ppo",
        split="val",
    )
    assert render_text(table, show_blocks=True).splitlines() == [
        "scheduler    worst block   mean  block 0  block 1     difference [95 %]  mean wait s  util.",
        "-------------------------------------------------------------------------------------------",
        "ppo                0.500  0.550    0.500    0.600                              1,234  87.5%",
        "sjf                0.250  0.250    0.250    0.250  0.300 [0.300, 0.300]",
        "fluid bound        0.910  0.910    0.910    0.910",
        "val: 4 paired episodes in 2 blocks; difference: ppo minus that row;"
        " these seeds chose the checkpoint, which flatters it",
        "ppo beats sjf by 0.300 [0.300, 0.300]",
    ]
    assert "block 0" not in render_text(table)


def test_rich_table_shows_the_same_also_in_eighty_columns():
    fields = {"mean_wait_s": 1234.5, "mean_bounded_slowdown": 7.25, "utilization": 0.875, "fluid_bound": 0.91}
    table = final_table(
        {"ppo": episodes(**fields), "linear_score": episodes(-0.1, 0.1, **fields)},
        checkpoint="ppo",
        split="report",
    )
    for width in (80, 140):
        text = printed(table, width)
        assert all(len(line) <= width for line in text.splitlines())
        assert str(table.rows[1].difference) in text
        assert "fluid bound" in text
        assert table.verdict in text
        assert "report: 60 paired episodes in 3 blocks" in text
    assert "block 2" in printed(table, 140, show_blocks=True)


def test_returns_of_another_scale_show_about_four_digits():
    table = final_table(
        {"ppo": [{"block": 0, "seed": seed, "return": -1234.5 + seed} for seed in range(5)]},
        checkpoint="ppo",
        split="report",
    )
    assert "-1232  -1232" in render_text(table)
    assert table.verdict == "ppo was compared with no baseline"


def test_a_single_episode_settles_nothing():
    one = [{"block": 0, "seed": 1, "return": 0.9}]
    table = final_table({"ppo": one, "sjf": [{**one[0], "return": 0.1}]}, checkpoint="ppo", split="report")
    assert table.verdict == "ppo does NOT beat sjf: difference 0.800 [-inf, inf] includes 0"


def test_trace_episodes_are_told_apart_by_their_start():
    played = [{"block": "starts", "seed": 0, "start": start, "return": start / 10} for start in range(4)]
    table = final_table({"ppo": played, "easy": played[::-1]}, checkpoint="ppo", split="report")
    assert table.rows[1].difference == Interval(0.0, 0.0, 0.0, 4)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"sjf": episodes()}, r"checkpoint 'ppo': has no episodes; there are \['sjf'\]"),
        ({"ppo": []}, "ppo: has no episodes"),
        (
            {"ppo": episodes(), "sjf": episodes()[1:]},
            r"sjf: did not play the episodes of ppo: 1 missing, 0 extra \(it lacks block 0, seed 2000001\)",
        ),
        (
            {"ppo": episodes()[:-1], "sjf": episodes()},
            r"0 missing, 1 extra \(it has block 2, seed 2000060 besides\); evaluate both on the same",
        ),
        ({"ppo": [*episodes(), episodes()[3]]}, "ppo: block 0, seed 2000004 occurs twice"),
        ({"ppo": [{"block": 0, "return": 1.0}]}, r"ppo: an episode lacks \['seed'\]"),
    ],
)
def test_results_that_do_not_match_are_an_error(results, message):
    with pytest.raises(ReportError, match=message):
        final_table(results, checkpoint="ppo", split="report")
