"""Promotion: who stands, on which seeds, how the judgement treats luck, and that a stop costs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sched_rl.errors import ConfigError
from sched_rl.statistics.crossed import crossed_interval
from sweeps.finalists import Finalist, Retraining, choose_finalists, fresh_seeds, retrainings
from sweeps.promote import main, parse_options
from sweeps.promotion import PromotionError, promotion
from sweeps.promotion_views import render_text, training_command
from sweeps.retraining import Judged
from sweeps.study import SweepError
from tests.sweeps.finished_sweeps import make_sweep


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_best_feasible_trials_stand_beside_the_default(tmp_path):
    study = make_sweep(tmp_path / "one", {0.1: 0.5, 0.2: 0.9, 0.3: 0.7, 0.4: 0.8}, infeasible=(0.2,))
    finalists = choose_finalists(study, top=2)
    assert [finalist.name for finalist in finalists] == ["trial 3", "trial 2", "default"]
    assert finalists[0].overrides[-1] == "agent.lr=0.4"
    assert finalists[0].selection_score == 0.8
    assert finalists[-1].overrides == finalists[0].overrides[:-1]


def test_trials_that_tried_the_same_are_one_finalist(tmp_path):
    study = make_sweep(tmp_path / "one", {0.1: 0.5, 0.2: 0.9})
    study.add_trial(study.trials[1])
    assert [finalist.name for finalist in choose_finalists(study, top=2)] == ["trial 1", "trial 0", "default"]


def test_nothing_is_promoted_where_nothing_is_feasible(tmp_path):
    study = make_sweep(tmp_path / "one", {0.1: 0.5}, infeasible=(0.1,))
    with pytest.raises(SweepError, match=r"nothing to promote, none of its 1 complete trials is feasible"):
        choose_finalists(study, top=3)


def test_fresh_seeds_are_no_trials_and_more_of_them_add_to_the_first(tmp_path):
    study = make_sweep(tmp_path / "one", {0.1: 0.5})
    seeds = fresh_seeds(study, 5)
    assert len(set(seeds)) == 5
    assert all(2**31 <= seed < 2**32 for seed in seeds)
    assert fresh_seeds(study, 2) == seeds[:2]
    taken = make_sweep(tmp_path / "elsewhere" / "one", {0.1: 0.5}, seed=seeds[0])
    assert fresh_seeds(taken, 4) == seeds[1:]


def test_a_stop_leaves_whole_seeds_first(tmp_path):
    finalists = choose_finalists(make_sweep(tmp_path / "one", {0.1: 0.5}), top=1)
    planned = retrainings(finalists, [7, 8], tmp_path)
    assert [(each.seed, each.finalist.name) for each in planned] == [
        (7, "trial 0"), (7, "default"), (8, "trial 0"), (8, "default"),
    ]  # fmt: skip


# The judgement ----------------------------------------------------------------------------------------

BEST = Finalist("trial 4", ("agent.lr=0.4",), 0.9, 4)
SECOND = Finalist("trial 2", ("agent.lr=0.2",), 0.8, 2)
DEFAULT = Finalist("default", (), None, None)


def judged(finalist, seed, val, returns, num_blocks=2):
    episodes = [
        {"block": index % num_blocks, "seed": 100 + index, "return": float(value)}
        for index, value in enumerate(returns)
    ]
    return Judged(
        Retraining(finalist, seed, Path(f"{finalist.folder_name}/{seed}")), val, {"episodes": episodes}
    )


def outcome(results, baselines, planned=None):
    return promotion(
        results, baselines, sweep="s", split="promote", num_seeds=3, planned=planned or len(results)
    )


def drawn(shift, seed):
    """Returns of 20 episodes: their difficulty is shared, a training seed adds its own."""
    difficulty = np.linspace(-1, 1, 20)
    return 0.5 + shift + difficulty + 0.01 * np.sin(np.arange(20) + seed)


def test_the_winner_is_told_from_the_luck_of_its_selection():
    results = [judged(BEST, seed, 0.7 + 0.01 * seed, drawn(0.2, seed)) for seed in (1, 2, 3)]
    results += [judged(SECOND, seed, 0.8, drawn(0.3, seed)) for seed in (1, 2, 3)]
    results += [judged(DEFAULT, seed, 0.5, drawn(0.0, seed)) for seed in (1, 2, 3)]
    baselines = {"sjf": {"episodes": judged(DEFAULT, 0, 0.0, drawn(0.25, 9)).evaluation["episodes"]}}
    found = outcome(results, baselines)
    assert found.winner.finalist is SECOND
    assert found.winner.differences["default"].interval.mean == pytest.approx(0.3)
    assert found.winner.differences["default"].interval.low > 0.29, "episodes' difficulty is paired away"
    assert found.winner.differences["sjf"].interval.is_above_zero
    best = next(row for row in found.rows if row.finalist is BEST)
    assert best.luck.mean == pytest.approx(0.9 - 0.72)
    assert best.differences["sjf"].interval.is_below_zero
    assert found.default.luck is None


def test_a_default_that_is_ahead_is_said_so_and_never_wins():
    results = [judged(BEST, seed, 0.7, drawn(0.0, seed)) for seed in (1, 2, 3)]
    results += [judged(DEFAULT, seed, 0.5, drawn(0.2, seed)) for seed in (1, 2, 3)]
    text = render_text(outcome(results, {}))
    assert "winner: trial 4" in text
    assert "is BEHIND default" in text


def test_what_differs_between_trainings_widens_the_interval():
    steady = [judged(BEST, seed, 0.7, drawn(0.2, 0)) for seed in (1, 2, 3)]
    shaky = [judged(BEST, seed, 0.7, drawn(0.2 + 0.2 * (seed - 2), 0)) for seed in (1, 2, 3)]
    default = [judged(DEFAULT, seed, 0.5, drawn(0.0, 0)) for seed in (1, 2, 3)]
    narrow, wide = (
        outcome([*results, *default], {}).winner.differences["default"] for results in (steady, shaky)
    )
    assert narrow.interval.mean == pytest.approx(wide.interval.mean)
    assert narrow.interval.is_above_zero
    assert wide.interval.includes_zero, "three trainings that disagree by 0.2 settle nothing"
    assert wide.of_these_trainings.is_above_zero, (
        "what these three would do on other episodes is another question"
    )


def test_a_partial_promotion_compares_shared_seeds_and_says_what_is_missing():
    results = [judged(BEST, seed, 0.7, drawn(0.2, seed)) for seed in (1, 2, 3)]
    results += [judged(DEFAULT, seed, 0.5, drawn(0.0, seed)) for seed in (1, 2)]
    found = outcome(results, {}, planned=6)
    assert found.winner.differences["default"].interval.n == 2
    assert "PARTIAL, trainings not finished: 1" in render_text(found)
    with pytest.raises(PromotionError, match="no retraining of a trial has finished"):
        outcome([judged(DEFAULT, 1, 0.5, drawn(0.0, 1))], {})


def test_different_episodes_are_never_subtracted():
    results = [judged(BEST, 1, 0.7, drawn(0.2, 1)), judged(DEFAULT, 1, 0.5, drawn(0.0, 1)[:10])]
    with pytest.raises(PromotionError, match="did not play the same episodes"):
        outcome(results, {})


@pytest.mark.parametrize(("seed_sd", "episode_sd"), [(0.05, 0.2), (0.1, 0.02)])
def test_the_crossed_interval_covers(seed_sd, episode_sd):
    rng = np.random.default_rng(0)
    strata = [episode // 20 for episode in range(60)]
    hits = 0
    for draw in range(200):
        values = 0.3 + seed_sd * rng.normal(size=(5, 1)) + episode_sd * rng.normal(size=(1, 60))
        values += 0.1 * rng.normal(size=(5, 60))
        interval = crossed_interval(values, strata=strata, seed=draw, num_resamples=500)
        hits += interval.low <= 0.3 <= interval.high
    assert hits >= 182, "95 % nominal; 182 of 200 is 2.6 standard deviations below"


def test_one_training_has_no_interval():
    interval = crossed_interval(np.ones((1, 4)), seed=0)
    assert (interval.mean, interval.low, interval.high) == (1.0, -np.inf, np.inf)


# The command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("topp=3", r"topp=3: promote has no such key \(did you mean top\?\)"),
        ("top=0", r"top=0: must be a whole number in \[1, 1000\]"),
        ("report=yes", "report=yes: must be true or false"),
        ("output=table.txt", r"output=table.txt: must end in .json or .csv"),
        ("agent.lr=0.1", "promote has no such key"),
    ],
)
def test_a_misspelt_argument_is_named(argument, message):
    with pytest.raises(ConfigError, match=message):
        parse_options([argument])


def test_a_missing_sweep_is_a_line_not_a_traceback(capsys):
    assert main(["sweep=nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: nowhere: no sweep of that name")


def test_a_promotion_trains_judges_goes_on_and_reads_the_report_once(tmp_path, capsys):
    make_sweep(tmp_path / "runs" / "sweeps" / "tiny", {0.001: 0.5, 0.01: 0.9})
    folder = tmp_path / "runs" / "sweeps" / "tiny" / "promote"
    command = ["sweep=tiny", "top=1", "tracking=none", "progress=off"]
    assert main([*command, "seeds=1", "output=first.json"]) == 0
    first = json.loads((tmp_path / "first.json").read_text())
    assert first["winner"] == "trial 1"
    assert {row["name"] for row in first["finalists"]} == {"trial 1", "default"}
    trained = sorted(folder.glob("*/seed_*/metrics.csv"))
    before = {path: path.stat().st_mtime_ns for path in trained}
    assert len(before) == 2
    out = capsys.readouterr().out
    assert "report blocks, read once: trial 1" in out
    assert f"train it: {training_command(Finalist('', ('x',), None, None)).partition(' x')[0]}" in out

    assert main([*command, "seeds=2"]) == 0
    assert {path: path.stat().st_mtime_ns for path in trained} == before, "nothing is trained twice"
    assert "2 of 4 trainings to do" in capsys.readouterr().out
    second = json.loads((folder / "promotion.json").read_text())
    assert [len(row["seeds"]) for row in second["finalists"]] == [2, 2]
    assert second["finalists"][0]["minus"]["default"]["low"] is not None
    assert len(list(folder.glob("*/seed_*/judged_report.json"))) == 4


def test_a_folder_with_another_configuration_is_refused(tmp_path, capsys):
    sweep = tmp_path / "runs" / "sweeps" / "tiny"
    make_sweep(sweep, {0.001: 0.5})
    command = ["sweep=tiny", "top=1", "seeds=1", "tracking=none", "progress=off", "report=false"]
    assert main(command) == 0
    (sweep / "study.db").unlink()
    (sweep / "promote").rename(tmp_path / "kept")
    sweep.rmdir()
    make_sweep(sweep, {0.002: 0.5})
    (tmp_path / "kept").rename(sweep / "promote")
    capsys.readouterr()
    assert main(command) == 2
    assert "holds a training of another configuration" in capsys.readouterr().err
