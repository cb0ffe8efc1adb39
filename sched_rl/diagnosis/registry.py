"""The rules in their order, and those that other packages add."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from sched_rl.diagnosis.rule import Rule
from sched_rl.errors import ConfigError

#: Packages add rules under this entry-point group; each entry point names a `Rule`.
ENTRY_POINTS = "sched_rl.diagnosis_rules"

#: Modules of `sched_rl.diagnosis.rules`. Within a tier the earlier finding is the primary one: causes stand before
#: what follows from them.
BUILT_IN = (
    *("mask_bug",),
    *("unfixed_eval", "narrow_eval", "noisy_eval", "env_shift"),
    *("overshoot", "pg_loss_extreme", "noop_collapse", "no_signal", "premature_determinism"),
    *("critic_bottleneck", "critic_lag", "slow_drift", "reward_mismatch"),
    *("dead_policy", "exploding_gradients"),
    *("brittle", "sawtooth", "early_best"),
    *("not_beating_baseline", "healthy"),
)


@cache
def all_rules() -> tuple[Rule, ...]:
    """The built-in rules, then those of other packages, by name.

    Raises:
        ConfigError: an entry point that is no rule, or an id twice.
    """
    rules = [import_module(f"sched_rl.diagnosis.rules.{name}").RULE for name in BUILT_IN]
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        rule = point.load()
        if not isinstance(rule, Rule):
            raise ConfigError(f"entry point {point.name} of {ENTRY_POINTS}: {point.value} is not a Rule")
        rules.append(rule)
    ids = [rule.id for rule in rules]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(f"{ENTRY_POINTS}: two rules are called {twice[0]}; rename yours")
    return tuple(rules)
