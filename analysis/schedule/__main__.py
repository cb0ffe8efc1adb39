"""`python -m analysis.schedule agent=... | checkpoint=... [against=...] [env=...] [seed=...]`: one schedule, drawn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.arguments import run_command, whole_number
from analysis.schedule.importance import Importance, permutation_importance
from analysis.schedule.recording import Recording, check_same_jobs, record_schedule
from sched_rl.errors import ConfigError, RunFolderError

HELP = """
Play a scheduler on one workload and draw what it did: who ran where and how long each job had waited, the queue, the
GPUs at work, every decision, waits and slowdowns by width, and which features its decisions depend on.

  python -m analysis.schedule agent=sjf env=heavy                           # on the first workload of val
  python -m analysis.schedule checkpoint=runs/FOLDER seed=7000001           # a policy, on a workload of promote
  python -m analysis.schedule checkpoint=runs/FOLDER against=linear_score   # two on the same jobs

agent=, checkpoint=, env=, ...  as for python -m sched_rl.evaluate; a checkpoint brings its recorded env
seed=        of the workload, whole number; default: the first of val
against=     a second scheduler on the same jobs: a name such as sjf, or a run folder
importance=  false: leave out the shuffling of features
output=      without ending; schedule.png and schedule.html are written beside it; default runs/schedule

The page needs nothing else: drag the slider or point at a job.
"""

_OWN = ("seed", "against", "output", "importance")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command(argv, HELP, _run)


def _run(words: Sequence[str]) -> None:
    own = {key: value for key, _, value in (w.partition("=") for w in words) if key in _OWN}
    overrides = [word for word in words if word.partition("=")[0] not in _OWN]
    seed = whole_number("seed", own["seed"]) if "seed" in own else None
    if own.get("importance", "true") not in ("true", "false"):
        raise ConfigError(f"importance={own['importance']}: must be true or false")
    recordings = [record_schedule(overrides, seed)]
    if "against" in own:
        first = recordings[0]
        rival = _rival(own["against"], overrides)
        recordings.append(record_schedule(rival, first.seed, on=first.env))
        check_same_jobs(*recordings)
    is_asked = own.get("importance", "true") == "true"
    importances = [permutation_importance(each) if is_asked else [] for each in recordings]
    for each, found in zip(recordings, importances, strict=True):
        print(_summary(each))
        print("".join(f"  {i.changed:6.1%}  {i.feature}\n" for i in found[:5] if i.changed > 0), end="")
    for path in write_schedule(recordings, importances, Path(own.get("output", "runs/schedule"))):
        print(f"wrote {path}")


def write_schedule(
    recordings: Sequence[Recording], importances: Sequence[Sequence[Importance]], base: Path
) -> list[Path]:
    """Write the picture and the page; returns their paths.

    Raises:
        RunFolderError: they cannot be written.
    """
    from analysis.schedule.figures import draw_schedules
    from analysis.schedule.page import schedule_html
    from sched_rl.reporting.run_page import write_page
    from sched_rl.reporting.style import save_figure

    paths = [base.with_name(f"{base.name}.png"), base.with_name(f"{base.name}.html")]
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        save_figure(draw_schedules(recordings, importances), paths[0])
    except OSError as error:
        raise RunFolderError(f"output={base}: cannot be written ({error.strerror})") from error
    write_page(paths[1], schedule_html(recordings, importances))
    return paths


def _rival(against: str, overrides: Sequence[str]) -> list[str]:
    """The second scheduler's command line: the first one's, with another scheduler."""
    kept = [word for word in overrides if not word.startswith(("agent", "checkpoint="))]
    return [*kept, f"checkpoint={against}"] if Path(against).exists() else [f"agent={against}", *kept]


def _summary(recording: Recording) -> str:
    numbers = recording.episode.numbers
    return (
        f"{recording.name}: return {numbers['return']:.3f}, mean wait {numbers['mean_wait_s']:,.0f} s, slowdown "
        f"{numbers['mean_bounded_slowdown']:.1f}, utilization {numbers['utilization']:.1%}, "
        f"{numbers['noop_feasible_steps']} waits although a job fitted"
    )


if __name__ == "__main__":
    sys.exit(main())
