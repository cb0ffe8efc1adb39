"""How the cost of a step grows: with the window, the clusters, the length of an episode, and the GPUs.

`python -m analysis.benchmarks.scaling [key=value ...]` measures the simulator alone and a training end to end. All
subjects and values of an axis take turns, round after round; the median round counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.benchmarks.arguments import count, flag, names_among, read_arguments
from analysis.benchmarks.scaling_axes import AXES, Axis
from analysis.benchmarks.scaling_subjects import (
    SimulatorSubject,
    Subject,
    TrainingSubject,
    simulator_config,
    training_config,
)
from analysis.benchmarks.scaling_table import Point, summarize, table, write_csv
from analysis.benchmarks.simulator import ENCODINGS
from sched_rl.config.schema import Encoding
from sched_rl.envs.batch import ClusterBatch
from sched_rl.errors import ConfigError, SchedRLError
from sched_rl.reporting.style import save_figure

NETWORKS = ("scorer", "mlp")
SUBJECTS = ("simulator", "training")
_KEYS = tuple(axis.key for axis in AXES)
#: Clusters at most where all is small.
_SMALL_ENVS = 4
#: Simulators that the table of memory shows: clusters, and jobs of an episode.
_MEMORY = ((64, 400), (64, 10_000), (1024, 400), (1024, 10_000))

USAGE = f"""usage: python -m analysis.benchmarks.scaling [key=value ...]

  axes={",".join(_KEYS)}  what grows
  subjects={",".join(SUBJECTS)}  what is measured
  rounds=5                 rounds of which the median counts
  small=false              tiny sizes, one round: does everything run?
  output=analysis/results/scaling  files to write, without an ending: .csv, .png

Every other key=value overrides the configuration of all alike: agent.kernel=dense, env.lookahead=off, ..."""


@dataclass(frozen=True)
class Options:
    """The choices on the command line.

    Attributes:
        axes: keys of `AXES`.
        subjects: of `SUBJECTS`.
        rounds: at least one.
        small: tiny sizes.
        output: path without an ending.
        overrides: of the configuration.
    """

    axes: tuple[str, ...] = _KEYS
    subjects: tuple[str, ...] = SUBJECTS
    rounds: int = 5
    small: bool = False
    output: Path = Path("analysis/results/scaling")
    overrides: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Of an update."""
        return 64 if self.small else 4096

    @property
    def round_s(self) -> float:
        """Of the simulator."""
        return 0.001 if self.small else 0.2


def parse_options(arguments: Sequence[str]) -> Options:
    """From `key=value` arguments.

    Raises:
        ConfigError: one line on the first thing that is wrong; overrides are judged by the configuration itself.
    """
    readers = {
        "axes": names_among(_KEYS),
        "subjects": names_among(SUBJECTS),
        "rounds": count,
        "small": flag,
        "output": _stem,
    }
    own, overrides = read_arguments(arguments, readers)
    return Options(**own, overrides=overrides)


def _stem(key: str, text: str) -> Path:
    if not Path(text).name:
        raise ConfigError(f"{key}={text}: must be a path, to which .csv and .png are added")
    return Path(text)


def subjects_of(axis: Axis, value: int, options: Options) -> Iterator[Subject]:
    """What is measured at one value."""
    small = ("env.jobs_per_episode=25",) if options.small and axis.key != "jobs" else ()
    overrides = (*axis.overrides(value), *small, *options.overrides)
    num_envs = axis.num_envs(value)
    if options.small:
        num_envs = min(num_envs, _SMALL_ENVS)
    if "simulator" in options.subjects:
        config = simulator_config(overrides)
        for encoding in ENCODINGS:
            yield SimulatorSubject(config, encoding, num_envs, options.round_s)
    if "training" in options.subjects:
        for network in NETWORKS:
            yield TrainingSubject(training_config(overrides, network, num_envs, options.samples, 4), num_envs)


def measure(axis: Axis, options: Options) -> list[Point]:
    """Every subject at every value, in turns."""
    values = axis.small if options.small else axis.values
    subjects = [(value, subject) for value in values for subject in subjects_of(axis, value, options)]
    rounds = [
        [subject.play() for _, subject in subjects] for _ in range(1 if options.small else options.rounds)
    ]
    points = [
        summarize(axis.key, value, subject, own)
        for (value, subject), own in zip(subjects, zip(*rounds, strict=True), strict=True)
    ]
    return sorted(points, key=lambda point: point.subject)


def simulator_mib(num_envs: int, num_jobs: int, encoding: Encoding = "rich") -> float:
    """Memory of N clusters with their observations and masks, all of it allocated at construction."""
    env = simulator_config((f"env.jobs_per_episode={num_jobs}",)).cluster
    batch = ClusterBatch(env, encoding, num_envs)
    arrays: list[np.ndarray] = [*batch.state, batch.observation, batch.action_mask]
    return sum(array.nbytes for array in arrays) / 2**20


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; returns the exit code."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return 0
    try:
        _run(parse_options(arguments))
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _run(options: Options) -> None:
    import torch

    from analysis.benchmarks.scaling_figure import draw

    torch.set_num_threads(1)
    points: list[Point] = []
    for axis in AXES:
        if axis.key in options.axes:
            start_s = time.perf_counter()
            measured = measure(axis, options)
            points += measured
            print(table(axis.key, measured), flush=True)
            print(f"({time.perf_counter() - start_s:.0f} s)\n", flush=True)
    for num_envs, num_jobs in _MEMORY:
        print(
            f"simulator of {num_envs:>4} clusters, {num_jobs:>6,} jobs an episode: "
            f"{simulator_mib(num_envs, num_jobs):8.1f} MiB"
        )
    write_csv(options.output.with_name(options.output.name + ".csv"), points)
    figure_path = options.output.with_name(options.output.name + ".png")
    save_figure(draw(points), figure_path)
    print(f"written: {figure_path} and .csv")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
