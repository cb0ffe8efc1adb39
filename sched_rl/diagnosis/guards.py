"""Guards act on the live diagnosis: stop a hopeless run, or return to the best checkpoint after a collapse.

Off by default, since they change what a run learns. Both wait until a finding has stood open for some evaluations in a
row; both decide from the recorded numbers alone, so that equal runs are guarded equally, resumed or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sched_rl.config.schema import Config, RollbackGuardConfig, StopGuardConfig
from sched_rl.config.suggest import did_you_mean
from sched_rl.diagnosis.branches import current_branch
from sched_rl.diagnosis.engine import run_settings
from sched_rl.diagnosis.live import LiveDiagnosis
from sched_rl.diagnosis.registry import all_rules
from sched_rl.diagnosis.signals import Signals
from sched_rl.errors import ConfigError
from sched_rl.observers import Observation, Reaction, ReturnToBest, Stop, TrainingObserver

#: Kind of the event that records a stop.
GUARD_STOP = "guard_stop"


def check_guard(config: Config) -> None:
    """Refuse findings that no rule makes.

    Raises:
        ConfigError: naming the first.
    """
    if config.guard.kind == "none":
        return
    known = [rule.id for rule in all_rules()]
    for name in config.guard.findings:
        if name not in known:
            raise ConfigError(
                f"guard.findings: no finding is called {name}{did_you_mean(name, known)}; there are {', '.join(known)}"
            )


def make_guard(config: Config, watch: LiveDiagnosis, *, is_silent: bool) -> TrainingObserver | None:
    """The guard that a configuration asks for; None for `guard=none`.

    Args:
        config: of the run.
        watch: its diagnosis.
        is_silent: whether the guard is the only one who asks it: then it shows it the updates itself.
    """
    if isinstance(config.guard, StopGuardConfig):
        return StopGuard(config.guard, watch, is_silent=is_silent)
    if isinstance(config.guard, RollbackGuardConfig):
        return RollbackGuard(config.guard, config, watch, is_silent=is_silent)
    return None


class _Patience:
    """For how many evaluations in a row each finding has stood open."""

    def __init__(self, names: Sequence[str], needed: int) -> None:
        self._needed = needed
        self.counts = dict.fromkeys(names, 0)

    def count(self, open_now: Sequence[str]) -> str | None:
        """Take in an evaluation; the first finding whose time is up."""
        for name in self.counts:
            self.counts[name] = self.counts[name] + 1 if name in open_now else 0
        return next((name for name, count in self.counts.items() if count >= self._needed), None)

    def reset(self) -> None:
        """Begin again."""
        self.load({})

    def load(self, saved: Mapping[str, int]) -> None:
        """Continue with saved counts."""
        self.counts = {name: int(saved.get(name, 0)) for name in self.counts}


class StopGuard:
    """Ends a run that is beyond hope.

    Args:
        guard: which findings, and for how long.
        watch: the diagnosis beside the run, asked before the guard.
        is_silent: see `make_guard`.
    """

    name = "guard"

    def __init__(self, guard: StopGuardConfig, watch: LiveDiagnosis, *, is_silent: bool) -> None:
        self._watch = watch
        self._is_silent = is_silent
        self._patience = _Patience(guard.findings, guard.patience_evaluations)

    def observe(self, observation: Observation) -> Reaction | None:
        """Stop where a hopeless finding has stood open for long enough."""
        if self._is_silent:
            self._watch.observe(observation)
        if observation.evaluation is None or self._watch.diagnosis is None:
            return None
        name = self._patience.count(self._watch.diagnosis.ids)
        if name is None:
            return None
        reason = f"{name} at {self._patience.counts[name]} evaluations in a row"
        stop = Stop(GUARD_STOP, reason, with_summary=True)
        return Reaction(tags={"guard": f"stopped at update {observation.update}: {name}"}, stop=stop)

    def state(self) -> dict[str, Any]:
        """How long findings have stood open."""
        return {"counts": dict(self._patience.counts), "watch": self._watch.state()}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._patience.load(saved["counts"])
        if self._is_silent:
            self._watch.load_state(saved["watch"])


class RollbackGuard:
    """Returns to the best checkpoint with a smaller lr after a collapse.

    Args:
        guard: which findings, for how long, and what to do.
        config: of the run.
        watch: the diagnosis beside the run, asked before the guard.
        is_silent: see `make_guard`.
    """

    name = "guard"

    def __init__(
        self, guard: RollbackGuardConfig, config: Config, watch: LiveDiagnosis, *, is_silent: bool
    ) -> None:
        self._guard = guard
        self._limits = config.diagnosis
        self._watch = watch
        self._is_silent = is_silent
        self._patience = _Patience(guard.findings, guard.patience_evaluations)
        self._rollbacks = 0

    def observe(self, observation: Observation) -> Reaction | None:
        """Ask for the return where the evaluations stand clearly below the best and a finding says why."""
        if self._is_silent:
            self._watch.observe(observation)
        if observation.evaluation is None or self._watch.diagnosis is None:
            return None
        open_now = self._watch.diagnosis.ids if self._has_collapsed() else ()
        name = self._patience.count(open_now)
        if name is None or self._rollbacks >= self._guard.max_rollbacks:
            return None
        self._patience.reset()
        self._rollbacks += 1
        times = f"{self._rollbacks} of at most {self._guard.max_rollbacks} returns"
        back = ReturnToBest(self._guard.lr_factor, f"{name} ({times})")
        return Reaction(tags={"guard": f"{times}, the last at update {observation.update}"}, back=back)

    def _has_collapsed(self) -> bool:
        """Whether the evaluations of the policy's own past stand clearly below the best of them."""
        curves = current_branch(self._watch.curves)
        return Signals(curves, run_settings(curves), self._limits).drop is not None

    def state(self) -> dict[str, Any]:
        """How long findings have stood open, and how often the run was returned."""
        counts = dict(self._patience.counts)
        return {"counts": counts, "rollbacks": self._rollbacks, "watch": self._watch.state()}

    def load_state(self, saved: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._patience.load(saved["counts"])
        self._rollbacks = int(saved["rollbacks"])
        if self._is_silent:
            self._watch.load_state(saved["watch"])
