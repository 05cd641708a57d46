"""Deliveries: what is stored, what is refused and with which reason."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pyarrow as pa
import pytest

from pitchey_slo.names import REASONS
from pitchey_slo.tables import REQUESTS, TABLES

from .conftest import Running, event, running, stored

EVENTS = "/api/monitoring/events"
ARROW = "application/vnd.apache.arrow.stream"


def ndjson(*events: object) -> bytes:
    return b"".join(orjson.dumps(e) + b"\n" for e in events)


def post(client: httpx.Client, body: bytes, kind: str = "application/x-ndjson", path: str = EVENTS, **headers: str):
    return client.post(
        path, content=body, headers={"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    )


def refused(response: httpx.Response, status: int, reason: str) -> dict:
    """The one error shape, with a reason of the closed list that belongs to its status."""
    assert (response.status_code, response.json()["error"]["reason"]) == (status, reason), response.text
    error = response.json()["error"]
    assert set(response.json()) == {"error"} and set(error) == {"reason", "message", "detail"}
    assert REASONS[reason].startswith(f"{status}:") and error["message"]
    assert (response.headers.get("retry-after") is not None) == (status in (429, 503))
    return error


def arrow(events: list[dict], compression: str | None = None) -> bytes:
    rows = pa.Table.from_pylist([{**e, "ts": datetime.fromisoformat(e["ts"])} for e in events], schema=REQUESTS.schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def test_every_format_stores_the_same_rows(tmp_path: Path) -> None:
    def events(name: str) -> list[dict]:
        full = {"method": "GET", "sample_interval": 1.0, "source": "test"}
        return [event(event_id=f"{name}-{i}", status=200 + i, **full) for i in range(5)]

    with running(tmp_path) as server, server.client(server.token("ingest")) as client:
        answers = [
            post(client, orjson.dumps(events("array")), "application/json"),
            post(client, orjson.dumps({"events": events("object")}), "application/json; charset=utf-8"),
            post(client, orjson.dumps(events("single")[0]), "application/json"),
            post(client, ndjson(*events("lines"))),
            post(client, arrow(events("arrow")), ARROW),
            post(client, gzip.compress(ndjson(*events("gzip"))), Content_Encoding="gzip"),
        ]
        assert [a.status_code for a in answers] == [200] * 6, [a.text for a in answers]
        assert [a.json()["stored"] for a in answers] == [5, 5, 1, 5, 5, 5]
    rows = stored(tmp_path)
    for name in ("array", "object", "lines", "arrow", "gzip"):
        mine = sorted((r for r in rows if r["event_id"].startswith(name)), key=lambda r: r["event_id"])
        assert [r["status"] for r in mine] == [200, 201, 202, 203, 204]
        assert {(r["route"], r["duration_ms"], r["ts"]) for r in mine} == {
            ("/api/pitches", 12.5, datetime(2026, 1, 5, 10, tzinfo=UTC))
        }
    assert len(rows) == 26


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_has_its_path(ingest: httpx.Client, table: str) -> None:
    row = {
        "requests": event(),
        "business_events": {"ts": "2026-01-05T10:00:00Z", "event": "nda_signed", "properties": {"pitch": 7}},
        "logs": {"ts": "2026-01-05T10:00:00Z", "message": "pool exhausted", "level": "error", "attributes": {"n": 3}},
        "probes": {"ts": "2026-01-05T10:00:00Z", "test": "login", "state": "healthy", "duration_ms": 41.0},
        "incidents": {"id": "i1", "title": "slow database", "started_at": "2026-01-05T10:00:00Z"},
        "deployments": {"id": "d1", "ts": "2026-01-05T10:00:00Z", "version": "1.2.3"},
        "report_runs": {
            "id": "r1",
            "notebook": "30_slo_report",
            "started_at": "2026-01-05T10:00:00Z",
            "status": "running",
        },
    }[table]
    answer = post(ingest, orjson.dumps(row), "application/json", f"{EVENTS}/{table}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == 1


def test_bad_rows_are_listed_and_good_rows_kept(ingest: httpx.Client) -> None:
    answer = post(ingest, ndjson(event(event_id="good"), {"route": "/"}, event(event_id="good too")))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["stored"], told["duplicates"], told["rejected"]) == (2, 0, 1)
    assert told["rows"][0]["row"] == 1
    assert told["reasons"] == {"missing_field": 1}


def test_at_most_a_hundred_bad_rows_are_listed_and_all_are_counted(ingest: httpx.Client) -> None:
    error = refused(post(ingest, ndjson(*[{"route": "/"}] * 250)), 422, "invalid_rows")
    assert error["detail"]["rejected"] == 250
    assert error["detail"]["reasons"] == {"missing_field": 250}
    assert [r["row"] for r in error["detail"]["rows"]] == list(range(100))


@pytest.mark.parametrize(("body", "kind"), [(b"[]", "application/json"), (b'{"events":[]}', "application/json")])
def test_an_empty_batch_is_a_success_of_nothing(ingest: httpx.Client, body: bytes, kind: str) -> None:
    answer = post(ingest, body, kind)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["stored"], answer.json()["rejected"]) == (0, 0)


def test_the_same_delivery_is_stored_once(ingest: httpx.Client) -> None:
    body = ndjson(event(event_id="once-1"), event(event_id="once-2"))
    assert post(ingest, body).json()["stored"] == 2
    again = post(ingest, body).json()
    assert (again["stored"], again["duplicates"]) == (0, 2)


def test_a_key_makes_rows_without_ids_stored_once_per_token(server: Running, ingest: httpx.Client) -> None:
    body = ndjson(event(), event())
    assert post(ingest, body, Idempotency_Key="delivery 7").json()["stored"] == 2
    assert post(ingest, body, Idempotency_Key="delivery 7").json()["duplicates"] == 2
    assert post(ingest, body).json()["stored"] == 2, "no key, no promise"
    with server.client(server.token("ingest")) as other:
        assert post(other, body, Idempotency_Key="delivery 7").json()["stored"] == 2, (
            "another sender's key is another key"
        )


@pytest.mark.parametrize("key", ["", "x" * 129, "bad\x7fkey"])
def test_a_key_that_means_nothing_is_refused(ingest: httpx.Client, key: str) -> None:
    refused(post(ingest, ndjson(event()), Idempotency_Key=key), 400, "bad_parameter")


def test_refusals(ingest: httpx.Client) -> None:
    refused(post(ingest, b"{", "application/json"), 400, "malformed_body")
    refused(post(ingest, b"\xff\xff\xff\xff junk", ARROW), 400, "malformed_body")
    refused(post(ingest, b"a,b", "text/csv"), 415, "unsupported_media_type")
    refused(post(ingest, ndjson(event()), Content_Encoding="br"), 415, "unsupported_media_type")
    refused(post(ingest, ndjson(event()), Content_Encoding="gzip, gzip"), 415, "unsupported_media_type")
    refused(post(ingest, ndjson({"status": 200})), 422, "invalid_rows")
    refused(post(ingest, ndjson(event()), path=EVENTS + "?table=requests"), 400, "bad_parameter")
    assert (
        "business_events" in refused(post(ingest, b"[]", path=EVENTS + "/busines_events"), 404, "not_found")["message"]
    )


def test_unknown_paths_and_methods_have_the_same_shape(ingest: httpx.Client) -> None:
    refused(ingest.get("/nowhere"), 404, "not_found")
    refused(ingest.post(EVENTS + "/"), 404, "not_found")
    answer = ingest.get(EVENTS)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_future_row_is_told_so(ingest: httpx.Client) -> None:
    late = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    error = refused(post(ingest, ndjson(event(ts=late))), 422, "invalid_rows")
    assert error["detail"]["reasons"] == {"too_far_in_future": 1}


def test_rows_per_second_of_one_token_are_limited(tmp_path: Path) -> None:
    with (
        running(tmp_path, rate_limit=100) as server,
        server.client(server.token("ingest")) as client,
        server.client(server.token("ingest")) as other,
    ):
        body = ndjson(*[event()] * 350)
        assert post(client, body).status_code == 200, "one large batch passes and is paid for by waiting"
        answer = post(client, body)
        refused(answer, 429, "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 3
        assert post(other, ndjson(event())).status_code == 200, "another token is not held up"


def test_a_full_disk_refuses_and_recovers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as server, server.client(server.token("ingest")) as client:
        assert post(client, ndjson(event())).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr("pitchey_slo.store.home.Home.floor_bytes", lambda self: 1 << 60)
            patch.setattr("pitchey_slo.store.writer.time.monotonic", lambda: 1e12)
            answer = post(client, ndjson(event()))
            refused(answer, 503, "disk_full")
            assert answer.headers["retry-after"] == "30"
            refused(client.get("/api/health/ready"), 503, "disk_full")
            assert client.get("/api/health/live").status_code == 200
        assert client.get("/api/health/ready").status_code == 200
        assert post(client, ndjson(event())).status_code == 200


def test_sixty_four_senders_at_once_mix_nothing_up(tmp_path: Path) -> None:
    """Each sender's answers speak of its own rows, and each row is stored under its sender."""
    with running(tmp_path) as server:
        tokens = [server.token("ingest") for _ in range(16)]
        gate = threading.Barrier(64)

        def send(number: int) -> None:
            with server.client(tokens[number % 16] if number % 4 else "pslo_nobody_secret") as client:
                gate.wait(60)
                for part in range(3):
                    rows = [event(source=f"s{number}", event_id=f"{part}-{i}") for i in range(number + 1)]
                    answer = post(client, ndjson(*rows))
                    if number % 4 == 0:
                        refused(answer, 401, "unauthorized")
                    else:
                        assert answer.json()["stored"] == number + 1, answer.text

        with ThreadPoolExecutor(64) as pool:
            list(pool.map(send, range(64)))
    counts: dict[str, int] = {}
    for row in stored(tmp_path):
        counts[row["source"]] = counts.get(row["source"], 0) + 1
    assert counts == {f"s{n}": 3 * (n + 1) for n in range(64) if n % 4}
