"""Mistakes that other SLO tools made, each with the behaviour that is right. The sources are named at each test."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.promql import MemoryScan
from pitchey_slo.slo import SloReport, evaluate
from pitchey_slo.slo.spec.openslo import parse

from .made import T0, MemoryReader, request, spec_text


def judged(rows: list[dict[str, Any]], window: str = "1d", **spec: str) -> SloReport:
    reader = MemoryReader()
    if rows:
        reader.add("requests", rows)
    (found,) = evaluate(parse(spec_text(**spec)).slos, reader, end=T0, windows=[window], now=T0)
    return found


def some(good: int, bad: int) -> list[dict[str, Any]]:
    """So many within the last day."""
    step = 80_000 / max(1, good + bad)
    return [request(T0 - timedelta(seconds=60 + i * step), status=500 if i < bad else 200) for i in range(good + bad)]


def numbers(value: Any) -> list[float]:
    """Every number anywhere in a JSON form."""
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [value] if isinstance(value, float | int) and not isinstance(value, bool) else []


def test_no_data_is_not_minus_one() -> None:
    """google/slo-generator, slo_generator/constants.py: NO_DATA = -1, and report.py computes on with it, so that an SLI
    of -1 and a burn rate of thousands came out of silence (issue #111)."""
    found = judged([])
    none = (found.sli, found.sli_low, found.sli_high, found.allowed, found.spent, found.remaining, found.budget_left)
    assert none == (None,) * 7 and set(found.burn.values()) == {None}
    assert found.uncorrected.sli is found.uncorrected.budget_left is None
    assert found.state == "no_data" and found.burn_down.budget is None
    assert -1 not in numbers(found.as_dict())


def test_one_event_is_enough_to_be_data_and_none_is_not_bad() -> None:
    """google/slo-generator, MIN_VALID_EVENTS = 1 with `valid <= 0`: the border between data and none none at all."""
    assert judged(some(1, 0)).sli == 1.0
    assert judged(some(0, 1)).sli == 0.0
    assert judged([request(T0 - timedelta(minutes=3), sample_interval=0.001)]).valid == 0.001


def test_burn_rates_are_not_rounded_before_they_are_compared() -> None:
    """google/slo-generator, report.py: `error_budget_burn_rate = round(..., 1)`, then compared with its threshold: a
    burn of 0.96 becomes 1.0 and alerts, one of 1.04 becomes 1.0 and does not."""
    for bad, truth in ((96, 0.96), (104, 1.04)):
        found = judged(some(1000 - bad, bad))
        assert found.burn["1d"] == pytest.approx(truth, abs=1e-12)
        assert (found.state == "exhausted") == (truth >= 1)
        assert found.as_dict()["burn"]["1d"] == found.burn["1d"]


def test_every_digit_is_kept() -> None:
    """google/slo-generator, report.py: SLI rounded to six digits, gap and budgets with it; a target of 99.99999 % is
    met or missed by rounding. pyrra prints its alert thresholds with `%.f`."""
    rows = [request(T0 - timedelta(minutes=1), sample_interval=1e9), request(T0 - timedelta(minutes=2), status=500)]
    found = judged(rows, objectives="[{target: 0.999999999}]")
    assert found.sli == 1e9 / (1e9 + 1) and found.sli != round(found.sli, 6)
    assert found.spent == pytest.approx(1 / (1e-9 * (1e9 + 1)), rel=1e-12)
    assert found.sentence().startswith("x: 1 of 1,000,000,001 requests failed in the last day (99.9999999 % good")


def test_a_target_of_100_percent_is_refused_when_it_is_read() -> None:
    """google/slo-generator, report.py: with a target of 1 the budget is 0, the division is caught and the burn rate
    becomes 0: such an SLO can never alert, however much fails."""
    for objective in ("target: 1.0", "target: 1", "targetPercent: 100"):
        with pytest.raises(ConfigError, match="leaves no budget"):
            parse(spec_text(objectives=f"[{{{objective}}}]"))


def test_a_target_of_0_and_targets_close_to_1_are_judged() -> None:
    """The other end of the same formula."""
    found = judged(some(0, 10), objectives="[{target: 0}]")
    assert (found.sli, found.allowed, found.spent, found.burn["1d"]) == (0.0, 10.0, 1.0, 1.0)
    found = judged(some(5, 5), objectives="[{target: 0.0}]")
    assert (found.spent, found.allowed, found.budget_left) == (0.5, 10.0, 0.5)
    found = judged(some(99_999, 1), objectives="[{targetPercent: 99.999}]")
    assert found.spent == pytest.approx(1.0, rel=1e-12)
    assert found.allowed == pytest.approx(1.0, rel=1e-12)


def test_an_sli_is_never_above_one_and_the_reason_is_named() -> None:
    """google/slo-generator issues #345 and #111: good and valid of two queries, or of late data, gave SLIs above 1 and
    spikes of negative budgets. Nobl9 names the same a GoodOverTotalAnomaly."""
    source = "metricSource: {type: pitchey, spec: {table: requests%s}}"
    metric = f"ratioMetric: {{good: {{{source % ''}}}, total: {{{source % ', filter: status = 500'}}}}}"
    found = judged(some(50, 10), metric=metric)
    assert (found.sli, found.bad, found.spent, found.good_over_total) == (1.0, 0.0, 0.0, True)
    (note,) = (n for n in found.notes if n.kind == "good_over_total")
    assert note.count == 50.0 and note.text in found.sentence()
    assert all(0.0 <= s <= 1.0 for s in found.series.sli[found.series.valid > 0])
    assert (found.burn_down.spent >= 0).all()


def test_the_whole_window_is_a_ratio_of_sums() -> None:
    """sloth takes `sum_over_time(5m ratio) / count_over_time` for its period, a mean of ratios; Azure/ARO-HCP #6965
    met them. A quiet bad minute does not weigh what a busy good one does."""
    rows = [request(T0 - timedelta(minutes=30), status=500)]
    rows += [request(T0 - timedelta(minutes=7)) for _ in range(999)]
    assert judged(rows).sli == 0.999


def test_a_counter_reset_is_no_negative_count() -> None:
    """slo-generator's Prometheus backend and many a dashboard subtract ends from starts: after a restart that is
    negative, or an SLI above 1."""
    scan = MemoryScan()
    at = (round(T0.timestamp()) - 3600) * 1000
    times = [at + i * 15_000 for i in range(240)]
    for code, limit in (("200", 120), ("500", 10**9)):
        values = [float(i % limit) if code == "200" else float(i // 24) for i in range(240)]
        scan.add({"__name__": "x_total", "code": code}, times, values)
    source = "metricSource: {type: prometheus, spec: {query: 'x_total%s'}}"
    bad, total = source % '{code="500"}', source % ""
    metric = f"ratioMetric: {{counter: true, bad: {{{bad}}}, total: {{{total}}}}}"
    one = parse(spec_text(metric=metric)).slos
    (found,) = evaluate(one, MemoryReader(), end=T0, windows=["1h"], now=T0, scan=scan)
    assert (found.bad, found.valid) == (9.0, 119.0 + 119.0 + 9.0)
    (note,) = (n for n in found.notes if n.kind == "counter_reset")
    assert (note.count, note.minutes) == (1.0, 1)


def test_what_is_spent_never_comes_back() -> None:
    """Kibana #270381: the burn-down of occurrences in a calendar window went up, since the estimate of the rest of the
    month was drawn as history. pyrra #1576: the budget graph confuses."""
    rows = some(3000, 60)
    found = judged(rows, "1M UTC")
    assert found.full_window is not None
    curve = found.burn_down.spent
    assert all(a <= b for a, b in itertools.pairwise(curve))
    assert found.burn_down.projected_time[0] == found.burn_down.time[-1]
