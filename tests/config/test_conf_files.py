"""conf/ keeps its promises: every file composes and converts, every key says its unit, every load is as stated."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from sched_rl.command_help import key_comments
from sched_rl.config.bounds import BOUNDS
from sched_rl.config.compose import ConfigSources, conf_dir
from sched_rl.config.convert import schema_keys
from sched_rl.config.load import load_config
from sched_rl.workloads.playbook import arrival_span_s, generate_workload

SOURCES = ConfigSources()
FILES = sorted(conf_dir().rglob("*.yaml"))
OPTIONS = [f"{group}={option}" for group in SOURCES.groups() for option in SOURCES.options(group)]
NOT_CLUSTERS = ["gymnasium", "trace", "committed", "lublin"]
FAMILIES = [name for name in SOURCES.options("env") if name not in ["mixed", *NOT_CLUSTERS]]
#: What an option cannot do without.
COMPANIONS = {
    "env=gymnasium": ["agent/network=mlp"],
    "agent/objective=group_dro": ["env=mixed"],
    "agent/objective=family_baseline": ["env=mixed"],
} | {f"agent={name}": ["env=trace"] for name in ("f1", "wfp3", "unicep", "easy", "conservative")}
LEARNED = [name for name in SOURCES.options("agent") if name.startswith("ppo")]
FIXED = [name for name in SOURCES.options("agent") if name not in LEARNED]


def test_the_groups_are_those_that_work():
    assert SOURCES.groups() == [
        "agent",
        "agent/lr_schedule",
        "agent/network",
        "agent/objective",
        "debug",
        "diagnosis",
        "env",
        "eval",
        "experiment",
        "guard",
        "pathology",
        "sweep",
        "tracking",
    ]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_converts(option):
    load_config("train", [option, *COMPANIONS.get(option, [])])


@pytest.mark.parametrize("name", FIXED)
def test_every_fixed_scheduler_evaluates_and_serves_as_baseline(name):
    companions = COMPANIONS.get(f"agent={name}", [])
    config = load_config("evaluate", [f"agent={name}", f"baselines=[{name}]", *companions])
    assert config.agent.name == name
    assert config.baseline_agents == {name: config.agent}


@pytest.mark.parametrize("agent", LEARNED)
@pytest.mark.parametrize("network", SOURCES.options("agent/network"))
def test_every_learned_agent_takes_every_network(agent, network):
    assert load_config("train", [f"agent={agent}", f"agent/network={network}"]).agent.network.kind == network


@pytest.mark.parametrize("agent", ["ppo", "ppo_slow_updates"])
@pytest.mark.parametrize("schedule", SOURCES.options("agent/lr_schedule"))
def test_a_preset_takes_every_schedule(agent, schedule):
    assert (
        load_config("train", [f"agent={agent}", f"agent/lr_schedule={schedule}"]).agent.lr_schedule.kind
        == schedule
    )


@pytest.mark.parametrize(
    ("agent", "env", "evaluation"), [("ppo", "mixed", "family_blocks"), ("sjf", "heavy", "seed_blocks")]
)
def test_smoke_goes_with_everything(agent, env, evaluation):
    config = load_config("train", ["debug=smoke", f"agent={agent}", f"env={env}", f"eval={evaluation}"])
    assert (config.env.jobs_per_episode, config.run.checkpoint_every_updates) == (40, 2)
    assert {family.jobs_per_episode for family in config.families.values()} <= {40}


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(conf_dir())) for path in FILES])
def test_a_file_describes_itself_and_every_key_and_names_no_python_object(path):
    text = path.read_text()
    first = next(line for line in text.splitlines() if "@package" not in line)
    assert first.startswith("# "), "the first comment is the line that --help shows"
    assert "_target_" not in text
    commented = key_comments(path)
    bare = [key for key in leaf_keys(yaml.safe_load(text), "") if key not in commented]
    assert not bare, f"keys without a comment on their line: {bare}"


@pytest.mark.parametrize("name", [*FAMILIES, "mixed"])
def test_a_stated_load_is_the_measured_one(name):
    config = load_config("evaluate", ["agent=fifo", f"env={name}"])
    stated = float(
        re.search(r"^# offered load: ([0-9.]+)", (conf_dir() / f"env/{name}.yaml").read_text(), re.M)[1]
    )
    families = config.families.values() if config.env.families else [config.env]
    assert np.mean([measured_load(family) for family in families]) == pytest.approx(stated, rel=0.1)


def test_the_families_keep_the_cluster_and_differ_in_what_arrives():
    envs = {name: load_config("evaluate", ["agent=fifo", f"env={name}"]).env for name in FAMILIES}
    shapes = {(env.num_gpus, env.max_queue_size, env.jobs_per_episode) for env in envs.values()}
    assert shapes == {(8, 50, 400)}
    loads = {name: measured_load(env) for name, env in envs.items()}
    assert loads["light"] < 1 < loads["heavy"] < loads["playbook"]
    assert envs["heavy"].heavy_tail_frac > envs["playbook"].heavy_tail_frac
    with_due_times = {name for name, env in envs.items() if env.due_slack_min is not None}
    assert with_due_times == {"deadline"}


def test_the_playbook_env_is_the_published_one():
    env = load_config("train", []).env
    published = {
        "num_gpus": 8, "max_queue_size": 50, "jobs_per_episode": 400, "max_priority": 10, "max_duration": 10000.0,
        "max_episode_steps": 2000, "arrival_mode": "bursty", "arrival_span": None, "num_bursts": 6,
        "burst_prob": 0.8, "burst_std_frac": 0.03, "duration_mode": "heavy_tail", "heavy_tail_frac": 0.15,
        "max_gpus_per_job": None, "gpus_duration_corr": 0.7, "priority_duration_corr": "inverse",
        "priority_corr_strength": 0.6, "horizon_factor": 1.3, "max_episode_time": None, "step": "event",
    }  # fmt: skip
    assert {key: getattr(env, key) for key in published} == published
    reward = env.reward
    scales = (reward.progress_scale, reward.time_pressure_scale, reward.early_finish_bonus_scale)
    assert scales == (1.0, 1.0, 1.0)
    assert (reward.deadline_miss_penalty_scale, reward.noop_penalty_scale) == (1.0, 0.05)


STUDY = {
    "num_envs": 1, "rollout_steps": 2048, "gamma": 0.99, "gae_lambda": 0.95, "num_minibatches": 8,
    "update_epochs": 2, "clip_coef": 0.1, "vf_clip_coef": 0.1, "ent_coef": 0.01, "ent_coef_end_frac": 1.0,
    "vf_coef": 0.5, "max_grad_norm": 0.5, "lr": 1e-4, "entropy_jump_clip": 0.5, "target_kl": 0.02,
    "kl_stop": "epoch", "total_steps": 200_000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "changes", "end_frac"),
    [
        ("ppo_study", {}, 0.2),
        ("ppo_slow_updates", {"update_epochs": 1, "lr": 5e-5, "target_kl": 0.01}, 0.3),
        ("ppo_more_exploration", {"ent_coef": 0.02}, 0.2),
    ],
)
def test_the_presets_are_the_studys(preset, changes, end_frac):
    agent = load_config("train", [f"agent={preset}"]).agent
    assert {key: getattr(agent, key) for key in STUDY} == STUDY | changes
    assert (agent.lr_schedule.kind, agent.lr_schedule.end_frac) == ("exponential", end_frac)
    assert (agent.network.kind, agent.network.observation) == ("attention", "playbook")


@pytest.mark.parametrize("network", ["mlp", "attention"])
@pytest.mark.parametrize("mode", ["off", "per_gpu", "sorted", "cdf"])
def test_the_studys_experiments_are_its_networks_and_modes(network, mode):
    config = load_config("train", [f"experiment=study_{network}_{mode}"])
    assert (config.agent.name, config.agent.network.kind, config.env.lookahead) == (
        "ppo_study",
        network,
        mode,
    )
    assert (config.agent.network.observation, config.env.name) == ("playbook", "playbook")
    rescued = load_config("train", [f"experiment=study_{network}_{mode}", "agent=ppo_slow_updates"])
    assert (rescued.agent.name, rescued.env.lookahead) == ("ppo_slow_updates", mode)


def test_ppo_stops_before_the_offending_step():
    assert load_config("train", ["agent=ppo"]).agent.kl_stop == "minibatch"


def test_every_numeric_key_has_a_range_and_every_range_a_key():
    assert set(BOUNDS) <= set(schema_keys())
    shown = load_config("train", ["env=deadline", "agent.discount_time_s=100", "guard=rollback"])
    unbounded = [
        key
        for section in ("agent", "env", "eval", "diagnosis", "guard", "run")
        for key, value in numbers(getattr(shown, section), section)
        if key not in BOUNDS
    ]
    assert not unbounded, f"give these a row in the table: {unbounded}"


def test_protocols_start_their_splits_where_the_public_names_say():
    blocks = load_config("train", []).eval
    assert (blocks.first_seed, blocks.num_blocks, blocks.episodes_per_block) == (2000001, 3, 20)


def leaf_keys(node, prefix):
    for key, value in (node or {}).items():
        if key == "defaults" and not prefix:
            continue
        if isinstance(value, dict):
            yield from leaf_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def numbers(node, prefix):
    for name, value in vars(node).items():
        if hasattr(value, "__dataclass_fields__"):
            yield from numbers(value, f"{prefix}.{name}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}.{name}", value


def measured_load(env):
    span = arrival_span_s(env)
    return np.mean([generate_workload(env, seed).offered_load(env.num_gpus, span) for seed in range(40)])
