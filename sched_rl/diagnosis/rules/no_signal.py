"""The policy finds nothing to learn: eval flat, entropy high, KL tiny (playbook, sections 3 `entropy`, 5B1, 5C)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.signals import Signals

#: Evaluations over which a curve that is flat so long has found nothing.
_LONG = 12
#: Standard errors beyond which a block has moved: several are looked at.
_CLEAR = 3.0


def _detect(signals: Signals) -> Signature | None:
    if not signals.has_enough:
        return None
    kl = signals.median(signals.finite(signals.kl_name))
    limits = signals.limits
    does_not_move = kl < limits.kl_negligible_frac * signals.kl_limit
    is_tiny = kl < limits.kl_tiny_frac * signals.kl_limit
    # A greedy policy whose logits are nearly equal crawls with the smallest step: then eval says nothing. Where the
    # policy does move a little, only a long flat curve that beats nobody is without a signal.
    is_long = signals.num_evals >= _LONG
    finds_nothing = is_tiny and is_long and signals.is_flat and not signals.leads
    if not does_not_move and (not finds_nothing or _some_block_moved(signals)):
        return None
    if not signals.entropy_stays_high:
        return None
    entropy = signals.late(signals.entropy_name)
    return Signature(
        rows=signals.all_rows,
        severity="critical",
        confidence=0.95 if does_not_move else 0.8,
        summary=(
            f"an update moves the policy by KL {kl:.2g}, {kl / signals.kl_limit:.2g} of its limit, and "
            f"{signals.entropy_name} stays at {entropy:.3g}: it goes on choosing nearly at random"
        ),
        evidence={
            "approx_kl, typical": kl,
            "KL limit": signals.kl_limit,
            f"{signals.entropy_name}, first": float(signals.finite(signals.entropy_name)[0]),
            f"{signals.entropy_name}, last half": entropy,
            "eval_mean_return, first": float(signals.mean[0]),
            "eval_mean_return, last": float(signals.mean[-1]),
        },
    )


def _some_block_moved(signals: Signals) -> bool:
    """Whether a block changed clearly while the mean did not: there was a signal, for some workloads."""
    last = signals.num_evals - 1
    blocks = range(signals.blocks.shape[1])
    return any(abs(signals.block_difference(0, (last - 1, last), block).z) > _CLEAR for block in blocks)


def _knobs(settings: Settings) -> list[str]:
    """Raise lr, more epochs, denser reward, less noise."""
    return [
        *settings.scaled("agent.lr", 10.0, 100.0),
        *settings.scaled("agent.update_epochs", 2.0),
        *settings.changed("agent.shape_rewards", True),
        *settings.changed("agent.normalize_advantages", True),
        *settings.scaled("agent.ent_coef", 0.1),
        *settings.scaled("agent.rollout_steps", 2),
    ]


RULE = Rule(
    id="no_signal",
    tier="cause",
    section="3, 5B1, 5C",
    needs=(
        "eval_mean_return",
        "approx_kl_mean|approx_kl|approx_kl_last|approx_kl_max",
        "entropy_frac|entropy",
    ),
    explanation=(
        "Eval flat, entropy high and KL tiny: the learning rate is too low or the advantages are too weak, and the "
        "policy stays too random."
    ),
    suspects=(
        "learning rate too low",
        "advantages tiny or inconsistent",
        "reward too sparse or flat",
        "entropy bonus too strong",
    ),
    checks=(
        Check(None, "is advantage_std tiny beside return_std?"),
        Check(None, "does eval stay within the range of rand_feas_no0?"),
    ),
    detect=_detect,
    knobs=_knobs,
)
