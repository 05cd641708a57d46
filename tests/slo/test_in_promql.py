"""An SLI said in PromQL gives the share that plain counting gives, whatever its query is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from pitchey_slo.errors import SloError
from pitchey_slo.promql import MemoryScan, instant
from pitchey_slo.slo.alerts.burn_rules import events, rules
from pitchey_slo.slo.alerts.in_promql import amount, burn_share, spoken
from pitchey_slo.slo.model import MetricSource, Slo
from pitchey_slo.slo.spec.openslo import parse as read
from tests.slo.made import spec_text

HOUR = 3_600_000
T0 = 1_770_000_000_000 // HOUR * HOUR
NOW = T0 + 2 * HOUR


def source(query: str) -> str:
    return f"{{metricSource: {{type: prometheus, spec: {{query: '{query}'}}}}}}"


def slo(metric: str, objectives: str = "[{target: 0.9}]", method: str = "Occurrences") -> Slo:
    return read(spec_text(metric=metric, objectives=objectives, method=method)).slos[0]


def ratio(part: str, query: str, total: str, *, counter: bool = False) -> Slo:
    return slo(f"ratioMetric: {{counter: {str(counter).lower()}, {part}: {source(query)}, total: {source(total)}}}")


def share(made: Slo, scan: MemoryScan, minutes: int = 60) -> float | None:
    found = list(instant(burn_share(made, made.objectives[0], minutes), scan, NOW).series())
    return float(found[0][2][0]) if found else None


def counter(scan: MemoryScan, labels: dict[str, str], per_sample: Any, reset_at: int | None = None) -> None:
    """A sample every 15 s over two hours; the counter begins anew at sample `reset_at`."""
    values = 1e4 + np.cumsum(np.broadcast_to(per_sample, 480).astype(float))
    if reset_at is not None:
        values[reset_at:] -= values[reset_at - 1]
    scan.add(labels, T0 + np.arange(1, 481) * 15_000, values)


@pytest.fixture
def scan() -> MemoryScan:
    scan = MemoryScan()
    for pod, reset in (("a", 400), ("b", None)):
        counter(scan, {"__name__": "hits_total", "code": "200", "pod": pod}, 9, reset)
        counter(scan, {"__name__": "hits_total", "code": "500", "pod": pod}, 1, reset)
    minutes = T0 + np.arange(1, 121) * 60_000
    scan.add({"__name__": "orders"}, minutes, np.arange(120) % 10)  # orders of each minute
    scan.add({"__name__": "lost_orders"}, minutes, (np.arange(120) % 10 == 9) * 3.0)
    slow = np.where(np.arange(120) % 4 == 0, 0.8, 0.1)
    slow[60:72] = np.nan  # nothing was measured then
    scan.add({"__name__": "latency"}, minutes, slow)
    scan.add({"__name__": "satisfied"}, minutes, np.where(np.arange(120) % 2, 1.0, 0.6))
    return scan


@pytest.mark.parametrize(
    ("part", "query"),
    [
        ("bad", 'hits_total{code="500"}'),
        ("good", 'hits_total{code="200"}'),
        ("bad", 'sum(hits_total{code="500"})'),
        ("bad", 'sum by (pod) (hits_total{code="500"})'),
    ],
)
def test_counters_with_resets(scan: MemoryScan, part: str, query: str) -> None:
    assert share(ratio(part, query, "hits_total", counter=True), scan) == pytest.approx(0.1)


def test_queries_with_a_window_as_sloth_has_them(scan: MemoryScan) -> None:
    made = ratio("bad", 'sum(rate(hits_total{code="500"}[{{.window}}]))', "sum(rate(hits_total[{{ .window }}]))")
    assert share(made, scan) == pytest.approx(0.1)
    said = spoken(made, made.objectives[0])
    assert said.bad is not None
    found = list(instant(events(said, said.bad, 60), scan, NOW).series())
    assert float(found[0][2][0]) == pytest.approx(480, rel=0.01)  # per second by the query; events here


def test_no_failure_yet_is_no_failure_and_no_success_is_all_failures(scan: MemoryScan) -> None:
    """The series of a status code does not exist before it first happens."""
    assert share(ratio("bad", 'hits_total{code="503"}', "hits_total", counter=True), scan) == 0.0
    assert share(ratio("good", 'hits_total{code="204"}', "hits_total", counter=True), scan) == 1.0
    assert share(ratio("bad", 'hits_total{code="500"}', "other_total", counter=True), scan) is None


def test_numbers_of_events_per_minute_weigh_by_their_number(scan: MemoryScan) -> None:
    # per ten minutes 45 orders, 3 of them lost; the mean of the minutes' ratios would say 3.3 %
    assert share(ratio("bad", "lost_orders", "orders"), scan) == pytest.approx(3 / 45)


def test_a_threshold_judges_what_was_measured(scan: MemoryScan) -> None:
    made = slo(f"thresholdMetric: {source('latency')}", "[{target: 0.9, op: lte, value: 0.5}]")
    values = np.where(np.arange(120) % 4 == 0, 0.8, 0.1)[60:]
    measured = values[12:]
    assert share(made, scan) == pytest.approx((measured > 0.5).mean())


@pytest.mark.parametrize(("kind", "bad"), [("success", 0.2), ("failure", 0.8)])
def test_a_raw_ratio_is_a_mean_over_minutes(scan: MemoryScan, kind: str, bad: float) -> None:
    made = slo(f"ratioMetric: {{counter: false, rawType: {kind}, raw: {source('satisfied')}}}")
    assert share(made, scan) == pytest.approx(bad)
    # there is nothing to count: a floor is not said
    assert ">=" not in rules(dataclasses.replace(made, minimum_bad=5.0)).rules[0].expr


def test_slices_are_those_of_the_report() -> None:
    rng = np.random.default_rng(2)
    scan = MemoryScan()
    valid = rng.integers(0, 4, 480)
    valid[100:160] = 0  # slices without anything are neither good nor bad, but time
    bad = rng.binomial(valid, 0.3)
    for name, each in (("bad", bad), ("valid", valid)):
        labels = {"__name__": f"pitchey_slo_{name}_total", "slo": "x", "service": "test", "objective": "it"}
        scan.add(labels, T0 + np.arange(1, 481) * 15_000, 1e4 + np.cumsum(each))
    slices = [(valid[i : i + 20].sum(), bad[i : i + 20].sum()) for i in range(240, 480, 20)]
    ratios = [b / v for v, b in slices if v]
    for method, wanted in (
        ("Timeslices", sum(r > 0.25 + 1e-12 for r in ratios) / 12),
        ("RatioTimeslices", sum(ratios) / 12),
    ):
        objective = "[{displayName: it, target: 0.9, timeSliceTarget: 0.75, timeSliceWindow: 5m}]"
        if method == "RatioTimeslices":
            objective = "[{displayName: it, target: 0.9, timeSliceWindow: 5m}]"
        made = read(spec_text(method=method, objectives=objective)).slos[0]
        assert share(made, scan) == pytest.approx(wanted)


def test_a_system_we_cannot_ask_is_named() -> None:
    plain = ratio("bad", "a", "b")
    other = MetricSource("datadog", None, {})
    metric = dataclasses.replace(plain.indicator.metric, bad=other, total=other)  # type: ignore[union-attr, arg-type]
    changed = dataclasses.replace(plain, indicator=dataclasses.replace(plain.indicator, metric=metric))  # type: ignore[type-var, arg-type]
    with pytest.raises(SloError, match="'datadog' cannot be said in PromQL"):
        rules(changed)


def test_what_is_summed_already_is_not_summed_again() -> None:
    assert amount("sum(rate(x[{{.window}}]))", counter=False) == "sum(rate(x[{{.window}}]))"
    assert amount("rate(x[{{.window}}])", counter=False) == "sum(rate(x[{{.window}}]))"
    assert amount("x offset 5m", counter=True) == "sum(increase((x offset 5m)[{{.window}}:1m]))"
