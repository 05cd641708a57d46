"""What Elasticsearch is sent, byte by byte, and what each of its answers means."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import Pace
from pitchey_slo.logs import elasticsearch
from pitchey_slo.logs.destinations import Shipped
from tests.instrument.receivers import Delivery, Reply, receiving

QUICK = Pace(age=0.02, first=0.02, most=0.05, patience=10)


def row(n: int, **more: Any) -> dict[str, Any]:
    return {
        "ts": "2026-11-23T12:00:00.123456Z", "level": "info", "service": "api", "message": f"line {n}",
        "event_id": f"e{n}", "source": "api", **more,
    }  # fmt: skip


def write(it: Shipped, *rows: dict[str, Any]) -> None:
    for one in rows:
        it.write(orjson.dumps(one), one)


def items(*statuses: int | tuple[int, str]) -> Reply:
    told = []
    for status in statuses:
        code, kind = status if isinstance(status, tuple) else (status, "")
        told.append({"create": {"status": code, **({"error": {"type": kind, "reason": "because"}} if kind else {})}})
    return 200, {"errors": any(not isinstance(s, int) for s in statuses), "items": told}


def ids(delivery: Delivery) -> list[str]:
    return [json.loads(line)["create"]["_id"] for line in delivery.body.splitlines()[::2]]


def test_the_body_is_an_action_and_a_document_per_line_ended_by_a_line_break() -> None:
    error = {"type": "ValueError", "message": "bad", "stack": ["app/pay.py:12 charge", "app/x.py:3 check"]}
    with receiving(lambda n, d: items(201, 201)) as receiver:
        it = elasticsearch(receiver.url + "/", stream="logs-shop-prod", authorization="ApiKey abc", pace=QUICK)
        write(
            it,
            row(1),
            row(
                2, level="error", logger="shop.pay", route="/api/pay", status=500, duration_ms=12.5, trace_id="a" * 32,
                span_id="b" * 16, user_hash="c" * 32, error_type="ValueError", fingerprint="f00d", location="FRA",
                attributes={"request_id": "r1", "method": "POST", "order": 7, "deep.er": {"x": [1, "y"]},
                            "error": error},
            ),
        )  # fmt: skip
        assert it.flush(10)
        (delivery,) = receiver.seen
        assert it.stats().sent == 2
        it.close(1)
    assert delivery.path == (
        "/logs-shop-prod/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
    )
    assert delivery.headers["content-type"] == "application/x-ndjson"
    assert delivery.headers["authorization"] == "ApiKey abc"
    assert delivery.body.endswith(b"}\n")
    lines = [json.loads(line) for line in delivery.body.splitlines()]
    assert delivery.body.splitlines()[0] == b'{"create":{"_id":"e1"}}'
    assert lines[1] == {
        "@timestamp": "2026-11-23T12:00:00.123456Z", "message": "line 1", "log": {"level": "info"},
        "service": {"name": "api"}, "event": {"id": "e1"},
    }  # fmt: skip
    assert lines[3] == {
        "@timestamp": "2026-11-23T12:00:00.123456Z", "message": "line 2", "service": {"name": "api"},
        "log": {"level": "error", "logger": "shop.pay"}, "event": {"id": "e2", "duration": 12_500_000},
        "trace": {"id": "a" * 32}, "span": {"id": "b" * 16}, "user": {"hash": "c" * 32},
        "http": {"request": {"id": "r1", "method": "POST"}, "response": {"status_code": 500}},
        "error": {"type": "ValueError", "message": "bad", "stack_trace": "app/pay.py:12 charge\napp/x.py:3 check"},
        "labels": {"order": "7", "deep_er_x": '[1,"y"]', "route": "/api/pay", "location": "FRA", "fingerprint": "f00d"},
    }  # fmt: skip


def test_of_a_200_with_errors_only_what_was_too_much_is_sent_again() -> None:
    first = items(
        201, (429, "es_rejected_execution_exception"), 409, (400, "document_parsing_exception"), (503, "unavailable")
    )
    with receiving(lambda n, d: first if n == 0 else items(201, 201)) as receiver:
        it = elasticsearch(receiver.url, pace=QUICK)
        write(it, *(row(n) for n in range(5)))
        assert it.flush(10)
        assert [ids(d) for d in receiver.seen] == [["e0", "e1", "e2", "e3", "e4"], ["e1", "e4"]]
        assert it.stats().sent == 4, "409: it stands there already"
        assert it.stats().dropped == {"document_parsing_exception": 1}
        it.close(1)


@pytest.mark.parametrize(
    "bad",
    [
        (429, b"", {"Retry-After": "0"}),
        (503, b"<html>"),
        "reset",
        (200, b"<html>"),
        (200, {"errors": True, "items": []}),
    ],
)
def test_answers_about_the_whole_are_sent_again_whole(bad: Reply) -> None:
    with receiving(lambda n, d: bad if n < 2 else items(201, 201, 201)) as receiver:
        it = elasticsearch(receiver.url, pace=QUICK)
        write(it, *(row(n) for n in range(3)))
        assert it.flush(10)
        assert {tuple(ids(d)) for d in receiver.seen} == {("e0", "e1", "e2")}
        assert (it.stats().sent, it.stats().dropped) == (3, {})
        it.close(1)


def test_a_hanging_one_costs_the_caller_nothing_and_closing_has_an_end() -> None:
    with receiving(lambda n, d: "hang") as receiver:
        it = elasticsearch(receiver.url, pace=QUICK, timeout=5)
        begun = time.monotonic()
        write(it, *(row(n) for n in range(300)))
        assert time.monotonic() - begun < 2
        assert it.close(0.2).dropped == {"left_behind": 300}
        assert time.monotonic() - begun < 4


def test_refused_as_a_whole_and_too_large() -> None:
    def answer(n: int, delivery: Delivery) -> Reply:
        if n == 0:
            return 401, b""
        return (413, b"") if len(ids(delivery)) > 2 else items(*[201] * len(ids(delivery)))

    with receiving(answer) as receiver:
        it = elasticsearch(receiver.url, pace=QUICK)
        write(it, row(0))
        assert it.flush(10)
        write(it, *(row(n) for n in range(1, 6)))
        assert it.flush(10)
        assert (it.stats().sent, it.stats().dropped) == (5, {"status_401": 1})
        it.close(1)


def test_names_that_are_no_data_stream() -> None:
    for stream in ("", "Logs", "_x", "a b", "a/../b"):
        with pytest.raises(ConfigError, match="data stream"):
            elasticsearch("http://127.0.0.1:9", stream=stream)
