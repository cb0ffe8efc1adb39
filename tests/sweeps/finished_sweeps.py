"""Studies as a sweep leaves them, made without training anything."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution

TINY = (
    "debug=smoke",
    "agent.num_envs=4",
    "agent.rollout_steps=32",
    "agent.total_steps=256",
    "agent.num_minibatches=2",
    "eval.every_updates=2",
    "baselines=[sjf,fifo]",
)


def make_sweep(
    folder: Path,
    learning_rates: dict[float, float],
    *,
    infeasible: tuple[float, ...] = (),
    base: tuple[str, ...] = TINY,
    seed: int = 1,
) -> optuna.Study:
    """A study in FOLDER/study.db whose trials tried learning rates, each with its val score."""
    folder.mkdir(parents=True)
    study = optuna.create_study(
        study_name=folder.name, storage=f"sqlite:///{folder / 'study.db'}", direction="maximize"
    )
    attributes = {
        "recipe": "ppo_core", "command": ["sweep=ppo_core"], "base_overrides": list(base), "agent": "ppo",
        "env": "playbook", "folder": str(folder), "space": {"agent.lr": {"values": "interval(0,1)", "when": None}},
        "objectives": ["min_block_return"], "constraints": {}, "sampler": "random", "pruner": "none",
        "n_trials": len(learning_rates), "config": {}, "digest": "0", "started_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    for number, (rate, score) in enumerate(learning_rates.items()):
        study.add_trial(
            optuna.trial.create_trial(
                params={"agent.lr": rate},
                distributions={"agent.lr": FloatDistribution(0, 1)},
                value=score,
                user_attrs={
                    "overrides": [f"agent.lr={rate}"], "folder": str(folder / str(number)), "seed": seed,
                    "min_block_return": score, "mean_return": score + 0.01, "steps": 1024, "wall_s": 2.0,
                },
                constraints={"invalid_frac": 1.0 if rate in infeasible else 0.0},
            )
        )  # fmt: skip
    return study
