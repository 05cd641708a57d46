"""Spans -> rows of `requests`, and exceptions -> rows of `logs`."""

from __future__ import annotations

from typing import Any

import pytest

from pitchey_slo.collect.otlp import JSON, PROTOBUF, decode_traces
from pitchey_slo.collect.otlp.routes import from_path

from .messages import NOW, TRACE, delivery, spans

GET = {"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200}


def request(attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = more.pop("head", None)
    found = decode_traces(delivery(spans({"attributes": attributes, **more}), head=head))
    assert not found.rejected, found.rejected
    (row,) = found.requests.rows.to_pylist()
    return row


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
def test_a_servers_span_becomes_a_request(media: str) -> None:
    told = {
        "http.request.method": "POST",
        "http.route": "/api/pitches/{id}/views",
        "http.response.status_code": 201,
        "http.response.body.size": 512,
        "cloud.region": "eu-west-1",
        "http.response.header.cf-cache-status": ["DYNAMIC"],
    }
    found = decode_traces(delivery(spans({"attributes": told}), media))
    assert found.requests.rows.to_pylist() == [
        {
            "ts": NOW,
            "route": "/api/pitches/:id/views",
            "method": "POST",
            "status": 201,
            "duration_ms": 250.0,
            "location": "eu-west-1",
            "user_hash": None,
            "trace_id": TRACE.hex(),
            "cache_status": "DYNAMIC",
            "bytes": 512,
            "sample_interval": 1.0,
            "source": "otlp:api",
            "event_id": f"{TRACE.hex()}:0000000000000001",
        }
    ]
    assert (found.rejected, found.not_kept) == ([], 0)


def test_old_names_mean_the_same() -> None:
    new = {"http.request.method": "GET", "url.path": "/x", "http.response.status_code": 404}
    old = {"http.method": "GET", "http.target": "/x?y=1", "http.status_code": 404}
    older = {"http.method": "GET", "http.url": "https://pitchey.example/x?y=1", "http.status_code": 404}
    assert request(new) == request(old) == request(older)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/pitches/4711", "/api/pitches/:id"),
        ("/api/pitches/0198c2f4-7d0e-7a61-8b11-2f6d2c9a1f00/edit", "/api/pitches/:id/edit"),
        ("/media/9f86d081884c7d659a2feaa0c55ad015.mp4", "/media/9f86d081884c7d659a2feaa0c55ad015.mp4"),
        ("/u/ada@example.com/inbox", "/u/:id/inbox"),
        ("/files/My%20Pitch", "/files/:id"),
        ("/api/v1/investors", "/api/v1/investors"),
        ("/reset/eyJhbGciOiJIUzI1NiJ9x", "/reset/:id"),
        ("/", "/"),
        ("https://[broken/x", "/"),
    ],
)
def test_paths_without_a_pattern_lose_their_ids(path: str, route: str) -> None:
    assert from_path(path) == route


def test_the_name_of_a_span_can_be_its_route() -> None:
    told = {"http.request.method": "GET", "http.response.status_code": 200}
    assert request(told, name="GET /api/pitches/{id}")["route"] == "/api/pitches/:id"


@pytest.mark.parametrize(
    ("told", "status", "answered"),
    [
        ({"http.response.status_code": 500}, 1, 500),
        ({"error.type": "503"}, 2, 503),
        ({"error.type": "TimeoutError"}, 2, 500),
        ({}, 2, 500),
        ({"cloudflare.outcome": "ok", "http.response.status_code": 500}, 0, 500),
        ({"cloudflare.outcome": "exception"}, 0, 500),
        ({"cloudflare.outcome": "exception", "http.response.status_code": 200}, 0, 200),
        ({"cloudflare.outcome": "exceededCpu"}, 0, 503),
        ({"cloudflare.outcome": "exceededMemory"}, 0, 503),
        ({"cloudflare.outcome": "canceled"}, 0, 0),
        ({"cloudflare.outcome": "unknown"}, 2, 500),
    ],
)
def test_what_was_answered(told: dict[str, Any], status: int, answered: int) -> None:
    row = request({"http.request.method": "GET", "url.path": "/x", **told}, status=status)
    assert row["status"] == answered


def test_other_spans_are_taken_and_not_kept() -> None:
    others = [
        {"kind": 3, "attributes": GET},
        {"kind": 1, "attributes": GET},
        {"kind": 5, "attributes": {}},
        {"kind": 2, "attributes": {"rpc.system": "grpc"}},
    ]
    found = decode_traces(delivery(spans(*others, {"attributes": GET})))
    assert (found.requests.rows.num_rows, found.not_kept, found.rejected) == (1, 4, [])


def test_a_request_that_cannot_be_counted_is_refused_and_says_why() -> None:
    found = decode_traces(
        delivery(
            spans(
                {"attributes": {**GET, "http.response.status_code": None}},
                {"attributes": {"http.request.method": "GET", "http.response.status_code": 200}},
                {"attributes": GET, "span_id": b"\0" * 8},
                {"attributes": GET, "trace_id": b"short"},
                {"attributes": GET, "end_time_unix_nano": 5},
                {"attributes": {**GET, "http.response.status_code": 1000}},
                {"attributes": GET},
            )
        )
    )
    assert found.requests.rows.num_rows == 1
    assert [r.row for r in found.rejected] == [0, 1, 2, 3, 4, 5]
    assert {r.reason for r in found.rejected} == {"missing_field"}
    assert "http.response.status_code" in found.rejected[0].message and "http.route" in found.rejected[1].message


@pytest.mark.parametrize(
    ("state", "told", "head", "weight"),
    [
        ("ot=th:8", {}, None, 2),
        ("vendor=x, ot=rv:ff;th:c", {}, None, 4),
        ("ot=th:0", {}, "0.1", 1),
        ("ot=th:zz", {}, None, 1),
        ("", {"sampling.rate": 10}, None, 10),
        ("", {"sampling.rate": 0.1}, None, 10),
        ("", {"SampleRate": "20"}, None, 20),
        ("", {"sampling.probability": 0.5}, None, 2),
        ("", {"sampling.rate": -3}, None, 1),
        ("", {}, "0.05", 20),
        ("ot=th:8", {"sampling.rate": 7}, "0.05", 2),
        ("ot=th:ffffffffffffff", {}, None, 1e9),
    ],
)
def test_for_how_many_a_span_stands(state: str, told: dict[str, Any], head: str | None, weight: float) -> None:
    row = request({**GET, **told}, trace_state=state, head=head)
    assert row["sample_interval"] == pytest.approx(weight)


def test_a_worker_whose_clock_stood_still_says_its_own_time() -> None:
    still = {"start_time_unix_nano": 10**18, "end_time_unix_nano": 10**18}
    assert request({**GET, "cloudflare.wall_time": 37}, **still)["duration_ms"] == 37
    assert request(GET, **still)["duration_ms"] == 0
    assert request({**GET, "cloudflare.wall_time": 37})["duration_ms"] == 250


def test_exceptions_of_any_span_become_lines() -> None:
    boom = {"exception.type": "ValueError", "exception.message": "bad offer", "exception.stacktrace": "at f\nat g"}
    found = decode_traces(
        delivery(
            spans(
                {"attributes": GET, "events": [("exception", boom), ("cache miss", {})]},
                {"kind": 3, "name": "SELECT", "events": [("exception", {})]},
            )
        )
    )
    first, second = found.logs.rows.to_pylist()
    assert (first["level"], first["message"], first["error_type"]) == ("error", "ValueError: bad offer", "ValueError")
    assert (first["route"], first["status"], first["trace_id"]) == ("/a", 200, TRACE.hex())
    assert "at f\\nat g" in first["attributes"] and first["event_id"].endswith(":0000000000000001:0")
    assert second["message"] == "exception in SELECT" and second["route"] is None
    assert first["ts"] < NOW and found.not_kept == 1
