"""Curves made by hand: a healthy run, and changes that give it one signature each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sched_rl.diagnosis.curves import BaselineScores, EvaluationTable, RunCurves
from sched_rl.diagnosis.engine import shipped_defaults

EVALS, EVERY, BLOCKS, EPISODES = 20, 4, 3, 20
UPDATES = EVALS * EVERY
#: Spread of episodes within a block, of paired differences, and of the policy from evaluation to evaluation.
EPISODE_SD, PAIRED_SD, JITTER_SD = 0.07, 0.02, 0.004


def rise(start=0.9, end=1.1, scale=4.0):
    """[E + 1] true means of a policy that learns and holds."""
    return end - (end - start) * np.exp(-np.arange(EVALS + 1) / scale)


def healthy(seed=0, **changes):
    """A run that learns, holds and beats its baseline; `changes` replace columns or `mean` / `block_means`."""
    rng = np.random.default_rng(seed)
    n = UPDATES + 1
    means = changes.pop("mean", rise())
    block_means = changes.pop("block_means", np.stack([means - 0.01, means, means + 0.01], 1))
    block_means = block_means + rng.normal(0, JITTER_SD, (EVALS + 1, 1))
    progress = np.arange(n) / UPDATES
    columns = {
        "update": np.arange(n, dtype=float),
        "noop_frac": 0.5 + rng.normal(0, 0.01, n),
        "noop_feasible_frac": np.abs(rng.normal(0, 0.003, n)),
        "legal_actions_mean": 10 + rng.normal(0, 0.3, n),
        "mean_ep_return": means[-1] + rng.normal(0, 0.03, n),
        "num_episodes": np.full(n, 10.0),
        "invalid_frac": np.zeros(n),
        "entropy_frac": 0.85 - 0.35 * progress + rng.normal(0, 0.01, n),
        "entropy": 1.3 - 0.5 * progress + rng.normal(0, 0.02, n),
        "approx_kl_mean": 1.5e-3 * np.exp(rng.normal(0, 0.3, n)),
        "approx_kl_max": 4e-3 * np.exp(rng.normal(0, 0.3, n)),
        "early_stop": np.zeros(n),
        "pg_loss": -1e-3 * np.exp(rng.normal(0, 0.4, n)),
        "v_loss": 0.01 + 0.2 * np.exp(-8 * progress) * np.exp(rng.normal(0, 0.1, n)),
        "explained_variance": 0.95 - 0.7 * np.exp(-10 * progress),
        "advantage_std": np.full(n, 0.02),
        "grad_norm": 0.2 * np.exp(rng.normal(0, 0.2, n)),
        "eval_noop_frac": np.full(n, 0.5),
        "eval_noop_feasible_frac": np.zeros(n),
    }
    columns |= changes
    for name in columns:
        if name != "update" and not name.startswith("eval_"):
            columns[name] = np.where(np.arange(n) == 0, np.nan, columns[name])
    return with_evaluations(columns, block_means, rng)


def with_evaluations(columns, block_means, rng, per_block=EPISODES):
    """The columns with episodes drawn around block means, and a baseline on the same episodes."""
    n, blocks_n = len(columns["update"]), block_means.shape[1]
    blocks = np.repeat(np.arange(blocks_n), per_block)
    hardness = rng.normal(0, EPISODE_SD, blocks.size)
    hardness -= np.array([hardness[blocks == b].mean() for b in range(blocks_n)])[blocks] * (per_block > 1)
    returns = block_means[:, blocks] + hardness + rng.normal(0, PAIRED_SD, (EVALS + 1, blocks.size))
    rival = 1.02 + hardness + rng.normal(0, PAIRED_SD, blocks.size)
    rows = np.arange(EVALS + 1) * EVERY
    measured = np.stack([returns[:, blocks == b].mean(axis=1) for b in range(blocks_n)], 1)
    for name, values in {
        "eval_mean_return": measured.mean(axis=1),
        "eval_min_block_return": measured.min(axis=1),
        **{f"eval_block{b}_return": measured[:, b] for b in range(blocks_n)},
    }.items():
        columns[name] = np.full(n, np.nan)
        columns[name][rows] = values
    for name in ("eval_noop_frac", "eval_noop_feasible_frac"):
        columns[name] = np.where(np.isin(np.arange(n), rows), columns[name], np.nan)
    seeds = 2_000_001 + np.arange(blocks.size)
    values = {"return": returns}
    episodes = {(int(b), int(s)): {"return": float(r)} for b, s, r in zip(blocks, seeds, rival, strict=True)}
    return RunCurves(
        name="synthetic",
        columns=columns,
        evaluations=EvaluationTable(rows.astype(np.int64), blocks, seeds, values),
        baselines={"sjf": BaselineScores(float(rival.mean()), float(rival.mean()) - 0.01, episodes)},
        config=shipped_defaults(),
    )


def bare(curves):
    """The same without episodes, baselines and config: a CSV of other people's."""
    return replace(curves, evaluations=None, baselines={}, config=None)


def collapse(at, to, over=1, base=None):
    """[E + 1] means that fall from an evaluation on, within `over` evaluations."""
    means = (rise() if base is None else base).copy()
    steps = np.clip((np.arange(EVALS + 1) - at + 1) / over, 0, 1)
    return means + np.where(np.arange(EVALS + 1) >= at, (to - means[at - 1]) * steps, 0.0)


def at_rows(base, rows, value):
    """A column with some rows replaced."""
    column = np.array(base, dtype=float)
    column[rows] = value
    return column


def noise(rng, size=UPDATES + 1, sd=0.01):
    return rng.normal(0, sd, size)


def pathological(name, seed=0):
    """Curves with the signature of a finding."""
    rng = np.random.default_rng(seed + 1000)
    n, grid = UPDATES + 1, np.arange(UPDATES + 1)
    progress = grid / UPDATES
    flat = np.full(EVALS + 1, 0.95)
    if name == "mask_bug":
        return healthy(seed, invalid_frac=np.full(n, 0.01))
    if name == "overshoot":
        spike = at_rows(4e-3 * np.exp(noise(rng, sd=0.3)), slice(41, 45), 0.5)
        return healthy(seed, mean=collapse(11, 0.7), approx_kl_max=spike)
    if name == "replaced_policy":
        return healthy(
            seed, approx_kl_mean=3 * np.exp(noise(rng, sd=0.5)), approx_kl_max=9 * np.exp(noise(rng))
        )
    if name == "dead_policy":
        late = grid >= 40
        return healthy(
            seed,
            mean=flat,
            entropy_frac=np.where(late, 1e-6, 0.8) + np.abs(noise(rng, sd=1e-7)),
            approx_kl_mean=np.where(late, 0.0, 1.5e-3),
            approx_kl_max=np.where(late, 0.0, 4e-3),
        )
    if name == "exploding_gradients":
        return healthy(seed, mean=flat, grad_norm=60 * np.exp(noise(rng, sd=0.3)))
    if name == "slow_drift":
        return healthy(seed, mean=collapse(10, 0.93, over=10))
    if name == "critic_bottleneck":
        return healthy(
            seed,
            mean=flat + rng.normal(0, 0.03, EVALS + 1),
            explained_variance=noise(rng, sd=0.05),
            v_loss=500 * np.exp(noise(rng, sd=0.5)),
        )
    if name == "noop_collapse":
        return healthy(
            seed,
            mean=collapse(6, 0.4, over=8),
            noop_frac=0.5 + 0.4 * progress + noise(rng),
            noop_feasible_frac=0.02 + 0.8 * progress + noise(rng),
            entropy_frac=0.8 - 0.7 * progress + noise(rng),
        )
    if name == "always_waits":
        return healthy(seed, eval_noop_frac=np.full(n, 0.99), eval_noop_feasible_frac=np.full(n, 0.98))
    if name == "waits_where_jobs_fit":
        share = np.clip((progress - 0.2) * 3, 0, 0.8)
        return healthy(seed, eval_noop_frac=share, eval_noop_feasible_frac=share)
    if name == "no_signal":
        return healthy(
            seed, mean=flat, entropy_frac=0.88 + noise(rng, sd=0.002), approx_kl_mean=1e-9 * np.exp(noise(rng)),
            approx_kl_max=1e-8 * np.exp(noise(rng)),
        )  # fmt: skip
    if name == "premature_determinism":
        return healthy(seed, mean=flat, entropy_frac=0.02 + np.abs(noise(rng, sd=0.003)))
    if name == "brittle":
        means = rise()
        worst = np.where(np.arange(EVALS + 1) < 6, 0.9, 0.6)
        return healthy(seed, block_means=np.stack([worst, means + 0.02, means], 1))
    if name == "sawtooth":
        return healthy(seed, mean=1.0 + 0.12 * (-1.0) ** np.arange(EVALS + 1))
    if name == "early_best":
        return healthy(seed, mean=np.where(np.arange(EVALS + 1) == 0, 1.1, 0.9))
    if name == "env_shift":
        later = grid >= 50
        return healthy(
            seed,
            noop_frac=np.where(later, 0.62, 0.5) + noise(rng),
            legal_actions_mean=np.where(later, 6, 10) + noise(rng, sd=0.3),
        )
    if name == "noisy_eval":
        curves = healthy(seed)
        means = np.tile(rise()[:, None], (1, 3))
        rng = np.random.default_rng(seed)
        return with_evaluations(dict(curves.columns), means, rng, per_block=1)
    if name == "not_beating_baseline":
        return healthy(seed, mean=rise(end=0.99))
    if name == "critic_lag":
        loss = at_rows(0.02 * np.exp(noise(rng, sd=0.1)), slice(45, 52), 0.6)
        return healthy(seed, mean=collapse(12, 0.75), v_loss=loss)
    if name == "pg_loss_extreme":
        return healthy(seed, pg_loss=0.9 + noise(rng))
    raise AssertionError(name)
