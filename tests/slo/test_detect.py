"""Detection, reset and loss: the arithmetic against rules that our PromQL evaluator runs, step by step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.promql import MemoryScan, evaluate
from pitchey_slo.slo.alerts.burn import Condition, minutes_of
from pitchey_slo.slo.alerts.burn_rules import rules
from pitchey_slo.slo.alerts.detect import HOURS, Traffic, detection, needed, traffic
from pitchey_slo.slo.model import BurnPair, Duration, Slo
from pitchey_slo.slo.sli import Minutes
from pitchey_slo.slo.spec.openslo import parse as read
from tests.slo.made import spec_text

TICK = 15_000
T0 = 1_770_000_000_000 // 3_600_000 * 3_600_000
PER_TICK = 200


def condition(long: str, short: str | None, factor: float, hold: str | None = None) -> Condition:
    return Condition(
        Duration.parse(long),
        Duration.parse(short) if short else None,
        factor,
        "page",
        Duration.parse(hold) if hold else None,
        "",
    )


def slo_with(one: Condition, target: float) -> Slo:
    plain = read(spec_text(objectives=f"[{{displayName: it, target: {target}}}]")).slos[0]
    pair = BurnPair(one.long, one.short or one.long, one.factor, one.severity, one.hold)
    return dataclasses.replace(plain, burn_pairs=(pair,))


def simulated(one: Condition, target: float, errors: float, base: float, lasting: int) -> tuple[float | None, ...]:
    """(minutes until it held, minutes until it ended, share of the budget of 28 days that was lost until it held):
    errors of `lasting` minutes after a long quiet time, the rule evaluated every 15 s."""
    quiet, after = minutes_of(one.long) + 60, minutes_of(one.long) + 60
    ticks = (quiet + lasting + after) * 4
    at = np.arange(1, ticks + 1)
    ratio = np.where((at > quiet * 4) & (at <= (quiet + lasting) * 4), errors, base)
    bad, valid = np.cumsum(ratio * PER_TICK), np.cumsum(np.full(ticks, float(PER_TICK)))
    scan = MemoryScan()
    for name, values in (("bad", bad), ("valid", valid)):
        labels = {"__name__": f"pitchey_slo_{name}_total", "slo": "x", "service": "test", "objective": "it"}
        # a counter that began long ago: one that begins at 0 is not extrapolated to before its first sample
        scan.add(labels, T0 + at * TICK, values + 1e6)
    expr = rules(slo_with(one, target)).rules[0].expr
    began, ended = (quiet * 4) * TICK, (quiet + lasting) * 4 * TICK
    found = list(evaluate(expr, scan, T0 + began, T0 + ticks * TICK, TICK).series())
    if not found:
        return None, None, None
    times = (found[0][1] - T0).astype(float)
    first, last = float(times[0]), float(times[-1])
    tick = round(first / TICK)
    lost = (bad[tick - 1] - bad[quiet * 4 - 1]) / ((1 - target) * 28 * 1440 * 4 * PER_TICK)
    return (first - began) / 60_000, (last + TICK - ended) / 60_000, float(lost)


@pytest.mark.parametrize(
    ("one", "target", "errors", "base"),
    [
        (condition("1h", "5m", 13.44), 0.999, 1.0, 0.0),
        (condition("1h", "5m", 13.44), 0.99, 0.5, 0.0),
        (condition("1h", "5m", 13.44), 0.99, 0.15, 0.0),
        (condition("1h", "5m", 13.44), 0.99, 0.5, 0.004),
        (condition("6h", "30m", 5.6), 0.99, 0.1, 0.0),
        (condition("2h", "30m", 6.0), 0.95, 1.0, 0.01),
        (condition("3h", "3h", 2.0), 0.9, 0.5, 0.0),  # as good as no short window
    ],
)
def test_the_arithmetic_is_what_the_rule_does(one: Condition, target: float, errors: float, base: float) -> None:
    part, period = float(str(round(1 - target, 9))), 28 * 1440
    told = detection(one, part, period, errors, base=base)
    held, ended, lost = simulated(one, target, errors, base, minutes_of(one.long) + 30)
    # a window of increase() holds differences from its first sample to its last: 15 s less than its name
    assert held == pytest.approx(told.minutes, abs=0.51)
    assert ended == pytest.approx(told.reset_minutes, abs=0.51)
    assert lost == pytest.approx(told.budget_lost, rel=0.02, abs=0.3 * errors / (part * period))


def test_what_cannot_fire_does_not() -> None:
    one = condition("1h", "5m", 13.44)
    assert detection(one, 0.1, 28 * 1440, 1.0).minutes is None
    assert simulated(one, 0.9, 1.0, 0.0, 90)[0] is None
    assert detection(one, 0.01, 28 * 1440, 0.1).minutes is None  # 10 % are below 13.44 %


def test_a_hold_comes_on_top_and_costs() -> None:
    plain, held = (detection(condition("1h", "5m", 10.0, hold), 0.001, 40_320, 0.1) for hold in (None, "6m"))
    assert plain.minutes == pytest.approx(6.0) and held.minutes == pytest.approx(12.0)
    assert plain.budget_lost is not None and held.budget_lost == pytest.approx(2 * plain.budget_lost)
    assert held.reset_minutes == plain.reset_minutes


@given(st.floats(0.02, 1.0), st.floats(0.0001, 0.2), st.floats(0.5, 20.0))
def test_the_loss_is_the_share_of_the_pair_however_bad_it_gets(errors: float, part: float, factor: float) -> None:
    """What the workbook promises: 2 % of the budget are gone at a page, no matter how much fails."""
    found = detection(condition("1h", "5m", factor), part, 40_320, errors)
    if found.budget_lost is None:
        assert errors <= factor * part
    else:
        assert found.budget_lost == pytest.approx(factor * 60 / 40_320)


def minutes_with(valid: np.ndarray, first: int) -> Minutes:
    zero = np.zeros(len(valid))
    return Minutes(np.arange(len(valid)) + first, valid * 0.99, valid, zero, zero, zero)


def test_traffic_is_the_median_of_each_hour_of_the_week() -> None:
    first = 29_000_000  # a Friday, 21:20 UTC
    rng = np.random.default_rng(1)
    valid = rng.integers(0, 50, 40 * 1440).astype(float)
    end = first + len(valid)
    found = traffic(minutes_with(valid, first), end)
    assert found.weeks == 4.0 and found.bad == pytest.approx(0.01)

    import statistics
    from datetime import UTC, datetime

    hours: dict[int, list[float]] = {}
    for hour in range(end // 60 - 4 * HOURS, end // 60):
        at = datetime.fromtimestamp(hour * 3600, UTC)
        place = at.weekday() * 24 + at.hour
        hours.setdefault(place, []).append(sum(valid[hour * 60 - first : (hour + 1) * 60 - first]))
    assert found.valid.tolist() == [statistics.median(hours[h]) for h in range(HOURS)]


def test_a_day_of_data_says_nothing_of_the_other_days() -> None:
    first = 29_000_000 // 60 * 60
    found = traffic(minutes_with(np.ones(1440), first), first + 1440)
    assert np.isfinite(found.valid).sum() == 24 and found.per_minute == 1.0
    assert traffic(minutes_with(np.ones(30), first), first + 30).per_minute is None


def test_windows_of_the_week_go_around() -> None:
    valid = np.arange(HOURS, dtype=float)
    seen = Traffic(valid, 4.0, 0.0)
    for minutes in (30, 60, 90, 6 * 60, 3 * 1440, 9 * 1440):
        slow = [
            sum(valid[(hour - back) % HOURS] for back in range(minutes // 60))
            + valid[(hour - minutes // 60) % HOURS] * (minutes % 60) / 60
            for hour in range(HOURS)
        ]
        assert seen.over(minutes) == pytest.approx(slow)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=5), st.floats(0.001, 0.9), st.sampled_from([0.0, 3.0]))
def test_needed_is_the_least_number_that_holds(seen: list[int], limit: float, floor: float) -> None:
    found = needed(condition("1h", "5m", limit), 1.0, np.array(seen, dtype=float), floor)
    for total, least in zip(seen, found, strict=True):
        enough = [k for k in range(total + 1) if k > 0 and k / total > limit * (1 + 1e-12) and k >= floor]
        assert (np.isnan(least) and not enough) or least == enough[0]
