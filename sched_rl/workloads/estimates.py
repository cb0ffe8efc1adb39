"""What users request: a few round values, mostly far above the run time (Tsafrir, Etsion and Feitelson, JSSPP 2005).

What is kept of the model: twenty popular values hold nine requests of ten, their shares fall exponentially with the
rank, the longest allowed value is one of the most popular, and no job requests less than it runs. The popular values
themselves and the order of their ranks are ours.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MINUTE_S, _HOUR_S = 60.0, 3600.0
#: Popular requests, the most popular first, in seconds.
POPULAR_S: Final = np.array(
    [
        36 * _HOUR_S, _HOUR_S, 2 * _HOUR_S, 4 * _HOUR_S, 30 * _MINUTE_S, 12 * _HOUR_S, 10 * _MINUTE_S, 24 * _HOUR_S,
        8 * _HOUR_S, 15 * _MINUTE_S, 6 * _HOUR_S, 5 * _MINUTE_S, 3 * _HOUR_S, 18 * _HOUR_S, 20 * _MINUTE_S,
        5 * _HOUR_S, 10 * _HOUR_S, 48 * _HOUR_S, 40 * _MINUTE_S, 16 * _HOUR_S,
    ]
)  # fmt: skip
#: Share of requests with a popular value, and how fast the shares fall with the rank.
HEAD_SHARE, HEAD_DECAY = 0.9, 0.18


def modal_estimates(run_s: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """Requested times, float64 (n,), none below the run time.

    Args:
        run_s: (n,), true run times.
        draws: one stream; jobs are served in their order.
    """
    shares = np.exp(-HEAD_DECAY * np.arange(len(POPULAR_S)))
    requested_s = np.empty(len(run_s))
    for i, run in enumerate(run_s.tolist()):
        allowed = shares * (run <= POPULAR_S)
        if draws.random() < HEAD_SHARE and allowed.any():
            requested_s[i] = POPULAR_S[draws.choice(len(POPULAR_S), p=allowed / allowed.sum())]
        else:  # some other whole number of minutes
            requested_s[i] = np.ceil(run * np.exp(draws.exponential(1.0)) / _MINUTE_S) * _MINUTE_S
    return requested_s
