"""What must hold between keys: contradictions that no single range can catch."""

from __future__ import annotations

from collections.abc import Callable

from sched_rl.config.bounds import check_bounds
from sched_rl.config.convert import show
from sched_rl.config.gymnasium import gymnasium_problem
from sched_rl.config.schema import (
    AgentConfig,
    AttentionConfig,
    Config,
    EnvConfig,
    ExponentialScheduleConfig,
    LaxityScoreConfig,
    LinearScoreConfig,
    MlpConfig,
    PpoConfig,
    RolloutConfig,
    ScorerConfig,
)
from sched_rl.config.site_rules import site_problem
from sched_rl.config.sites import SiteConfig
from sched_rl.errors import ConfigError
from sched_rl.seeding import TRAINING_SEED_LOW

#: promote and report start this many seeds after the split before them.
SPLIT_DISTANCE = 5_000_000

#: Number of features of the linear score.
LINEAR_SCORE_FEATURES = 6


def check_config(config: Config) -> None:
    """Ranges and cross-field rules.

    Raises:
        ConfigError: one line on the first rule that does not hold.
    """
    check_bounds(config)
    for rule in _RULES:
        _raise_if(rule(config))


def check_training(config: Config) -> None:
    """What must hold in training only.

    Raises:
        ConfigError: one line on the first rule that does not hold.
    """
    _raise_if(_training_observation(config))
    _raise_if(_objective(config))
    _raise_if(_family_teachers(config))
    if config.eval.split != "val":
        raise ConfigError(
            f"eval.split={config.eval.split}: training selects on val; read {config.eval.split} with "
            f"`python -m sched_rl.evaluate checkpoint=RUN_FOLDER eval.split={config.eval.split}`"
        )


def _raise_if(problem: str | None) -> None:
    if problem is not None:
        raise ConfigError(problem)


def _training_observation(config: Config) -> str | None:
    if not isinstance(config.agent, PpoConfig) or not isinstance(config.env, (EnvConfig, SiteConfig)):
        return None
    if config.env.observation is None:
        return None
    seen = config.agent.network.observation
    if config.env.observation == seen:
        return None
    return (
        f"env.observation={config.env.observation}: the network sees {seen}; leave it null, or choose with "
        f"agent.network.observation={config.env.observation}"
    )


def _rollout(config: Config) -> str | None:
    agent = config.agent
    if not isinstance(agent, PpoConfig):
        return None
    batch = agent.num_envs * agent.rollout_steps
    product = f"agent.num_envs * agent.rollout_steps = {agent.num_envs} * {agent.rollout_steps} = {batch}"
    if batch % agent.num_minibatches:
        return f"agent.num_minibatches={agent.num_minibatches}: must divide {product}"
    if agent.total_steps < batch:
        return f"agent.total_steps={agent.total_steps}: less than one update, {product}"
    return None


def _network(config: Config) -> str | None:
    if not isinstance(config.agent, PpoConfig):
        return None
    network = config.agent.network
    if isinstance(network, AttentionConfig) and network.embed_size % network.num_heads:
        return (
            f"agent.network.num_heads={network.num_heads}: must divide "
            f"agent.network.embed_size={network.embed_size}"
        )
    if isinstance(network, (MlpConfig, ScorerConfig)) and not network.hidden_sizes:
        return "agent.network.hidden_sizes=[]: needs at least one layer"
    schedule = config.agent.lr_schedule
    if isinstance(schedule, ExponentialScheduleConfig) and schedule.end_frac == 0:
        return "agent.lr_schedule.end_frac=0.0: an exponential never reaches 0; must be in (0, 1]"
    return None


def _objective(config: Config) -> str | None:
    """A robust objective needs what it is to be robust against, and episodes that it can tell apart."""
    kind = config.agent.objective.kind if isinstance(config.agent, PpoConfig) else "mean"
    if kind == "mean":
        return None
    if not isinstance(config.env, EnvConfig):
        return (
            f"agent/objective={kind}: weighs workloads of seeds, and env={config.env.name} has none; "
            "write agent/objective=mean"
        )
    if kind in ("group_dro", "family_baseline") and config.env.families is None:
        return f"agent/objective={kind}: weighs families, and env={config.env.name} is one; write env=mixed"
    if config.pathology is not None and config.pathology.environment is not None:
        return f"agent/objective={kind}: cannot follow the episodes of pathology={config.pathology.name}; write mean"
    return None


def _family_teachers(config: Config) -> str | None:
    """Only a mixture has families to teach by."""
    agent, env = config.agent, config.env
    if not isinstance(agent, PpoConfig) or not agent.warm_start.family_teachers:
        return None
    if isinstance(env, EnvConfig) and env.families is not None:
        return None
    return (
        f"agent.warm_start.family_teachers: teaches families of a mixture, and env={env.name} is none; write "
        "agent.warm_start.teacher=NAME"
    )


def _weights(config: Config) -> str | None:
    for agent in _agents(config):
        scored = agent.base_agent if isinstance(agent, RolloutConfig) else agent
        if (
            isinstance(scored, LinearScoreConfig | LaxityScoreConfig)
            and len(scored.weights) != LINEAR_SCORE_FEATURES
        ):
            return f"agent.weights={show(scored.weights)}: must be {LINEAR_SCORE_FEATURES} numbers"
    return None


def _modelled(config: Config) -> str | None:
    """A model of the arrivals is one of the playbook's generator."""
    envs = [env for env in (config.env, *config.families.values()) if isinstance(env, EnvConfig)]
    other = next((env.generator for env in envs if env.generator != "playbook"), None)
    for agent in _agents(config) if other is not None else ():
        if isinstance(agent, RolloutConfig) and agent.future == "model":
            return f"agent.future=model: models the playbook's arrivals, not env.generator={other}'s; write oracle"
    return None


def _futures(config: Config) -> str | None:
    for agent in _agents(config):
        if isinstance(agent, RolloutConfig) and agent.future == "model" and config.env.families is not None:
            return (
                f"agent={agent.name}: agent.future=model cannot resample the arrivals of env={config.env.name}, whose "
                "episodes do not say which family they are of; choose one family, or agent.future=oracle"
            )
    return None


def _agents(config: Config) -> tuple[AgentConfig, ...]:
    return (config.agent, *config.baseline_agents.values())


def _due_times(config: Config) -> str | None:
    envs = {"env": config.env} | {f"families.{name}": env for name, env in config.families.items()}
    for prefix, env in envs.items():
        if not isinstance(env, EnvConfig):
            continue
        problem = _due_times_of(prefix, env)
        if problem is not None:
            return problem
    return None


def _due_times_of(prefix: str, env: EnvConfig) -> str | None:
    low, high = env.due_slack_min, env.due_slack_max
    if low is None and high is None:
        return None
    if low is None:
        return f"{prefix}.due_slack_max={high}: needs {prefix}.due_slack_min too (both null: no due times)"
    if high is None:
        return f"{prefix}.due_slack_min={low}: needs {prefix}.due_slack_max too (both null: no due times)"
    if low > high:
        return f"{prefix}.due_slack_min={low}: must not be above {prefix}.due_slack_max={high}"
    return None


def _splits(config: Config) -> str | None:
    blocks = config.eval
    seeds = blocks.num_blocks * blocks.episodes_per_block
    if seeds > SPLIT_DISTANCE:
        return (
            f"eval.num_blocks={blocks.num_blocks}: with eval.episodes_per_block={blocks.episodes_per_block} "
            f"val needs {seeds} seeds and runs into promote, {SPLIT_DISTANCE} later"
        )
    if blocks.first_seed + 2 * SPLIT_DISTANCE + seeds > TRAINING_SEED_LOW:
        return (
            f"eval.first_seed={blocks.first_seed}: report would end in the training seeds, which start at "
            f"{TRAINING_SEED_LOW}"
        )
    return None


def _family_lists(config: Config) -> str | None:
    for key, names in (("env.families", config.env.families), ("eval.families", config.eval.families)):
        if names is not None and not names:
            return f"{key}=[]: needs at least one env name (null: no families)"
    families, blocks = config.eval.families, config.eval.num_blocks
    if families is not None and len(families) != blocks:
        return (
            f"eval.num_blocks={blocks}: must be {len(families)}, one a family of "
            f"eval.families={show(families)}"
        )
    return None


def _repeats(config: Config) -> str | None:
    for key, names in (("baselines", config.baselines), ("eval.families", config.eval.families or ())):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            return f"{key}={show(names)}: names {twice[0]} twice"
    return None


_RULES: tuple[Callable[[Config], str | None], ...] = (
    gymnasium_problem,
    site_problem,
    _rollout,
    _network,
    _weights,
    _futures,
    _modelled,
    _due_times,
    _splits,
    _family_lists,
    _repeats,
)
