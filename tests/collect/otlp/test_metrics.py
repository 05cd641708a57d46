"""Metrics -> samples, by the rules of Prometheus' receiver."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pitchey_slo.collect.otlp import JSON, PROTOBUF, Samples, decode_metrics
from pitchey_slo.collect.otlp.metric_names import label_name, metric_name
from pitchey_slo.series import Metadata, is_stale

from .messages import NANOS, delivery, metrics

SHOP = {"service.name": "shop", "service.namespace": "pitchey", "service.instance.id": "a1"}
BASE = {"job": "pitchey/shop", "instance": "a1"}


def decoded(*given: dict[str, Any], media: str = PROTOBUF, resource: dict[str, Any] | None = None) -> Samples:
    return decode_metrics(delivery(metrics(*given, resource=SHOP if resource is None else resource), media))


def values(found: Samples) -> dict[tuple[tuple[str, str], ...], float]:
    batch = found.batch
    return {batch.labels[s]: v for s, v in zip(batch.series.tolist(), batch.value.tolist(), strict=True)}


def key(name: str, **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**BASE, **labels, "__name__": name}.items()))


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        # from the tables of prometheus/otlptranslator
        ("simple_metric", "", "", "simple_metric"),
        ("metric@with#special$chars", "", "", "metric_with_special_chars"),
        ("123metric", "", "", "_123metric"),
        ("metric@@##$$name", "", "", "metric_name"),
        ("@#$%", "", "", ""),
        ("requests", "", "counter", "requests_total"),
        ("cpu_usage", "1", "gauge", "cpu_usage_ratio"),
        ("items", "1", "counter", "items_total"),
        ("response_time", "ms", "gauge", "response_time_milliseconds"),
        ("memory_usage", "By", "gauge", "memory_usage_bytes"),
        ("requests", "1/s", "gauge", "requests_per_second"),
        ("throughput", "By/s", "gauge", "throughput_bytes_per_second"),
        ("custom_metric", "custom_unit", "gauge", "custom_metric_custom_unit"),
        ("custom_metric", "{custom}", "gauge", "custom_metric"),
        ("custom_metric", "By/{custom}", "gauge", "custom_metric_bytes"),
        ("requests_total", "", "counter", "requests_total"),
        ("cpu_usage_ratio", "1", "gauge", "cpu_usage_ratio"),
        ("response_time_seconds", "s", "gauge", "response_time_seconds"),
        ("metric__with__multiple__underscores", "unit__multiple", "", "metric_with_multiple_underscores_unit_multiple"),
        ("custom_metric", "unit@with#special/chars", "gauge", "custom_metric_unit_with_special_per_chars"),
        ("active_connections", "", "", "active_connections"),
        ("request_duration", "s", "", "request_duration_seconds"),
        ("system.memory.total.used", "By", "counter", "system_memory_used_bytes_total"),
        ("http:latency", "s", "", "http:latency_seconds"),
    ],
)
def test_names(name: str, unit: str, kind: str, expected: str) -> None:
    assert metric_name(name, unit, counter=kind == "counter", gauge=kind == "gauge") == expected


@pytest.mark.parametrize(
    ("given", "name"),
    [("http.method", "http_method"), ("1st", "key_1st"), ("_x", "key_x"), ("__x__", "__x__"), ("ñ", "key_")],
)
def test_label_names(given: str, name: str) -> None:
    assert label_name(given) == name


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
def test_every_kind(media: str) -> None:
    found = decoded(
        {"name": "queue.size", "gauge": {"points": [{"as_int": 3, "attributes": {"queue": "mail"}}]}},
        {
            "name": "orders",
            "description": "Orders",
            "unit": "{order}",
            "sum": {"aggregation_temporality": 2, "is_monotonic": True, "points": [{"as_double": 12.5}]},
        },
        {"name": "open", "sum": {"aggregation_temporality": 2, "points": [{"as_int": -2}]}},
        {
            "name": "latency",
            "unit": "s",
            "histogram": {
                "aggregation_temporality": 2,
                "points": [{"count": 6, "sum": 4.5, "bucket_counts": [1, 2, 3], "explicit_bounds": [0.1, 5]}],
            },
        },
        {
            "name": "size",
            "unit": "By",
            "summary": {"points": [{"count": 7, "sum": 300, "quantile_values": [(0.5, 10), (1, 80)]}]},
        },
        media=media,
    )
    assert values(found) == {
        key("queue_size", queue="mail"): 3,
        key("orders_total"): 12.5,
        key("open"): -2,
        key("latency_seconds_bucket", le="0.1"): 1,
        key("latency_seconds_bucket", le="5"): 3,
        key("latency_seconds_bucket", le="+Inf"): 6,
        key("latency_seconds_count"): 6,
        key("latency_seconds_sum"): 4.5,
        key("size_bytes", quantile="0.5"): 10,
        key("size_bytes", quantile="1"): 80,
        key("size_bytes_sum"): 300,
        key("size_bytes_count"): 7,
    }
    assert set(found.batch.ts.tolist()) == {NANOS // 10**6}
    assert found.batch.metadata["orders_total"] == Metadata("counter", "Orders", "")
    assert found.batch.metadata["latency_seconds"] == Metadata("histogram", "", "seconds")
    assert found.batch.metadata["open"].type == "gauge"
    assert (found.points, found.rejected) == (5, [])
    assert found.point[:4] == [0, 1, 2, 3] and found.point[-1] == 4


def test_the_resource_is_a_series_of_its_own() -> None:
    more = {**SHOP, "service.version": "1.4", "host.name": "h1", "user.email": "ada@example.com"}
    found = values(decoded({"name": "up", "gauge": {"points": [{"as_int": 1}]}}, resource=more))
    assert found == {key("up"): 1, key("target_info", service_version="1.4", host_name="h1"): 1}
    nameless = values(decoded({"name": "up", "gauge": {"points": [{"as_int": 1}]}}, resource={"host.name": "h1"}))
    assert nameless == {(("__name__", "up"),): 1}


def test_labels_that_get_the_same_name_are_joined_and_people_left_out() -> None:
    told = {"a.b": "2", "a_b": "3", "a-b": "1", "flag": True, "n": 1.0, "list": ["x"], "enduser.id": "ada", "empty": ""}
    found = decoded({"name": "m", "gauge": {"points": [{"as_int": 1, "attributes": told}]}})
    assert list(values(found)) == [key("m", a_b="1;2;3", flag="true", n="1", list='["x"]')]


def test_delta_is_refused_per_point_with_the_sentence_what_to_set() -> None:
    point = {"points": [{"as_int": 1}, {"as_int": 2, "attributes": {"a": "b"}}], "aggregation_temporality": 1}
    good = {"name": "good", "gauge": {"points": [{"as_int": 1}]}}
    found = decoded({"name": "orders", "sum": {**point, "is_monotonic": True}}, good)
    assert list(values(found)) == [key("good")]
    assert [r.row for r in found.rejected] == [0, 1] and found.points == 3
    assert "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative" in found.rejected[0].message
    assert "orders" not in " ".join(found.batch.metadata)


def test_exponential_histograms_are_refused_with_the_reason() -> None:
    found = decoded(
        {"name": "h", "exponential_histogram": {"aggregation_temporality": 2, "points": [{"count": 1}, {"count": 2}]}}
    )
    assert len(found.batch) == 0 and len(found.rejected) == 2
    assert "explicit_bucket_histogram" in found.rejected[0].message


def test_a_point_without_a_value_ends_its_series() -> None:
    gone = {"flags": 1}
    found = decoded(
        {"name": "g", "gauge": {"points": [gone]}},
        {
            "name": "h",
            "histogram": {
                "aggregation_temporality": 2,
                "points": [{"flags": 1, "explicit_bounds": [1.0], "bucket_counts": [0, 0], "sum": 0}],
            },
        },
        {"name": "s", "summary": {"points": [{"flags": 1, "quantile_values": [(0.5, 0)]}]}},
    )
    assert is_stale(found.batch.value).all() and len(found.batch) == 1 + 4 + 3


@pytest.mark.parametrize(
    ("kind", "point", "reason"),
    [
        ("gauge", {}, "missing_field"),
        ("gauge", {"as_int": 1, "time_unix_nano": 0}, "bad_time"),
        ("histogram", {"count": 1, "bucket_counts": [1], "explicit_bounds": [1.0]}, "wrong_type"),
        ("histogram", {"count": 2, "bucket_counts": [1, 1], "explicit_bounds": [math.nan]}, "out_of_range"),
        ("histogram", {"count": 3, "bucket_counts": [1, 1, 1], "explicit_bounds": [2.0, 1.0]}, "out_of_range"),
        ("histogram", {"count": 9, "bucket_counts": [1, 1], "explicit_bounds": [1.0]}, "out_of_range"),
        ("gauge", {"as_int": 1, "attributes": {"a": "x\0y"}}, "wrong_type"),
    ],
)
def test_points_that_mean_nothing(kind: str, point: dict[str, Any], reason: str) -> None:
    data = {"points": [point], **({"aggregation_temporality": 2} if kind == "histogram" else {})}
    found = decoded({"name": "m", kind: data})
    assert [r.reason for r in found.rejected] == [reason] and len(found.batch) == 0


def test_a_histogram_without_buckets_has_its_count() -> None:
    found = decoded({"name": "h", "histogram": {"aggregation_temporality": 2, "points": [{"count": 4, "sum": 2.0}]}})
    assert values(found) == {key("h_bucket", le="+Inf"): 4, key("h_count"): 4, key("h_sum"): 2}


def test_numbers_keep_what_they_are() -> None:
    points = [{"as_double": v, "attributes": {"i": str(i)}} for i, v in enumerate((math.nan, math.inf, -0.0, 5e-324))]
    for media in (JSON, PROTOBUF):
        found = decoded({"name": "g", "gauge": {"points": points}}, media=media).batch.value.tolist()
        assert math.isnan(found[0]) and found[1:] == [math.inf, -0.0, 5e-324]
        assert math.copysign(1, found[2]) == -1
