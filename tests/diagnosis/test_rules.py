"""Every rule finds its signature, and only there; a healthy curve is healthy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sched_rl.diagnosis.curves import BaselineScores
from sched_rl.diagnosis.engine import default_thresholds, diagnose, run_settings
from sched_rl.diagnosis.registry import all_rules
from sched_rl.diagnosis.signals import Signals
from tests.diagnosis.synthetic import EVALS, UPDATES, bare, collapse, healthy, pathological, rise

SIGNATURES = {
    "mask_bug": "mask_bug", "overshoot": "overshoot", "slow_drift": "slow_drift", "no_signal": "no_signal",
    "critic_bottleneck": "critic_bottleneck", "noop_collapse": "noop_collapse", "always_waits": "noop_collapse",
    "premature_determinism": "premature_determinism", "brittle": "brittle", "sawtooth": "sawtooth",
    "early_best": "early_best", "env_shift": "env_shift", "noisy_eval": "noisy_eval", "critic_lag": "critic_lag",
    "not_beating_baseline": "not_beating_baseline", "pg_loss_extreme": "pg_loss_extreme",
    "replaced_policy": "overshoot", "waits_where_jobs_fit": "noop_collapse", "dead_policy": "dead_policy",
    "exploding_gradients": "exploding_gradients",
}  # fmt: skip


def until(curves, row):
    """The curves as they stood at a row that was evaluated."""
    table = curves.evaluations
    known = table.updates <= row
    values = {name: value[known] for name, value in table.values.items()}
    return replace(
        curves,
        columns={name: value[: row + 1] for name, value in curves.columns.items()},
        evaluations=replace(table, updates=table.updates[known], values=values),
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("curve", "expected"), SIGNATURES.items(), ids=list(SIGNATURES))
def test_a_signature_is_the_primary_finding(curve, expected, seed):
    """Another seed is other noise of the run's own size: it must not flip the finding."""
    diagnosis = diagnose(pathological(curve, seed))
    assert diagnosis.primary == expected, [finding.summary for finding in diagnosis.findings]


def test_healthy_curves_are_healthy_at_every_length_and_under_any_noise():
    """One false alarm in thirty healthy runs, at most, over all rules together."""
    alarms = {}
    for seed in range(60):
        ids = diagnose(healthy(seed)).ids
        if ids != ("healthy",):
            alarms[seed] = ids
    assert len(alarms) <= 2, alarms


def test_a_run_without_a_gain_over_heuristics_is_never_called_a_win():
    found = diagnose(pathological("not_beating_baseline"))
    assert "healthy" not in found.ids
    assert found.findings[0].evidence["interval, low"] <= 0


def test_the_worst_is_said_first():
    """A bug outranks a cause, a measurement a shape: nothing else means anything before it is mended."""
    curves = pathological("overshoot")
    columns = dict(curves.columns)
    columns["invalid_frac"] = np.full(curves.num_rows, 0.02)
    found = diagnose(replace(curves, columns=columns))
    assert found.ids[:2] == ("mask_bug", "overshoot")


def test_invalid_actions_without_a_mask_are_no_bug():
    curves = pathological("mask_bug")
    config = {**curves.config, "agent": {**curves.config["agent"], "mask_actions": False}}
    assert "mask_bug" not in diagnose(replace(curves, config=config)).ids


def test_waiting_pays_and_is_still_a_collapse():
    """Whatever the return says: a reward that pays for waiting makes eval high."""
    curves = pathological("always_waits")
    assert curves.column("eval_mean_return")[-1] > 1.05
    assert diagnose(curves).primary == "noop_collapse"


def test_a_recovered_drop_is_no_collapse():
    means = rise()
    means[8:10] -= 0.3
    assert diagnose(healthy(mean=means)).primary == "healthy"


def test_a_swing_that_has_not_come_back_yet_is_no_collapse():
    means = 1.0 + 0.12 * (-1.0) ** np.arange(EVALS + 1)
    means[6:9], means[-2:] = 0.88, 0.88
    assert diagnose(healthy(mean=means)).primary == "sawtooth"


def test_a_drop_from_what_was_learned_is_a_drift_from_the_start_itself_an_early_best():
    fallen = np.where(np.arange(EVALS + 1) < 3, 1.1, 0.9)
    assert diagnose(healthy(mean=fallen)).primary == "early_best"
    learned = fallen.copy()
    learned[0] = 0.9
    assert diagnose(healthy(mean=learned)).primary == "slow_drift"


def test_a_jump_that_the_policy_itself_made_is_no_shift_of_the_data():
    """A collapse shows in rollouts an episode later; the evaluations, whose workloads are fixed, moved before."""
    shifted = pathological("env_shift")
    later = np.arange(EVALS + 1) >= 11  # update 44, the rollouts from 50 on
    means = rise() - 0.3 * later
    columns = {name: shifted.columns[name] for name in ("noop_frac", "legal_actions_mean")}
    columns["noop_feasible_frac"] = np.where(np.arange(81) >= 50, 0.3, 0.0) + 0.001
    assert diagnose(healthy(**columns)).primary == "env_shift"
    assert diagnose(healthy(mean=means, **columns)).primary != "env_shift"


def test_one_low_evaluation_at_the_end_is_not_yet_a_drop():
    means = rise()
    means[-1] -= 0.3
    assert diagnose(healthy(mean=means)).primary == "healthy"


def test_the_worst_block_falling_first_is_told():
    means = rise()
    late = np.arange(EVALS + 1) >= 12
    blocks = np.stack([np.where(np.arange(EVALS + 1) >= 8, 0.6, means), means, means], 1)
    blocks[late] -= 0.25
    found = {finding.id: finding for finding in diagnose(healthy(block_means=blocks)).findings}
    assert found["slow_drift"].evidence["worst block fell first"] == "yes"


def test_return_up_and_service_down_is_a_reward_mismatch():
    curves = healthy()
    table, worsening = curves.evaluations, np.linspace(1, 3, EVALS + 1)[:, None]
    noise = np.random.default_rng(0).normal(1, 0.05, table.returns.shape)
    values = {
        "return": table.returns,
        "mean_wait_s": 20_000 * worsening * noise,
        "mean_bounded_slowdown": 20 * worsening * noise,
        "throughput_jobs_per_hour": 30 / worsening * noise,
    }
    spoilt = replace(curves, evaluations=replace(table, values=values))
    assert diagnose(spoilt).primary == "reward_mismatch"
    better = {name: value[::-1] if name != "return" else value for name, value in values.items()}
    assert diagnose(replace(curves, evaluations=replace(table, values=better))).primary == "healthy"


def test_waits_that_buy_throughput_are_a_choice_between_users():
    """The shipped reward counts work: on the playbook's cluster short jobs wait longer while more gets done."""
    curves = healthy()
    table, change = curves.evaluations, np.linspace(1, 3, EVALS + 1)[:, None]
    noise = np.random.default_rng(0).normal(1, 0.02, table.returns.shape)
    values = {
        "return": table.returns,
        "mean_wait_s": 20_000 * change * noise,
        "mean_bounded_slowdown": 20 * change * noise,
        "throughput_jobs_per_hour": 30 * (1 + 0.05 * (change - 1)) * noise,
        "completed_jobs": np.full(table.returns.shape, 400.0),
    }
    assert diagnose(replace(curves, evaluations=replace(table, values=values))).primary == "healthy"
    values["completed_jobs"] = 400 / change * noise
    values["throughput_jobs_per_hour"] = 30 / change * noise
    values["mean_wait_s"] = 20_000 / change * noise  # of the few that were served
    assert diagnose(replace(curves, evaluations=replace(table, values=values))).primary == "reward_mismatch"


def test_an_untrained_policy_that_waits_and_learns_not_to_is_no_collapse():
    share = np.where(np.arange(81) < 12, 0.8, 0.0)
    curves = healthy(eval_noop_frac=share, eval_noop_feasible_frac=share)
    for last in (8, 12, 16, 80):
        assert "noop_collapse" not in diagnose(until(curves, last)).ids


def test_waiting_with_nothing_to_start_is_no_collapse():
    share = np.linspace(0.1, 0.9, 81)
    assert (
        diagnose(healthy(eval_noop_frac=share, eval_noop_feasible_frac=0.02 + 0 * share)).primary == "healthy"
    )


def test_a_fall_little_by_little_is_a_drift_although_v_loss_rises_with_it():
    curves = pathological("slow_drift")
    loss = curves.columns["v_loss"].copy()
    loss[44:50] *= 30
    found = diagnose(replace(curves, columns={**curves.columns, "v_loss": loss}))
    assert found.primary == "slow_drift"


@pytest.mark.parametrize(
    ("curve", "least"),
    [("overshoot", 11), ("early_best", 1), ("slow_drift", 10), ("noisy_eval", 0), ("no_signal", 0)],
)
def test_a_finding_opens_at_most_two_evaluations_after_it_can_be_seen(curve, least):
    """A slow fall can be seen where it leaves the noise behind, here three evaluations after it began."""
    curves, expected = pathological(curve), SIGNATURES[curve]
    can_be_seen = least + 3 * (curve == "slow_drift")
    opened = next(e for e in range(EVALS + 1) if expected in diagnose(until(curves, 4 * e)).ids)
    assert least <= opened <= can_be_seen + 2


def test_a_lead_that_vanishes_on_fresh_seeds_is_a_narrow_eval():
    curves = healthy()
    rival = curves.baselines["sjf"]

    def scores(lead):
        episodes = {key: {"return": each["return"] + lead} for key, each in rival.episodes.items()}
        return BaselineScores(rival.mean + lead, rival.worst + lead, episodes)

    holds = {"self": scores(0.08), "sjf": rival}
    falls = {"self": scores(-0.02), "sjf": rival}
    assert diagnose(replace(curves, fresh=holds)).primary == "healthy"
    assert diagnose(replace(curves, fresh=falls)).primary == "narrow_eval"


def test_evaluations_on_other_seeds_are_a_changed_measurement():
    curves = healthy()
    returns = curves.evaluations.returns.copy()
    returns[:10, 0], returns[10:, 1] = np.nan, np.nan
    table = replace(curves.evaluations, values={"return": returns})
    found = diagnose(replace(curves, evaluations=table))
    assert (found.primary, found.findings[0].updates[0]) == ("unfixed_eval", 40)


@pytest.mark.parametrize(
    "curve",
    ["overshoot", "slow_drift", "no_signal", "sawtooth", "early_best", "env_shift", "mask_bug", "brittle"],
)
def test_a_bare_csv_is_judged_by_block_returns_and_that_is_said(curve):
    diagnosis = diagnose(bare(pathological(curve)))
    assert diagnosis.primary == SIGNATURES[curve]
    assert any("judged alone" in note for note in diagnosis.notes)
    assert any("shipped defaults" in note for note in diagnosis.notes)


def test_a_rule_without_its_columns_says_so_once():
    curves = healthy()
    kept = {name: values for name, values in curves.columns.items() if not name.startswith("approx_kl")}
    diagnosis = diagnose(replace(curves, columns=kept))
    said = [text for text in diagnosis.missing_columns if text.startswith("overshoot:")]
    assert len(said) == 1
    assert "approx_kl_mean" in said[0]
    assert len({text.partition(":")[0] for text in diagnosis.missing_columns}) == len(
        diagnosis.missing_columns
    )


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7])
def test_the_first_rows_of_any_run_give_no_finding(rows):
    curves = healthy()
    table = curves.evaluations
    some = max(1, int(np.count_nonzero(table.updates < rows)))
    cut = replace(
        curves,
        columns={name: values[:rows] for name, values in curves.columns.items()},
        evaluations=replace(table, updates=table.updates[:some], values={"return": table.returns[:some]}),
    )
    assert diagnose(cut).primary == "undecided"


def test_rules_have_what_a_reader_needs():
    for rule in all_rules():
        assert rule.section, rule.id
        assert rule.explanation.endswith((".", "?")), rule.id
        assert rule.id == "healthy" or (rule.suspects and rule.checks), rule.id


def test_waits_that_bring_evaluation_down_are_a_collapse_while_entropy_still_rises():
    """A policy that never waited grows less sure as it begins to."""
    share = np.clip((np.arange(81) - 20) / 60, 0, 0.6)
    entropy = 0.5 + 0.3 * np.arange(81) / 80
    curves = healthy(
        mean=collapse(6, 0.4, over=8), entropy_frac=entropy, entropy=entropy, eval_noop_feasible_frac=share
    )
    assert "noop_collapse" in diagnose(until(curves, 36)).ids


def test_few_swings_are_a_sawtooth_only_where_the_updates_explain_them():
    means = np.array([0.9, 1.1, 1.1, 1.1, 0.9, 0.9, *[1.1] * (EVALS - 5)])
    assert "sawtooth" not in diagnose(healthy(mean=means)).ids
    steps = {"approx_kl_mean": np.full(UPDATES + 1, 0.01), "approx_kl_max": np.full(UPDATES + 1, 0.05)}
    assert diagnose(healthy(mean=means, **steps)).primary == "sawtooth"


def test_a_policy_that_grows_surer_has_found_a_signal_although_eval_is_flat():
    flat, kl = np.full(EVALS + 1, 0.95), np.full(UPDATES + 1, 1e-3)
    same = healthy(mean=flat, entropy_frac=np.full(UPDATES + 1, 0.9), approx_kl_mean=kl)
    surer = healthy(mean=flat, entropy_frac=np.linspace(0.95, 0.75, UPDATES + 1), approx_kl_mean=kl)
    assert diagnose(same).primary == "no_signal"
    assert "no_signal" not in diagnose(surer).ids


def test_updates_that_go_on_replacing_the_policy_are_overshoot_even_where_it_swings():
    swings = 1.0 + 0.12 * (-1.0) ** np.arange(EVALS + 1)
    steps = {"approx_kl_mean": np.full(UPDATES + 1, 3.0), "approx_kl_max": np.full(UPDATES + 1, 9.0)}
    assert diagnose(healthy(mean=swings, **steps)).primary == "overshoot"


def test_a_bare_block_that_gives_back_little_of_the_gain_is_not_brittle():
    """Without episodes nobody knows how far they spread: a gain of 0.2 says that 0.035 is little."""
    means = rise()
    fallen = means - 0.01 - 0.035 * (np.arange(EVALS + 1) >= 17)
    curves = healthy(block_means=np.stack([fallen, means, means + 0.01], 1))
    assert diagnose(bare(curves)).primary == "healthy"


def test_a_fall_that_is_clear_on_average_alone_is_judged_too(monkeypatch):
    fallen = np.where(np.arange(EVALS + 1) < 3, 1.1, 0.9)
    signals = Signals(healthy(mean=fallen), run_settings(healthy(mean=fallen)), default_thresholds())
    drop = signals.drop
    assert drop is not None
    monkeypatch.setattr(type(signals), "is_below", lambda self, best, later: False)
    assert signals.is_early_best(drop)
