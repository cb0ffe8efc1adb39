"""The warm start: the policy imitates a fixed scheduler, then the critic catches up before the policy moves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from functools import partial

import numpy as np
import pytest
import torch

from sched_rl.agents import build_ppo
from sched_rl.agents.environment import TYPICAL_STEPS_PER_JOB
from sched_rl.agents.imitation import demonstrations
from sched_rl.agents.schedules import num_critic_updates
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_command, load_config
from sched_rl.config.record import config_digest
from sched_rl.config.rules import check_training
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import CheckpointError, ConfigError
from sched_rl.evaluation.loading import scheduler_of, teaching_policy
from sched_rl.interrupts import Interrupts
from sched_rl.run_folder import check_resumable
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.trainer import train

TINY = [
    "env.jobs_per_episode=30",
    "env.max_queue_size=12",
    "agent.num_envs=8",
    "agent.rollout_steps=32",
    "agent.num_minibatches=2",
    "agent.total_steps=5120",
    "agent.warm_start.teacher=linear_score",
    "agent.warm_start.simulate=none",
    "agent.warm_start.lr_end_frac=1",
    "agent.warm_start.num_rollouts=16",
    "agent.warm_start.num_epochs=4",
]


def learner(*overrides):
    config = load_config("train", [*TINY, *overrides])
    env = VectorClusterEnv(config.env, config.agent.network.observation, 8, seed=3, with_potential=True)
    env.reset()
    return config, env, build_ppo(config.agent, env.layout, config.seed, num_updates=20)


def agreement_on_fresh_workloads(config, ppo):
    teacher = build_scheduler(config.agent.warm_start.teacher_agent)
    encodings = (teacher.encoding, config.agent.network.observation)
    theirs, ours = envs = [VectorClusterEnv(config.env, encoding, 8, seed=99) for encoding in encodings]
    for env in envs:
        env.reset()
    same = []
    for _ in range(60):
        wanted = teacher.actions(theirs.observation, theirs.action_mask, np.ones(8, bool))
        chosen = ppo.greedy_actions(ours.observation, ours.action_mask)
        same += list((wanted == chosen)[theirs.action_mask.sum(1) > 1])
        for env in envs:
            env.step(wanted)
    return np.mean(same)


@pytest.mark.parametrize("teacher", ["linear_score", "longest"])
def test_the_policy_chooses_as_its_teacher_does_where_it_was_not_taught(teacher):
    config, _, ppo = learner(f"agent.warm_start.teacher={teacher}")
    untaught = agreement_on_fresh_workloads(config, ppo)
    imitated = ppo.imitate(config, config.agent.warm_start.teacher_agent)
    taught = agreement_on_fresh_workloads(config, ppo)  # of the average, which begins anew
    assert taught > 0.7 * untaught + 0.3, (untaught, taught)  # a third of the disagreement is gone
    assert imitated.teacher_steps == 16 * 32 * 8
    assert abs(imitated.agreement - taught) < 0.3


def test_on_families_of_a_mixture_the_teacher_is_the_familys_own():
    key = "agent.warm_start.family_teachers"
    families = ["env.families=[playbook,light,heavy]", f"{key}.playbook=longest", f"{key}.light=least_laxity"]
    config = load_config("train", ["env=mixed", *TINY, *families])
    start = config.agent.warm_start
    agents = {name: start.family_teacher_agents[name] for name in ("playbook", "light")}
    assert [agent.name for agent in agents.values()] == ["longest", "least_laxity"]
    env = VectorClusterEnv(config.env, "playbook", 8, seed=config.seed, families=config.families)
    rich = VectorClusterEnv(config.env, "rich", 8, seed=config.seed, families=config.families)
    for each in (env, rich):
        each.reset()
        each.stagger(TYPICAL_STEPS_PER_JOB * 30, config.seed)
    (actions, *_), *_ = demonstrations(config, config.agent, start.teacher_agent, agents, 1)
    played = set()
    for wanted in actions.reshape(32, 8):
        for row, seed in enumerate(env.episode_seeds.tolist()):
            family = env.family_of(seed)
            teacher = build_scheduler(agents.get(family, start.teacher_agent))
            seen = rich if teacher.encoding == "rich" else env
            assert wanted[row] == teacher.actions(seen.observation, seen.action_mask, np.ones(8, bool))[row]
            played.add(family)
        for each in (env, rich):
            each.step(wanted)
    assert len(played) > 1


def test_only_a_mixture_teaches_by_family(tmp_path):
    mixed, heavy = (load_config("train", [f"env={name}", *TINY]) for name in ("mixed", "heavy"))
    with pytest.raises(ConfigError, match="teaches families of a mixture, and env=heavy is none"):
        check_training(dataclasses.replace(mixed, env=heavy.env))
    (tmp_path / "env").mkdir()
    (tmp_path / "env/mine.yaml").write_text(
        "# Mine\ndefaults:\n  - mixed\n  - _self_\nname: mine\n"
        "if_learned: {warm_start: {family_teachers: {hevy: sjf}}}\n"
    )
    with pytest.raises(
        ConfigError, match=r"family_teachers\.hevy: must name an env, one of .*did you mean heavy"
    ):
        load_command("train", ["env=mine"], ConfigSources([tmp_path]))


def test_the_critic_catches_up_before_the_policy_moves():
    _, env, ppo = learner("agent.warm_start.critic_updates=2")
    for update in range(3):
        before = {name: value.clone() for name, value in ppo.network.state_dict().items()}
        ppo.collect(env)
        metrics = ppo.update()
        moved = {
            name for name, value in ppo.network.state_dict().items() if not torch.equal(before[name], value)
        }
        assert any(name.startswith("value.") for name in moved)
        assert any(name.startswith("policy.") for name in moved) == (update == 2)
        assert (metrics["lr"] > 0) == np.isfinite(metrics["approx_kl_mean"]) == (update == 2)


def test_the_critic_alone_gets_at_most_a_tenth_of_a_run_and_nothing_without_a_teacher():
    start = load_config("train", ["env=heavy", "agent.warm_start.critic_updates=4"]).agent.warm_start
    assert start.teacher_agent.name == "linear_score_heavy"
    assert [num_critic_updates(start, updates) for updates in (9, 10, 39, 1000)] == [0, 1, 3, 4]
    cold = load_config("train", ["env=heavy", "agent.warm_start.teacher=null"]).agent.warm_start
    assert cold.teacher_agent is None
    assert num_critic_updates(cold, 1000) == 0


def test_a_run_says_what_its_policy_imitated(tmp_path):
    overrides = ["tracking=none", "diagnosis=none", "progress=off", "baselines=[]"]
    train(load_config("train", [*TINY, *overrides, "agent.total_steps=256"]), tmp_path / "run")
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    (event,) = [event for event in events if event["kind"] == "warm_start"]
    assert (event["teacher"], event["teacher_steps"]) == ("linear_score", 16 * 32 * 8)
    assert 0.2 < event["agreement"] <= 1


def test_a_simulating_teacher_names_what_the_rollout_would_once_all_jobs_have_arrived():
    config, *_ = learner("agent.warm_start.simulate=known", "env.arrival_span=3000")
    teacher = config.agent.warm_start.teacher_agent
    (actions, *_), *_ = demonstrations(config, config.agent, teacher, {}, 1, "known")
    env = VectorClusterEnv(config.env, "playbook", 8, seed=config.seed)
    env.reset()
    env.stagger(TYPICAL_STEPS_PER_JOB * 30, config.seed)
    oracle = build_scheduler(
        load_config("evaluate", ["agent=rollout", "agent.future=oracle", "agent.base=linear_score"]).agent
    )
    rule, everyone = build_scheduler(teacher), np.ones(8, bool)
    oracle.watch(env.batch)
    oracle.begin([config.env], [config.seed])
    differed = {True: 0, False: 0}
    for played in actions.reshape(32, 8):
        is_known = env.batch.state.clusters["num_arriving"] == 0
        mask = env.action_mask.copy()
        mask[:, 0] = ~mask[:, 1:].any(1)  # the learner has no voluntary waits, nor has what it is taught
        plain = rule.actions(env.observation, mask, everyone)
        assert (played == np.where(is_known, oracle.actions(env.observation, mask, everyone), plain)).all()
        for known in (True, False):
            differed[known] += int((played != plain)[is_known == known].sum())
        env.step(played)
    assert differed[True] > 0 == differed[False]


def test_the_learning_rate_of_an_imitation_falls_to_its_end():
    _, _, constant = learner("agent.warm_start.lr=1e-3")
    config, _, falling = learner("agent.warm_start.lr=1e-3", "agent.warm_start.lr_end_frac=1e-6")
    told = []
    for ppo in (constant, falling):
        ppo.imitate(
            config,
            config.agent.warm_start.teacher_agent,
            progress=lambda done, agreement: told.append(done),
        )
    assert told == 2 * list(range(1, 17))
    moved = [
        sum(
            float((value - start).abs().sum())
            for value, start in zip(
                ppo.network.policy.state_dict().values(),
                learner()[2].network.policy.state_dict().values(),
                strict=True,
            )
        )
        for ppo in (constant, falling)
    ]
    assert 0 < moved[1] < moved[0]


# --- a learned teacher ---

QUIET = ["tracking=none", "diagnosis=none", "progress=off", "baselines=[]", "agent.total_steps=256"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The run folder of a small training, and its config."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    config = load_config("train", [*TINY, *QUIET, "agent.warm_start.num_rollouts=4"])
    train(config, folder)
    return folder, config


def test_a_policy_is_taught_by_a_run_folder_or_a_checkpoint_file(learned):
    folder, config = learned
    (file,) = (folder / "checkpoints").glob("best_*.pt")
    scheduler, everyone = scheduler_of(config, folder), np.ones(8, bool)
    for path in (folder, file):
        pupil = load_config("train", [*TINY, f"agent.warm_start.teacher={path}"])
        teacher = pupil.agent.warm_start.teacher_agent
        assert teacher.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        load = partial(teaching_policy, pupil)
        (actions, *_), *_ = demonstrations(pupil, pupil.agent, teacher, {}, 1, load_policy=load)
        env = VectorClusterEnv(pupil.env, "rich", 8, seed=pupil.seed)
        env.reset()
        env.stagger(TYPICAL_STEPS_PER_JOB * 30, pupil.seed)
        for played in actions.reshape(32, 8)[:12]:
            assert (played == scheduler.actions(env.observation, env.action_mask, everyone)).all()
            env.step(played)


def test_families_can_have_learned_teachers_beside_simulated_rules(learned, tmp_path):
    folder, _ = learned
    simulated = "agent.warm_start.simulate=known"
    families = [
        "env.families=[playbook,heavy]",
        simulated,
        f"agent.warm_start.family_teachers.playbook={folder}",
    ]
    overrides = ["env=mixed", *TINY, *QUIET, *families, "agent.warm_start.num_rollouts=1"]
    train(load_config("train", overrides), tmp_path / "run")
    (event,) = [
        event
        for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()
        if (event := json.loads(line))["kind"] == "warm_start"
    ]
    assert str(folder) in event["teacher"]
    assert "simulates the rest" in event["teacher"]


def test_a_learned_teacher_that_changed_or_sees_other_clusters_is_refused(learned, tmp_path):
    folder, _ = learned
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = load_config("train", [*TINY, *QUIET, f"agent.warm_start.teacher={copy}"])
    wider = load_config("train", [*TINY, *QUIET, "env.max_queue_size=9", f"agent.warm_start.teacher={copy}"])
    with pytest.raises(ConfigError, match="whose clusters and windows are of another size"):
        teaching_policy(wider, wider.agent.warm_start.teacher_agent)
    (file,) = (copy / "checkpoints").glob("best_*.pt")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ConfigError, match="its checkpoint has changed since"):
        teaching_policy(config, config.agent.warm_start.teacher_agent)


def test_what_is_no_learned_policy_cannot_teach(tmp_path):
    fixed = load_config("train", ["agent=sjf", *TINY[:2], *QUIET[:-1]])
    train(fixed, tmp_path / "sjf")
    key = "agent.warm_start.teacher"
    for name, complaint in (
        (tmp_path / "sjf", "agent=sjf did not learn; name the scheduler itself"),
        (tmp_path / "none", "no such file or folder"),
        (tmp_path, "not of a run, there is no config.yaml"),
    ):
        with pytest.raises(ConfigError, match=f"{key}=.*{complaint}"):
            load_config("train", [*TINY, f"{key}={name}"])


def test_the_digest_of_a_run_goes_by_what_its_teacher_holds_and_not_by_where_it_lies(learned, tmp_path):
    folder, _ = learned
    shutil.copytree(folder, tmp_path / "copy")
    here, there = (
        config_digest(load_config("train", [*TINY, f"agent.warm_start.teacher={path}"]))
        for path in (folder, tmp_path / "copy")
    )
    assert here == there != config_digest(load_config("train", TINY))


@pytest.mark.parametrize("num_rollouts", [1, 3])
def test_a_run_that_is_stopped_before_its_first_update_is_taught_once(
    tmp_path, monkeypatch, capsys, num_rollouts
):
    """Stopped after the only rollout it has been taught; stopped amid three of them it is taught again, wholly."""
    overrides = [*TINY, *QUIET, "agent.total_steps=768", f"agent.warm_start.num_rollouts={num_rollouts}"]
    whole = train(load_config("train", overrides), tmp_path / "whole")

    class Stopped(Interrupts):
        def __init__(self):
            super().__init__()
            self.requested = "SIGINT"

    config, folder = load_config("train", overrides), tmp_path / "stopped"
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("sched_rl.trainer.Interrupts", Stopped)
        assert train(config, folder).exit_code == 130
    said = "after update 0; everything is saved" if num_rollouts == 1 else "before it began to learn"
    printed = capsys.readouterr().out
    assert f"stopped by SIGINT {said}. To go on:" in printed
    assert "no report.html" not in printed
    check_resumable(folder)
    resumed = train(config, folder, resume=folder)
    events = [json.loads(line)["kind"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events.count("warm_start") == 1
    assert (resumed.last_mean_return, resumed.updates) == (whole.last_mean_return, 3)
    rows = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("whole", "stopped")]
    assert rows[0] == rows[1]


def test_a_run_that_lost_its_checkpoints_does_not_begin_again_over_its_record(tmp_path):
    config, folder = load_config("train", [*TINY, *QUIET, "agent.total_steps=768"]), tmp_path / "run"
    train(config, folder)
    shutil.rmtree(folder / "checkpoints")
    recorded = (folder / "metrics.csv").read_bytes()
    with pytest.raises(CheckpointError, match="no checkpoint there to resume from; start a new run instead"):
        train(config, folder, resume=folder)
    assert (folder / "metrics.csv").read_bytes() == recorded
