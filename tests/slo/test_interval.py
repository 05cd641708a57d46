"""The interval against SciPy and against simulated sampling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pitchey_slo.slo.interval import Z95, effective_size, wilson


@given(size=st.integers(1, 10_000_000), share=st.floats(0, 1))
def test_wilson_is_scipys(size: int, share: float) -> None:
    good = round(size * share)
    expected = stats.binomtest(good, size).proportion_ci(0.95, method="wilson")
    assert wilson(good / size, size) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_quantile_is_scipys() -> None:
    assert pytest.approx(stats.norm.ppf(0.975), abs=1e-15) == Z95


@given(weights=st.lists(st.floats(0.1, 1e6), min_size=1, max_size=50))
def test_effective_size_lies_between_one_and_the_rows(weights: list[float]) -> None:
    size = effective_size(sum(weights), sum(w * w for w in weights))
    assert 1 - 1e-9 <= size <= len(weights) * (1 + 1e-9)


def test_equal_weights_are_as_good_as_the_rows() -> None:
    assert effective_size(10 * 7.0, 10 * 49.0) == pytest.approx(10)
    assert effective_size(0.0, 0.0) == 0.0


@pytest.mark.parametrize(("ratio", "size"), [(1.1, 5), (-0.1, 5), (0.5, 0), (0.5, float("nan")), (0.5, float("inf"))])
def test_nonsense_is_refused(ratio: float, size: float) -> None:
    with pytest.raises(ValueError):
        wilson(ratio, size)
