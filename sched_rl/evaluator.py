"""Judging a scheduler from the command line: one split, the table, the JSON and the schedules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sched_rl.checkpoint import write_atomically
from sched_rl.config.record import load_config_file
from sched_rl.config.recorded import find_config_file
from sched_rl.config.schema import Config, PpoConfig
from sched_rl.config.sites import SiteConfig
from sched_rl.errors import RunFolderError
from sched_rl.evaluation.baselines import judge_baselines
from sched_rl.evaluation.blocks import make_blocks, split_name
from sched_rl.evaluation.loading import scheduler_of
from sched_rl.evaluation.schedule_csv import write_schedule_csv
from sched_rl.evaluation.schedule_swf import SUFFIXES, write_schedule_swf
from sched_rl.evaluation.summary import Evaluation, evaluate, evaluation_json
from sched_rl.reporting.final_table import final_table
from sched_rl.reporting.table_views import print_table
from sched_rl.tracking.record import json_ready
from sched_rl.workloads.site_source import check_untrained, site_report


def run_evaluate(
    config: Config, checkpoint: Path | None, output: Path | None, schedule_output: Path | None
) -> int:
    """Evaluate on `eval.split`, print the table, write what was asked for.

    Args:
        config: the agent, env, eval and baselines.
        checkpoint: a run folder or checkpoint file of a learned agent.
        output: where to write the evaluation JSON.
        schedule_output: where to write the schedules as CSV.

    Returns:
        The exit code, 0.

    Raises:
        RunFolderError: an output that cannot be written.
        CheckpointError: a checkpoint that is missing, damaged or of another network.
    """
    is_learned = isinstance(config.agent, PpoConfig)
    if is_learned:
        import torch

        torch.set_num_threads(config.threads)
    name, split = config.agent.name, config.eval.split
    if isinstance(config.env, SiteConfig):
        _check_trace(config.env, checkpoint)
    blocks = make_blocks(config.eval, config.env, config.families, split)
    called = split_name(config.env, split)
    evaluation = evaluate(scheduler_of(config, checkpoint), blocks, config.families)
    judged = {name: evaluation_json(evaluation, agent=name, env=config.env.name, split=called)}
    judged |= judge_baselines(config, blocks, split)
    episodes = {key: row["episodes"] for key, row in judged.items()}
    print(f"{name} on {config.env.name}, {called} blocks:")
    table = final_table(episodes, checkpoint=name, split=called, is_learned=is_learned)
    print_table(table, show_blocks=True)
    print(_by_width(evaluation, judged[name], "processor" if isinstance(config.env, SiteConfig) else "GPU"))
    if output is not None:
        baselines = {key: row for key, row in judged.items() if key != name}
        write_json(output, judged[name] | ({"baselines": baselines} if baselines else {}))
        print(f"wrote {output}")
    if schedule_output is not None:
        if schedule_output.name.endswith(SUFFIXES):
            write_schedule_swf(schedule_output, evaluation.episodes, config.env)
        else:
            write_schedule_csv(schedule_output, evaluation.episodes)
        print(f"wrote {schedule_output}")
    return 0


def _check_trace(env: SiteConfig, checkpoint: Path | None) -> None:
    """Say what of a trace was dropped; refuse to judge a learned scheduler on jobs that it was trained on."""
    if report := site_report(env):
        print(report)
    if checkpoint is None:
        return
    recorded = load_config_file(find_config_file("checkpoint", checkpoint)).env
    if isinstance(recorded, SiteConfig):
        check_untrained(env, recorded)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write strict JSON, whole or not at all; a number that is not finite becomes null."""
    text = json.dumps(json_ready(document), indent=1, allow_nan=False) + "\n"
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise RunFolderError(f"output={path}: cannot be written ({error.strerror})") from error


def _by_width(evaluation: Evaluation, row: dict[str, Any], unit: str) -> str:
    parts = [
        f"{width} {unit}{'' if width == '1' else 's'} {values['mean_wait_s']:,.0f} s"
        for width, values in row["by_width"].items()
    ]
    shares = f"no-op {row['noop_frac']:.1%} ({row['noop_feasible_frac']:.1%} when a job fits)"
    done = sum(bool(episode.numbers["terminated"]) for episode in evaluation.episodes)
    if not parts:
        cut = len(evaluation.episodes) - done
        return f"{done} episodes came to an end of their own" + (f", {cut} were cut off" if cut else "")
    return (
        f"mean wait by width: {', '.join(parts)}\n"
        f"{shares}, invalid {row['invalid_frac']:.1%}, {done} of {len(evaluation.episodes)} episodes completed"
    )
