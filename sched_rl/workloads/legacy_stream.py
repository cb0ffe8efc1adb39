"""NumPy's legacy stream, compiled: `RandomState` to the bit, for the few draws that workloads are made of.

A few hundred numbers at a time, `RandomState` itself spends most of its time around the draws, and a training run
that replaces episodes as they end would spend a third of its simulation on it.

Source: MT19937 by Matsumoto and Nishimura (ACM TOMACS 8, 1998); the order of its words in doubles, bounded integers
and normal numbers is NumPy's (numpy/random/src/legacy, and RandomState's masked rejection).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sched_rl.kernels import kernel, subkernel

_LENGTH, _MIDDLE = 624, 397
_UPPER, _LOWER, _TWIST = np.uint32(0x80000000), np.uint32(0x7FFFFFFF), np.uint32(0x9908B0DF)

_Words = NDArray[np.uint32]
_Doubles = NDArray[np.float64]


class LegacyStream:
    """The methods of `np.random.RandomState(seed)` that workloads use, with the same arguments and results."""

    def __init__(self, seed: int) -> None:
        """Begin the stream of a seed, 0 to 2**32 - 1."""
        # The generator's words, then how many of them are used up.
        self._words = np.empty(_LENGTH + 1, np.uint32)
        _seed(self._words, seed)

    def rand(self, count: int) -> _Doubles:
        """Uniform in [0, 1)."""
        return self.uniform(0.0, 1.0, count)

    def uniform(self, low: float, high: float, count: int) -> _Doubles:
        """Uniform in [low, high)."""
        out = np.empty(count, np.float64)
        _fill_uniform(self._words, float(low), float(high), out)
        return out

    def randint(self, low: int, high: int, count: int) -> NDArray[np.int64]:
        """Whole numbers from low to high - 1."""
        out = np.empty(count, np.int64)
        _fill_integers(self._words, low, high, out)
        return out

    def normal(self, mean: float, deviation: float, count: int) -> _Doubles:
        """Normally distributed; of an odd count, the last one's twin is forgotten."""
        out = np.empty(count, np.float64)
        _fill_normal(self._words, float(mean), float(deviation), out)
        return out

    @property
    def words(self) -> NDArray[np.uint32]:
        """uint32 (625,): the generator's state, for `choose_each`; drawing changes it in place."""
        return self._words


@kernel
def _seed(words: _Words, seed: int) -> None:
    word = np.uint32(seed)
    words[0] = word
    for i in range(1, _LENGTH):
        word = np.uint32(np.uint32(1812433253) * (word ^ (word >> np.uint32(30))) + np.uint32(i))
        words[i] = word
    words[_LENGTH] = _LENGTH


@subkernel
def _twisted(word: np.uint32, after: np.uint32) -> np.uint32:
    pair = (word & _UPPER) | (after & _LOWER)
    return np.uint32((pair >> np.uint32(1)) ^ (_TWIST * (after & np.uint32(1))))


@subkernel
def _refill(words: _Words) -> None:
    for i in range(_LENGTH - _MIDDLE):
        words[i] = words[i + _MIDDLE] ^ _twisted(words[i], words[i + 1])
    for i in range(_LENGTH - _MIDDLE, _LENGTH - 1):
        words[i] = words[i + _MIDDLE - _LENGTH] ^ _twisted(words[i], words[i + 1])
    words[_LENGTH - 1] = words[_MIDDLE - 1] ^ _twisted(words[_LENGTH - 1], words[0])


@subkernel
def _next(words: _Words) -> np.uint32:
    if words[_LENGTH] == _LENGTH:
        _refill(words)
        words[_LENGTH] = 0
    word = words[words[_LENGTH]]
    words[_LENGTH] += np.uint32(1)
    word ^= word >> np.uint32(11)
    word ^= (word << np.uint32(7)) & np.uint32(0x9D2C5680)
    word ^= (word << np.uint32(15)) & np.uint32(0xEFC60000)
    return np.uint32(word ^ (word >> np.uint32(18)))


@subkernel
def _next_double(words: _Words) -> float:
    high, low = _next(words) >> np.uint32(5), _next(words) >> np.uint32(6)
    return (float(high) * 67108864.0 + float(low)) / 9007199254740992.0


@kernel
def _fill_uniform(words: _Words, low: float, high: float, out: _Doubles) -> None:
    for i in range(out.shape[0]):
        out[i] = low + (high - low) * _next_double(words)


@kernel
def _fill_integers(words: _Words, low: int, high: int, out: NDArray[np.int64]) -> None:
    largest = np.uint32(high - 1 - low)
    mask = largest
    for shift in (1, 2, 4, 8, 16):
        mask |= mask >> np.uint32(shift)
    for i in range(out.shape[0]):
        out[i] = low
        if largest > 0:  # a single possible value takes no word
            value = _next(words) & mask
            while value > largest:
                value = _next(words) & mask
            out[i] = low + np.int64(value)


@kernel
def choose_each(words: _Words, mask: NDArray[np.bool_], chosen: NDArray[np.int64]) -> None:
    """`RandomState.choice` among the true columns of each row, every row from a stream of its own.

    Args:
        words: uint32 (N, 625), the rows' streams; those of rows without a true column stay where they are.
        mask: bool (N, A).
        chosen: int64 (N,), out: a column, or -1 where none is true.
    """
    index = np.empty(1, np.int64)
    for n in range(mask.shape[0]):
        chosen[n] = -1
        count = 0
        for a in range(mask.shape[1]):
            count += 1 if mask[n, a] else 0
        if count == 0:
            continue
        _fill_integers(words[n], 0, count, index)
        for a in range(mask.shape[1]):
            index[0] -= mask[n, a]
            if index[0] < 0:
                chosen[n] = a
                break


@kernel
def _fill_normal(words: _Words, mean: float, deviation: float, out: _Doubles) -> None:
    """Polar method; of each pair the second number comes first."""
    for i in range(0, out.shape[0], 2):
        radius, x, y = 2.0, 0.0, 0.0
        while radius >= 1.0 or radius == 0.0:
            x, y = 2.0 * _next_double(words) - 1.0, 2.0 * _next_double(words) - 1.0
            radius = x * x + y * y
        factor = math.sqrt(-2.0 * math.log(radius) / radius)
        out[i] = mean + deviation * (factor * y)
        if i + 1 < out.shape[0]:
            out[i + 1] = mean + deviation * (factor * x)
