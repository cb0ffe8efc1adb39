"""The shape of a configuration: frozen dataclasses without a single default; conf/ holds every value.

`config.load` is the only maker of these objects. After it nobody imports omegaconf or hydra. A node of
several kinds is a union told apart by its `kind` (a Literal), which a registry then builds: no `_target_`.
Ranges live in `config.bounds`, cross-field rules in `config.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sched_rl.config.pathologies import PathologyConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.errors import ConfigError

#: What a scheduler sees: of a cluster, or (raw) whatever a Gymnasium environment shows.
ClusterEncoding = Literal["playbook", "rich"]
Encoding = Literal["playbook", "rich", "raw"]
Kernel = Literal["dense", "packed", "fused"]


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Scales of the reward terms; 0 switches a term off. All but the bonus are divided by the total work."""

    progress_scale: float
    time_pressure_scale: float
    noop_penalty_scale: float
    early_finish_bonus_scale: float
    deadline_miss_penalty_scale: float
    due_miss_penalty_scale: float


@dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """A workload family on a simulated cluster. Times in seconds, work in GPU-seconds."""

    name: str
    num_gpus: int
    max_queue_size: int
    jobs_per_episode: int
    max_priority: int
    max_duration: float
    max_episode_steps: int
    arrival_mode: Literal["bursty", "all_at_zero"]
    arrival_span: float | None
    num_bursts: int
    burst_prob: float
    burst_std_frac: float
    duration_mode: Literal["heavy_tail", "uniform"]
    heavy_tail_frac: float
    max_gpus_per_job: int | None
    gpus_duration_corr: float
    priority_duration_corr: Literal["none", "inverse", "positive"]
    priority_corr_strength: float
    due_slack_min: float | None
    due_slack_max: float | None
    max_episode_time: float | None
    horizon_factor: float
    lookahead: Literal["off", "per_gpu", "sorted", "cdf"]
    step: Literal["event", "decision"]
    observation: ClusterEncoding | None
    families: tuple[str, ...] | None
    generator: str
    generator_options: dict[str, float] = field(hash=False)  # compared, but no dict has a hash
    reward: RewardConfig


@dataclass(frozen=True, kw_only=True)
class GymnasiumEnvConfig:
    """An environment of Gymnasium's registry, with discrete actions; no cluster, so no jobs and no families."""

    kind: Literal["gymnasium"]
    name: str
    id: str
    max_episode_steps: int | None

    @property
    def families(self) -> None:
        """No mixture."""


#: What has jobs to schedule.
SchedulingEnvConfig = EnvConfig | SiteConfig
AnyEnvConfig = EnvConfig | SiteConfig | GymnasiumEnvConfig


@dataclass(frozen=True, kw_only=True)
class MlpConfig:
    """Two separate multilayer perceptrons over the flat observation."""

    kind: Literal["mlp"]
    observation: Encoding
    hidden_sizes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ScorerConfig:
    """One network scores every job given a pooled context; the no-op goes through the same head."""

    kind: Literal["scorer"]
    observation: ClusterEncoding
    pool_size: int
    context_size: int
    hidden_sizes: tuple[int, ...]
    value_hidden_sizes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Jobs attend to the look-ahead segment or the run-out profile; the no-op is a token of the same head."""

    kind: Literal["attention"]
    observation: ClusterEncoding
    embed_size: int
    num_heads: int
    num_layers: int
    value_hidden_sizes: tuple[int, ...]


NetworkConfig = MlpConfig | ScorerConfig | AttentionConfig


@dataclass(frozen=True, kw_only=True)
class ConstantScheduleConfig:
    """lr stays."""

    kind: Literal["constant"]


@dataclass(frozen=True, kw_only=True)
class LinearScheduleConfig:
    """lr falls on a straight line to end_frac * lr (0 in the playbook's study)."""

    kind: Literal["linear"]
    end_frac: float


@dataclass(frozen=True, kw_only=True)
class ExponentialScheduleConfig:
    """lr * end_frac ** progress."""

    kind: Literal["exponential"]
    end_frac: float


@dataclass(frozen=True, kw_only=True)
class CosineScheduleConfig:
    """A linear warm-up over warmup_frac of the updates, then half a cosine down to end_frac * lr."""

    kind: Literal["cosine"]
    end_frac: float
    warmup_frac: float


LrScheduleConfig = (
    ConstantScheduleConfig | LinearScheduleConfig | ExponentialScheduleConfig | CosineScheduleConfig
)


@dataclass(frozen=True, kw_only=True)
class MeanObjectiveConfig:
    """Every step counts alike."""

    kind: Literal["mean"]


@dataclass(frozen=True, kw_only=True)
class GroupDroConfig:
    """Families that return little count more."""

    kind: Literal["group_dro"]
    step_size: float
    memory: float
    mix: float


@dataclass(frozen=True, kw_only=True)
class CvarConfig:
    """Episodes below a quantile of the latest returns count more."""

    kind: Literal["cvar"]
    alpha: float
    window_episodes: int
    mix: float


@dataclass(frozen=True, kw_only=True)
class PlrConfig:
    """Workload seeds are played again by how wrong the critic was on them, or by how much they fell short."""

    kind: Literal["plr"]
    score: Literal["critic_error", "shortfall"]
    replay_prob: float
    buffer_seeds: int
    temperature: float
    staleness_frac: float


@dataclass(frozen=True, kw_only=True)
class FamilyBaselineConfig:
    """Every step counts alike, its advantage measured among those of its family."""

    kind: Literal["family_baseline"]


ObjectiveConfig = MeanObjectiveConfig | GroupDroConfig | CvarConfig | PlrConfig | FamilyBaselineConfig


@dataclass(frozen=True, kw_only=True)
class PriorityRuleConfig:
    """Jobs in the order of a rule, served in a mode; null: greedy, or easy with `env.backfill=easy`."""

    kind: Literal["priority_rule"]
    name: str
    priority: Literal[
        "fifo",
        "sjf",
        "priority",
        "longest",
        "narrowest",
        "least_work",
        "fcfs",
        "saf",
        "f1",
        "wfp3",
        "unicep",
        "least_laxity",
    ]
    mode: Literal["strict", "greedy", "easy", "conservative"] | None


@dataclass(frozen=True, kw_only=True)
class RandomFeasibleConfig:
    """Uniform over the jobs that fit; `parity` draws as the study did, on the workload's own stream."""

    kind: Literal["random_feasible"]
    name: str
    parity: bool


@dataclass(frozen=True, kw_only=True)
class LinearScoreConfig:
    """The smallest weighted sum of six job features; waits when it exceeds noop_threshold (null: never)."""

    kind: Literal["linear_score"]
    name: str
    weights: tuple[float, ...]
    noop_threshold: float | None


@dataclass(frozen=True, kw_only=True)
class LaxityScoreConfig:
    """The least time to spare before a due time; ties, and jobs without due times, by the linear score."""

    kind: Literal["laxity_score"]
    name: str
    weights: tuple[float, ...]


#: Fixed schedulers whose actions follow from the state: what a rollout can follow.
StateRuleConfig = PriorityRuleConfig | LinearScoreConfig | LaxityScoreConfig


@dataclass(frozen=True, kw_only=True)
class PolicyTeacherConfig:
    """A learned policy that teaches: `name` is its run folder or checkpoint file, `sha256` what that holds."""

    kind: Literal["policy"]
    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainedTeacherConfig:
    """A policy that is trained first, on one family alone with the defaults there.

    `folder` is its run's, `recipe` the digest of that run's configuration: the same recipe is trained once.
    """

    kind: Literal["trained"]
    name: str
    folder: str
    recipe: str


#: Teachers that learned.
LearnedTeacherConfig = PolicyTeacherConfig | TrainedTeacherConfig
#: Whom a policy can imitate.
TeacherConfig = StateRuleConfig | LearnedTeacherConfig


@dataclass(frozen=True, kw_only=True)
class WarmStartConfig:
    """Before it learns from rewards, the policy imitates a fixed scheduler or a learned one (teacher null: none).

    Where families are mixed, those of `family_teachers` have one of their own. `teacher_agent` and
    `family_teacher_agents` are the schedulers named, filled in at load. With `simulate` the fixed ones are followed
    in a rollout (`RolloutConfig`) with that future.
    """

    teacher: str | None
    family_teachers: dict[str, str] = field(hash=False)
    simulate: Literal["none", "known"]
    num_rollouts: int
    num_epochs: int
    lr: float
    lr_end_frac: float
    temperature: float
    critic_updates: int
    teacher_agent: TeacherConfig | None
    family_teacher_agents: dict[str, TeacherConfig] = field(hash=False)


@dataclass(frozen=True, kw_only=True)
class PpoConfig:
    """Proximal policy optimisation with six clamps, each off at 0 (target_kl, max_grad_norm, ... <= 0)."""

    kind: Literal["ppo"]
    name: str
    total_steps: int
    num_envs: int
    rollout_steps: int
    num_minibatches: int
    update_epochs: int
    lr: float
    value_lr_scale: float
    gamma: float
    discount_time_s: float | None
    gae_lambda: float
    clip_coef: float
    vf_clip_coef: float
    ent_coef: float
    ent_coef_end_frac: float
    vf_coef: float
    max_grad_norm: float
    entropy_jump_clip: float
    target_kl: float
    kl_stop: Literal["minibatch", "epoch"]
    mask_actions: bool
    voluntary_waits: bool
    bootstrap_truncated: bool
    normalize_advantages: bool
    normalize_over: Literal["choices", "all"]
    scale_returns: bool
    shape_rewards: bool
    stagger_starts: bool
    average_decay: float
    kernel: Kernel
    warm_start: WarmStartConfig
    network: NetworkConfig
    lr_schedule: LrScheduleConfig
    objective: ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class RolloutConfig:
    """One step of improvement by simulation: every legal action, then `base` to the end, and the best is taken.

    `base_agent` is the scheduler that `base` names, filled in at load.
    """

    kind: Literal["rollout"]
    name: str
    base: str
    future: Literal["oracle", "model", "known"]
    num_futures: int
    horizon_s: float | None
    base_agent: StateRuleConfig


@dataclass(frozen=True, kw_only=True)
class PluginSchedulerConfig:
    """A scheduler of another package: `scheduler` names its entry point, `options` are its own numbers."""

    kind: Literal["plugin"]
    name: str
    scheduler: str
    options: dict[str, float]


FixedSchedulerConfig = (
    PriorityRuleConfig
    | RandomFeasibleConfig
    | LinearScoreConfig
    | LaxityScoreConfig
    | RolloutConfig
    | PluginSchedulerConfig
)
AgentConfig = PpoConfig | FixedSchedulerConfig


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Fixed seed blocks. Seeds of val start at first_seed; promote and report lie 5 and 10 million later."""

    name: str
    first_seed: int
    num_blocks: int
    episodes_per_block: int
    split: Literal["val", "promote", "report"]
    every_updates: int
    final_report: bool
    families: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where runs are compared. `none` keeps the run folder alone."""

    kind: Literal["mlflow", "none"]
    uri: str | None
    experiment: str


@dataclass(frozen=True, kw_only=True)
class DiagnosisConfig:
    """Whether rules watch a run, and their thresholds; conf/diagnosis/default.yaml has the reasons."""

    kind: Literal["live", "none"]
    min_evaluations: int
    persistence_evaluations: int
    standard_errors: float
    significance: float
    material_frac: float
    shift_sigmas: float
    kl_spike_limits: float
    kl_spike_sigmas: float
    kl_tiny_frac: float
    kl_negligible_frac: float
    entropy_high: float
    entropy_low: float
    noop_always: float
    noop_rise: float
    explained_variance_low: float
    early_frac: float


@dataclass(frozen=True, kw_only=True)
class NoGuardConfig:
    """Nothing acts on findings."""

    kind: Literal["none"]


@dataclass(frozen=True, kw_only=True)
class StopGuardConfig:
    """Ends a run in which one of `findings` stood open for so many evaluations in a row."""

    kind: Literal["stop"]
    findings: tuple[str, ...]
    patience_evaluations: int


@dataclass(frozen=True, kw_only=True)
class RollbackGuardConfig:
    """Returns to the best checkpoint with lr_factor times the lr after a collapse, at most max_rollbacks times."""

    kind: Literal["rollback"]
    findings: tuple[str, ...]
    patience_evaluations: int
    lr_factor: float
    max_rollbacks: int


GuardConfig = NoGuardConfig | StopGuardConfig | RollbackGuardConfig


#: What a trial is measured by; the last three are to be small, the others large.
Measure = Literal[
    "eval_min_block_return",
    "eval_mean_return",
    "last_min_block_return",
    "last_mean_return",
    "wall_s",
    "steps",
    "invalid_frac",
]


@dataclass(frozen=True, kw_only=True)
class DimensionConfig:
    """One searched key.

    Attributes:
        values: in Hydra's override grammar: `interval(a,b)`, `tag(log,interval(a,b))`, `range(a,b,step)`,
            `choice(a,b)`.
        when: `key=a,b`: searched only where another key has one of these values; null: always.
    """

    values: str
    when: str | None


@dataclass(frozen=True, kw_only=True)
class ConstraintsConfig:
    """Upper bounds that a feasible trial keeps; null: none."""

    invalid_frac: float | None
    noop_feasible_frac: float | None
    wall_s: float | None


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A search over keys of the run by trials of it; `space` maps keys to what is searched."""

    name: str | None
    n_trials: int
    n_jobs: int
    seed: int
    sampler: Literal["tpe", "gp", "cmaes", "qmc", "random", "grid"]
    pruner: Literal["median", "hyperband", "wilcoxon", "none"]
    startup_trials: int
    warmup_frac: float
    objectives: tuple[Measure, ...]
    constraints: ConstraintsConfig
    storage: str | None
    max_retries: int
    max_failures: int
    heartbeat_s: int
    space: dict[str, DimensionConfig]


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """The trial of a sweep that a run is; all null in a run of its own."""

    storage: str | None
    study: str | None
    number: int | None


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The run's folder and what it keeps."""

    folder: str | None
    name: str | None
    checkpoint_every_updates: int
    keep_checkpoints: int


@dataclass(frozen=True, kw_only=True)
class Config:
    """One training or evaluation, resolved and checked.

    `families` holds the full env config of every family that `env.families` or `eval.families` names,
    `baseline_agents` that of every baseline: a recorded config needs no other file.
    """

    seed: int
    device: Literal["cpu", "cuda"]
    threads: int
    progress: Literal["auto", "plain", "off"]
    baselines: tuple[str, ...]
    run: RunConfig
    agent: AgentConfig
    env: AnyEnvConfig
    eval: EvalConfig
    tracking: TrackingConfig
    diagnosis: DiagnosisConfig
    guard: GuardConfig
    pathology: PathologyConfig | None
    families: dict[str, EnvConfig]
    baseline_agents: dict[str, FixedSchedulerConfig]
    sweep: SweepConfig | None
    trial: TrialConfig | None

    @property
    def cluster(self) -> EnvConfig:
        """`env` where it has to be a cluster of the playbook's kind.

        Raises:
            ConfigError: it is an environment of Gymnasium's, or a batch cluster.
        """
        if isinstance(self.env, EnvConfig):
            return self.env
        raise ConfigError(
            f"env={self.env.name}: this needs a cluster of the playbook's kind; choose env=playbook or the like"
        )

    @property
    def scheduling(self) -> SchedulingEnvConfig:
        """`env` where it has to have jobs.

        Raises:
            ConfigError: it is an environment of Gymnasium's.
        """
        if isinstance(self.env, (EnvConfig, SiteConfig)):
            return self.env
        raise ConfigError(
            f"env={self.env.name}: this needs a cluster with jobs; choose env=playbook or the like"
        )
