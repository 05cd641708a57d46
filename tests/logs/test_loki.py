"""What Loki is sent, byte by byte, and what each of its answers means."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import Pace
from pitchey_slo.logs import loki
from pitchey_slo.logs.destinations import Shipped
from tests.instrument.receivers import Delivery, Reply, receiving
from tests.logs.test_elasticsearch import row

QUICK = Pace(age=0.02, first=0.02, most=0.05, patience=10)


def write(it: Shipped, *rows: dict[str, Any]) -> None:
    for one in rows:
        it.write(orjson.dumps(one), one)


def messages(delivery: Delivery) -> list[str]:
    return [json.loads(v[1])["message"] for s in json.loads(delivery.body)["streams"] for v in s["values"]]


def test_streams_by_few_labels_times_as_texts_and_ids_as_metadata() -> None:
    with receiving(lambda n, d: (204, b"")) as receiver:
        it = loki(receiver.url, labels={"env": "prod"}, tenant="shop", authorization="Basic eA==", pace=QUICK)
        write(
            it,
            row(1, trace_id="a" * 32, span_id="b" * 16, route="/api/pay", user_hash="c" * 32, status=200),
            row(2, level="error", attributes={"order": 7}),
            row(3),
        )
        assert it.flush(10)
        (delivery,) = receiver.seen
        it.close(1)
    assert delivery.path == "/loki/api/v1/push"
    assert delivery.headers["x-scope-orgid"] == "shop"
    assert delivery.headers["authorization"] == "Basic eA=="
    assert delivery.headers["content-type"] == "application/json"
    at = "1795435200123456000"
    assert json.loads(delivery.body) == {
        "streams": [
            {
                "stream": {"env": "prod", "service": "api", "level": "info"},
                "values": [
                    [at, '{"message":"line 1","status":200}', {
                        "trace_id": "a" * 32, "span_id": "b" * 16, "route": "/api/pay", "user_hash": "c" * 32,
                        "event_id": "e1",
                    }],
                    [at, '{"message":"line 3"}', {"event_id": "e3"}],
                ],
            },
            {
                "stream": {"env": "prod", "service": "api", "level": "error"},
                "values": [[at, '{"message":"line 2","attributes":{"order":7}}', {"event_id": "e2"}]],
            },
        ]
    }  # fmt: skip


def test_an_older_loki_gets_the_ids_in_the_line() -> None:
    with receiving(lambda n, d: (204, b"")) as receiver:
        it = loki(receiver.url, metadata=False, pace=QUICK)
        write(it, row(1, trace_id="a" * 32))
        assert it.flush(10)
        ((_, line),) = json.loads(receiver.seen[0].body)["streams"][0]["values"]
        assert json.loads(line) == {"message": "line 1", "trace_id": "a" * 32, "event_id": "e1"}
        it.close(1)


def test_what_it_ignored_is_counted_as_it_says() -> None:
    said = (
        b"entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind',\n"
        b"user 'fake', total ignored: 2 out of 5 for stream: {service=\"api\"}"
    )
    with receiving(lambda n, d: (400, said)) as receiver:
        it = loki(receiver.url, pace=QUICK)
        write(it, *(row(n) for n in range(5)))
        assert it.flush(10)
        assert len(receiver.seen) == 1, "the good ones are stored"
        assert (it.stats().sent, it.stats().dropped) == (3, {"refused_by_loki": 2})
        it.close(1)


def test_where_it_names_one_of_them_the_others_are_found_by_halves() -> None:
    """Lines 3 and 11 are too old; all others are stored whatever push they come in."""
    stored: set[str] = set()

    def answer(n: int, delivery: Delivery) -> Reply:
        told = messages(delivery)
        stored.update(m for m in told if m not in ("line 3", "line 11"))
        old = [m for m in told if m in ("line 3", "line 11")]
        why = b"entry for stream '{}' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: ..."
        return (400, why) if old else (204, b"")

    with receiving(answer) as receiver:
        it = loki(receiver.url, pace=QUICK)
        write(it, *(row(n) for n in range(16)))
        assert it.flush(10)
        assert stored == {f"line {n}" for n in range(16)} - {"line 3", "line 11"}
        assert (it.stats().sent, it.stats().dropped) == (14, {"too_old": 2})
        assert len(receiver.seen) < 20
        it.close(1)


def test_looking_for_what_was_refused_has_an_end() -> None:
    with receiving(lambda n, d: (400, b"max entry size exceeded")) as receiver:
        it = loki(receiver.url, pace=QUICK)
        write(it, *(row(n) for n in range(500)))
        assert it.flush(20)
        assert it.stats().dropped == {"line_too_long": 500}
        assert len(receiver.seen) < 70
        it.close(1)


@pytest.mark.parametrize(
    "bad", [(429, b"Ingestion rate limit exceeded", {"Retry-After": "0"}), (500, b""), (503, b""), "reset"]
)
def test_too_much_or_away_is_sent_again(bad: Reply) -> None:
    with receiving(lambda n, d: bad if n < 2 else (204, b"")) as receiver:
        it = loki(receiver.url, pace=QUICK)
        write(it, row(1), row(2))
        assert it.flush(10)
        assert len({d.body for d in receiver.seen}) == 1, "the same bytes: Loki keeps one of two equal lines"
        assert (it.stats().sent, it.stats().dropped) == (2, {})
        it.close(1)


def test_lines_stay_below_the_limit() -> None:
    with receiving(lambda n, d: (204, b"")) as receiver:
        it = loki(receiver.url, pace=QUICK)
        write(it, row(1, message="ü" * 130_000, attributes={"x": "y" * 30_000}))
        assert it.flush(10)
        ((_, line, _meta),) = json.loads(receiver.seen[0].body)["streams"][0]["values"]
        assert len(line.encode()) < 256 * 1024
        assert json.loads(line)["attributes"]["(cut)"] > 256 * 1024
        it.close(1)


def test_labels_that_would_be_refused_are_said_at_once() -> None:
    for labels in ({"a-b": "x"}, {"level": "x"}, {"env": ""}, {f"l{n}": "x" for n in range(14)}):
        with pytest.raises(ConfigError):
            loki("http://127.0.0.1:9", labels=labels)
