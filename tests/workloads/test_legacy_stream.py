"""The compiled legacy stream against NumPy's own, to the bit, in any order of draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sched_rl.workloads.legacy_stream import LegacyStream, choose_each

SEEDS = st.one_of(st.sampled_from([0, 1, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1))
COUNTS = st.integers(1, 700)  # more than the 624 words that the generator makes at a time
#: Pairs only: of an odd count NumPy keeps the twin for the next call, which workloads never make.
EVEN = st.integers(1, 350).map(lambda pairs: 2 * pairs)
WIDTHS = st.one_of(st.integers(1, 20), st.sampled_from([2**16, 2**31 - 1, 2**32 - 1]))
DRAWS = st.one_of(
    st.tuples(st.just("rand"), COUNTS),
    st.tuples(st.just("uniform"), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), COUNTS),
    st.tuples(st.just("randint"), st.integers(-5, 5), WIDTHS, COUNTS),
    st.tuples(st.just("normal"), st.floats(-1e6, 1e6), st.floats(0.0, 1e6), EVEN),
)


def arguments(name, *values):
    if name == "uniform":
        return min(values[:2]), max(values[:2]), values[2]
    if name == "randint":
        return values[0], values[0] + values[1], values[2]
    return values


@given(SEEDS, st.lists(DRAWS, min_size=1, max_size=6))
def test_any_sequence_of_draws_is_numpys(seed, draws):
    ours, theirs = LegacyStream(seed), np.random.RandomState(seed)
    for name, *values in draws:
        drawn = getattr(ours, name)(*arguments(name, *values))
        expected = getattr(theirs, name)(*arguments(name, *values))
        assert drawn.dtype == expected.dtype
        np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(ours.randint(0, 2**31, 5), theirs.randint(0, 2**31, 5))


@pytest.mark.parametrize("count", [1, 7])
def test_an_odd_count_of_normal_numbers_is_numpys_too(count):
    ours, theirs = LegacyStream(5), np.random.RandomState(5)
    np.testing.assert_array_equal(ours.normal(3.0, 2.0, count), theirs.normal(3.0, 2.0, count))
    np.testing.assert_array_equal(ours.rand(3), theirs.rand(3))


@given(st.lists(SEEDS, min_size=1, max_size=5), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_choices_row_by_row_are_numpys(seeds, width, pattern):
    draws = [LegacyStream(seed) for seed in seeds]
    words, theirs = (
        np.stack([drawn.words for drawn in draws]),
        [np.random.RandomState(seed) for seed in seeds],
    )
    patterns, chosen = np.random.default_rng(pattern), np.empty(len(seeds), np.int64)
    for _ in range(3):
        mask = patterns.random((len(seeds), width)) < 0.5
        choose_each(words, mask, chosen)
        expected = [
            numpys.choice(np.flatnonzero(row)) if row.any() else -1
            for numpys, row in zip(theirs, mask, strict=True)
        ]
        assert chosen.tolist() == expected
