"""Planted personal data come in by every way at once, and are found nowhere: not in the bytes of database, WAL and
lake, not in their rows, not in what people are sent, not in the log."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

import pitchey_slo as ps
from pitchey_slo.scrub import scrubber
from pitchey_slo.tables import STORED
from tests.alert.channels.collector import Collector, collecting
from tests.collect.otlp.messages import logs, metrics, spans

from .conftest import running

ROUTES = """
route: {receiver: people, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: people
    webhook_configs: [{url: "%s", allow_private: true}]
"""
#: What is planted: no part of it may be found afterwards, however it is written.
PLANTED = {
    "mail": "canary.zqx@pitch-zqx.example",
    "card": "4539 1488 0343 6467",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "536-90-4399",
    "aws": "AKIAZQXCANARY7654327",
    "phone": "+353 86 123 4567",
    "address": "198.51.100.77",
    "password": "zqx-hunter-2-canary",
}
TRACES = (
    *("zqx@", "pitch-zqx", "4539 1488", "45391488", "DE89 3704", "DE893704", "536-90-4399", "AKIAZQX", "353 86 123"),
    *("198.51.100.77", "zqx-hunter"),
)
KEPT = "zqkept"
TEXT = (
    f"{KEPT} user {PLANTED['mail']} from {PLANTED['address']} paid {PLANTED['card']} {PLANTED['iban']} call "
    f"{PLANTED['phone']} key {PLANTED['aws']} password={PLANTED['password']}"
)
TREE = {
    "kept": KEPT,
    "userEmail": PLANTED["mail"],
    "Password": PLANTED["password"],
    "ssn": PLANTED["ssn"],
    "inner": orjson.dumps({"card_number": PLANTED["card"], "note": TEXT}).decode(),
    "coded": base64.b64encode(PLANTED["mail"].encode()).decode(),
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as it:
        yield it


def until(look: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def deliveries(now: datetime) -> list[tuple[str, Any]]:
    """(path, JSON) of everything that people and services send."""
    ts = now.isoformat()
    route = f"/reset?email={quote(PLANTED['mail'])}&token={PLANTED['password']}"
    request = {"ts": ts, "route": route, "status": 200, "user_hash": PLANTED["mail"], "trace_id": PLANTED["mail"]}
    event = {"ts": ts, "event": "nda_signed", "properties": TREE, "user_hash": PLANTED["phone"]}
    line = {"ts": ts, "level": "error", "message": TEXT, "attributes": TREE, "logger": PLANTED["mail"]}
    # addresses stay in what looks at the platform: config/scrubbing.yml says so
    text = TEXT.replace(PLANTED["address"], "a machine")
    probe = {"ts": ts, "test": "login", "state": "unhealthy", "failure": "assertion", "reason": text}
    probe["details"] = {**TREE, "inner": text}
    incident = {"id": "inc-1", "title": TEXT, "started_at": ts, "description": TEXT}
    silence = {"matchers": [f'user="{PLANTED["mail"]}"'], "comment": TEXT, "minutes": 60}
    pushed = {"labels": {"alertname": "Pushed", "email": PLANTED["mail"]}, "annotations": {"summary": TEXT}}
    gauge = {"type": "gauge", "name": "carts", "value": 3, "labels": {"user_email": PLANTED["mail"], "where": TEXT}}
    events = "/api/monitoring/events"
    return [
        (events, [request]),
        (f"{events}/business_events", [event]),
        (f"{events}/logs", [line]),
        (f"{events}/probes", [probe]),
        (f"{events}/incidents", [incident]),
        (f"{events}/deployments", [{"id": "d", "ts": ts, "version": "1", "description": TEXT}]),
        (f"{events}/logs", [{"ts": TEXT, "message": TEXT}]),  # refused: the answer may quote it, nothing keeps it
        ("/api/monitoring/metrics", {"metrics": [gauge]}),
        ("/api/monitoring/silences", silence),
        ("/api/monitoring/alerts", {"name": "Made by hand", "summary": TEXT, "labels": {"customer": PLANTED["mail"]}}),
        ("/api/v2/alerts", [pushed]),
    ]


def send_all(client: httpx.Client, now: datetime) -> None:
    for path, body in deliveries(now):
        answer = client.post(path, json=body)
        assert answer.status_code < 300 or "refused" in answer.text, (path, answer.text)
    error = ("exception", {"exception.message": TEXT, "exception.stacktrace": TEXT})
    span = {"attributes": {"http.route": "/pay", "http.response.status_code": 500, "url.full": TEXT}, "events": [error]}
    protobuf = {"Content-Type": "application/x-protobuf"}
    for signal, message in {
        "logs": logs({"body": TEXT, "attributes": {"user.email": PLANTED["mail"], "note": TEXT}}),
        "traces": spans(span),
        "metrics": metrics({"name": "paid", "gauge": {"points": [{"as_int": 1, "attributes": {"who": TEXT}}]}}),
    }.items():
        answer = client.post(f"/v1/{signal}", content=message.SerializeToString(), headers=protobuf)
        assert answer.status_code == 200, answer.text


def test_planted_personal_data_are_found_nowhere(
    tmp_path: Path, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "home"
    (tmp_path / "config" / "routes").mkdir(parents=True)
    (tmp_path / "config" / "routes" / "routes.yml").write_text(ROUTES % collector.url)
    for name in ("rules", "slos"):
        (tmp_path / "config" / name).mkdir()
    with running(home, config=tmp_path / "config") as server:
        caplog.handler.addFilter(scrubber(server.settings).logging_filter())  # as `serve` does with its own
        logging.getLogger("pitchey_slo.canary").error("cannot take %s", TEXT)
        with server.client(server.token("ingest", "read", "alert", "admin")) as client:
            send_all(client, datetime.now(UTC) - timedelta(seconds=1))
            until(lambda: [r for r in collector.requests if b"Made by hand" in r.body])
            until(lambda: [r for r in collector.requests if b"Pushed" in r.body])
            alert = client.get("/api/monitoring/alerts").json()["alerts"][0]["id"]
            assert client.post(f"/api/monitoring/alerts/{alert}/ack", json={"comment": TEXT}).status_code == 200
            running_bytes = everything(home)  # the WAL is there while the server runs
            assert client.post("/api/monitoring/admin/flush").status_code < 300
            assert client.get("/api/monitoring/alerts").status_code == 200
        wb = ps.connect(home)
        rows = {name: str(wb.reader.query(f'FROM "{name}"').to_pylist()) for name in STORED}
    places = {
        "files while it runs": running_bytes,
        "files after it stopped": everything(home),
        "messages": b"\n".join(r.body + str(dict(r.headers)).encode() + r.path.encode() for r in collector.requests),
        "log": caplog.text.encode(),
        **{f"rows of {name}": text.encode() for name, text in rows.items()},
    }
    found = [(place, trace) for place, data in places.items() for trace in TRACES if trace.encode() in data]
    assert found == []
    # the search would find it: what is no personal data came through everywhere
    for name in ("logs", "business_events", "probes", "incidents", "silences", "alerts", "series", "deployments"):
        assert KEPT in rows[name], name
    assert all(KEPT.encode() in places[place] for place in ("files while it runs", "messages", "log"))


def everything(home: Path) -> bytes:
    return b"\n".join(path.name.encode() + path.read_bytes() for path in home.rglob("*") if path.is_file())
