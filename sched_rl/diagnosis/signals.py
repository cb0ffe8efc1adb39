"""Everything that rules read from the curves, computed once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sched_rl.diagnosis.course import CourseSignals
from sched_rl.statistics import robust_sigma

#: Where a run sets no target_kl: the divergence of a policy whose ratios all stand at the edge of the usual clip,
#: (r - 1) - ln r at r = 1.2.
USUAL_KL_LIMIT = 0.02
#: An update whose typical minibatch lies so many limits away has replaced the policy rather than improved it.
_GROSS_LIMITS = 10.0
#: An entropy that keeps this share of its first value has hardly fallen.
_HARDLY_FALLEN = 0.9
#: The least spread of ln KL between evaluations: factors below it are usual in any run.
_LEAST_LOG_SPREAD = 0.25


class Signals(CourseSignals):
    """The curves of a run as rules read them: columns, evaluations, and here the steps of the policy."""

    @cached_property
    def kl_name(self) -> str:
        """The column of a typical step."""
        return self.first_of("approx_kl_mean", "approx_kl", "approx_kl_last", "approx_kl_max")

    @cached_property
    def kl_max_name(self) -> str:
        """The column of the largest step."""
        return self.first_of("approx_kl_max", "approx_kl_last", "approx_kl_mean", "approx_kl")

    @cached_property
    def kl_limit(self) -> float:
        """The divergence that an update should stay within: target_kl, else that of the usual clip."""
        target = self.settings.number("agent.target_kl", 0.0)
        return target if target > 0 else USUAL_KL_LIMIT

    @cached_property
    def kl_spikes(self) -> list[int]:
        """Evaluations before which an update went far beyond its limit, or beyond it and the run's own updates."""
        largest = self.max_since(self.kl_max_name)
        known = np.isfinite(largest) & (largest > 0)
        if not known.any():
            return []
        logs = np.log(largest[known])
        z = np.zeros_like(largest)
        z[known] = (logs - np.median(logs)) / max(robust_sigma(logs), _LEAST_LOG_SPREAD)
        far = largest > self.limits.kl_spike_limits * self.kl_limit
        unusual = (largest > self.kl_limit) & (z > self.limits.kl_spike_sigmas)
        return [int(e) for e in np.flatnonzero(known & (far | unusual))]

    @cached_property
    def kl_gross(self) -> list[int]:
        """Evaluations before which whole updates, not single minibatches, left their limit far behind."""
        typical = self.mean_since(self.kl_name)
        return [int(e) for e in np.flatnonzero(np.nan_to_num(typical) > _GROSS_LIMITS * self.kl_limit)]

    @property
    def entropy_is_share(self) -> bool:
        """Whether the entropy is known as a share of its maximum."""
        return self.curves.has("entropy_frac")

    @property
    def entropy_name(self) -> str:
        """The share of the maximal entropy where it is known, else the entropy."""
        return "entropy_frac" if self.entropy_is_share else "entropy"

    @property
    def starts_sure(self) -> bool:
        """Whether the first rollout's policy was nearly deterministic: untrained ones are nearly uniform."""
        shares = self.finite("entropy_frac")
        return bool(shares.size) and float(shares[0]) <= self.limits.entropy_low

    @cached_property
    def entropy_stays_high(self) -> bool:
        """Whether the policy is still as undecided as it began: its entropy has hardly fallen.

        Where shares are known it is also nearly uniform. A policy that grows surer all along has found something.
        """
        late, first = self.late(self.entropy_name, 0.25), float(self.finite(self.entropy_name)[0])
        is_high = not self.entropy_is_share or late >= self.limits.entropy_high
        return is_high and first > 0 and late >= _HARDLY_FALLEN * first

    @property
    def eval_suffers(self) -> bool:
        """Whether the evaluations are anything but fine: flat, fallen, or swinging."""
        return self.is_flat or self.drop is not None or self.saws

    @property
    def steps_leave_their_limit(self) -> bool:
        """Whether the largest step of a typical update lies beyond its limit."""
        return self.median(self.finite(self.kl_max_name)) > self.kl_limit

    @property
    def moves(self) -> bool:
        """Whether the policy moves at all."""
        kl = self.median(self.finite(self.kl_name))
        return not kl < self.limits.kl_negligible_frac * self.kl_limit
