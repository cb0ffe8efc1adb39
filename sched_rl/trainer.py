"""A run from its config to its end: train, evaluate, keep the best, record everything, stop safely, resume exactly.

The order within an update never changes: collect, learn, evaluate when due, record, checkpoint. A checkpoint is the sum
of every part's `state()`, taken between two updates, so that resuming from it equals never having stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sched_rl.agents import build_ppo
from sched_rl.agents.environment import TYPICAL_STEPS_PER_JOB
from sched_rl.agents.objectives.plr import PrioritizedReplay
from sched_rl.checkpoint import CheckpointStore
from sched_rl.config.schema import Config, GymnasiumEnvConfig, PpoConfig
from sched_rl.envs.gymnasium_vector import GymnasiumVectorEnv
from sched_rl.envs.vector import VectorClusterEnv
from sched_rl.errors import CheckpointError, SimulationError
from sched_rl.evaluation.learned import LearnedScheduler
from sched_rl.evaluation.loading import scheduler_of, teaching_policy
from sched_rl.evaluation.probe import probe_states
from sched_rl.evaluation.selection import BestSoFar
from sched_rl.evaluation.summary import Evaluation, evaluate
from sched_rl.interrupts import EXIT_CODES, Interrupts
from sched_rl.observers import Observation, Reaction, ReturnToBest, Stop, TrainingObserver
from sched_rl.pathologies import make_faulty_env, spoil_start
from sched_rl.progress import Progress, open_progress
from sched_rl.run_session import RunSession
from sched_rl.tracking.columns import RESTORED
from sched_rl.tracking.reading import read_metrics

#: Seconds between two lines on how far an imitation is.
_IMITATION_NOTE_S = 10.0


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        folder: the run's folder.
        best_mean_return: mean over the val blocks of the best checkpoint.
        best_min_block_return: its worst val block.
        updates: updates done.
        exit_code: 0, or what the signal that ended the run asks for.
        last_mean_return: mean over the val blocks at the last evaluation.
        last_min_block_return: its worst val block.
        steps: environment steps done.
        wall_s: seconds that this process trained.
        stop: what an observer ended the training for.
    """

    folder: Path
    best_mean_return: float
    best_min_block_return: float
    updates: int
    exit_code: int
    last_mean_return: float
    last_min_block_return: float
    steps: int
    wall_s: float
    stop: Stop | None = None


def train(
    config: Config,
    folder: Path,
    resume: Path | None = None,
    observers: Sequence[TrainingObserver] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> TrainResult:
    """Run a config: train a learned agent, or evaluate and record a fixed one.

    Args:
        config: checked; of the recorded run where it resumes one.
        folder: the run's folder, empty, or the run to resume.
        resume: the run to resume, the same as `folder`; None for a new run.
        observers: asked after every recorded update, in this order; the first stop ends the training.
        tags: of the tracked run, if it is new.

    Returns:
        How it ended. The folder holds everything else.

    Raises:
        SchedRLError: what a user can mend, in one line; the run is recorded as failed.
    """
    import torch

    torch.set_num_threads(config.threads)
    checkpoint = None if resume is None else _checkpoint_to_resume(config, folder)
    resume_update = None if resume is None else 0 if checkpoint is None else int(checkpoint["update"])
    with RunSession(config, folder, resume_update=resume_update, tags=tags) as session:
        if isinstance(config.agent, PpoConfig):
            return _Training(session, config.agent, checkpoint, observers).run()
        return _judge_fixed(session)


def _checkpoint_to_resume(config: Config, folder: Path) -> dict[str, Any] | None:
    """The newest; None of a run that was stopped before it began to learn, which begins again."""
    latest = _checkpoint_store(config, folder).latest()
    if latest is not None:
        return latest.state
    if len(read_metrics(folder)["update"]):
        raise CheckpointError(f"resume={folder}: no checkpoint there to resume from; start a new run instead")
    return None


def _checkpoint_store(config: Config, folder: Path) -> CheckpointStore:
    return CheckpointStore(folder / "checkpoints", config.run.keep_checkpoints)


def _training_env(config: Config, agent: PpoConfig) -> VectorClusterEnv | GymnasiumVectorEnv:
    if config.pathology is not None:
        return make_faulty_env(config, agent, config.pathology)
    if isinstance(config.env, GymnasiumEnvConfig):
        return GymnasiumVectorEnv(config.env, agent.num_envs, seed=config.seed)
    return VectorClusterEnv(
        config.scheduling,
        agent.network.observation,
        agent.num_envs,
        seed=config.seed,
        families=config.families,
        with_potential=agent.shape_rewards,
    )


def _judge_fixed(session: RunSession) -> TrainResult:
    """A fixed scheduler has nothing to learn: its evaluation is the run."""
    config, started_s = session.config, time.perf_counter()
    scheduler = scheduler_of(config, None)
    evaluation = evaluate(scheduler, session.blocks, config.families)
    session.record_evaluation(0, evaluation)
    session.record_update({"update": 0, "timesteps": 0, **evaluation.columns()}, {})
    session.judge_baselines()
    session.close_with_summary(evaluation, scheduler, steps=0)
    mean, worst = evaluation.mean_return, evaluation.min_block_return
    return TrainResult(
        folder=session.folder,
        best_mean_return=mean,
        best_min_block_return=worst,
        updates=0,
        exit_code=0,
        last_mean_return=mean,
        last_min_block_return=worst,
        steps=0,
        wall_s=time.perf_counter() - started_s,
    )


@dataclass(frozen=True)
class _Judged:
    """An evaluation during the training, and its columns of metrics.csv."""

    evaluation: Evaluation
    columns: dict[str, float]
    is_best: bool


class _ImitationStoppedError(Exception):
    """Half an imitation is worth nothing: it is made again, from its start."""


class _Training:
    """The loop of a learned agent."""

    def __init__(
        self,
        session: RunSession,
        agent: PpoConfig,
        checkpoint: Mapping[str, Any] | None,
        observers: Sequence[TrainingObserver],
    ) -> None:
        config = session.config
        self._started_s = time.perf_counter()
        self._session = session
        self._observers = observers
        self._stop: Stop | None = None
        self._last = (math.nan, math.nan)  # mean and worst block of the last evaluation
        self._agent = agent
        self._steps_per_update = agent.num_envs * agent.rollout_steps
        self._num_updates = agent.total_steps // self._steps_per_update
        encoding = agent.network.observation
        self._env = _training_env(config, agent)
        self._ppo = build_ppo(agent, self._env.layout, config.seed, config.device, self._num_updates)
        if isinstance(self._env, VectorClusterEnv) and isinstance(self._ppo.objective, PrioritizedReplay):
            self._env.draw_seed = self._ppo.objective.draw_seed
        self._scheduler = LearnedScheduler(self._ppo.greedy_actions, encoding)
        self._probe = probe_states(session.blocks, config.families, encoding)
        self._store = _checkpoint_store(config, session.folder)
        self._best = BestSoFar()
        self._best_evaluation: Evaluation | None = (
            None  # made by this process; a resumed one may not have made it
        )
        self._best_policy = self._ppo.policy_parameters()
        self._update = 0
        self._restored: int | None = (
            None  # whose policy the next update starts from, after a return to the best
        )
        self._saved_update = -1
        if checkpoint is not None:
            self._load(checkpoint)

    @property
    def _steps(self) -> int:
        return self._update * self._steps_per_update

    def run(self) -> TrainResult:
        config, total = self._session.config, self._num_updates * self._steps_per_update
        with Interrupts() as interrupts:
            with open_progress(
                config.progress, total, title=self._session.title, start_steps=self._steps
            ) as progress:
                progress.baselines(self._session.judge_baselines())
                self._begin(progress, interrupts)
                while self._update < self._num_updates and not interrupts.requested and not self._stop:
                    self._one_update(progress)
                if self._has_begun:
                    self._save_periodic()
            stopped_by = interrupts.requested
            if stopped_by:
                self._session.close_interrupted(stopped_by, has_begun=self._has_begun)
            elif self._stop and not self._stop.with_summary:
                self._session.close_briefly()
            else:
                self._finish()
        best = self._best
        return TrainResult(
            folder=self._session.folder,
            best_mean_return=best.mean_return,
            best_min_block_return=best.min_block_return,
            updates=self._update,
            exit_code=EXIT_CODES[stopped_by] if stopped_by else 0,
            last_mean_return=self._last[0],
            last_min_block_return=self._last[1],
            steps=self._steps,
            wall_s=time.perf_counter() - self._started_s,
            stop=self._stop,
        )

    @property
    def _has_begun(self) -> bool:
        """Whether the policy that learns has been judged, the first point of every curve."""
        return not math.isnan(self._last[0]) or self._saved_update >= 0

    def _begin(self, progress: Progress, interrupts: Interrupts) -> None:
        """Judge the untrained policy, the first point of every curve; or say where a resumed run stands."""
        if self._saved_update >= 0:
            best, steps = self._best, self._best.update * self._steps_per_update
            progress.best_so_far(best.mean_return, best.min_block_return, steps)
            return
        try:
            self._warm_start(progress, interrupts)
        except _ImitationStoppedError:
            return
        if self._session.config.pathology is not None:
            spoil_start(self._session.config, self._agent, self._ppo)
            self._best_policy = self._ppo.policy_parameters()
        self._env.reset()
        if self._agent.stagger_starts and isinstance(self._env, VectorClusterEnv):
            config = self._session.config
            self._env.stagger(TYPICAL_STEPS_PER_JOB * config.scheduling.jobs_per_episode, config.seed)
        self._record(progress, {"update": 0, "timesteps": 0}, {}, self._evaluate(progress))

    def _warm_start(self, progress: Progress, interrupts: Interrupts) -> None:
        config, teacher = self._session.config, self._agent.warm_start.teacher_agent
        if teacher is None:
            return
        teachers = (teacher, *self._agent.warm_start.family_teacher_agents.values())
        named = ", ".join(dict.fromkeys(getattr(each, "folder", each.name) for each in teachers))
        if self._agent.warm_start.simulate == "known":
            named += " (and simulates the rest once all jobs have arrived)"
        progress.note(f"imitates {named} first (agent.warm_start.teacher=null: it does not)")
        imitated = self._ppo.imitate(
            config, teacher, partial(teaching_policy, config), self._imitation_notes(progress, interrupts)
        )
        self._best_policy = self._ppo.policy_parameters()
        self._session.event(
            "warm_start",
            teacher=named,
            teacher_steps=imitated.teacher_steps,
            agreement=round(imitated.agreement, 4),
        )

    def _imitation_notes(self, progress: Progress, interrupts: Interrupts) -> Callable[[int, float], None]:
        """Says every few seconds how far the imitation is; raises _ImitationStoppedError when it is to stop."""
        total, started_s = self._agent.warm_start.num_rollouts, time.perf_counter()
        said_s = started_s

        def say(done: int, agreement: float) -> None:
            nonlocal said_s
            if interrupts.requested and done < total:
                raise _ImitationStoppedError
            now_s = time.perf_counter()
            if now_s - said_s >= _IMITATION_NOTE_S and done < total:
                said_s, left_s = now_s, (now_s - started_s) * (total - done) / done
                progress.note(
                    f"imitates: {done} of {total} rollouts, {agreement:.0%} of the choices alike, {left_s:.0f} s to go"
                )

        return say

    def _one_update(self, progress: Progress) -> None:
        started_s = time.perf_counter()
        with self._named_update():
            self._ppo.collect(self._env)
            metrics = self._ppo.update()
        learned_s = time.perf_counter()
        self._update += 1
        row: dict[str, Any] = {"update": self._update, "timesteps": self._steps, **metrics}
        if self._restored is not None:
            row[RESTORED], self._restored = self._restored, None
        progress.update(self._steps, metrics)
        is_last = self._update == self._num_updates
        is_due = is_last or self._update % self._session.config.eval.every_updates == 0
        judged = self._evaluate(progress) if is_due else None
        ended_s = time.perf_counter()
        timings = {
            "steps_per_s": self._steps_per_update / (learned_s - started_s),
            **self._ppo.seconds,
            "eval_s": ended_s - learned_s,
        }
        self._record(progress, row, timings, judged)
        every = self._session.config.run.checkpoint_every_updates
        if every > 0 and self._update % every == 0 and not is_last:  # `run` saves the last state
            self._save_periodic()

    @contextmanager
    def _named_update(self) -> Iterator[None]:
        """Say of what goes wrong in an update when it did, and what is left that is sound."""
        try:
            yield
        except SimulationError as error:
            raise SimulationError(
                f"in update {self._update + 1}: {error}; sound up to update {self._update}, step {self._steps:,}; "
                f"the best checkpoint is of update {self._best.update}"
            ) from error

    def _evaluate(self, progress: Progress) -> _Judged:
        evaluation = evaluate(self._scheduler, self._session.blocks, self._session.config.families)
        self._session.record_evaluation(self._update, evaluation)
        is_best = self._best.offer(self._update, evaluation)
        if is_best:
            self._best_evaluation = evaluation
            self._best_policy = self._ppo.policy_parameters()
            self._store.save_best(self._update, self._best_state())
        columns = evaluation.columns()
        columns["best_eval_min_block_return"] = self._best.min_block_return
        columns["kl_to_best"] = self._ppo.kl_from(self._best_policy, *self._probe)
        progress.evaluation(columns, is_best)
        self._last = evaluation.mean_return, evaluation.min_block_return
        return _Judged(evaluation, columns, is_best)

    def _record(
        self, progress: Progress, row: dict[str, Any], timings: dict[str, float], judged: _Judged | None
    ) -> None:
        """Put an update on record, then let the observers speak."""
        if judged is not None:
            row |= judged.columns
        self._session.record_update(row, timings)
        observation = Observation(
            update=self._update,
            steps=self._steps,
            row=row,
            evaluation=None if judged is None else judged.evaluation,
            is_best=judged is not None and judged.is_best,
        )
        for observer in self._observers:
            reaction = observer.observe(observation)
            if reaction is not None:
                self._follow(reaction, progress)

    def _follow(self, reaction: Reaction, progress: Progress) -> None:
        for line in reaction.notes:
            progress.note(line)
        for event in reaction.events:
            self._session.event(**event)
        if reaction.tags:
            self._session.set_tags(reaction.tags)
        if reaction.stop is not None and self._stop is None:
            self._stop = reaction.stop
            self._session.event(reaction.stop.kind, reason=reaction.stop.reason)
        if reaction.back is not None and self._stop is None and self._update < self._num_updates:
            self._return_to_best(reaction.back, progress)

    def _return_to_best(self, back: ReturnToBest, progress: Progress) -> None:
        best = self._store.best()
        if best is None or best.update == self._update:
            return
        self._ppo.return_to(best.state["ppo"], back.lr_factor)
        self._restored = best.update
        scale = self._ppo.lr_scale
        self._session.event("guard_rollback", to_update=best.update, lr_scale=scale, reason=back.reason)
        progress.note(f"guard: back to update {best.update}, lr x {scale:.3g} from now on: {back.reason}")

    def _best_state(self) -> dict[str, Any]:
        return {"update": self._update, "ppo": self._ppo.state(), "best": self._best.state()}

    def _save_periodic(self) -> None:
        if self._saved_update == self._update:
            return
        self._session.sync()
        self._store.save_periodic(
            self._update,
            {
                "update": self._update,
                "ppo": self._ppo.state(),
                "env": self._env.state(),
                "best": self._best.state(),
                "best_policy": self._best_policy,
                "restored": self._restored,
                "observers": {observer.name: observer.state() for observer in self._observers},
            },
        )
        self._saved_update = self._update

    def _load(self, checkpoint: Mapping[str, Any]) -> None:
        self._store.rewind(int(checkpoint["update"]))
        try:
            self._ppo.load_state(checkpoint["ppo"])
            self._env.load_state(checkpoint["env"])
            self._best.load_state(checkpoint["best"])
            self._best_policy = dict(checkpoint["best_policy"])
            self._restored = checkpoint.get("restored")  # absent: from before there were guards
            for observer in self._observers:
                if observer.name in checkpoint["observers"]:
                    observer.load_state(checkpoint["observers"][observer.name])
            self._update = self._saved_update = int(checkpoint["update"])
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"resume={self._session.folder}: the checkpoint does not fit this run ({error}); "
                "it was made by another version or with another config"
            ) from error

    def _finish(self) -> None:
        """Report on the best checkpoint as it lies on disk; judged again only where another process judged it."""
        scheduler = scheduler_of(self._session.config, self._session.folder)
        evaluation = self._best_evaluation or evaluate(
            scheduler, self._session.blocks, self._session.config.families
        )
        self._session.close_with_summary(
            evaluation, scheduler, steps=self._best.update * self._steps_per_update
        )
