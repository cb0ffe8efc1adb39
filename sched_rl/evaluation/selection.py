"""Which checkpoint is the best: the worst block decides, the mean breaks ties."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sched_rl.evaluation.summary import Evaluation


@dataclass
class BestSoFar:
    """The best evaluation of a run, by (eval_min_block_return, eval_mean_return)."""

    update: int = -1
    min_block_return: float = -math.inf
    mean_return: float = -math.inf

    def offer(self, update: int, evaluation: Evaluation) -> bool:
        """Take the evaluation if it beats the best so far; a number that is not finite never does."""
        candidate = (evaluation.min_block_return, evaluation.mean_return)
        if not all(map(math.isfinite, candidate)) or candidate <= (self.min_block_return, self.mean_return):
            return False
        self.update, (self.min_block_return, self.mean_return) = update, candidate
        return True

    def state(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        return {
            "update": self.update,
            "min_block_return": self.min_block_return,
            "mean_return": self.mean_return,
        }

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.update = int(saved["update"])
        self.min_block_return = float(saved["min_block_return"])
        self.mean_return = float(saved["mean_return"])
