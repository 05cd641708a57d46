"""What is exposed reads back as it was, by our parser and by the Python client's strict one."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from pitchey_slo.collect.prometheus.expose import (
    JSON_TYPE,
    OPENMETRICS_TYPE,
    TEXT_TYPE,
    expose,
    negotiate,
    value_text,
)
from pitchey_slo.collect.prometheus.text import parse_text
from pitchey_slo.series import STALE, Labels, Metadata, SampleBatch, labels_of


def batch(rows: list[tuple[dict[str, str], int, float]], metadata: dict[str, Metadata] | None = None) -> SampleBatch:
    places: dict[Labels, int] = {}
    series = [places.setdefault(labels_of(labels), len(places)) for labels, _, _ in rows]
    return SampleBatch(
        list(places),
        np.array(series, np.int64),
        np.array([ts for _, ts, _ in rows], np.int64),
        np.array([v for _, _, v in rows], np.float64),
        metadata or {},
    )


HISTOGRAM = [
    ({"__name__": "lat_seconds_bucket", "le": "+Inf", "r": "/"}, 5, 4.0),
    ({"__name__": "lat_seconds_bucket", "le": "10.0", "r": "/"}, 5, 3.0),
    ({"__name__": "lat_seconds_bucket", "le": "0.5", "r": "/"}, 5, 1.0),
    ({"__name__": "lat_seconds_sum", "r": "/"}, 5, 7.5),
    ({"__name__": "lat_seconds_count", "r": "/"}, 5, 4.0),
]
SHOP = batch(
    [
        *HISTOGRAM,
        ({"__name__": "orders_total", "shop": 'a"\n\\'}, 5, 12.0),
        ({"__name__": "orders_total", "shop": 'a"\n\\'}, 4, 11.0),
        ({"__name__": "ended"}, 4, 1.0),
        ({"__name__": "ended"}, 5, float(STALE)),
        ({"__name__": "free"}, 5, math.nan),
    ],
    {
        "lat_seconds": Metadata("histogram", "Latency", "seconds"),
        "orders_total": Metadata("counter", "Orders\nof \\ all"),
        "free": Metadata("gauge"),
    },
)


def test_prometheus_text() -> None:
    assert expose(SHOP).decode() == (
        "# TYPE free gauge\n"
        "free NaN\n"
        "# TYPE lat_seconds histogram\n"
        "# HELP lat_seconds Latency\n"
        'lat_seconds_bucket{le="0.5",r="/"} 1\n'
        'lat_seconds_bucket{le="10.0",r="/"} 3\n'
        'lat_seconds_bucket{le="+Inf",r="/"} 4\n'
        'lat_seconds_count{r="/"} 4\n'
        'lat_seconds_sum{r="/"} 7.5\n'
        "# TYPE orders_total counter\n"
        "# HELP orders_total Orders\\nof \\\\ all\n"
        'orders_total{shop="a\\"\\n\\\\"} 12\n'
    )


def test_openmetrics() -> None:
    text = expose(SHOP, OPENMETRICS_TYPE, timestamps=True).decode()
    assert text.startswith(
        "# TYPE free gauge\nfree NaN 0.005\n# TYPE lat_seconds histogram\n# UNIT lat_seconds seconds\n"
    )
    assert "# TYPE orders counter\n" in text
    assert text.endswith("# EOF\n")
    found = {family.name: family for family in openmetrics_families(text)}
    assert found["lat_seconds"].unit == "seconds"
    assert found["orders"].samples[0].labels == {"shop": 'a"\n\\'}
    assert found["orders"].samples[0].value == 12


def test_json_has_times_and_texts_for_values() -> None:
    told = orjson.loads(expose(SHOP, JSON_TYPE))
    first = told["metrics"][0]
    assert (first["name"], first["type"]) == ("free", "gauge")
    assert first["series"] == [{"labels": {"__name__": "free"}, "value": "NaN", "timestamp": 5}]


@pytest.mark.parametrize("content_type", [TEXT_TYPE, OPENMETRICS_TYPE])
def test_nothing_is_an_empty_exposition(content_type: str) -> None:
    body = expose(batch([]), content_type)
    assert len(parse_text(body, now=1, content_type=content_type)) == 0


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, TEXT_TYPE),
        ("*/*", TEXT_TYPE),
        ("application/json", JSON_TYPE),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1", OPENMETRICS_TYPE),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.8", TEXT_TYPE),
        ("application/openmetrics-text;q=0, text/html", TEXT_TYPE),
        ("application/vnd.google.protobuf;q=1, application/json;q=nonsense", TEXT_TYPE),
    ],
)
def test_negotiation(accept: str | None, expected: str) -> None:
    assert negotiate(accept) == expected


@given(st.floats())
def test_a_value_reads_back_to_its_bits(value: float) -> None:
    back = float(value_text(value))
    assert math.isnan(back) if math.isnan(value) else (back, math.copysign(1, back)) == (value, math.copysign(1, value))


NAMES = st.sampled_from(
    ["a", "a_total", "a_created", "a_bucket", "a_count", "a_sum", "a_info", "a_seconds", "b", "b_total"]
)
PAIRS = st.dictionaries(
    st.sampled_from(["le", "quantile", "a", "z", "a.b"]),
    st.sampled_from(["0.5", "1.0", "+Inf", "x", 'q"\\\n', "0.25"]),
    max_size=3,
)
ROWS = st.lists(
    st.tuples(
        st.tuples(NAMES | st.just("my.metric"), PAIRS).map(lambda p: {"__name__": p[0], **p[1]}),
        st.integers(0, 10**12),
        st.sampled_from([0.0, 1.0, 2.0, -1.0, math.nan, math.inf, 1e300]),
    ),
    max_size=8,
    unique_by=lambda row: labels_of(row[0]),
)
SAID = st.dictionaries(
    st.sampled_from(["a", "a_total", "a_seconds", "b", "a_info", "a_bucket"]),
    st.builds(
        Metadata,
        st.sampled_from(["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"]),
        st.sampled_from(["", 'help\n"\\']),
        st.sampled_from(["", "seconds"]),
    ),
    max_size=4,
)


@given(ROWS, SAID)
def test_whatever_is_exposed_reads_back(
    rows: list[tuple[dict[str, str], int, float]], said: dict[str, Metadata]
) -> None:
    given_batch = batch(rows, said)
    expected = sorted((labels_of(labels), ts, repr(v)) for labels, ts, v in rows)
    for content_type in (TEXT_TYPE, OPENMETRICS_TYPE):
        body = expose(given_batch, content_type, timestamps=True)
        back = parse_text(body, now=0, content_type=content_type)
        got = [
            (back.labels[s], int(t), repr(float(v))) for s, t, v in zip(back.series, back.ts, back.value, strict=True)
        ]
        assert sorted(got) == expected
    list(text_families(expose(given_batch).decode()))
    list(openmetrics_families(expose(given_batch, OPENMETRICS_TYPE).decode()))
