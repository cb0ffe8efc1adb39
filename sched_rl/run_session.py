"""Everything of a run that is not learning: its folder and tables, the baselines, MLflow, and the last word."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sched_rl.agents.objectives import objective_columns
from sched_rl.config.changes import changes
from sched_rl.config.convert import config_to_dict
from sched_rl.config.overrides import argument
from sched_rl.config.record import CONFIG_FILE, config_digest, load_config_file
from sched_rl.config.schema import Config, PpoConfig
from sched_rl.errors import SchedRLError
from sched_rl.evaluation.baselines import judge_baselines
from sched_rl.evaluation.blocks import make_blocks, split_name
from sched_rl.evaluation.schedule_metrics import SCHEDULE_METRICS
from sched_rl.evaluation.summary import Evaluation, evaluate, evaluation_json
from sched_rl.reporting.final_table import final_table
from sched_rl.reporting.table_views import print_table
from sched_rl.schedulers.base import Scheduler
from sched_rl.tracking.columns import RESTORED, record_columns
from sched_rl.tracking.mlflow_writer import open_writer
from sched_rl.tracking.provenance import collect_provenance
from sched_rl.tracking.reading import read_events
from sched_rl.tracking.record import PAGE, RunRecord

if TYPE_CHECKING:
    from sched_rl.diagnosis.findings import Diagnosis

log = logging.getLogger(__name__)

#: Columns of metrics.csv after those of the public list: what else an update measures.
EXTRA_METRICS = (
    "best_eval_min_block_return",
    "reward_mean",
    "approx_kl_k1",
    "grad_norm_max",
    "num_minibatches_done",
    "advantage_mean",
    "advantage_std",
    "return_mean",
    "return_std",
    "return_scale",
)
TIMINGS = ("steps_per_s", "act_s", "env_s", "value_s", "learn_s", "eval_s")
#: Columns of evaluations.csv after those of the public list.
EXTRA_EVALUATIONS = ("family", "feasible_steps", "end_time", "horizon", "fluid_bound", *SCHEDULE_METRICS)


class RunSession:
    """An open run. As a context manager it ends the run as failed when an error leaves the block."""

    def __init__(
        self, config: Config, folder: Path, *, resume_update: int | None, tags: Mapping[str, str]
    ) -> None:
        """Open the folder's tables and the tracking.

        Args:
            config: of the run.
            folder: empty but for `config.yaml`, or the run to resume.
            resume_update: the update of the checkpoint to continue from; None for a new run.
            tags: more tags of the tracked run, if it is new.
        """
        self.config = config
        self.folder = folder
        self.blocks = make_blocks(config.eval, config.env, config.families, "val")
        self._is_new = resume_update is None
        self._update = resume_update or 0
        columns = record_columns(
            len(self.blocks),
            extra_metrics=(
                *EXTRA_METRICS,
                *((RESTORED,) if config.guard.kind == "rollback" else ()),
                *(
                    objective_columns(config.agent.objective.kind)
                    if isinstance(config.agent, PpoConfig)
                    else ()
                ),
            ),
            timings=TIMINGS,
            extra_evaluations=EXTRA_EVALUATIONS,
        )
        self._evaluation_columns = frozenset(columns.evaluations)
        if resume_update is None:
            self._record = RunRecord.create(folder, columns)
            self._record.write_config(config_to_dict(config))
            self._record.write_provenance(
                collect_provenance(
                    seed=config.seed,
                    threads=config.threads,
                    device=config.device,
                    config_digest=config_digest(config),
                    tags=tags,
                )
            )
        else:
            self._record = RunRecord.reopen(folder, columns, resume_update)
            if changed := changes(load_config_file(folder / CONFIG_FILE), config):
                self._record.event("changed_config", resume_update, changes=changed)
                self._record.write_config(config_to_dict(config))
        self._writer = open_writer(config.tracking, folder)
        self._baselines: dict[str, dict[str, Any]] = {}

    @property
    def title(self) -> str:
        """The run, in a few words."""
        config = self.config
        return config.run.name or f"{config.agent.name} on {config.env.name}, seed {config.seed}"

    def judge_baselines(self) -> dict[str, tuple[float, float]]:
        """Run the baselines on the val blocks and record them; their (mean, worst block) by name."""
        self._baselines = judge_baselines(self.config, self.blocks, "val")
        if self._is_new:
            self._record.write_baselines(self._baselines)
        return {
            name: (judged["eval_mean_return"], judged["eval_min_block_return"])
            for name, judged in self._baselines.items()
        }

    def record_update(self, row: Mapping[str, Any], timings: Mapping[str, float]) -> None:
        """Append the row of an update to metrics.csv, its timings to timings.csv."""
        self._update = int(row["update"])
        self._record.append_metrics(row)
        self._record.append_timings({"update": self._update, **timings})

    def record_evaluation(self, update: int, evaluation: Evaluation) -> None:
        """Append every episode of an evaluation to evaluations.csv."""
        columns = self._evaluation_columns
        self._record.append_evaluation(
            {"update": update} | {name: value for name, value in numbers.items() if name in columns}
            for numbers in evaluation.numbers()
        )

    def event(self, kind: str, **fields: Any) -> None:
        """Append a line to events.jsonl, at the update recorded last."""
        self._record.event(kind, self._update, **fields)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags to the tracked run."""
        self._writer.set_tags(tags)

    def sync(self) -> None:
        """Put all rows on the disk, so that no checkpoint is ahead of them."""
        self._record.sync()

    def close_interrupted(self, signal_name: str, *, has_begun: bool) -> None:
        """End the run as killed, and say how to go on; one that has not begun to learn has saved nothing."""
        self._record.event("signal", self._update, signal=signal_name)
        self._record.end("KILLED", self._update)
        if has_begun:
            self._write_page()
        self._writer.finish("KILLED")
        done = (
            f"after update {self._update}; everything is saved" if has_begun else "before it began to learn"
        )
        print(f"stopped by {signal_name} {done}. To go on:")
        print(f"  python -m sched_rl.train {argument('resume', self.folder)}")

    def close_briefly(self) -> None:
        """End the run as finished, without tables: it was not worth more."""
        self._record.end("FINISHED", self._update)
        self._write_page()
        self._writer.finish("FINISHED")

    def close_with_summary(self, evaluation: Evaluation, scheduler: Scheduler, *, steps: int) -> None:
        """End the run as finished: the val comparison, the report table where asked for, and where to look next.

        Args:
            evaluation: of the best checkpoint, on val.
            scheduler: the best checkpoint.
            steps: environment steps at which it was found.
        """
        config, name = self.config, self.config.agent.name
        print(f"\n{self.title}: best worst block {evaluation.min_block_return:.4f}, mean "
              f"{evaluation.mean_return:.4f} on val" + (f", at step {steps:,}" if steps else ""))  # fmt: skip
        self._print_guard()
        if config.eval.final_report:
            self._report(scheduler)
        elif self._baselines:
            val = split_name(config.env, "val")
            own = evaluation_json(evaluation, agent=name, env=config.env.name, split=val)
            self._print_table({name: own, **self._baselines}, val, val)
        self._record.end("FINISHED", self._update)
        diagnosis = self._write_page()
        self._writer.finish("FINISHED")
        print(f"\nrun folder: {self.folder}")
        self._print_primary_finding(diagnosis)
        print(
            f"judge it:   python -m sched_rl.evaluate {argument('checkpoint', self.folder)} eval.split=promote"
        )
        if diagnosis is not None:
            print(f"read it:    {self.folder / PAGE}")
        print(f"see it:     python -m sched_rl.reporting.curves {self.folder}")
        if config.tracking.kind == "mlflow":
            print("compare it: make ui")

    def _print_guard(self) -> None:
        """What the guard did, from the record: a resumed run was guarded before as well."""
        if self.config.guard.kind == "none":
            return
        for event in read_events(self.folder):
            if event["kind"] == "guard_rollback":
                print(f"guard: at update {event['update']} back to update {event['to_update']}, lr x "
                      f"{event['lr_scale']:.3g} from then on: {event['reason']}")  # fmt: skip
            elif event["kind"] == "guard_stop":
                print(f"guard: stopped at update {event['update']}: {event['reason']}")

    def _write_page(self) -> Diagnosis | None:
        """Put `report.html` into the folder, where the tracking finds it; None where there is no page.

        The run is on record by now: whatever keeps its page from being drawn must not take it down.
        """
        if not isinstance(self.config.agent, PpoConfig):
            return None
        from sched_rl.reporting.run_page import diagnose_and_write_page

        try:
            return diagnose_and_write_page(self.folder, self.config.diagnosis)
        except Exception as error:
            again = f"python -m sched_rl.diagnose {argument('run', self.folder)} report=FILE.html"
            log.warning(
                "no report.html: %s. The run is complete without it; try again with: %s", error, again
            )
            return None

    def _print_primary_finding(self, diagnosis: Diagnosis | None) -> None:
        """What the playbook's rules make of the whole run, and how to hear more."""
        if self.config.diagnosis.kind == "none" or diagnosis is None:
            return
        first = diagnosis.first
        if first is not None:
            print(f"diagnosis:  {first.id} ({first.severity}): {first.summary}")
        print(f"diagnose it: python -m sched_rl.diagnose {argument('run', self.folder)}")

    def _report(self, scheduler: Scheduler) -> None:
        """Read the report blocks, once, at the end."""
        config, name = self.config, self.config.agent.name
        blocks = make_blocks(config.eval, config.env, config.families, "report")
        evaluation = evaluate(scheduler, blocks, config.families)
        report = split_name(config.env, "report")
        judged = {name: evaluation_json(evaluation, agent=name, env=config.env.name, split=report)}
        judged |= judge_baselines(config, blocks, "report")
        self._record.write_report(judged)
        self._print_table(judged, report, "report, read once" if report == "report" else report)

    def _print_table(self, judged: Mapping[str, dict[str, Any]], split: str, heading: str) -> None:
        episodes = {name: row["episodes"] for name, row in judged.items()}
        agent = self.config.agent
        is_learned = isinstance(agent, PpoConfig)
        table = final_table(episodes, checkpoint=agent.name, split=split, is_learned=is_learned)
        print(f"\n{self.config.env.name}, blocks of {heading}:")
        print_table(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                # A second error here (a full disk, say) must not hide the first.
                with suppress(OSError, SchedRLError):
                    self._record.event("error", self._update, message=str(error))
                    self._record.end("FAILED", self._update)
                self._writer.finish("FAILED")
        finally:
            self._record.close()
