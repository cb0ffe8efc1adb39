"""Which of PPO's six clamps bound in a run, how often and when: `python -m analysis.clamps RUN_FOLDER [...]`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sched_rl.errors import RunFolderError, SchedRLError
from sched_rl.tracking.reading import read_config, read_metrics


@dataclass(frozen=True)
class Clamp:
    """One clamp of the playbook's section 3.5.

    Attributes:
        name: in the playbook's words.
        key: the config key that sets or switches it.
        column: the column of metrics.csv that measures it.
        measures: what that column is a share of.
    """

    name: str
    key: str
    column: str
    measures: str


CLAMPS = (
    Clamp("ratio clip", "clip_coef", "clipfrac", "samples"),
    Clamp("value clip", "vf_clip_coef", "v_clipfrac", "samples"),
    Clamp("gradient norm", "max_grad_norm", "grad_clip_frac", "minibatches"),
    Clamp("entropy jump", "entropy_jump_clip", "entropy_clamp_frac", "samples"),
    Clamp("target KL", "target_kl", "early_stop", "updates"),
    Clamp("action mask", "mask_actions", "legal_actions_mean", "actions"),
)


@dataclass(frozen=True)
class ClampUse:
    """How a clamp was used in a run.

    Attributes:
        clamp: which.
        value: its setting.
        bound_updates: updates in which it bound at all.
        updates: updates of the run.
        mean_share: what it bound of, on average over the updates.
        largest_share: the largest such share, and `largest_update` the first update with it.
    """

    clamp: Clamp
    value: Any
    bound_updates: int
    updates: int
    mean_share: float
    largest_share: float
    largest_update: int


def clamp_uses(folder: Path) -> list[ClampUse]:
    """The use of each clamp in a run.

    Raises:
        RunFolderError: a run without updates, or a folder that is none.
    """
    agent, columns = read_config(folder)["agent"], read_metrics(folder)
    learned = np.isfinite(columns["lr"])
    if not learned.any():
        raise RunFolderError(f"{folder}: has no update; its scheduler does not learn, or it has not begun")
    updates = columns["update"][learned]
    return [_use(clamp, agent, _shares(clamp, agent, columns, learned, folder), updates) for clamp in CLAMPS]


def _shares(
    clamp: Clamp, agent: Mapping[str, Any], columns: Mapping[str, Any], learned: Any, folder: Path
) -> npt.NDArray[np.float64]:
    column: npt.NDArray[np.float64] = columns[clamp.column][learned]
    if clamp.key != "mask_actions":
        return column
    if not agent["mask_actions"]:
        return np.zeros_like(column)
    window = read_config(folder)["env"]["max_queue_size"]
    masked: npt.NDArray[np.float64] = 1.0 - column / (window + 1)
    return masked


def _use(clamp: Clamp, agent: Mapping[str, Any], shares: npt.NDArray[np.float64], updates: Any) -> ClampUse:
    largest = int(np.nanargmax(shares))
    return ClampUse(
        clamp=clamp,
        value=agent[clamp.key],
        bound_updates=int((shares > 0).sum()),
        updates=len(shares),
        mean_share=float(np.nanmean(shares)),
        largest_share=float(shares[largest]),
        largest_update=int(updates[largest]),
    )


def table(folder: Path) -> str:
    """The uses of a run's clamps as aligned text."""
    lines = [
        f"{'clamp':<14} {'key':<24} {'value':>7}  {'bound in':>14}  {'mean':>7}  {'largest':>8}  at update  of"
    ]
    for use in clamp_uses(folder):
        bound = f"{use.bound_updates} of {use.updates}"
        lines.append(
            f"{use.clamp.name:<14} {'agent.' + use.clamp.key:<24} {use.value!s:>7}  {bound:>14}  "
            f"{use.mean_share:>7.2%}  {use.largest_share:>8.2%}  {use.largest_update:>9}  {use.clamp.measures}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Print the table of each run folder; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        for argument in arguments:
            print(f"{argument}\n{table(Path(argument))}\n")
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
