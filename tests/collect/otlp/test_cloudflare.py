"""What Cloudflare Workers send by themselves. The samples in `data` follow the public list of spans and attributes
(developers.cloudflare.com, Workers, Observability, "Spans and attributes"), the head sampling rate stands nowhere in
them."""

from __future__ import annotations

import dataclasses
import json

from pitchey_slo.collect.otlp import decode_logs, decode_traces

from .messages import sample


def test_invocations_by_http_become_requests() -> None:
    found = decode_traces(sample("cloudflare_traces.json"))
    assert [
        (r["route"], r["method"], r["status"], r["duration_ms"], r["location"]) for r in found.requests.rows.to_pylist()
    ] == [
        ("/api/pitches/:id", "GET", 200, 42, "FRA"),
        ("/api/investments", "POST", 500, 31, "LHR"),  # outcome ok
        ("/api/ndas/:id/sign", "GET", 500, 5, "FRA"),  # exception
        ("/api/search", "GET", 503, 10_000, "AMS"),  # exceededCpu
        ("/api/export/:id", "GET", 503, 700, "AMS"),  # exceededMemory
        ("/api/feed", "GET", 0, 120, "CDG"),  # canceled
        ("/api/health/live", "GET", 200, 88, "FRA"),  # the clock stood still
        ("/api/pitches", "GET", 304, 12, "FRA"),  # not marked as a server's
    ]
    assert {r["source"] for r in found.requests.rows.to_pylist()} == {"otlp:pitchey-api"}
    assert (found.not_kept, found.rejected) == (4, [])  # fetch, kv, d1, cron


def test_an_exception_is_a_line_with_its_trace() -> None:
    (line,) = decode_traces(sample("cloudflare_traces.json")).logs.rows.to_pylist()
    assert line["message"] == "TypeError: Cannot read properties of undefined (reading 'owner')"
    assert (line["error_type"], line["route"], line["status"]) == ("TypeError", "/api/ndas/:id/sign", 500)
    assert line["trace_id"] == "03" * 16 and "worker.js:812" in json.loads(line["attributes"])["exception.stacktrace"]


def test_lines_of_workers() -> None:
    batch = decode_logs(sample("cloudflare_logs.json"))
    assert not batch.rejected
    rows = batch.rows.to_pylist()
    assert [(r["level"], r["message"], r["error_type"]) for r in rows] == [
        ("info", "pitch 4711 viewed", None),
        ("warning", "payment provider is slow", None),
        ("error", "investment failed", "PaymentError"),
        ("error", "GET https://pitchey.example/api/ndas/17/sign", "exception"),
        ("error", "GET https://pitchey.example/api/export/2026", "exceededMemory"),
        ("debug", rows[5]["message"], None),
    ]
    assert json.loads(rows[1]["attributes"])["took_ms"] == 2900
    assert rows[3]["duration_ms"] == 5 and len(rows[3]["user_hash"]) == 32 and "user-17" not in str(rows)
    assert rows[5]["status"] == 200 and {r["location"] for r in rows} == {"FRA"}


def test_the_share_that_was_kept_comes_by_header() -> None:
    found = decode_traces(dataclasses.replace(sample("cloudflare_traces.json"), head="0.05"))
    assert set(found.requests.rows["sample_interval"].to_pylist()) == {20.0}
    assert set(found.logs.rows["sample_interval"].to_pylist()) == {20.0}
