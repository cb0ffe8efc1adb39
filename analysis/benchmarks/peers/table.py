"""The results as text."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.benchmarks.peers.results import Row
from analysis.benchmarks.peers.task import Task

_HEADER = (
    f"{'competitor':<26}{'steps/s':>9}{'slowest':>9}{'fastest':>9}{'CPU s/M':>9}{'peak MiB':>9}"
    f"{'env':>8}{'act':>7}{'learn':>8}{'rest':>7}{'adapter':>9}{'x fast':>8}{'x Python':>9}"
)
_LEGEND = (
    "env, act, learn, rest: microseconds a step; adapter: share of the time that fits the clusters to the library;\n"
    "x fast, x Python: speed over that of MaskablePPO on the compiled and on the Python environment, round by round"
)


def network_table(network: str, task: Task, rows: Sequence[Row]) -> str:
    """The competitors on one network."""
    agent, rounds = task.agent, min(row.rounds for row in rows)
    title = (
        f"{network}, env={task.env.name}, {agent.network.observation} observation, "
        f"{agent.num_envs} environments x {agent.rollout_steps} steps, {agent.num_minibatches} minibatches x "
        f"{agent.update_epochs} epochs, one thread, median of {rounds} rounds"
    )
    return "\n".join([title, _HEADER, "-" * len(_HEADER), *map(_line, rows), _LEGEND])


def _line(row: Row) -> str:
    adapter = "" if row.adapter_frac is None else f"{row.adapter_frac:.1%}"
    return (
        f"{row.label:<26}{row.steps_per_s:>9,.0f}{row.slowest_steps_per_s:>9,.0f}{row.fastest_steps_per_s:>9,.0f}"
        f"{row.cpu_s_per_million_steps:>9.1f}{row.peak_mib:>9.0f}"
        f"{row.env_us:>8.2f}{row.act_us:>7.2f}{row.learn_us:>8.2f}{row.rest_us:>7.2f}{adapter:>9}"
        f"{_times(row.ratio_fast):>8}{_times(row.ratio_python):>9}"
    )


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
