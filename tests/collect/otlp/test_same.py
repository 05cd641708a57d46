"""The same data as protobuf and as JSON give the same rows, whatever they are; and JSON as people write it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.collect.otlp import JSON, Delivery, decode_logs, decode_metrics, decode_traces
from pitchey_slo.errors import CollectError

from .messages import NANOS, SPAN, TRACE, delivery, logs, metrics, spans

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=9), st.none()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
KEYS = st.sampled_from(
    [
        *("http.route", "http.response.status_code", "http.request.method", "url.path", "service.name"),
        *("cloudflare.outcome", "cloudflare.wall_time", "enduser.id", "sampling.rate", "error.type", "exception.type"),
        *("http.status_code", "x"),
    ]
)
ATTRIBUTES = st.dictionaries(KEYS | TEXTS, VALUES, max_size=6)
TIMES = st.sampled_from([0, 1, NANOS - 7, NANOS, 2**64 - 1])


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "time_unix_nano": TIMES,
                "severity_number": st.integers(0, 24),
                "severity_text": TEXTS,
                "body": VALUES,
                "attributes": ATTRIBUTES,
                "trace_id": st.sampled_from([b"", TRACE, b"\0" * 16, b"abc"]),
            }
        ),
        max_size=3,
    ),
    ATTRIBUTES,
)
def test_logs(records: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    request = logs(*records, resource=resource)
    one, other = (decode_logs(delivery(request, media)) for media in (JSON, "application/x-protobuf"))
    assert one.rows.drop_columns("event_id").to_pylist() == other.rows.drop_columns("event_id").to_pylist()
    assert one.rejected == other.rejected
    assert one.rows.num_rows + len(one.rejected) == len(records)


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "kind": st.integers(0, 5),
                "end_time_unix_nano": TIMES,
                "name": TEXTS | st.just("GET /x/7"),
                "trace_state": TEXTS | st.sampled_from(["ot=th:8", "ot=th:"]),
                "attributes": ATTRIBUTES,
                "status": st.integers(0, 2),
                "events": st.lists(st.tuples(st.sampled_from(["exception", "x"]), ATTRIBUTES), max_size=2),
            }
        ),
        max_size=3,
    )
)
def test_spans(given_spans: list[dict[str, Any]]) -> None:
    request = spans(*given_spans)
    one, other = (decode_traces(delivery(request, media)) for media in (JSON, "application/x-protobuf"))
    assert one.requests.rows.to_pylist() == other.requests.rows.to_pylist()
    assert one.logs.rows.to_pylist() == other.logs.rows.to_pylist()
    assert (one.rejected, one.not_kept) == (other.rejected, other.not_kept)
    assert one.requests.rows.num_rows + len(one.rejected) + one.not_kept == len(given_spans)


@settings(max_examples=40)
@given(TEXTS, st.sampled_from(["", "s", "1", "By/s", "{x}"]), ATTRIBUTES, st.floats(), st.integers(0, 2), TIMES)
def test_metrics(name: str, unit: str, attributes: dict[str, Any], number: float, temporality: int, time: int) -> None:
    point = {"as_double": number, "attributes": attributes, "time_unix_nano": time}
    request = metrics(
        {"name": name, "unit": unit, "gauge": {"points": [point]}},
        {"name": name, "unit": unit, "sum": {"points": [point], "aggregation_temporality": temporality}},
        resource=attributes,
    )
    one, other = (decode_metrics(delivery(request, media)) for media in (JSON, "application/x-protobuf"))
    assert one.batch.labels == other.batch.labels
    assert one.batch.value.tobytes() == other.batch.value.tobytes() or number != number
    assert one.batch.ts.tolist() == other.batch.ts.tolist()
    assert one.rejected == other.rejected and one.points == other.points == 2


def sent(**record: Any) -> Delivery:
    record = {"timeUnixNano": str(NANOS), "body": {"stringValue": "b"}, **record}
    return delivery(orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}), JSON)


def test_json_as_people_write_it() -> None:
    (row,) = decode_logs(
        sent(
            timeUnixNano=NANOS,  # a number, where ProtoJSON has a text
            severityNumber="SEVERITY_NUMBER_WARN2",
            traceId=TRACE.hex().upper(),
            spanId=SPAN.hex(),
            attributes=[{"key": "n", "value": {"intValue": 7}}, {"key": "d", "value": {"doubleValue": "-Infinity"}}],
            flags=None,
            unknownField={"a": [1]},
            body={"stringValue": "b", "unknownToo": 1},
        )
    ).rows.to_pylist()
    assert (row["level"], row["trace_id"], row["span_id"]) == ("warning", TRACE.hex(), SPAN.hex())
    assert row["attributes"] == '{"n":7,"d":null}'


def test_half_a_surrogate_pair_is_no_text_and_costs_nothing() -> None:
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"%s"}}]}]}]}'
    for given_text, read in (
        (rb"a\ud83db", "a\ufffdb"),
        (rb"\udc00", "\ufffd"),
        (rb"\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
        (rb"\\ud83d \ud800", "\\ud83d \ufffd"),
    ):
        (row,) = decode_logs(delivery(body % given_text, JSON)).rows.to_pylist()
        assert row["message"] == read


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"timeUnixNano": "soon"}, "wrong_type"),
        ({"timeUnixNano": -5}, "wrong_type"),
        ({"traceId": "xyz"}, "wrong_type"),
        ({"attributes": "a=b"}, "wrong_type"),
        ({"attributes": [7]}, "wrong_type"),
        ({"body": "plain"}, "wrong_type"),
        ({"body": {"arrayValue": {"values": [3]}}}, "wrong_type"),
        ({"body": {"intValue": "1e999"}}, "wrong_type"),
        ({"severityText": 5}, "wrong_type"),
    ],
)
def test_one_bad_record_costs_that_record(record: dict[str, Any], reason: str) -> None:
    batch = decode_logs(sent(**record))
    assert [r.reason for r in batch.rejected] == [reason] and batch.rows.num_rows == 0


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"5", b"{"),
        *(b'{"resourceLogs":5}', b'{"resourceLogs":[5]}', b'{"resourceLogs":[{"scopeLogs":{}}]}'),
    ],
)
def test_a_frame_that_is_none_is_refused_whole(body: bytes) -> None:
    if not body:
        assert decode_logs(delivery(b"", JSON)).rows.num_rows == 0
        assert decode_logs(delivery(b"", content_encoding="gzip")).rows.num_rows == 0
        return
    with pytest.raises(CollectError) as caught:
        decode_logs(delivery(body, JSON))
    assert caught.value.status == 400
