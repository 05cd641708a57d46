"""What holds for every detector in the registry."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from pitchey_slo.analyse.anomaly import DETECTORS, detector, score
from pitchey_slo.errors import AnomalyError
from tests.analyse.anomaly.series import (
    Series,
    all_series,
    constant_then_not,
    counter,
    daily,
    fives,
    noise,
    spiked,
    stepped,
)

every_detector = pytest.mark.parametrize("name", list(DETECTORS))
not_of_shape = pytest.mark.parametrize("name", [name for name in DETECTORS if name != "discord"])
STEPPED = [Series(s.name, s.times[-800:], s.values[-800:]) for s in all_series() if s.name in {"counter", "irregular"}]
every_series = pytest.mark.parametrize("series", all_series(), ids=lambda series: series.name)


def same(left: np.ndarray, right: np.ndarray) -> None:
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-9, equal_nan=True)


@every_detector
@every_series
def test_scores_lie_between_0_and_1_and_gaps_score_nothing(name: str, series: Series) -> None:
    scores = score(series.times, series.values, name).scores
    judged = scores[~np.isnan(scores)]
    assert ((judged >= 0) & (judged <= 1)).all()
    assert np.isnan(scores[~np.isfinite(series.values)]).all()
    if np.isfinite(series.values).sum() > 1500:
        assert not np.isnan(scores[-1])


@every_detector
@every_series
def test_cut_anywhere_the_scores_are_the_same(name: str, series: Series) -> None:
    """A live scorer is fed one sample at a time; what it is made of takes any number, so all cuts must agree."""
    judge = detector(name).scorer()._judge
    ends = np.cumsum(np.random.default_rng(9).choice([1, 2, 3, 17, 64, 300], 400))
    borders = [0, *ends[ends < len(series.times)].tolist(), len(series.times)]
    pieces = [judge.advance(series.times[a:b], series.values[a:b]) for a, b in pairwise(borders)]
    same(np.concatenate(pieces), score(series.times, series.values, name).scores)


@every_detector
@pytest.mark.parametrize("series", STEPPED, ids=lambda series: series.name)
def test_step_by_step_gives_the_same_scores(name: str, series: Series) -> None:
    scorer = detector(name).scorer()
    live = [scorer.step(int(t), float(v)) for t, v in zip(series.times, series.values, strict=True)]
    same(np.array(live), score(series.times, series.values, name).scores)


@every_detector
@every_series
def test_the_future_changes_nothing(name: str, series: Series) -> None:
    cut = int(len(series.times) * 0.57)
    whole = score(series.times, series.values, name).scores
    same(whole[:cut], score(series.times[:cut], series.values[:cut], name).scores)
    other = series.values.copy()
    other[cut:] = 1e6 * np.arange(len(other) - cut) ** 2
    same(whole[:cut], score(series.times, other, name).scores[:cut])


@every_detector
def test_nothing_and_one_sample(name: str) -> None:
    empty = score([], [], name)
    assert len(empty.scores) == 0
    assert empty.reasons == ()
    assert math.isnan(score([0], [1.0], name).scores[0])


@every_detector
def test_times_out_of_order_are_refused(name: str) -> None:
    with pytest.raises(AnomalyError, match="unsorted: sample 2 is at 1"):
        score([0, 2, 1], [1.0, 2.0, 3.0], name)
    with pytest.raises(AnomalyError, match="doubled: sample 1 is at 5"):
        score([5, 5], [1.0, 2.0], name)
    scorer = detector(name).scorer()
    scorer.step(10, 1.0)
    with pytest.raises(AnomalyError, match="not later"):
        scorer.step(10, 1.0)


@every_detector
@pytest.mark.parametrize("level", [0.0, 7.0, 0.1 + 0.2, -1e12, 1e-300])
def test_a_constant_is_never_odd(name: str, level: float) -> None:
    scores = score(fives(2000), np.full(2000, level), name).scores
    assert not (scores > 0.99).any()


@every_detector
def test_floating_dust_is_no_alarm(name: str) -> None:
    dust = 1000.0 * (1 + np.random.default_rng(8).integers(-2, 3, 2000) * 2.3e-16)
    dust[1700] = 1000.0 * (1 + 1e-13)
    assert not (score(fives(2000), dust, name).scores > 0.99).any()


@every_detector
def test_a_constant_that_changes_is_an_alarm(name: str) -> None:
    scores = score(fives(2000), constant_then_not(), name).scores
    assert not (scores[:1500] > 0.99).any()
    assert scores[1500:1510].max() > 0.999


@every_detector
def test_the_unit_does_not_matter(name: str) -> None:
    times, values = fives(2500), daily(2500)
    np.testing.assert_allclose(
        score(times, values * 1000 + 7, name).scores, score(times, values, name).scores, atol=1e-6, equal_nan=True
    )


@every_detector
def test_memory_does_not_grow(name: str) -> None:
    """200,000 samples, most in large pieces so that the test is quick, the last step by step."""
    scorer = detector(name).scorer()
    values = noise(200_000)
    times = fives(200_000)
    sizes = []
    for first in range(0, 199_500, 19_950):
        scorer._judge.advance(times[first : first + 19_950], values[first : first + 19_950])
        sizes.append(scorer.state_size())
    for t, v in zip(times[199_500:], values[199_500:], strict=True):
        scorer.step(int(t), float(v))
    assert max(sizes) <= sizes[0] * 1.05
    assert scorer.state_size() <= sizes[0] * 1.05
    assert scorer.state_size() < 2_000_000


@not_of_shape
def test_a_counter_is_judged_by_its_rate(name: str) -> None:
    """It rises, it starts anew, nothing is wrong; then it stands still."""
    values = counter()
    scores = score(fives(3000), values, name).scores
    assert np.nanmax(scores[900:904]) < 0.999
    assert np.nanmax(scores[2100:2104]) < 0.999
    values[2500:] = values[2499]
    assert score(fives(3000), values, name).scores[2500:2520].max() > 0.999


@not_of_shape
@pytest.mark.parametrize("anomaly", [spiked, stepped], ids=lambda made: made.__name__)
def test_what_is_obvious_is_found(name: str, anomaly: object) -> None:
    scores = score(fives(3000), anomaly(), name).scores  # type: ignore[operator]
    assert scores[2000:2040].max() > 0.999
    assert scores[2000:2040].max() > np.nanquantile(scores[1000:2000], 0.995)


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(AnomalyError, match="no detector 'mda': did you mean \"mad\""):
        score([], [], "mda")
    with pytest.raises(AnomalyError, match="no parameter 'windw': did you mean \"window\""):
        score([], [], "mad", windw=3)
    with pytest.raises(AnomalyError, match="window 0: give a number of at least 16"):
        score([], [], "mad", window=0)


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AnomalyError, match="same length"):
        score([1, 2], [1.0])
    with pytest.raises(AnomalyError, match="give datetime64"):
        score(np.array([1.0, 2.0]), [1.0, 2.0])
    with pytest.raises(AnomalyError, match="time 1 is NaT"):
        score(np.array(["2026-01-01", "NaT"], "datetime64[us]"), [1.0, 2.0])
    with pytest.raises(AnomalyError, match="must be numbers"):
        score([1], ["x"])
