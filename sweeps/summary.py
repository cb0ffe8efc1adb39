"""A sweep in one screen: counts, the best settings as a command, what mattered, the last trials, how to go on."""

from __future__ import annotations

import shlex
import warnings
from collections import Counter
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, TextIO

import optuna
from optuna.exceptions import ExperimentalWarning
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sweeps.study import SweepInfo, TrialInfo, best_trials, sweep_info, trial_infos

if TYPE_CHECKING:
    from optuna import Study

#: Complete trials that importance needs to say anything.
MIN_FOR_IMPORTANCE = 10

_SHOWN = 8
_WIDTH_IN_FILES = 200
_STATES = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "RUNNING": "running",
    "WAITING": "waiting",
    "FAIL": "failed",
}


def summary_of(study: Study) -> RenderableType:
    """The screen.

    Raises:
        SweepError: when the study is not a sweep of ours.
    """
    info, trials, best = sweep_info(study), trial_infos(study), best_trials(study)
    parts: list[RenderableType] = [Text(""), _head(info, trials)]
    if best:
        parts += [Text(""), _best_table(info, best)]
    importance = importances(study)
    if importance:
        shares = ", ".join(f"{key} {share:.0%}" for key, share in importance.items())
        parts.append(Text(f"\nimportance (of differences between complete trials): {shares}"))
    parts += [Text(""), _last_table(info, trials)]
    parts.append(Text("\n" + "\n".join(_commands(info, best, trials))))
    return Group(*parts)


def print_summary(study: Study, out: TextIO) -> None:
    """Print the screen; where no terminal says how wide it is, lines are not folded at 80.

    Raises:
        SweepError: when the study is not a sweep of ours.
    """
    width = None if out.isatty() else _WIDTH_IN_FILES
    Console(file=out, highlight=False, soft_wrap=True, width=width).print(summary_of(study))


def importances(study: Study) -> dict[str, float]:
    """Share of each searched key in the differences of the first objective; empty below ten complete trials.

    fANOVA (Hutter, Hoos, Leyton-Brown 2014) as Optuna has it; conditional keys that some trials lack are left out.
    """
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    values = {trial.values[0] for trial in complete if trial.values}
    if len(complete) < MIN_FOR_IMPORTANCE or len(values) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(
            study, evaluator=evaluator, target=lambda trial: trial.values[0]
        )
    return {key: float(share) for key, share in found.items()}


def resume_command(info: SweepInfo) -> str:
    """What to type to go on."""
    return f"python -m sched_rl.train {shlex.join(info.command)}"


def best_command(info: SweepInfo, trial: TrialInfo) -> str:
    """What to type to train with a trial's settings."""
    return f"python -m sched_rl.train {shlex.join([*info.base_overrides, *trial.overrides])}"


def _head(info: SweepInfo, trials: list[TrialInfo]) -> Text:
    counts = Counter(trial.state for trial in trials if not trial.attrs.get("surplus"))
    interrupted = sum(bool(trial.attrs.get("interrupted")) for trial in trials)
    counts["FAIL"] -= interrupted
    states = ", ".join(f"{counts[state]} {word}" for state, word in _STATES.items() if counts[state])
    finished = counts["COMPLETE"] + counts["PRUNED"]
    lines = [
        f"sweep {info.name} ({info.recipe}): {info.agent} on {info.env}, {info.sampler}, pruner {info.pruner}",
        f"{finished} of {info.n_trials} trials finished ({states or 'none begun'}){_eta(info, trials, finished)}",
    ]
    if info.constraints:
        bounds = ", ".join(f"{name} <= {bound:g}" for name, bound in info.constraints.items())
        infeasible = sum(trial.state == "COMPLETE" and not trial.is_feasible for trial in trials)
        lines.append(f"constraints {bounds}: {infeasible} complete trials break them")
    failed = [trial for trial in trials if trial.state == "FAIL" and _is_failure(trial)]
    if failed:
        lines.append(f"last failure: trial {failed[-1].number}, {_reason(failed[-1])}")
    return Text("\n".join(lines))


def _is_failure(trial: TrialInfo) -> bool:
    return not (trial.attrs.get("surplus") or trial.attrs.get("interrupted"))


def _reason(trial: TrialInfo) -> str:
    return str(trial.attrs.get("error", "its process died"))


def _eta(info: SweepInfo, trials: list[TrialInfo], finished: int) -> str:
    running = [trial for trial in trials if trial.state == "RUNNING"]
    took = [
        (trial.ended - trial.began).total_seconds()
        for trial in trials
        if trial.state in ("COMPLETE", "PRUNED") and trial.began and trial.ended
    ]
    if not running or not took or finished >= info.n_trials:
        return ""
    left_s = fmean(took) * (info.n_trials - finished) / len(running)
    since = min((trial.began for trial in running if trial.began), default=datetime.now())
    left_s = max(left_s - (datetime.now() - since).total_seconds(), 0.0)
    return f", about {left_s / 60:.0f} min to go" if left_s >= 90 else f", about {left_s:.0f} s to go"


def _best_table(info: SweepInfo, best: list[TrialInfo]) -> Table:
    title = (
        "best trials"
        if len(info.objectives) == 1
        else f"best trials: none beats these in {' and '.join(info.objectives)}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in (
        "trial",
        *(name.removeprefix("eval_") for name in info.objectives),
        "mean",
        "last",
        "seconds",
    ):
        table.add_column(name, justify="right")
    table.add_column("overrides", overflow="fold")
    for trial in best[:_SHOWN]:
        attrs = trial.attrs
        table.add_row(
            str(trial.number),
            *(f"{value:.4f}" for value in trial.values),
            *(_number(attrs.get(name), digits) for name, digits in _BESIDE),
            " ".join(trial.overrides),
        )
    return table


_BESIDE = (("mean_return", 4), ("last_min_block_return", 4), ("wall_s", 1))


def _last_table(info: SweepInfo, trials: list[TrialInfo]) -> Table:
    ended = [trial for trial in trials if trial.ended is not None and not trial.attrs.get("surplus")]
    ended.sort(key=lambda trial: str(trial.ended))
    running = [trial for trial in trials if trial.state == "RUNNING"]
    table = Table(title="last trials", title_justify="left", box=None, pad_edge=False)
    for name in ("trial", "state", info.objectives[0].removeprefix("eval_"), "seconds"):
        table.add_column(name, justify="left" if name == "state" else "right")
    table.add_column("overrides", overflow="fold")
    for trial in [*ended[-_SHOWN:], *running]:
        value = f"{trial.values[0]:.4f}" if trial.values else ""
        table.add_row(
            str(trial.number),
            _state(trial),
            value,
            _number(trial.attrs.get("wall_s"), 1),
            " ".join(trial.overrides),
        )
    return table


def _state(trial: TrialInfo) -> str:
    attrs = trial.attrs
    if attrs.get("interrupted"):
        return "stopped, continued later"
    words = _STATES[trial.state]
    if trial.state == "PRUNED":
        words += f" at {attrs.get('pruned_at', 0.0):.0%}"
    if trial.state == "FAIL":
        words += f": {_reason(trial)}"
    if not trial.is_feasible:
        words += ", infeasible"
    return words + (f" (again {attrs['retry_of']})" if "retry_of" in attrs else "")


def _commands(info: SweepInfo, best: list[TrialInfo], trials: list[TrialInfo]) -> list[str]:
    finished = sum(trial.state in ("COMPLETE", "PRUNED") for trial in trials)
    lines = [f"trials are in {info.folder}"]
    if best:
        lines.append(f"train the best: {best_command(info, best[0])}")
        lines.append(f"judge the best honestly: python -m sweeps.promote sweep={info.name}")
    if finished < info.n_trials:
        lines.append(f"go on: {resume_command(info)}")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
