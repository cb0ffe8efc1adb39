"""A cluster as a few lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from sched_rl.envs.pictures.view import ClusterView, RunningJob

_BAR = 24
_MOST_ROWS = 12


def draw_text(view: ClusterView) -> str:
    """Clock, running jobs with their GPUs and the time left, and the front of the window."""
    return "\n".join([*_head(view), *_running(view), *_queue(view)])


def _head(view: ClusterView) -> Iterator[str]:
    share = min(view.now_s / view.horizon_s, 1.0)
    yield f"step {view.steps}  return {view.total_return:+.4f}  {view.outcome}"
    yield f"time {view.now_s:.0f} s of {view.horizon_s:.0f} s [{_bar(share)}] {100 * share:.1f} %"
    yield (
        f"jobs {view.num_queued} queued, {len(view.running)} running, {view.num_arriving} to come, "
        f"{view.num_completed} done"
    )


def _running(view: ClusterView) -> Iterator[str]:
    yield f"GPUs {view.num_gpus}, {view.num_idle} idle"
    names = [_ranges(run) for run in view.running]
    width = max((len(name) for name in names[:_MOST_ROWS]), default=0)
    for name, run in list(zip(names, view.running, strict=True))[:_MOST_ROWS]:
        bar = _bar(min(run.left_s / view.longest_s, 1.0))
        yield f"  {name:<{width}}  job {run.job:<5} [{bar}] {run.left_s:.0f} s left"
    if len(view.running) > _MOST_ROWS:
        yield f"  and {len(view.running) - _MOST_ROWS} more"


def _queue(view: ClusterView) -> Iterator[str]:
    yield f"queue, {len(view.window)} in the window, {view.num_queued - len(view.window)} beyond"
    if view.window:
        yield "  action   job  GPUs  duration_s  waited_s  priority  fits"
    for slot, job in enumerate(view.window[:_MOST_ROWS]):
        fits = "yes" if job.fits else "-"
        yield (
            f"  {slot + 1:>6} {job.job:>5} {job.gpus:>5} {job.duration_s:>11.0f} {job.waited_s:>9.0f} "
            f"{job.priority:>9}  {fits}"
        )
    if len(view.window) > _MOST_ROWS:
        yield f"  and {len(view.window) - _MOST_ROWS} more"


def _bar(share: float) -> str:
    filled = round(share * _BAR)
    return "#" * filled + "." * (_BAR - filled)


def _ranges(run: RunningJob) -> str:
    """GPUs 0, 1, 2, 5 as 0-2,5."""
    spans: list[list[int]] = []
    for gpu in run.gpus:
        if spans and spans[-1][1] == gpu - 1:
            spans[-1][1] = gpu
        else:
            spans.append([gpu, gpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
