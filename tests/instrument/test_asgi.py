"""Requests of real applications, told to a real workbench or to a receiver that looks at every row."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from pitchey_slo import add_monitoring
from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import Monitoring, Pace, monitor
from tests.instrument.apps import CARD, MAIL, bare_app, fastapi_app, starlette_app
from tests.instrument.conftest import rows_of, serving
from tests.instrument.receivers import Receiver, all_stored, receiving
from tests.web.conftest import Running

KEY = "5f" * 32
QUICK = Pace(age=0.02, first=0.02, patience=20)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def noted() -> Iterator[Receiver]:
    with receiving(all_stored) as receiver:
        yield receiver


def told(receiver: Receiver, monitoring: Monitoring, table: str = "requests") -> list[dict[str, Any]]:
    """Rows of this monitoring's service, once all are sent."""
    assert monitoring.flush()
    return [
        row for d in receiver.seen if d.path.endswith(f"/{table}") for row in d.rows
        if row["source"] == monitoring.plan.service
    ]  # fmt: skip


async def call(app: Any, path: str = "/x", method: str = "GET", **headers: str) -> list[dict[str, Any]]:
    """One request without a server: what was sent."""
    scope = {
        "type": "http", "method": method, "path": path, "root_path": "", "query_string": b"", "scheme": "http",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def test_requests_of_fastapi_are_stored_with_route_status_time_and_trace(workbench: Running, token: str) -> None:
    app = fastapi_app()
    monitoring = add_monitoring(
        app, url=workbench.url, token=token, service="shop", location="FRA", pace=QUICK, user_key=KEY,
        user=lambda scope: dict(scope["headers"]).get(b"x-user", b"").decode(),
    )  # fmt: skip
    assert monitoring.app is app
    with serving(app) as client:
        answers = [client.get(f"/api/pitches/{n}", headers={"x-user": "17"}) for n in range(40)]
        answers += [client.post("/api/pitches/7/nda"), client.get("/api/broken/2"), client.get("/wp-login.php")]
        joined = client.get("/api/pitches/1", headers={"traceparent": PARENT, "x-request-id": "req-1"})
    assert [a.status_code for a in answers[40:]] == [403, 500, 404]
    assert joined.json()["trace"] == PARENT[3:35]
    assert joined.headers["traceparent"].startswith(PARENT[:36])
    assert joined.headers["traceparent"] == joined.json()["traceparent"] != PARENT, "our own span, handed on"

    stats = monitoring.close()
    assert stats["requests"].sent == 44
    assert stats["requests"].lost == 0
    rows = rows_of(workbench, "requests", "shop")
    assert len(rows) == 44, "as many as were sent"
    assert len({r["event_id"] for r in rows}) == len({r["trace_id"] for r in rows}) == 44
    assert {r["trace_id"] for r in rows} >= {a.headers["traceparent"][3:35] for a in answers if a.status_code != 500}
    counted = {(r["route"], r["method"], r["status"]): r for r in rows}
    assert set(counted) == {
        ("/api/pitches/:id", "GET", 200), ("/api/pitches/:id/nda", "POST", 403), ("/api/broken/:what", "GET", 500),
        ("(unmatched)", "GET", 404),
    }  # fmt: skip
    good = rows[0]
    assert good["bytes"] == len(answers[0].content)
    assert 0 < good["duration_ms"] < 5_000
    assert (good["location"], good["sample_interval"]) == ("FRA", 1.0)
    assert re.fullmatch("[0-9a-f]{32}", good["user_hash"])
    assert len({r["user_hash"] for r in rows}) == 2, "one user, and nobody"

    (error,) = rows_of(workbench, "logs", "shop")
    assert (error["level"], error["error_type"], error["status"]) == ("error", "ValueError", 500)
    assert (error["route"], error["location"]) == ("/api/broken/:what", "FRA")
    assert error["trace_id"] == counted["/api/broken/:what", "GET", 500]["trace_id"]
    assert "apps.py" in error["attributes"]
    everything = str(error) + str(rows)
    assert CARD not in everything
    assert MAIL not in everything
    assert error["message"].startswith("ValueError: no card [")


def test_users_hash_as_the_worker_module_hashes_them(noted: Receiver) -> None:
    import hashlib
    import hmac

    monitoring = monitor(url=noted.url, service="hash", user_key=KEY, pace=QUICK)
    monitoring.event("seen", user="17")
    (row,) = told(noted, monitoring, "business_events")
    assert row["user_hash"] == hmac.new(bytes.fromhex(KEY), b"17", hashlib.sha256).hexdigest()[:32]
    monitoring.close()


def test_streams_are_not_held_back_and_end_with_their_last_byte(noted: Receiver) -> None:
    app = starlette_app(lifespan := [])
    monitoring = add_monitoring(app, url=noted.url, service="streams", pace=QUICK)
    with serving(app) as client, client.stream("GET", "/stream") as answer:
        assert list(answer.iter_raw()) == [b"x", b"xx", b"xxx"], "each piece as it was made"
    (row,) = told(noted, monitoring)
    assert (row["route"], row["status"], row["bytes"]) == ("/stream", 200, 6)
    assert row["duration_ms"] >= 100
    assert lifespan == ["up", "down"]
    monitoring.close()


def test_a_client_that_goes_away_is_status_0_and_no_error(noted: Receiver) -> None:
    app = starlette_app()
    monitoring = add_monitoring(app, url=noted.url, service="gone", pace=QUICK)
    with serving(app) as client:
        port = client.base_url.port
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
            raw.recv(100)
        deadline = time.monotonic() + 10
        while monitoring.stats()["requests"].put == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    (row,) = told(noted, monitoring)
    assert (row["route"], row["status"], row["sample_interval"]) == ("/endless", 0, 1.0)
    assert not told(noted, monitoring, "logs")
    monitoring.close()


def test_an_answer_that_breaks_off_is_500_and_a_failure_afterwards_is_not(noted: Receiver) -> None:
    app = starlette_app()
    monitoring = add_monitoring(app, url=noted.url, service="half", pace=QUICK)
    with serving(app) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/half")
        begun = time.monotonic()
        assert client.get("/later").text == "ok"
        while monitoring.stats()["logs"].put < 2 and time.monotonic() - begun < 10:
            time.sleep(0.01)
    half, later = told(noted, monitoring)
    assert (half["route"], half["status"], half["bytes"]) == ("/half", 500, 4)
    assert (later["route"], later["status"]) == ("/later", 200)
    assert later["duration_ms"] < 600, "the answer's time, not that of the task behind it"
    broken, background = told(noted, monitoring, "logs")
    assert (broken["error_type"], broken["status"]) == ("RuntimeError", 500)
    assert (background["error_type"], background["status"]) == ("KeyError", 200)
    assert background["trace_id"] == later["trace_id"]
    monitoring.close()


def test_websockets_mounts_and_bare_applications(noted: Receiver) -> None:
    import websockets.sync.client

    app = starlette_app()
    monitoring = add_monitoring(app, url=noted.url, service="mounts", pace=QUICK, ignore=["/healthz"])
    with serving(app) as client:
        assert client.get("/tenants/acme/items/7").text == "acme 7"
        assert client.get("/tenants/acme/nothing").status_code == 404
        assert client.get("/healthz").status_code == 404
        with websockets.sync.client.connect(f"ws://127.0.0.1:{client.base_url.port}/echo") as ws:
            ws.send("hello")
            assert ws.recv() == "hello"
    assert [(r["route"], r["status"]) for r in told(noted, monitoring)] == [
        ("/tenants/:tenant/items/:id", 200), ("(unmatched)", 404),
    ]  # fmt: skip
    monitoring.close()

    bare = add_monitoring(bare_app, url=noted.url, service="bare", pace=QUICK)
    with serving(bare.app) as client:
        for path in ("/users/42/files", "/users/43/files", "/nothing", "/silent"):
            client.get(path)
    assert [(r["route"], r["status"]) for r in told(noted, bare)] == [
        ("/users/:id/files", 200), ("/users/:id/files", 200), ("(unmatched)", 404), ("/silent", 500),
    ]  # fmt: skip
    bare.close()


def test_routes_and_methods_have_an_end(noted: Receiver) -> None:
    monitoring = add_monitoring(bare_app, url=noted.url, service="many", pace=QUICK)

    async def all_calls() -> None:
        for n in range(500):
            await call(monitoring.app, "/x" + "abcdefghij"[n % 10] + "klmnopqrst"[n // 10 % 10] + "uvwxy"[n // 100])
        await call(monitoring.app, method="STEAL")

    asyncio.run(all_calls())
    rows = told(noted, monitoring)
    routes = [r["route"] for r in rows]
    assert len(set(routes)) == 301
    assert routes.count("(other)") == 201
    assert rows[-1]["method"] == "OTHER"
    monitoring.close()


def test_sampled_rows_stand_for_what_was_left_out(noted: Receiver) -> None:
    """Errors stand for themselves, others for 1/sample: sums of the weights estimate both without bias."""
    import random

    async def app(scope: Any, receive: Any, send: Any) -> None:
        failed = scope["path"].startswith("/bad")
        await send({"type": "http.response.start", "status": 503 if failed else 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    monitoring = add_monitoring(app, url=noted.url, service="sampled", sample=0.1, pace=QUICK)
    object.__setattr__(monitoring.plan, "chance", random.Random(7).random)

    async def all_calls() -> None:
        for n in range(8_000):
            await call(monitoring.app, "/bad" if n % 20 == 0 else "/good")

    asyncio.run(all_calls())
    rows = told(noted, monitoring)
    bad = [r for r in rows if r["status"] == 503]
    good = [r for r in rows if r["status"] == 200]
    assert len(bad) == 400
    assert {r["sample_interval"] for r in bad} == {1.0}
    assert {r["sample_interval"] for r in good} == {10.0}
    estimate = sum(r["sample_interval"] for r in good)
    # 7,600 draws of 0.1: standard deviation of the estimate is sqrt(7600 * 0.1 * 0.9) * 10 = 262
    assert abs(estimate - 7_600) < 4 * 262
    monitoring.close()


def test_slow_requests_are_told_whatever_the_sample() -> None:
    monitoring = monitor(url="http://127.0.0.1:9", service="slow", sample=0.01, slow_ms=100)
    assert monitoring.weight(200, 100.0) == 1.0
    assert monitoring.weight(500, 1.0) == monitoring.weight(0, 1.0) == 1.0
    assert {monitoring.weight(200, 99.0) for _ in range(2_000)} == {0.0, 100.0}
    monitoring.close(0)


def test_nothing_of_ours_reaches_the_service(noted: Receiver) -> None:
    def fails(scope: Any) -> str:
        raise ZeroDivisionError("theirs")

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await bare_app(scope, receive, send)

    monitoring = add_monitoring(
        refuses, url=noted.url, service="unhurt", pace=QUICK, user=fails, user_key=KEY, route=fails, location=fails
    )
    sent = asyncio.run(call(monitoring.app))
    assert [m["type"] for m in sent] == ["http.response.start", "http.response.body"]
    assert monitoring.internal_errors == 1
    assert monitoring.stats()["requests"].put == 0
    broken_headers = {"type": "http", "path": "/x", "method": "GET", "headers": [(b"traceparent", 7)]}
    asyncio.run(monitoring.app(broken_headers, None, _swallow))
    assert monitoring.internal_errors == 2

    async def raises(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("the service's own")

    other = add_monitoring(raises, url="http://127.0.0.1:9", service="raises", pace=QUICK)
    with pytest.raises(LookupError, match="own"):
        asyncio.run(call(other.app))
    monitoring.close()
    other.close(0)


async def _swallow(message: Any) -> None: ...


def test_a_workbench_that_is_away_or_hangs_costs_no_time() -> None:
    with receiving(lambda n, d: "hang") as hanging:
        for url in ("http://127.0.0.1:9", hanging.url):
            monitoring = add_monitoring(bare_app, url=url, service="alone", pace=Pace(age=0.01, lines=50))

            async def calls(app: Any = monitoring.app) -> None:
                for _ in range(200):
                    await call(app)

            begun = time.monotonic()
            asyncio.run(calls())
            assert time.monotonic() - begun < 2
            stats = monitoring.close(0.1)["requests"]
            assert stats.lost == 200
            assert stats.dropped == {"queue_full": 150, "left_behind": 50}


def test_a_full_disk_delays_rows_and_loses_none(
    workbench: Running, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitoring = add_monitoring(
        bare_app, url=workbench.url, token=token, service="full", pace=Pace(age=0.01, first=0.05)
    )
    calls = 0
    with monkeypatch.context() as patch:
        patch.setattr("pitchey_slo.store.home.Home.floor_bytes", lambda self: 1 << 60)
        deadline = time.monotonic() + 20
        while monitoring.stats()["requests"].retries == 0:  # the store looks once a second
            assert time.monotonic() < deadline
            asyncio.run(call(monitoring.app))
            calls += 1
            time.sleep(0.02)
        assert "disk_full" in monitoring.stats()["requests"].trouble
    assert monitoring.close(3)["requests"].sent == calls, "though Retry-After said 30 s: the end is near"
    assert len(rows_of(workbench, "requests", "full")) == calls


def test_business_events_are_scrubbed_and_carry_the_request(workbench: Running, token: str) -> None:
    app = Starlette()
    monitoring = add_monitoring(app, url=workbench.url, token=token, service="biz", pace=QUICK, user_key=KEY)

    async def invest(request: Any) -> Any:
        from starlette.responses import PlainTextResponse

        monitoring.event("invested", user=9, value=250_000, currency="EUR", pitch=7, note=f"call {MAIL}", card=CARD)
        monitoring.event("odd", what=object(), deep={"a": [1, {"password": "hunter2hunter2"}]}, value=float("nan"))
        return PlainTextResponse("ok")

    app.add_route("/invest", invest)
    asyncio.run(call(app, "/invest", traceparent=PARENT))
    monitoring.close()
    invested, odd = rows_of(workbench, "business_events", "biz")
    assert (invested["event"], invested["value"], invested["currency"]) == ("invested", 250_000.0, "EUR")
    assert invested["trace_id"] == PARENT[3:35]
    assert '"pitch":7' in invested["properties"].replace(" ", "")
    assert odd["value"] is None
    everything = str(invested) + str(odd)
    for secret in (MAIL, CARD, "hunter2hunter2"):
        assert secret not in everything


def test_one_line_per_request_when_asked(noted: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    monitoring = add_monitoring(bare_app, url=noted.url, service="lined", request_lines=True, sample=1e-6, pace=QUICK)
    with caplog.at_level("INFO", "pitchey_slo.requests"):
        asyncio.run(call(monitoring.app, "/users/42"))
    (record,) = caplog.records
    assert record.getMessage() == "GET /users/:id 200"
    assert (record.status, record.route, record.bytes) == (200, "/users/:id", 2)  # type: ignore[attr-defined]
    monitoring.close()


def test_opentelemetry_and_we_tell_one_trace(noted: Receiver) -> None:
    from opentelemetry import trace as otel
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    monitoring = add_monitoring(bare_app, url=noted.url, service="otel", pace=QUICK)
    with tracer.start_as_current_span("around") as span:
        asyncio.run(call(monitoring.app))
    (row,) = told(noted, monitoring)
    assert row["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert otel.get_current_span() is not span

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"])[b"traceparent"].decode())
        await bare_app(scope, receive, send)

    seen: list[str] = []
    inner = add_monitoring(inside, url=noted.url, service="otel2", pace=QUICK)
    asyncio.run(call(inner.app))
    (row,) = told(noted, inner)
    assert row["trace_id"] == seen[0][3:35], "tracing inside goes on with our trace"
    monitoring.close()
    inner.close()


def test_what_cannot_be_meant_is_said_when_the_application_is_made(caplog: pytest.LogCaptureFixture) -> None:
    for wrong in (0, -1, 1.5, "much"):
        with pytest.raises(ConfigError, match="share"):
            monitor(url="http://127.0.0.1:9", sample=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="key"):
        monitor(url="http://127.0.0.1:9", user=lambda scope: "x")
    with pytest.raises(ConfigError, match="guessed"):
        monitor(url="http://127.0.0.1:9", user_key="short")
    with pytest.raises(ConfigError, match="no address"):
        monitor(url="workbench")
    app = fastapi_app()
    add_monitoring(app, url="http://127.0.0.1:9").close(0)
    with pytest.raises(ConfigError, match="monitored already"):
        add_monitoring(app, url="http://127.0.0.1:9")
    late = starlette_app()
    asyncio.run(call(late, "/nothing"))
    with pytest.raises(ConfigError, match="where the application is made"):
        add_monitoring(late, url="http://127.0.0.1:9")
    off = monitor(service="silent")
    assert "PITCHEY_SLO_URL is not set" in caplog.text
    assert not off.telling
    off.event("x")
    assert off.stats() == {}
    assert off.flush()


def test_the_environment_says_what_arguments_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"URL": "http://127.0.0.1:9", "SERVICE": "env", "LOCATION": "IAD", "SAMPLE": "0.5"}.items():
        monkeypatch.setenv(f"PITCHEY_SLO_{name}", value)
    plan = monitor().plan
    assert (plan.service, plan.location, plan.sample) == ("env", "IAD", 0.5)
    assert monitor(service="argument").plan.service == "argument"


SERVICE = """
from pitchey_slo import add_monitoring, logs
from pitchey_slo.instrument import Pace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

logs.configure(service="workers", destinations=["workbench"])

async def hit(request):
    logs.get_logger("app").info("hit", n=request.path_params["n"])
    return PlainTextResponse("ok")

app = Starlette(routes=[Route("/p/{n}", hit)])
add_monitoring(app, service="workers", pace=Pace(age=30))
"""


def test_workers_of_a_real_server_send_what_waits_when_it_is_told_to_end(
    workbench: Running, token: str, tmp_path: Path
) -> None:
    """hypercorn's own command, two processes, rows that would wait half a minute, SIGTERM after the last answer."""
    (tmp_path / "service.py").write_text(SERVICE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "PITCHEY_SLO_URL": workbench.url, "PITCHEY_SLO_TOKEN": token, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "hypercorn", "-w", "2", "-b", f"127.0.0.1:{port}", "service:app"]
    process = subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        answered = 0
        deadline = time.monotonic() + 30
        while answered < 60:
            assert time.monotonic() < deadline
            try:
                answered += httpx.get(f"http://127.0.0.1:{port}/p/{answered}", trust_env=False, verify=False).is_success
            except httpx.HTTPError:
                time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert len(rows_of(workbench, "requests", "workers")) == 60
    hits = [row for row in rows_of(workbench, "logs", "workers") if row["logger"] == "app"]
    assert len(hits) == 60
    assert {row["trace_id"] for row in hits} == {row["trace_id"] for row in rows_of(workbench, "requests", "workers")}
