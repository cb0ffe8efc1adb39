"""`python -m sweeps.promote [sweep=NAME] [top=3] [seeds=5]`: train a sweep's best trials again and judge them afresh.

The best of many trials owes part of its score to luck. So its configuration is trained anew on seeds that no trial
used, judged on blocks that chose nothing, beside the sweep's default configuration and the baselines.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sched_rl.config.suggest import did_you_mean
from sched_rl.errors import ConfigError, SchedRLError

if TYPE_CHECKING:
    from sched_rl.config.schema import Config
    from sched_rl.evaluation.blocks import Split
    from sweeps.finalists import Retraining
    from sweeps.promotion import Promotion

USAGE = """\
usage: python -m sweeps.promote [sweep=NAME] [key=value ...]

Trains the best trials of a sweep again on seeds that no trial used, judges them on the promote blocks beside the
sweep's default configuration and the strongest baseline, names the winner, says how much of its val score was the
luck of being chosen, and reads its report blocks once. Repeat the command to go on after a stop: what is trained stays.

  sweep=NAME       the sweep, its folder, or its study file; left out: the one written last
  storage=ADDRESS  where the study is, if not in the sweep's folder: postgresql://USER@HOST/DATABASE
  top=3            trials to train again; whole number from 1
  seeds=5          fresh trainings of each, and of the default; whole number from 1
  folder=DIR       where they go; left out: promote/ in the sweep's folder
  report=true      read the report blocks once the winner is known; true or false
  output=FILE      also write the outcome there; FILE ends in .json or .csv

Given on to every training: hydra/launcher=joblib (or submitit_slurm, ray) and hydra.launcher.KEY=..., tracking=none,
tracking.KEY=..., threads=N, device=..., progress=...

Written to the folder: promotion.json, promotion.csv, promotion.txt, report.json, and a run folder for each training."""

_DEFAULTS = {
    "sweep": "",
    "storage": "",
    "top": "3",
    "seeds": "5",
    "folder": "",
    "report": "true",
    "output": "",
}
_GIVEN_ON = ("hydra", "tracking", "threads", "device", "progress")


@dataclass(frozen=True)
class Options:
    """The command line, read.

    Attributes:
        sweep: what to promote from, as `sweeps.study.find_study` takes it; None for the latest.
        top: trials.
        seeds: trainings of each.
        folder: of the promotion; None for the sweep's own.
        report: whether to read the report blocks.
        output: a file to write besides.
        fixed: overrides for every training.
        steering: the choice of a launcher and its settings.
    """

    sweep: str | None
    top: int
    seeds: int
    folder: Path | None
    report: bool
    output: Path | None
    fixed: tuple[str, ...]
    steering: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return 0
    try:
        return _promote(parse_options(arguments))
    except SchedRLError as error:
        from sched_rl.command_line import report

        report(error)
        return error.exit_code


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        ConfigError: naming the argument.
    """
    values, given = dict(_DEFAULTS), []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key in values:
            values[key] = value
        elif equals and key.replace("/", ".").partition(".")[0] in _GIVEN_ON:
            given.append(argument)
        else:
            hint = did_you_mean(key, list(_DEFAULTS))
            raise ConfigError(
                f"{argument}: promote has no such key{hint}; see python -m sweeps.promote --help"
            )
    if values["report"] not in ("true", "false"):
        raise ConfigError(f"report={values['report']}: must be true or false")
    output = Path(values["output"]) if values["output"] else None
    if output is not None and output.suffix not in (".json", ".csv"):
        raise ConfigError(f"output={output}: must end in .json or .csv")
    if output is not None and not output.absolute().parent.is_dir():
        raise ConfigError(f"output={output}: there is no folder {output.parent}")
    return Options(
        sweep=_reference(values["sweep"], values["storage"]),
        top=_count("top", values["top"]),
        seeds=_count("seeds", values["seeds"]),
        folder=Path(values["folder"]) if values["folder"] else None,
        report=values["report"] == "true",
        output=output,
        fixed=tuple(text for text in given if not text.startswith("hydra")),
        steering=tuple(text for text in given if text.startswith("hydra")),
    )


def _reference(sweep: str, storage: str) -> str | None:
    if not storage:
        return sweep or None
    address = storage if "://" in storage else f"sqlite:///{storage}"
    return f"{address}#{sweep}" if sweep else address


def _count(key: str, text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ConfigError(f"{key}={text}: must be a whole number in [1, 1000]")
    return int(text)


def _promote(options: Options) -> int:
    from sched_rl.config.compose import ConfigSources
    from sched_rl.config.load import load_command
    from sweeps.finalists import choose_finalists, fresh_seeds, retrainings
    from sweeps.retraining import run_missing
    from sweeps.study import find_study, sweep_info

    study = find_study(options.sweep)
    info = sweep_info(study)
    folder = (options.folder or info.folder / "promote").absolute()
    finalists = choose_finalists(study, options.top)
    planned = retrainings(finalists, fresh_seeds(study, options.seeds), folder)
    names = ", ".join(finalist.name for finalist in finalists)
    print(f"sweep {info.name}: {names}, {options.seeds} fresh trainings each, in {folder}")
    launch_folder = folder / f"{info.name}-promotion"
    exit_code = run_missing(planned, options.fixed, options.steering, launch_folder, ConfigSources())
    base = load_command("train", [*info.base_overrides, *options.fixed], ConfigSources()).config
    outcome = _judge(planned, base, folder, info.name, options.seeds, "promote")
    _write_outcome(outcome, folder, options.output)
    if exit_code or outcome.missing:
        return exit_code or 1
    if options.report:
        _report(outcome, planned, base, folder, options.seeds)
    return 0


def _judge(
    planned: Sequence[Retraining], base: Config, folder: Path, sweep: str, seeds: int, split: Split
) -> Promotion:
    """The comparison on one split, of what has finished."""
    import torch

    from sweeps.promotion import promotion
    from sweeps.retraining import judge_all, judge_fixed

    torch.set_num_threads(base.threads)
    judged = judge_all(planned, split)
    baselines = judge_fixed(base, folder, split) if judged else {}
    return promotion(judged, baselines, sweep=sweep, split=split, num_seeds=seeds, planned=len(planned))


def _write_outcome(outcome: Promotion, folder: Path, output: Path | None) -> None:
    from sched_rl.evaluator import write_json
    from sweeps.promotion_views import promotion_json, render_csv, render_text
    from sweeps.retraining import write_text

    text = render_text(outcome)
    print(f"\n{text}")
    document, table = promotion_json(outcome), render_csv(outcome)
    write_json(folder / "promotion.json", document)
    write_text(folder / "promotion.csv", table)
    write_text(folder / "promotion.txt", text + "\n")
    if output is not None and output.suffix == ".json":
        write_json(output, document)
    elif output is not None:
        write_text(output, table)
    print(f"\nwrote {folder}/promotion.json, .csv and .txt")


def _report(
    outcome: Promotion, planned: Sequence[Retraining], base: Config, folder: Path, seeds: int
) -> None:
    """Read the report blocks for the winner and the default; their judgements are kept, so they are read once."""
    from sched_rl.evaluator import write_json
    from sweeps.promotion_views import promotion_json, render_report

    stand = {outcome.winner.finalist, *([outcome.default.finalist] if outcome.default else [])}
    chosen = [retraining for retraining in planned if retraining.finalist in stand]
    figure = _judge(chosen, base, folder, outcome.sweep, seeds, "report")
    earlier = sorted(path.parents[1].name for path in folder.glob("trial_*/seed_*/judged_report.json"))
    others = sorted(set(earlier) - {finalist.folder_name for finalist in stand})
    print(f"\n{render_report(figure)}")
    if others:
        print(
            f"  the report blocks were read before, for {', '.join(others)}: this figure is no longer the first look"
        )
    write_json(folder / "report.json", promotion_json(figure))


if __name__ == "__main__":
    sys.exit(main())
