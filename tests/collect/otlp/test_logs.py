"""Log records -> rows of `logs`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitchey_slo.collect.otlp import JSON, PROTOBUF, decode_logs

from .messages import KEY, NANOS, NOW, SPAN, TRACE, delivery, logs


def row(record: dict[str, Any], media: str = PROTOBUF, resource: dict[str, Any] | None = None, **more: Any) -> dict:
    batch = decode_logs(delivery(logs(record, resource=resource), media, **more))
    assert not batch.rejected, batch.rejected
    (found,) = batch.rows.to_pylist()
    return found


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
def test_a_record_becomes_a_row(media: str) -> None:
    found = row(
        {
            "severity_number": 17,
            "body": "payment refused",
            "trace_id": TRACE,
            "span_id": SPAN,
            "attributes": {
                "http.route": "/api/pitches/{id}",
                "http.response.status_code": 502,
                "exception.type": "PaymentError",
                "enduser.id": "ada@example.com",
                "attempt": 3,
                "cart": {"items": [1, 2.5, True, None]},
                "blob": b"\x00\x01",
            },
        },
        media,
        {"service.name": "shop", "service.version": "1.4", "cloud.region": "eu-west-1", "process.pid": 7},
    )
    assert found.pop("event_id").endswith(":0")
    assert len(found.pop("user_hash")) == 32
    assert json.loads(found.pop("attributes")) == {
        "service.version": "1.4",
        "attempt": 3,
        "cart": {"items": [1, 2.5, True, None]},
        "blob": "AAE=",
    }
    assert found == {
        "ts": NOW,
        "level": "error",
        "service": "shop",
        "message": "payment refused",
        "logger": "app.orders",
        "route": "/api/pitches/:id",
        "status": 502,
        "duration_ms": None,
        "location": "eu-west-1",
        "trace_id": TRACE.hex(),
        "span_id": SPAN.hex(),
        "error_type": "PaymentError",
        "fingerprint": None,
        "sample_interval": 1.0,
        "source": "otlp:shop",
    }


@pytest.mark.parametrize(
    ("number", "word", "level"),
    [
        *((n, "", "debug") for n in (1, 4, 5, 8)),
        *((n, "", "info") for n in (9, 12)),
        *((n, "", "warning") for n in (13, 16)),
        *((n, "", "error") for n in (17, 20)),
        *((n, "", "critical") for n in (21, 24)),
        (0, "WARN", "warning"),
        (0, "log", "info"),
        (0, "Fatal", "critical"),
        (0, "nonsense", "info"),
        (0, "", "info"),
        (17, "INFO", "error"),
        (99, "warn", "warning"),
    ],
)
def test_levels(number: int, word: str, level: str) -> None:
    assert row({"severity_number": number, "severity_text": word})["level"] == level


@pytest.mark.parametrize(
    ("body", "attributes", "message", "kept"),
    [
        ("plain", {}, "plain", None),
        ({"message": "saved", "level": "warn", "rows": 3}, {}, "saved", {"rows": 3}),
        ({"msg": "saved", "a": 1}, {"a": 2}, "saved", {"a": 2}),
        ({"rows": 3}, {}, '{"rows":3}', {"rows": 3}),
        (["saved", {"rows": 3}, 7], {}, 'saved {"rows":3} 7', None),
        (42, {}, "42", None),
        ("", {"exception.type": "E", "exception.message": "boom"}, "E: boom", {"exception.message": "boom"}),
        (None, {"a": 1}, '{"a":1}', {"a": 1}),
    ],
)
def test_bodies(body: Any, attributes: dict[str, Any], message: str, kept: Any) -> None:
    found = row({"body": body, "attributes": attributes})
    assert found["message"] == message
    assert (found["attributes"] and json.loads(found["attributes"])) == kept


def test_a_structured_body_says_its_level() -> None:
    assert row({"body": {"message": "m", "level": "warn"}})["level"] == "warning"


def test_a_record_that_says_nothing_is_refused_and_the_rest_kept() -> None:
    batch = decode_logs(delivery(logs({"body": None}, {"body": "b"})))
    assert [r["message"] for r in batch.rows.to_pylist()] == ["b"]
    assert [(r.row, r.reason) for r in batch.rejected] == [(0, "missing_field")]


def test_times() -> None:
    assert row({"time_unix_nano": NANOS - 1_500})["ts"].microsecond == 999_998
    assert row({"time_unix_nano": 0, "observed_time_unix_nano": NANOS})["ts"] == NOW
    assert (row({"time_unix_nano": 0})["ts"] - NOW).total_seconds() == 5  # nobody says: the time of asking
    batch = decode_logs(delivery(logs({"time_unix_nano": NANOS + 700 * 10**9}, {"time_unix_nano": 2**64 - 1})))
    assert [r.reason for r in batch.rejected] == ["too_far_in_future"] * 2


def test_people_are_hashed_and_nowhere_else() -> None:
    person = {"enduser.id": "ada", "user.email": "ada@example.com", "client.address": "203.0.113.9"}
    found = row({"attributes": person})
    assert found["attributes"] is None
    assert not any(text in str(found) for text in ("'ada'", "ada@", "203.0.113.9"))
    same = row({"attributes": {"enduser.id": "ada"}, "body": "other"})
    assert same["user_hash"] == found["user_hash"]
    assert row({"attributes": {"enduser.id": "bob"}})["user_hash"] != found["user_hash"]
    assert row({"attributes": {"enduser.id": "ada"}}, key=b"x" * 32)["user_hash"] != found["user_hash"]
    assert KEY.hex() not in str(found)


def test_the_same_bytes_again_have_the_same_ids_and_equal_lines_different_ones() -> None:
    twice = logs({"body": "a"}, {"body": "a"})
    ids = [decode_logs(delivery(twice)).rows["event_id"].to_pylist() for _ in range(2)]
    assert ids[0] == ids[1] and len(set(ids[0])) == 2
    other = decode_logs(delivery(logs({"body": "a"}))).rows["event_id"].to_pylist()
    assert not set(other) & set(ids[0])


def test_long_texts_are_cut_and_long_attributes_left_out() -> None:
    found = row({"body": "x" * 40_000, "attributes": {"a": "y" * 50_000, "b": 1}})
    assert len(found["message"]) == 32_768 and found["message"].endswith("…")
    kept = json.loads(found["attributes"])
    assert len(kept["a"]) == 2_000 and kept["b"] == "1"
    many = row({"attributes": {f"key{i}": "v" * 100 for i in range(1_000)}})
    kept = json.loads(many["attributes"])
    assert len(many["attributes"]) <= 32_768 and kept["otlp.left_out"] == 1_000 - (len(kept) - 1)


def test_what_was_left_out_by_a_sampler_is_weighed() -> None:
    assert row({"attributes": {"sampling.threshold": "c"}})["sample_interval"] == 4
    assert row({}, head="0.25")["sample_interval"] == 4


def test_a_strange_status_does_not_cost_the_line() -> None:
    assert row({"attributes": {"http.response.status_code": 40_000}})["status"] is None
    assert row({"attributes": {"http.status_code": "404"}})["status"] == 404


def test_rows_of_several_pieces_keep_their_order_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitchey_slo.collect.otlp.rows.PIECE", 3)
    records = [{"body": f"line {i}" if i not in (2, 6, 7) else None} for i in range(9)]
    batch = decode_logs(delivery(logs(*records)))
    assert [r["message"] for r in batch.rows.to_pylist()] == [f"line {i}" for i in (0, 1, 3, 4, 5, 8)]
    assert [r.row for r in batch.rejected] == [2, 6, 7]
    assert [r["event_id"].rpartition(":")[2] for r in batch.rows.to_pylist()] == ["0", "1", "3", "4", "5", "8"]
