"""Which labels expressions look at, and that summing first gives the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from pitchey_slo.promql import MemoryScan, evaluate, parse
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.needs import needs_of, together


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("x", [None]),
        ("sum(x)", [set()]),
        ("-sum by (a) (-x)", [{"a"}]),
        ("sum by (a, b) (rate(x[5m])) / sum(increase(y[1h]))", [{"a", "b"}, set()]),
        ("histogram_quantile(0.9, sum by (le) (rate(x[5m])))", [{"le"}]),
        ("sum by (a) (sum by (a, b) (x))", [{"a", "b"}]),
        ("sum without (a) (x)", [None]),
        ("avg(x)", [None]),
        ("sum(avg_over_time(x[5m]))", [None]),
        ("sum(x > 1)", [None]),
        ("sum(x * on (a) y)", [None, None]),
        ("sum(rate(x[5m:1m]))", [None]),
        ("max_over_time(sum(rate(x[5m]))[1h:1m])", [set()]),
        ("count(sum by (a) (x))", [{"a"}]),
    ],
)
def test_labels_looked_at(expr: str, expected: list[set[str] | None]) -> None:
    assert [None if n is None else set(n) for n in needs_of(parse(expr)).values()] == expected


def test_one_read_for_several_selectors_keeps_what_each_needs() -> None:
    assert together([frozenset("a"), frozenset("b")]) == {"a", "b"}
    assert together([frozenset("a"), None]) is None
    assert together([]) == frozenset()


@pytest.mark.parametrize("inner", ["x", "-x", "rate(x[5m])", "increase(x[10m])", "irate(x[5m])", "delta(x[5m])"])
def test_summing_first_gives_the_same_sum(inner: str) -> None:
    rng = np.random.default_rng(3)
    ts = np.arange(0, 3_600_000, 15_000)
    whole, summed = MemoryScan(), MemoryScan()
    totals: dict[str, np.ndarray] = {}
    for i in range(12):
        # far from zero, where rate() would stop its extrapolation
        values = 1e6 + np.cumsum(rng.integers(0, 9, len(ts))).astype(float)
        name = f"r{i % 3}"
        whole.add({"__name__": "x", "route": name, "status": str(i)}, ts, values)
        totals[name] = totals.get(name, np.zeros(len(ts))) + values
    for name, values in totals.items():
        summed.add({"__name__": "x", "route": name}, ts, values)
    expr = f"sum by (route) ({inner})"
    first, second = (evaluate(expr, scan, 900_000, 3_600_000, 60_000) for scan in (whole, summed))
    assert first.labels == second.labels == [lb.make({"route": f"r{i}"}) for i in range(3)]
    assert np.allclose(first.values, second.values, rtol=1e-9)
