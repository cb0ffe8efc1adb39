"""What batch clusters (`env=trace` and the like) do to the rest of a configuration, and what contradicts them."""

from __future__ import annotations

from typing import Any

from sched_rl.config.convert import field_types, show
from sched_rl.config.schema import (
    AgentConfig,
    AnyEnvConfig,
    Config,
    EnvConfig,
    LaxityScoreConfig,
    PpoConfig,
    PriorityRuleConfig,
    RolloutConfig,
)
from sched_rl.config.sites import SiteConfig, TraceConfig

KIND = "site"
#: What agents are held against where a command line names nobody.
BASELINES = ("fcfs", "sjf", "saf", "f1", "wfp3", "unicep")
#: Priorities that need more than an observation holds: absolute times, or the number of processors.
_OF_ABSOLUTES = ("f1", "wfp3", "unicep")
#: The priority that goes by due times, which batch clusters do not have.
LEAST_LAXITY = "least_laxity"
_NUM_SPLITS = 4


def suit_site(tree: dict[str, Any]) -> None:
    """Baselines of the textbook, a random start, and nothing that recipes say of other clusters; in place."""
    env = tree.get("env")
    if not isinstance(env, dict) or env.get("kind") != KIND:
        return
    known, of_clusters = field_types(SiteConfig), field_types(EnvConfig)
    tree["env"] = {key: value for key, value in env.items() if key in known or key not in of_clusters}
    if tree.get("baselines"):
        tree["baselines"] = list(BASELINES)
    agent = tree.get("agent")
    if isinstance(agent, dict) and isinstance(agent.get("warm_start"), dict):
        agent["warm_start"]["teacher"] = None


def site_problem(config: Config) -> str | None:
    """What contradicts a batch cluster, or needs one, in one line."""
    env, agents = config.env, (config.agent, *config.baseline_agents.values())
    problems = (_followed_problem(agent) or _laxity_problem(agent, env) for agent in agents)
    if problem := next(filter(None, problems), None):
        return problem
    if not isinstance(env, SiteConfig):
        return None
    if config.pathology is not None:
        return (
            f"pathology={config.pathology.name}: is made for the playbook's clusters, not for env={env.name}"
        )
    problems = (_mode_problem(agent, env) for agent in agents)
    return (
        next(filter(None, problems), None)
        or _simulated_teacher_problem(config.agent, env)
        or _semantics_problem(env)
        or _trace_problem(env.trace)
        or _lublin_problem(env)
    )


def is_textbook(agent: PriorityRuleConfig) -> bool:
    """Whether a rule needs the cluster itself, its clock and its running jobs, and not an observation alone."""
    return agent.priority in _OF_ABSOLUTES or agent.mode not in (None, "greedy")


def _followed_problem(agent: AgentConfig) -> str | None:
    """Who imitates a scheduler, or simulates one, goes by observations alone."""
    if isinstance(agent, PpoConfig):
        key, followed = "agent.warm_start.teacher", agent.warm_start.teacher_agent
    elif isinstance(agent, RolloutConfig):
        key, followed = "agent.base", agent.base_agent
    else:
        return None
    if not isinstance(followed, PriorityRuleConfig) or not is_textbook(followed):
        return None
    return (
        f"{key}={followed.name}: goes by the clock and the running jobs, which observations do not hold; name one that "
        "they suffice for, such as sjf, least_work or linear_score"
    )


def _laxity_problem(agent: AgentConfig, env: AnyEnvConfig) -> str | None:
    """Due times are in observations of the playbook's kind of cluster, and nowhere else."""
    if not _goes_by_laxity(agent):
        return None
    if isinstance(env, SiteConfig):
        return (
            f"agent={agent.name}: goes by due times, which jobs of env={env.name} do not have; leave it out"
        )
    if isinstance(agent, PriorityRuleConfig) and agent.mode is not None:
        return f"agent={agent.name} with agent.mode={agent.mode}: is greedy; leave agent.mode null"
    return None


def _goes_by_laxity(agent: AgentConfig) -> bool:
    if isinstance(agent, RolloutConfig):
        return _goes_by_laxity(agent.base_agent)
    if isinstance(agent, LaxityScoreConfig):
        return True
    return isinstance(agent, PriorityRuleConfig) and agent.priority == LEAST_LAXITY


def _mode_problem(agent: AgentConfig, env: SiteConfig) -> str | None:
    if isinstance(agent, RolloutConfig):
        return (
            f"agent={agent.name}: simulates clusters of the playbook's kind, not env={env.name}; leave it out"
        )
    mode = agent.mode if isinstance(agent, PriorityRuleConfig) else None
    if mode is None:
        return None
    if env.step == "commit":
        return (
            f"agent={agent.name} with agent.mode={mode}: in env.step=commit a chosen job is served whatever fits; "
            "leave agent.mode null and choose env.backfill=none or game"
        )
    if env.backfill == "easy" and mode != "easy":
        return f"agent={agent.name} with agent.mode={mode}: contradicts env.backfill=easy; leave one of the two out"
    return None


def _simulated_teacher_problem(agent: AgentConfig, env: SiteConfig) -> str | None:
    if (
        not isinstance(agent, PpoConfig)
        or agent.warm_start.teacher is None
        or agent.warm_start.simulate == "none"
    ):
        return None
    return (
        f"agent.warm_start.simulate={agent.warm_start.simulate}: simulates clusters of the playbook's kind, not "
        f"env={env.name}; write agent.warm_start.simulate=none"
    )


def _semantics_problem(env: SiteConfig) -> str | None:
    allowed = {"decision": ("none", "easy"), "commit": ("none", "game")}[env.step]
    if env.backfill not in allowed:
        return f"env.backfill={env.backfill}: with env.step={env.step} it must be {' or '.join(allowed)}"
    if env.keys == "game" and env.step != "commit":
        return "env.keys=game: belongs to the committed game; choose env=committed, or env.keys=textbook"
    return None


def _trace_problem(trace: TraceConfig) -> str | None:
    fracs = trace.split_fracs
    if len(fracs) != _NUM_SPLITS or abs(sum(fracs) - 1.0) > 1e-6:
        return f"env.trace.split_fracs={show(fracs)}: must be shares of train, val, promote and report that sum to 1"
    if trace.starts is not None and not trace.starts:
        return "env.trace.starts=[]: needs at least one start (null: the splits of the trace)"
    if trace.train_jobs is not None and len(trace.train_jobs) != 2:
        return f"env.trace.train_jobs={show(trace.train_jobs)}: must be two places, the first and one after the last"
    if trace.warm_up_frac + trace.cool_down_frac >= 1.0:
        return (
            f"env.trace.warm_up_frac={trace.warm_up_frac}: with env.trace.cool_down_frac={trace.cool_down_frac} no job "
            "is left to measure"
        )
    return None


def _lublin_problem(env: SiteConfig) -> str | None:
    given = {"path": env.trace.path, "starts": env.trace.starts, "train_jobs": env.trace.train_jobs}
    for key, value in given.items():
        if env.lublin is not None and value is not None:
            return f"env.trace.{key}={show(value)}: env={env.name} generates its jobs; choose env=trace for a file's"
    return None
