"""Where a value stands on an axis, and which round numbers stand beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Most numbers beside an axis.
_MOST_TICKS = 6


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, drawn from the pixel `start` to the pixel `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """The pixel of a value."""
        return float(self.places(np.array([value]))[0])

    def places(self, values: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The pixels of values; a logarithmic axis has room for positive ones only."""
        own = np.log10 if self.is_log else np.asarray
        low, high = own([self.low, self.high])
        shares: npt.NDArray[np.float64] = (own(values) - low) / (high - low)
        return self.start + shares * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers within the axis, ascending."""
        return _log_ticks(self.low, self.high) if self.is_log else linear_ticks(self.low, self.high)


def linear_ticks(low: float, high: float, most: int = _MOST_TICKS) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten; 1, 2 and 5 times them where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors, every in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4), ((1,), 8)):
        powers = [power for power in range(first, last + 1) if power % every == 0]
        ticks = [float(f"{factor}e{power}") for power in powers for factor in factors]
        within = [tick for tick in ticks if low <= tick <= high]
        if len(within) <= _MOST_TICKS:
            return within
    return within
