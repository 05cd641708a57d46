"""Each part against a slow obvious one, and what each is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pitchey_slo.analyse.anomaly import detector, score
from pitchey_slo.analyse.anomaly.clock import LocalHours
from pitchey_slo.analyse.anomaly.counters import Rate
from pitchey_slo.analyse.anomaly.exemplars import Exemplars
from pitchey_slo.analyse.anomaly.filters import Chart, Smooth
from pitchey_slo.analyse.anomaly.onset import Onset
from pitchey_slo.analyse.anomaly.rarity import Rarity
from pitchey_slo.analyse.anomaly.rolling import Rolling, median, spread
from pitchey_slo.errors import AnomalyError
from tests.analyse.anomaly.series import MINUTE, counter, fives, noise

HOUR = 60 * MINUTE


def test_smooth_is_the_recursion() -> None:
    values, e, expected = noise(1000), 0.0, []
    for x in values:
        e = 0.07 * x + 0.93 * e
        expected.append(e)
    np.testing.assert_allclose(Smooth(0.07).advance(values), expected, rtol=1e-12)


def test_a_chart_of_independent_deviations_has_deviation_one() -> None:
    odd = Chart(0.1).advance(np.random.default_rng(1).normal(size=100_000))
    assert np.sqrt(np.mean(odd[1000:] ** 2)) == pytest.approx(1.0, abs=0.03)


def test_rolling_is_a_fit_before_each_renewal() -> None:
    values = noise(700)
    rolling = Rolling(128, 16, 32, 2, lambda rows: np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1))
    found = np.concatenate([rolling.advance(values[a : a + 37]) for a in range(0, 700, 37)])
    for i in range(700):
        known = i // 16 * 16
        if known < 32:
            assert np.isnan(found[i]).all()
        else:
            before = values[max(0, known - 128) : known]
            assert found[i].tolist() == [before.min(), before.max()]


def test_spread_is_the_standard_deviation_of_a_normal_and_sees_through_outliers() -> None:
    rows = np.random.default_rng(2).normal(5, 3, (1, 100_001))
    rows[0, :20_000] = 1e6
    clean = rows[:, 20_000:]
    assert spread(clean, median(clean))[0] == pytest.approx(3, rel=0.02)
    assert spread(rows, median(rows))[0] < 6


def test_rarity_says_how_often() -> None:
    """On noise it has learnt, 0.99 is exceeded by about one in a hundred and 0.999 by at most one in a thousand."""
    draw = np.random.default_rng(3)
    for odd in (np.abs(draw.normal(size=60_000)), draw.lognormal(0, 1, 60_000), np.abs(draw.standard_t(3, 60_000))):
        scores = Rarity(5000).advance(odd)[10_000:]
        assert 0.006 < np.mean(scores > 0.99) < 0.013
        assert 0.0002 < np.mean(scores > 0.999) < 0.0014
        assert abs(np.mean(scores > 0.5) - 0.5) < 0.02


def test_rarity_rises_with_oddness_and_forgets() -> None:
    rarity = Rarity(1000)
    rarity.advance(np.abs(noise(5024) - 10))
    scores = rarity.advance(np.linspace(0, 1000, 31))
    assert (np.diff(scores) >= 0).all()
    assert scores[-1] > 1 - 1e-9
    wild = np.full(20_000, 50.0)
    assert rarity.advance(wild)[-1] < 0.9  # what happens all the time is not rare


def test_exemplars_without_tolerance_are_nearest_neighbours() -> None:
    points = np.random.default_rng(4).normal(size=(2, 400))
    found = Exemplars(2, most=1000, near=0.0, memory=10**6).advance(points)
    assert np.isnan(found[:64]).all()
    for i in range(64, 400):
        known = points[:, : i // 64 * 64]
        scale = np.ptp(known, axis=1)
        away = np.sqrt((((points[:, :i] - points[:, i : i + 1]) / scale[:, None]) ** 2).sum(axis=0)).min()
        assert found[i] == pytest.approx(min(away, 1.0), abs=1e-12)


def test_exemplars_forget_what_is_unused_and_what_is_too_much() -> None:
    away = np.concatenate([np.tile([1.0, 2.0], 100), np.ones(2000), [2.0]])[None]
    assert Exemplars(1, most=512, near=0.1, memory=10_000).advance(away)[-1] == 0.0
    assert Exemplars(1, most=512, near=0.1, memory=500).advance(away)[-1] == 1.0
    few = Exemplars(1, most=128, near=0.0, memory=10**6)
    few.advance(noise(5000)[None])
    assert few._count <= 128


def test_onset_lets_only_news_through() -> None:
    odd = np.array([1.0, 5.0, 3.0, 6.0, 2.0, np.nan, 2.0, 3.0])
    np.testing.assert_array_equal(Onset(3).advance(odd), [0.0, 5.0, 0.0, 6.0, 0.0, np.nan, 0.0, 3.0])
    np.testing.assert_array_equal(Onset(0).advance(odd), odd)


def rates(values: np.ndarray, counter: bool | None = None) -> np.ndarray:
    spans = Rate(counter).advance(fives(len(values)), values)
    return np.concatenate([span.values for span in spans]) if spans else np.empty(0)


def test_a_counter_becomes_a_rate_and_starts_anew_from_zero() -> None:
    np.testing.assert_allclose(rates(np.array([10.0, 40.0, 3.0, 63.0]), True), np.array([30, 3, 60]) / 300)
    values = counter()
    rise = np.diff(values)
    np.testing.assert_allclose(rates(values), np.where(rise < 0, values[1:], rise) / 300)


def test_what_falls_a_little_is_no_counter() -> None:
    gauge = noise(500)
    np.testing.assert_array_equal(rates(gauge), gauge)
    level = np.full(200, 7.0)
    np.testing.assert_array_equal(rates(level), level)
    late = np.concatenate([np.arange(100.0), [90.0, 95.0, 85.0]])
    spans = Rate(None).advance(fives(103), late)
    assert spans[-1].anew
    np.testing.assert_array_equal(spans[-1].values, [90.0, 95.0, 85.0])


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    hours = LocalHours("Europe/Amsterdam")
    moments = [datetime(2026, 3, 28, 8, 30, tzinfo=UTC), datetime(2026, 3, 30, 7, 30, tzinfo=UTC)]
    _, week, gone = hours.of(np.array([int(m.timestamp() * 1000) for m in moments]))
    assert week.tolist() == [5 * 24 + 9, 0 * 24 + 9]  # half past nine, in winter and in summer
    assert gone.tolist() == [0.5, 0.5]
    twice = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    visit, _, _ = hours.of(np.array([int(m.timestamp() * 1000) for m in twice]))
    assert visit[0] == visit[1]
    india = LocalHours("Asia/Kolkata").of(np.array([0, HOUR // 2 - 1, HOUR // 2]))[0]
    assert india.tolist() == [5, 5, 6]
    with pytest.raises(AnomalyError, match='did you mean "Europe/Amsterdam"'):
        detector("seasonal", timezone="Europe/Amsterdan")


def working_hours(zone: str, days: int, start: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Busy from nine to five by the clock of `zone`, every day; one sample in ten minutes."""
    times = np.array([int(start.timestamp() * 1000) + 10 * MINUTE * i for i in range(days * 144)])
    _, week, _ = LocalHours(zone).of(times)
    busy = (week % 24 >= 9) & (week % 24 < 17)
    return times, np.where(busy, 100.0, 20.0) + np.random.default_rng(6).normal(0, 3, len(times))


def by_daylight(zone: str, days: int, start: datetime) -> tuple[np.ndarray, np.ndarray]:
    """A daily wave by the clock of `zone`; one sample in ten minutes."""
    times = np.array([int(start.timestamp() * 1000) + 10 * MINUTE * i for i in range(days * 144)])
    _, week, gone = LocalHours(zone).of(times)
    wave = 100 + 50 * np.sin((week % 24 + gone) * np.pi / 12)
    return times, wave + np.random.default_rng(6).normal(0, 1, len(times))


@pytest.mark.parametrize("start", [datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 10, 6, tzinfo=UTC)])
def test_a_day_on_which_clocks_change_is_a_day_like_others(start: datetime) -> None:
    """Nineteen days into the series the clocks of Amsterdam change; those of UTC do not."""
    times, values = by_daylight("Europe/Amsterdam", 24, start)
    after = times >= int((start + timedelta(days=19, hours=3)).timestamp() * 1000)
    at_home = score(times, values, "seasonal", timezone="Europe/Amsterdam").scores[after]
    abroad = score(times, values, "seasonal", timezone="UTC").scores[after]
    assert np.mean(at_home > 0.99) < 0.03
    assert np.mean(abroad > 0.99) > 0.1


def test_seasonal_finds_the_night_at_noon_and_novelty_does_not() -> None:
    times, values = working_hours("UTC", 21, datetime(2026, 3, 2, tzinfo=UTC))
    at = 19 * 144 + 11 * 6
    values[at : at + 6] -= 80.0
    window = slice(at, at + 12)
    assert score(times, values, "seasonal").scores[window].max() > 0.9999
    assert score(times, values, "novelty").scores[window].max() < 0.9999
    assert score(times, values).scores[window].max() > 0.9999


def test_discord_finds_a_missing_beat() -> None:
    times = fives(4000)
    values = np.sin(np.arange(4000) * 2 * np.pi / 48) + np.random.default_rng(7).normal(0, 0.05, 4000)
    values[3000:3048] = values[3000] + np.random.default_rng(8).normal(0, 0.05, 48)
    scores = score(times, values, "discord", length=48).scores
    assert scores[3000:3060].max() > 0.999
    assert scores[3000:3060].max() > np.nanmax(scores[1000:3000])


def test_change_point_finds_more_noise_at_the_same_level() -> None:
    values = noise()
    values[2000:] = 10 + 4 * (values[2000:] - 10)
    scores = score(fives(3000), values, "change_point").scores
    assert scores[2000:2030].max() > 0.9999
    assert np.mean(scores[200:2000] > 0.9999) < 0.001


def test_ewma_finds_a_shift_that_no_sample_shows() -> None:
    values = noise()
    values[2000:] += 1.2
    assert score(fives(3000), values, "ewma").scores[2000:2060].max() > 0.999
    assert score(fives(3000), values, "mad").scores[2000:2060].max() < 0.9999


def test_fixed_limits_are_a_static_rule() -> None:
    scores = score([1, 2, 3, 4], [5.0, 11.0, np.nan, -2.0], "threshold", above=10, below=0, counter=False).scores
    np.testing.assert_array_equal(scores, [0.0, 1.0, np.nan, 1.0])
    with pytest.raises(AnomalyError, match="above nan"):
        detector("threshold", above=float("nan"))


def test_a_level_shift_after_a_deployment_is_named() -> None:
    times = fives(3000, MINUTE)
    at = datetime.fromtimestamp(times[2000] / 1000, UTC) - timedelta(minutes=3)
    values = noise()
    values[2000:] += 25
    found = score(times, values, deployments=[(at, "v1.2"), (at - timedelta(hours=5), "v1.1")])
    named = [i for i, reason in enumerate(found.reasons) if reason]
    assert named == list(range(2000, 2028))  # to half an hour after
    assert {found.reasons[i] for i in named} == {"level shift 3 min after deployment v1.2"}
    assert score(times, noise(), deployments=[(at, "v1.2")]).reasons == ("",) * 3000
    spike = noise()
    spike[2000] += 40  # odd, and over: no shift of the level
    late = score(times, spike, "mad", deployments=[(at, "v1.2")])
    assert late.scores[2000] > 0.99
    assert late.reasons == ("",) * 3000
