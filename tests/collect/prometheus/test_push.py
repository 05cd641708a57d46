"""Metrics pushed as JSON become the series that a Prometheus client would have exposed."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.collect.prometheus.expose import expose
from pitchey_slo.collect.prometheus.push import EXAMPLE, Pushed, decode_push
from pitchey_slo.errors import CollectError
from pitchey_slo.names import ROW_REASONS
from pitchey_slo.series import Metadata

NOW = 1_772_452_800_000


def push(*metrics: Any) -> Pushed:
    return decode_push(orjson.dumps({"metrics": list(metrics)}), now=NOW)


def values(pushed: Pushed) -> dict[str, float]:
    """Series as text -> value."""
    lines = expose(pushed.batch).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_counter_and_gauge() -> None:
    pushed = push(
        {
            "name": "orders_total",
            "type": "counter",
            "value": 12,
            "labels": {"shop": "a"},
            "help": "Orders",
            "unit": "1",
        },
        {"name": "queue", "type": "gauge", "value": -3.5, "timestamp": "2026-03-02T13:00:00+01:00"},
        {"name": "odd", "type": "gauge", "value": "+Inf", "timestamp": NOW - 1},
    )
    assert values(pushed) == {'orders_total{shop="a"}': 12, "queue": -3.5, "odd": math.inf}
    assert pushed.batch.ts.tolist() == [NOW, NOW, NOW - 1]
    assert pushed.batch.metadata["orders_total"] == Metadata("counter", "Orders", "1")
    assert (pushed.metrics, pushed.rejected) == (3, [])


@pytest.mark.parametrize(
    "metric",
    [
        {"buckets": {"1": 9, "0.1": 5, "+Inf": 10}},
        {"buckets": {"0.10": 5, "1": 9}, "count": 10},
        {"buckets": [[1, 9], [0.1, 5], ["+Inf", 10]], "count": 10},
    ],
)
def test_histogram(metric: dict[str, Any]) -> None:
    pushed = push({"name": "lat", "type": "histogram", "sum": 2.5, "labels": {"r": "/"}, **metric})
    assert values(pushed) == {
        'lat_bucket{le="0.1",r="/"}': 5,
        'lat_bucket{le="1",r="/"}': 9,
        'lat_bucket{le="+Inf",r="/"}': 10,
        'lat_sum{r="/"}': 2.5,
        'lat_count{r="/"}': 10,
    }
    assert pushed.batch.metadata["lat"].type == "histogram"


def test_summary() -> None:
    pushed = push({"name": "size", "type": "summary", "quantiles": {"0.5": 10, "0.99": "NaN"}, "count": 7, "sum": 300})
    assert repr(values(pushed)) == repr(
        {'size{quantile="0.5"}': 10.0, 'size{quantile="0.99"}': math.nan, "size_count": 7.0, "size_sum": 300.0}
    )


@pytest.mark.parametrize(
    ("metric", "reason", "word"),
    [
        (5, "not_an_object", "object"),
        ({"type": "gauge", "value": 1}, "missing_field", "name: required"),
        ({"name": "a b", "type": "gauge", "value": 1}, "wrong_type", "no metric name"),
        ({"name": "a", "type": "guage", "value": 1}, "wrong_type", 'did you mean "gauge"?'),
        ({"name": "a", "type": "gauge", "valeu": 1}, "wrong_type", 'did you mean "value"?'),
        ({"name": "a", "type": "gauge"}, "missing_field", "value: required"),
        ({"name": "a", "type": "gauge", "value": "12"}, "wrong_type", "'12' is not a number"),
        ({"name": "a", "type": "gauge", "value": True}, "wrong_type", "not a number"),
        ({"name": "a", "type": "counter", "value": -1}, "out_of_range", "never falls below 0"),
        ({"name": "a", "type": "counter", "value": "NaN"}, "out_of_range", "never falls below 0"),
        ({"name": "a", "type": "gauge", "value": 1, "sum": 1}, "wrong_type", "a gauge has value"),
        ({"name": "a", "type": "gauge", "value": 1, "labels": {"b": 1}}, "wrong_type", "an object of texts"),
        ({"name": "a", "type": "gauge", "value": 1, "labels": {"": "x"}}, "wrong_type", "empty name"),
        ({"name": "a", "type": "gauge", "value": 1, "labels": {"__name__": "x"}}, "wrong_type", "stands in"),
        ({"name": "a", "type": "histogram", "buckets": {"1": 1}}, "missing_field", "+Inf"),
        ({"name": "a", "type": "histogram", "count": 1}, "missing_field", "buckets: required"),
        ({"name": "a", "type": "histogram", "buckets": {"1": 2, "+Inf": 1}}, "out_of_range", "never fall"),
        ({"name": "a", "type": "histogram", "buckets": {"1": 1, "+Inf": 2}, "count": 3}, "out_of_range", "differs"),
        ({"name": "a", "type": "histogram", "buckets": {"x": 1, "+Inf": 2}}, "wrong_type", "not a number"),
        ({"name": "a", "type": "histogram", "buckets": {"1": 1, "1.0": 1, "+Inf": 2}}, "out_of_range", "once"),
        ({"name": "a", "type": "histogram", "buckets": {"+Inf": 2}, "labels": {"le": "1"}}, "wrong_type", "twice"),
        ({"name": "a", "type": "summary"}, "missing_field", "needs quantiles"),
        ({"name": "a", "type": "summary", "quantiles": {"1.5": 1}}, "out_of_range", "between 0 and 1"),
        ({"name": "a", "type": "gauge", "value": 1, "timestamp": "soon"}, "bad_time", "ISO 8601"),
        ({"name": "a", "type": "gauge", "value": 1, "timestamp": 1772452800}, "bad_time", "looks like seconds"),
        ({"name": "a", "type": "gauge", "value": 1, "timestamp": 1e300}, "bad_time", "milliseconds"),
    ],
)
def test_a_bad_metric_is_listed_and_the_good_ones_kept(metric: Any, reason: str, word: str) -> None:
    pushed = push({"name": "good", "type": "gauge", "value": 1}, metric, {"name": "too", "type": "gauge", "value": 2})
    assert values(pushed) == {"good": 1, "too": 2}
    (rejected,) = pushed.rejected
    assert (rejected.row, rejected.reason) == (1, reason)
    assert word in rejected.message
    assert reason in ROW_REASONS


@pytest.mark.parametrize("body", [b"", b"[1]", b"{}", b'{"metrics": 5}', b"\xff", b'{"metrics": [NaN]}'])
def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(CollectError):
        decode_push(body, now=NOW)


def test_the_example_of_the_error_works() -> None:
    assert decode_push(orjson.dumps(EXAMPLE), now=NOW).rejected == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["name", "type", "value", "buckets", "count", "sum", "quantiles", "labels", "timestamp", "help", "unit"]
)
KINDS = st.sampled_from(["counter", "gauge", "histogram", "summary"])


@given(st.lists(st.tuples(st.dictionaries(KEYS, JSON, max_size=5), KINDS), max_size=3))
def test_nothing_escapes(metrics: list[tuple[dict[str, Any], str]]) -> None:
    decode_push(orjson.dumps({"metrics": [{"name": "a", "type": kind, **more} for more, kind in metrics]}), now=NOW)
