"""The data changed, not the policy: a jump while KL stays still (playbook, sections 5D, 11)."""

from __future__ import annotations

from sched_rl.diagnosis.findings import Check
from sched_rl.diagnosis.rule import Rule, Signature
from sched_rl.diagnosis.settings import Settings
from sched_rl.diagnosis.shifts import Shift, find_shift, policy_is_still
from sched_rl.diagnosis.signals import Signals

#: What the environment decides, given the policy: each may jump when the workload, the cluster or the reward does.
_WATCHED = (
    "noop_frac",
    "legal_actions_mean",
    "mean_ep_return",
    "mean_ep_length",
    "reward_mean",
    "return_mean",
)
_RETURNS = ("mean_ep_return", "reward_mean", "return_mean")
#: Two columns that jump at one place need not each be as clear as one alone.
_TOGETHER = 2 / 3
#: Smallest relative jump that a person sees on the plot.
_VISIBLE = 0.05
#: Updates that two jumps of one cause may lie apart.
_SAME_PLACE = 2


def _detect(signals: Signals) -> Signature | None:
    sigmas = signals.limits.shift_sigmas
    found = [
        shift for name in _WATCHED if (shift := find_shift(signals, name, _TOGETHER * sigmas)) is not None
    ]
    found = [shift for shift in found if _is_material(signals, shift) and policy_is_still(signals, shift.row)]
    if not found:
        return None
    clearest = max(found, key=lambda shift: abs(shift.z))
    found = [shift for shift in found if abs(shift.row - clearest.row) <= _SAME_PLACE]
    names = {shift.name for shift in found}
    # One column alone may be a rollout's phase, unless it is what actions meet. Waits lengthen episodes, so that only
    # a return beside another column says that the data changed.
    together = len(found) > 1 and names & {"mean_ep_return", "reward_mean"}
    if not together and (
        abs(clearest.z) < sigmas or clearest.name not in ("noop_frac", "legal_actions_mean")
    ):
        return None
    return Signature(
        rows=(clearest.row, signals.curves.num_rows - 1),
        severity="critical",
        confidence=min(0.5 + 0.03 * abs(clearest.z), 0.95),
        summary=(
            f"{clearest.name} jumped from {clearest.before:.3g} to {clearest.after:.3g} at "
            f"{signals.steps[clearest.row]} and stayed there, while KL stood still"
        ),
        evidence={
            **{f"{shift.name}, before": shift.before for shift in found},
            **{f"{shift.name}, after": shift.after for shift in found},
            **{f"{shift.name}, sigmas": shift.z for shift in found},
            f"{signals.entropy_name}, around it": float(
                signals.median(signals.curves.column(signals.entropy_name)[clearest.row :][:5])
            ),
            "approx_kl, around it": float(
                signals.median(signals.curves.column(signals.kl_name)[clearest.row :][:5])
            ),
        },
    )


def _is_material(signals: Signals, shift: Shift) -> bool:
    """Whether a person would see the jump; a return must jump by more than all that training gained."""
    size = abs(shift.after - shift.before)
    if shift.name == "noop_frac":
        return size >= signals.limits.noop_rise
    least = _VISIBLE
    if shift.name in _RETURNS and signals.num_evals:
        least = max(least, signals.gain / max(abs(float(signals.mean[signals.best])), signals.gain, 1e-12))
    return size >= least * max(abs(shift.before), abs(shift.after))


def _knobs(settings: Settings) -> list[str]:
    """Nothing to tune: the same config again tells whether it happens again; another seed, whether it is the seed."""
    return [f"seed={int(settings.number('seed', 1)) % 4294967295 + 1}"]  # the largest seed is followed by 1


RULE = Rule(
    id="env_shift",
    tier="measurement",
    section="5D, 11",
    needs=(
        "|".join(_WATCHED),
        "approx_kl_mean|approx_kl|approx_kl_last|approx_kl_max",
        "entropy_frac|entropy",
    ),
    explanation=(
        "A sudden change of noop_frac or of returns with stable entropy often means that the environment changed: the "
        "workload's seeds or config, the reset, or the reward. Did my measurement change? Did my data change?"
    ),
    suspects=(
        "the workload or its seeds changed during the run",
        "the run was resumed with other settings",
        "a reward term switched on or off",
    ),
    checks=(
        Check("resumed", "was the run resumed, and with the same code and config?"),
        Check(
            None,
            "does eval, on its fixed seeds, jump there too (reward, code) or not (training workload)?",
        ),
    ),
    detect=_detect,
    knobs=_knobs,
)
