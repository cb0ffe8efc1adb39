"""A sweep from its command to its end, with a training that takes no time."""

from __future__ import annotations

import math

import pytest

from sched_rl.errors import ConfigError
from sweeps.study import best_trials, find_study, sweep_info

LR = "agent.lr=tag(log,interval(1e-4,1e-2))"
CLIP = "agent.clip_coef=interval(0.05,0.4)"


def test_a_sweep_runs_exactly_its_trials_each_in_a_folder_of_its_number(sweep, trials, training, tmp_path):
    run = training()
    assert sweep(LR, CLIP, "sweep.n_trials=5", "sweep.sampler=random", "sweep.pruner=none", run=run) == 0
    assert [trial.state for trial in trials()] == ["COMPLETE"] * 5
    assert [folder for _, folder in run.seen] == [tmp_path / "runs/sweeps/s" / str(k) for k in range(5)]
    for trial, (config, folder) in zip(trials(), run.seen, strict=True):
        assert trial.folder == folder
        assert trial.overrides == [f"agent.lr={config.agent.lr}", f"agent.clip_coef={config.agent.clip_coef}"]
        assert config.agent.lr == pytest.approx(trial.params["agent.lr"], rel=1e-5)
        assert (config.trial.study, config.trial.number) == ("s", trial.number)
        assert config.eval.final_report is False


def test_the_objective_is_the_best_worst_block_and_the_rest_is_beside_it(sweep, trials):
    sweep(LR, "sweep.n_trials=2", "sweep.pruner=none")
    for trial in trials():
        lr = float(trial.overrides[0].partition("=")[2])
        best = 1.0 - 0.1 * math.log10(lr / 1e-3) ** 2
        assert trial.values == (pytest.approx(best),)
        scores = trial.attrs["block_scores"]
        assert list(scores) == ["block0", "block1", "block2"]
        assert min(scores.values()) == pytest.approx(best)
        assert trial.attrs["mean_return"] == pytest.approx(best + 0.01)
        assert (trial.attrs["steps"], trial.attrs["updates"]) == (3_000_000, 10)
        assert {"wall_s", "last_min_block_return", "seed", "host"} <= set(trial.attrs)


def test_a_search_finds_what_there_is_to_find(sweep):
    sweep(LR, CLIP, "sweep.n_trials=15")
    best = best_trials(find_study("s"))[0]
    assert best.values[0] > 0.99


def test_the_command_line_wins_over_the_file(sweep, trials):
    assert (
        sweep("sweep=ppo_core", "agent.lr=1e-3", "agent.clip_coef=choice(0.1,0.2)", "sweep.n_trials=2") == 0
    )
    for trial in trials():
        assert "agent.lr" not in trial.params
        assert trial.params["agent.clip_coef"] in (0.1, 0.2)
        assert trial.params["agent.update_epochs"] in range(1, 9)


def test_conditional_keys_are_searched_only_where_they_exist(sweep, trials, training):
    run = training()
    sweep("sweep=ppo_lr_schedule", "sweep.n_trials=12", "sweep.sampler=random", "sweep.pruner=none", run=run)
    kinds = {trial.params["agent/lr_schedule"] for trial in trials()}
    assert kinds == {"constant", "linear", "exponential", "cosine"}
    for trial, (config, _) in zip(trials(), run.seen, strict=True):
        kind = trial.params["agent/lr_schedule"]
        assert config.agent.lr_schedule.kind == kind
        assert ("agent.lr_schedule.end_frac" in trial.params) == (kind != "constant")
        assert ("agent.lr_schedule.warmup_frac" in trial.params) == (kind == "cosine")


def test_a_fixed_scheduler_is_searched_without_training(sweep, trials, training):
    run = training()
    assert sweep("sweep=linear_score_cmaes", "sweep.n_trials=9", run=run) == 0
    assert {len(config.agent.weights) for config, _ in run.seen} == {6}
    assert len({config.agent.weights for config, _ in run.seen}) == 9
    assert all(trial.overrides[0].startswith("agent.weights=[") for trial in trials())


WEIGHT = ("agent=linear_score", "agent.weights.0=interval(-25,-5)")


def test_several_objectives_give_a_front(sweep, trials, training):
    """Scores are best at -10, seconds at -5: what lies between is the front."""
    run = training(lambda command, folder: {"wall_s": -command.config.agent.weights[0]})
    sweep(
        *WEIGHT, "sweep.objectives=[eval_min_block_return,wall_s]", "sweep.pruner=none", "sweep.n_trials=10",
        "sweep.sampler=qmc", run=run,
    )  # fmt: skip
    info, front = sweep_info(find_study("s")), best_trials(find_study("s"))
    assert info.maximize == (True, False)
    weights = {trial.number: trial.params["agent.weights.0"] for trial in trials()}
    between = {number for number, weight in weights.items() if weight >= -10}
    assert between <= {trial.number for trial in front}
    assert len(front) <= len(between) + 1


def test_an_infeasible_trial_is_never_the_best(sweep, trials, training):
    """The best score takes 10 s, and 8 are allowed."""
    run = training(lambda command, folder: {"wall_s": -command.config.agent.weights[0]})
    sweep(
        *WEIGHT,
        "sweep.constraints.wall_s=8",
        "sweep.n_trials=8",
        "sweep.sampler=qmc",
        "sweep.pruner=none",
        run=run,
    )
    assert [trial.is_feasible for trial in trials()] == [trial.attrs["wall_s"] <= 8 for trial in trials()]
    feasible = {trial.number: trial.values[0] for trial in trials() if trial.is_feasible}
    assert 0 < len(feasible) < 8
    best = best_trials(find_study("s"))
    assert [trial.number for trial in best] == sorted(feasible, key=feasible.__getitem__, reverse=True)


def test_the_best_setting_comes_out_as_a_command_that_trains_it(sweep, training, sources, capsys):
    from sched_rl.config.load import load_command

    run = training()
    sweep("sweep=ppo_lr_schedule", "env=heavy", "agent/network=mlp", "sweep.n_trials=3", run=run)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("train the best: ")]
    import shlex

    typed = shlex.split(line)[6:]
    assert not any(text.startswith("sweep") for text in typed)
    plain = load_command("train", typed, sources).config
    best = best_trials(find_study("s"))[0]
    config = run.seen[best.number][0]
    assert (plain.agent, plain.env, plain.seed) == (config.agent, config.env, config.seed)
    assert plain.eval.every_updates == config.eval.every_updates


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent.clip=interval(0.1,0.2)"], r"unknown key agent.clip \(did you mean agent.clip_coef\?\)"),
        (["agent.clip_coef=interval(0.1,2)"], r"agent.clip_coef=2.*: must be in \[0, 1\)"),
        (["agent.clip_coef=interval(0.2,0.1)"], "an inverted interval; write interval"),
        (["agent.clip_coef=interval(0.2,0.2)"], "an empty interval"),
        (["agent.lr=tag(log,interval(0,0.1))"], "a logarithm needs numbers above 0, got 0"),
        (["agent.lr=tag(lgo,interval(0.01,0.1))"], "tag lgo is unknown"),
        (["agent.update_epochs=range(4,2)"], "an empty range"),
        (["agent.lr=choice(0.1,0.1)"], "names a choice twice"),
        (["agent/lr_schedule=choice(cosine,cosin)"], r"agent/lr_schedule=cosin: .*did you mean cosine"),
        (["agent.lr_schedule.warmup_frac=interval(0,0.1)"], "lr_schedule=exponential has no warmup_frac"),
        (["seed=1,2,3"], "seed=1,2,3: cannot be searched: the luckiest seed is not the best setting"),
        (["env=light,heavy"], "env=light,heavy: cannot be searched: trials on different clusters"),
        ([], "nothing to search"),
        ([LR, "trial.number=3"], "trial.number=3: set by the sweep itself"),
        ([LR, "sweep.sampler=grid"], "an interval cannot be listed for sweep.sampler=grid"),
        ([LR, "sweep.sampler=cmaes"], "needs two dimensions or more"),
        ([LR, "agent.kl_stop=minibatch,epoch", "sweep.sampler=cmaes"], "agent.kl_stop is a choice"),
        ([LR, "sweep.objectives=[eval_min_block_return,wall_s]"], "sweep.pruner=median: compares trials by one"),
        ([LR, "sweep.objectives=[wall]"], "sweep.objectives"),
        ([LR, "sweep.name=a/b"], "sweep.name=a/b: names a folder"),
        ([LR, "sweep.storage=redis://x"], "sweep.storage=redis://x: must be"),
        ([LR, "sweep.n_trials=0"], "sweep.n_trials=0: must be"),
        ([LR, "sweep.space.agent.gamma=interval(0,1)"], "written as its own key: agent.gamma="),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_before_the_first_trial(
    sweep, training, overrides, message, tmp_path
):
    from sched_rl.errors import SchedRLError

    run = training()
    with pytest.raises(SchedRLError, match=message) as error:
        sweep(*overrides, run=run)
    assert "\n" not in str(error.value)
    assert run.seen == []
    assert not (tmp_path / "runs").exists()


def test_keys_of_a_sweep_need_one(sources):
    from sched_rl.config.load import load_command

    with pytest.raises(
        ConfigError, match=r"^sweep\.n_trials=3: belongs to a sweep; choose one with sweep=NAME"
    ):
        load_command("train", ["sweep.n_trials=3"], sources)
