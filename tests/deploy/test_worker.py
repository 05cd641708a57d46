"""The Worker module in the real Workers runtime, sending to a running workbench; rows are read from the store."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from pitchey_slo.collect.analytics_engine.config import load
from pitchey_slo.collect.analytics_engine.rows import batch_of
from pitchey_slo.instrument import UserHash
from pitchey_slo.scrub import Scrubber
from pitchey_slo.store import utc_now
from tests.deploy.worker_parts import (
    ROOT,
    WORKER,
    Answers,
    Workers,
    between,
    closed_port,
    hanging,
    installed,
    run,
    workers,
)
from tests.web.conftest import running, stored

Row = dict[str, Any]
KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED, FAILED = 400, 20
#: planted in requests, lines, events and errors; none of them may come to the store
PLANTED = ("ana.pop", "hunter22", "203.0.113.77", "abcDEF123456789", "tell-nobody", "4111111111111111", "somebody-else")
VECTORS = json.loads((WORKER / "test" / "scrubbing.json").read_text())


@dataclass
class Seen:
    """What was answered while it ran, and what the store has now."""

    answers: dict[str, httpx.Response] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    stats: dict[str, Row] = field(default_factory=dict)
    points: list[Row] = field(default_factory=list)
    traces: dict[str, str] = field(default_factory=dict)
    scrubbed: Row = field(default_factory=dict)
    deliveries: list[tuple[str, str]] = field(default_factory=list)
    console: str = ""
    hello: str = ""
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def requests(self, route: str) -> list[Row]:
        return [row for row in self.rows["requests"] if row["route"] == route]

    def logs(self, service: str) -> list[Row]:
        found = [row for row in self.rows["logs"] if row["service"] == service]
        return sorted(found, key=lambda row: row["ts"])

    def trace(self, name: str) -> str:
        return str(self.answers[name].headers["traceparent"]).split("-")[1]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """All traffic of this file, once: eight Workers, one workbench."""
    installed()
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("runtime")
    it = Seen()
    with ExitStack() as stack:
        server = stack.enter_context(running(home))
        front, answers = stack.enter_context(between(server.url))
        silent = stack.enter_context(hanging())
        own = {"PITCHEY_SLO_URL": server.url, "PITCHEY_SLO_TOKEN": server.token("ingest"), "PITCHEY_SLO_USER_KEY": KEY}
        started = stack.enter_context(workers(asked(own, front, silent), folder))
        for act in (document, sick, auto, sampled, broken, lost, scrub):
            act(started, it, answers)
        for name in started.urls:
            it.stats[name] = settled(started, name)
        it.deliveries = list(zip(answers.tables, answers.keys, strict=True))
        it.console = started.console()
    it.rows = {table: stored(home, table) for table in ("requests", "business_events", "logs")}
    yield it


def asked(own: Row, front: str, silent: str) -> dict[str, Row]:
    """The Workers, by name."""

    def plain(name: str, **more: str) -> Row:
        return {"script": "plain", "vars": {**own, "PITCHEY_SLO_SERVICE": name, "ORIGIN": front, **more}}

    every = {"r2": "BUCKET", "kv": "NAMES", "points": "ANALYTICS_ENGINE", "self": "SELF"}
    return {
        "document": {"script": "document", "vars": {**own, "PITCHEY_SLO_SERVICE": "document", "DB": "works"}},
        "sick": {"script": "document", "vars": {**own, "DB": "fails", "CACHE": "hangs"}},
        "auto": {"script": "auto", "vars": own, "flags": ["nodejs_compat"], **every},
        "sampled": plain("sampled", PITCHEY_SLO_SAMPLE="0.25", LINGER="300"),
        "down": plain("down", PITCHEY_SLO_URL=closed_port()),
        "hung": plain("hung", PITCHEY_SLO_URL=silent, TIMEOUT="700"),
        "stranger": plain("stranger", PITCHEY_SLO_TOKEN="pslo_nobody"),
        "lossy": plain("lossy", PITCHEY_SLO_URL=front),
    }


def document(to: Workers, it: Seen, _: Answers) -> None:
    def ask(path: str, method: str = "GET", **headers: str) -> None:
        it.answers[path] = to.ask(
            "document", path, method, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    ask("/api/pitches", x_user="user-7", traceparent=f"00-{CALLER}-00f067aa0ba902b7-01")
    for path in ("/api/pitches/1?email=ana.pop@example.test", "/api/pitches/2", "/api/teapot", "/api/says"):
        ask(path)
    ask("/api/ndas/5/sign", "POST", x_user="user-7")
    ask("/api/fails")
    ask("/wp-login.php")
    ask("/api/many")
    for path in ("/api/health/live", "/api/health/ready", "/api/health/all"):
        ask(path)
    with ThreadPoolExecutor(8) as pool:
        for n, answer in enumerate(pool.map(lambda n: to.ask("document", f"/api/together/{n}"), range(16))):
            it.traces[f"mine {n}"] = answer.text


def sick(to: Workers, it: Seen, _: Answers) -> None:
    for which in ("live", "ready", "all"):
        it.answers[f"sick {which}"] = to.ask("sick", f"/api/health/{which}")


def auto(to: Workers, it: Seen, _: Answers) -> None:
    for path in ("/pitches/7", "/refused", "/thrown", "/fails", "/nowhere", "/afterwards", "/big", "/eager"):
        it.answers[path] = to.ask("auto", path)
    to.ask("auto", "/" + "long-" * 30)
    with ThreadPoolExecutor(8) as pool:
        for n, answer in enumerate(pool.map(lambda n: to.ask("auto", f"/together/{n}"), range(16))):
            it.traces[f"together {n}"] = answer.headers["traceparent"].split("-")[1]
    token = {"authorization": "Bearer look-inside-please"}
    it.answers["inside"] = to.ask("auto", "/health/all", headers=token)
    it.answers["outside"] = to.ask("auto", "/health/all", headers={"authorization": "Bearer let-me-in"})
    settled(to, "auto")
    it.points = to.ask("auto", "/points").json()


def sampled(to: Workers, it: Seen, _: Answers) -> None:
    for n in range(SAMPLED):
        to.ask("sampled", f"/pitches/{n}")
    it.answers["fails plainly"] = [to.ask("sampled", "/fails") for _ in range(FAILED)][-1]
    to.ask("sampled", "/missing")
    it.answers["through"] = to.ask("sampled", "/through")
    it.hello = greeting(to.urls["down"], "/socket")
    for cron in ("0 0 * * *", "* * * * 1"):
        it.answers[cron] = to.ask("sampled", "/cron", "POST", content=cron)


def broken(to: Workers, it: Seen, _: Answers) -> None:
    """The workbench is down, hangs, or knows the token not."""
    for name in ("down", "hung", "stranger"):
        to.ask(name, "/warm")
        began = time.monotonic()
        it.answers[name] = [to.ask(name, f"/pitches/{n}") for n in range(40)][-1]
        it.seconds[name] = time.monotonic() - began


def lost(to: Workers, it: Seen, answers: Answers) -> None:
    """Busy for longer than is waited, then answers that get lost on the way."""
    answers.how = lambda _: "busy"
    to.ask("lossy", "/never/stored")
    settled(to, "lossy")
    answers.keys.clear()
    answers.tables.clear()
    # the first one of each table is stored, and its answer lost; they are sent side by side
    answers.how = lambda number: "lost" if number < 2 else "pass"
    to.ask("lossy", "/stored/once")
    settled(to, "lossy")


def scrub(to: Workers, it: Seen, _: Answers) -> None:
    hard = [
        "a" * 32_000,
        "1 " * 16_000,
        "a@" * 16_000,
        "password=" * 3_500,
        "::" * 16_000,
        '\\"' * 16_000,
        "1-" * 16_000,
    ]
    hard += [
        "eyJ" + "a-" * 15_000,
        "://" + "a:" * 15_000,
        "DE89 " * 6_000,
        "x." * 16_000,
        "-----BEGIN KEY-----" * 1_600,
    ]
    texts = [case["text"] for case in VECTORS["texts"]] + VECTORS["same"]
    values = [case["value"] for case in VECTORS["values"]]
    began = time.monotonic()
    it.scrubbed = to.ask("down", "/scrub", "POST", json={"texts": texts, "values": values}).json()
    it.seconds["vectors"] = time.monotonic() - began
    began = time.monotonic()
    to.ask("down", "/scrub", "POST", json={"texts": hard, "values": []})
    it.seconds["hard"] = (time.monotonic() - began) / len(hard)


def settled(to: Workers, name: str) -> Row:
    """What a Worker counts once all it had to send is sent, asking aside."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.05)
        found = to.stats(name)
        if found["pending"] == 0:
            return found
    raise AssertionError(f"{name} still has rows to send: {found}")


def test_every_request_is_a_row_with_its_pattern(seen: Seen) -> None:
    found = Counter(
        (r["method"], r["route"], r["status"]) for r in seen.rows["requests"] if r["route"].startswith("/api")
    )
    assert found == {
        ("GET", "/api/pitches", 200): 1,
        ("GET", "/api/pitches/:id", 200): 2,
        ("GET", "/api/teapot", 503): 1,
        ("GET", "/api/says", 200): 1,
        ("GET", "/api/many", 500): 1,
        ("POST", "/api/ndas/:id/sign", 204): 1,
        ("GET", "/api/fails", 500): 1,
        ("GET", "/api/together/:n", 200): 16,
    }
    (row,) = seen.requests("/api/pitches")
    assert (row["bytes"], row["cache_status"], row["sample_interval"], row["source"]) == (2, "HIT", 1.0, "worker")
    assert abs((row["ts"] - utc_now()).total_seconds()) < 120
    waited = [r["duration_ms"] for r in seen.requests("/api/together/:n")]
    assert all(15 <= ms < 5_000 for ms in waited)


def test_a_trace_goes_on_and_comes_back(seen: Seen) -> None:
    assert seen.trace("/api/pitches") == CALLER
    assert seen.requests("/api/pitches")[0]["trace_id"] == CALLER
    (failed,) = seen.requests("/api/teapot")
    assert failed["trace_id"] == seen.trace("/api/teapot") != CALLER
    (sign,) = seen.requests("/api/ndas/:id/sign")
    assert {e["trace_id"] for e in seen.rows["business_events"] if e["event"] == "nda_signed"} == {sign["trace_id"]}


def test_users_are_keyed_hashes(seen: Seen) -> None:
    hashed = UserHash(KEY)  # as services in Python make them
    assert seen.requests("/api/pitches")[0]["user_hash"] == hashed("user-7")
    assert {r["user_hash"] for r in seen.requests("/api/pitches/:id")} == {None}
    users = {
        e["event"]: e["user_hash"] for e in seen.rows["business_events"] if e["event"] in ("nda_signed", "pitch_viewed")
    }
    assert users["nda_signed"] == hashed("user-7")
    assert hashed("somebody-else") in {e["user_hash"] for e in seen.rows["business_events"]}


def test_what_is_thrown_is_a_500_an_error_line_and_thrown_on(seen: Seen) -> None:
    assert seen.answers["/api/fails"].status_code == 500  # the runtime's own: the error went through
    (row,) = seen.requests("/api/fails")
    (line,) = [r for r in seen.logs("document") if r["error_type"] == "TypeError"]
    assert (line["level"], line["route"], line["status"]) == ("error", "/api/fails", 500)
    assert line["trace_id"] == row["trace_id"]
    assert line["message"] == "TypeError: no pitch for investor [email]"
    stack = json.loads(line["attributes"])["stack"]
    assert (
        "at " in stack
        and "Caused by: Error: connect to postgres://[url_credentials]@db.internal/pitchey failed" in stack
    )


def test_no_answer_is_what_users_see(seen: Seen) -> None:
    assert seen.answers["/wp-login.php"].status_code == 500
    (row,) = [r for r in seen.rows["requests"] if r["route"] == "*"]
    assert row["status"] == 500
    assert "end the routes with a catch-all" in seen.console


def test_business_events(seen: Seen) -> None:
    (signed,) = [e for e in seen.rows["business_events"] if e["event"] == "nda_signed"]
    assert (signed["value"], signed["currency"]) == (12.5, "EUR")
    assert json.loads(signed["properties"]) == {"nda": "nda-7", "contact": "[email]", "card": "[card]"}
    (other,) = [e for e in seen.rows["business_events"] if e["event"] == "pitch_viewed" and e["location"] == "RO"]
    assert other["value"] is None


def test_log_lines(seen: Seen) -> None:
    trace = seen.trace("/api/says")
    lines = [r for r in seen.logs("document") if r["trace_id"] == trace]
    assert [r["level"] for r in lines] == ["info", "warning", "critical"]  # debug is below the level
    first, second, third = lines
    assert first["message"] == "signed in from [ip]"
    assert (first["logger"], first["status"], first["duration_ms"]) == ("login", 200, 1.5)
    assert json.loads(first["attributes"]) == {"password": "[secret]", "plan": "pro"}
    assert second["message"] == "slow Bearer [authorization]"
    assert json.loads(second["attributes"]) == {"headers": {"accept": "*/*", "cookie": "[cookie]"}}
    assert (third["message"], third["error_type"]) == ("RangeError: out of pitches", "RangeError")
    assert all(r["route"] == "/api/says" for r in lines)
    printed = [json.loads(text) for text in seen.console.splitlines() if text.startswith('{"ts"') and trace in text]
    assert [p["message"] for p in printed] == [r["message"] for r in lines]


def test_more_lines_than_are_taken_are_counted_and_told(seen: Seen) -> None:
    lines = [r for r in seen.logs("document") if re.match(r"line \d", r["message"])]
    assert len(lines) == 200
    assert [r["error_type"] for r in seen.logs("document") if r["message"] == "Error: after many lines"] == ["Error"]
    assert seen.stats["document"]["dropped"] == {"too_many": 300}
    (told,) = [r for r in seen.logs("document") if r["logger"] == "pitchey_slo.worker"]
    assert told["message"] == "300 rows were not sent, or not whole: too_many 300"
    assert json.loads(told["attributes"]) == {"dropped": {"too_many": 300}}


def test_a_line_is_never_given_to_another_request(seen: Seen) -> None:
    """With the runtime's storage each line is with its request; without, the line has none rather than a wrong one."""
    right = seen.logs("document") + seen.logs("auto")
    mine = {r["message"]: r["trace_id"] for r in right if r["message"] in seen.traces}
    assert mine == seen.traces and len(mine) == 32
    loose = {int(r["message"].split()[1]): r["trace_id"] for r in right if r["message"].startswith("somebody")}
    assert len(loose) == 16
    assert all(trace in (None, seen.traces[f"mine {n}"]) for n, trace in loose.items())
    assert None in loose.values()


def test_a_router_that_answers_errors_itself(seen: Seen) -> None:
    assert seen.answers["/fails"].json() == {"status": 500, "error": "answered by the router"}
    (row,) = [r for r in seen.requests("/fails") if r["trace_id"] == seen.trace("/fails")]
    assert row["status"] == 500
    (line,) = [r for r in seen.logs("auto") if r["level"] == "error"]
    assert (line["message"], line["trace_id"]) == ("Error: answered by the router", row["trace_id"])
    assert [r["status"] for r in seen.requests("/refused") + seen.requests("/thrown")] == [403, 404]
    assert [r["status"] for r in seen.requests("(unmatched)") if r["trace_id"] == seen.trace("/nowhere")] == [404]
    assert seen.answers["/pitches/7"].json() == {"id": "7", "trace": seen.trace("/pitches/7")}


def test_what_is_said_after_the_answer_is_sent_too(seen: Seen) -> None:
    (line,) = [r for r in seen.logs("auto") if r["message"] == "said after the answer"]
    assert line["trace_id"] == seen.trace("/afterwards")


def test_data_points_are_the_rows_that_were_sent(seen: Seen) -> None:
    """Pulled by the workbench's own mapping they give the same rows, under the same ids."""
    config = load(ROOT / "config" / "analytics_engine.yml")
    for pulled in config.tables:
        kind = "request" if pulled.table.name == "requests" else "business"
        rows = [as_answered(p) for p in seen.points if p["blobs"][0] == kind]
        batch = batch_of(pulled, rows, config.source, now=utc_now())
        assert not batch.rejected
        direct = {row["event_id"]: row for row in seen.rows[pulled.table.name]}
        columns = [c for c in pulled.columns if c not in ("properties", "value")] + ["source", "sample_interval"]
        for row in batch.rows.to_pylist():
            same = direct[row["event_id"]]
            assert {c: row[c] for c in columns} == {c: same[c] for c in columns}
            if pulled.table.name == "business_events" and row["event"] != "exported":
                assert (row["properties"], row["value"]) == (same["properties"], same["value"])
        assert batch.rows.num_rows == len(rows) >= 24


def as_answered(point: Row) -> Row:
    """A data point as the SQL API gives it back."""
    texts = {f"blob{n}": text for n, text in enumerate(point["blobs"], 1)}
    numbers = {f"double{n}": number for n, number in enumerate(point["doubles"], 1)}
    return {"timestamp": f"{utc_now():%Y-%m-%d %H:%M:%S}", "_sample_interval": 1, **texts, **numbers}


def test_data_points_are_within_the_limits(seen: Seen) -> None:
    """25 points of one invocation, 16 KB of blobs, 96 bytes of index: what is more is cut, and counted."""
    for point in seen.points:
        assert len(point["indexes"][0].encode()) <= 96 and len(point["blobs"]) == 8
        assert sum(len(blob.encode()) for blob in point["blobs"]) <= 16_384
    eager = [p for p in seen.points if p["blobs"][5] == seen.trace("/eager")]
    assert len(eager) == 25 and eager[0]["blobs"][0] == "request"
    (big,) = [p for p in seen.points if p["indexes"] == ["exported"]]
    assert big["blobs"][7] == ""
    # 40 steps and the request were 16 too many; one point lost its properties, one the end of its index
    assert seen.stats["auto"]["dropped"] == {"cut": 18}
    (told,) = [p for p in seen.points if p["indexes"][0].startswith("/long-")]
    assert told["blobs"][1].startswith(told["indexes"][0]) and len(told["blobs"][1]) > 96
    assert len([e for e in seen.rows["business_events"] if e["event"] == "step"]) == 40  # the workbench has them all


def test_sampled_rows_stand_for_all(seen: Seen) -> None:
    kept = [r for r in seen.requests("/pitches/:id") if r["sample_interval"] != 1]
    assert {r["sample_interval"] for r in kept} == {4.0}
    # five standard deviations of a binomial count of 400 with one in four
    assert abs(sum(r["sample_interval"] for r in kept) - SAMPLED) < 5 * (SAMPLED * 3) ** 0.5
    failed = [r for r in seen.requests("/fails") if r["status"] == 500 and r["trace_id"] != seen.trace("/fails")]
    assert (len(failed), {r["sample_interval"] for r in failed}) == (FAILED, {1.0})
    lines = seen.logs("sampled")
    said = [r for r in lines if r["message"].startswith("asked for /pitches/")]
    assert {r["trace_id"] for r in said} == {r["trace_id"] for r in kept}
    assert {r["sample_interval"] for r in said} == {4.0}
    errors = [r for r in lines if r["level"] == "error" and r["error_type"] == "Error" and r["route"] == "/fails"]
    assert (len(errors), {r["sample_interval"] for r in errors}) == (FAILED, {1.0})
    assert seen.stats["sampled"]["dropped"] == {}


def test_without_a_router(seen: Seen) -> None:
    assert seen.answers["fails plainly"].status_code == 500
    passed = seen.answers["through"]  # the headers of a fetched answer cannot be changed: it is copied
    assert (passed.text, passed.headers["cf-cache-status"]) == ("from elsewhere", "MISS")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", passed.headers["traceparent"])
    assert "/missing" not in {r["route"] for r in seen.rows["requests"]}  # a 404 is no new route


def greeting(url: str, path: str) -> str:
    """The first message that a WebSocket there sends."""
    with connect(f"ws{url.removeprefix('http').rstrip('/')}{path}", open_timeout=10, proxy=None) as socket:
        return str(socket.recv(10))


def test_a_websocket_goes_through(seen: Seen) -> None:
    assert seen.hello == "hello"


def test_scheduled_jobs(seen: Seen) -> None:
    lines = [r for r in seen.logs("sampled") if r["message"] in ("tidied up", "scheduled failed")]
    assert [r["message"] for r in lines] == ["tidied up", "tidied up", "scheduled failed"]
    assert "Error: mondays" in json.loads(lines[2]["attributes"])["stack"]
    assert [seen.answers[cron].text for cron in ("0 0 * * *", "* * * * 1")] == ["done", "Error: mondays"]
    assert [e["value"] for e in seen.rows["business_events"] if e["event"] == "digest_sent"] == [3.0, 3.0]


def test_health_routes(seen: Seen) -> None:
    assert seen.answers["/api/health/live"].json() == {"status": "live"}
    ready = seen.answers["/api/health/ready"]
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "components": {"database": {"status": "healthy"}}},
    )
    assert seen.answers["sick live"].status_code == 200
    broken = {"database": {"status": "unhealthy"}, "cache": {"status": "unhealthy"}}
    for which, status in (("ready", "not ready"), ("all", "unhealthy")):
        answer = seen.answers[f"sick {which}"]
        assert (answer.status_code, answer.json()) == (503, {"status": status, "components": broken})
        assert answer.elapsed.total_seconds() < 2
    inside, outside = seen.answers["inside"].json(), seen.answers["outside"].json()
    assert set(inside["components"]) == {"storage:BUCKET", "kv:NAMES"}  # and not the service binding SELF
    assert all(c["reason"] is None and c["latency_ms"] >= 0 for c in inside["components"].values())
    assert outside["components"] == {"storage:BUCKET": {"status": "healthy"}, "kv:NAMES": {"status": "healthy"}}
    assert not [r for r in seen.rows["requests"] if "health" in r["route"]]


def test_a_workbench_in_trouble_hurts_no_answer(seen: Seen) -> None:
    for name in ("down", "hung", "stranger"):
        assert (seen.answers[name].status_code, seen.answers[name].text) == (200, "ok")
        assert seen.seconds[name] < 2  # 40 answers, while one delivery alone takes 1.4 s to fail
        assert seen.stats[name]["sent"] == 0
        # a request and a line for each of 41: all are counted
        assert seen.stats[name]["dropped"] == {
            "refused" if name == "stranger" else "unreachable": 83 if name == "down" else 82
        }
    assert seen.console.count("the workbench refused rows: 401") == 1


def test_a_lost_answer_stores_nothing_twice(seen: Seen) -> None:
    assert not seen.requests("/never/stored")
    assert len(seen.requests("/stored/once")) == 1
    lines = seen.logs("lossy")
    assert [r["message"] for r in lines if r["logger"] is None] == ["asked for /stored/once"]
    (told,) = [r for r in lines if r["logger"] == "pitchey_slo.worker"]
    assert json.loads(told["attributes"]) == {"dropped": {"unreachable": 2}}
    assert sorted(Counter(seen.deliveries).values()) == [2, 2]  # both tables, each again under its own key


def test_vectors_of_scrubbing(seen: Seen) -> None:
    """The same in the Worker and in the workbench."""
    scrubber = Scrubber.default()
    for masked in (
        seen.scrubbed["texts"],
        [scrubber.text(c["text"]) for c in VECTORS["texts"]] + [scrubber.text(t) for t in VECTORS["same"]],
    ):
        for case, text in zip(VECTORS["texts"], masked, strict=False):
            assert not [g for g in case["gone"] if g in text], (case["why"], text)
            assert all(k in text for k in case["kept"]), (case["why"], text)
        assert masked[len(VECTORS["texts"]) :] == VECTORS["same"]
    for made in (seen.scrubbed["values"], [scrubber.value(c["value"]) for c in VECTORS["values"]]):
        for case, value in zip(VECTORS["values"], made, strict=True):
            text = json.dumps(value)
            assert not [g for g in case["gone"] if g in text], (case["why"], text)
            assert all(k in text for k in case["kept"]), (case["why"], text)


def test_no_text_is_slow_to_scrub(seen: Seen) -> None:
    assert seen.seconds["hard"] < 0.2  # 32,000 characters each, made to be looked at again and again


def test_nothing_planted_comes_to_the_store(seen: Seen) -> None:
    everything = json.dumps(seen.rows, default=str)
    assert "/api/pitches/:id" in everything and "[email]" in everything
    assert [p for p in PLANTED if p in everything] == []
    assert [p for p in PLANTED if p in json.dumps(seen.points)] == []
    told = "\n".join(line for line in seen.console.splitlines() if line.startswith(("{", "pitchey_slo")))
    assert "[email]" in told and [p for p in PLANTED if p in told] == []


def test_types_are_strict_beside_cloudflares_and_without() -> None:
    installed()
    for config in ("tsconfig.json", "tsconfig.workers.json"):
        done = run("node_modules/.bin/tsc", "-p", config)
        assert (done.returncode, done.stdout) == (0, "")


def test_it_builds(tmp_path: Path) -> None:
    installed()
    js = tmp_path / "worker-integration.js"
    entry = "src/worker-integration.ts"
    done = run("node_modules/.bin/esbuild", entry, "--bundle", "--format=esm", "--target=es2022", f"--outfile={js}")
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^import ", js.read_text(), re.M)  # nothing but the runtime is needed
    done = run("node_modules/.bin/tsc", "-p", "tsconfig.build.json", "--outDir", str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "addMonitoringToWorker(router: object | null" in js.with_suffix(".d.ts").read_text()


def test_the_lock_names_no_address_and_all_versions() -> None:
    lock = json.loads((WORKER / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 20 and all(p["integrity"].startswith("sha512-") for p in packages.values())
    for name in ("package.json", "package-lock.json"):
        assert "://" not in (WORKER / name).read_text()


def test_what_the_guide_says_is_so() -> None:
    guide = (WORKER / "README.md").read_text()
    sources = "".join(path.read_text() for path in (WORKER / "src").rglob("*.ts"))
    named = set(re.findall(r"\bPITCHEY_SLO_[A-Z_]+", sources))
    assert named and named == set(re.findall(r"\bPITCHEY_SLO_[A-Z_]+", guide))
    options = (WORKER / "src" / "options.ts").read_text()
    for option in re.findall(r"^  (\w+)\?:", options, re.M):
        assert f"`{option}`" in guide, option
    reasons = re.findall(r'^  \| "(\w+)"', (WORKER / "src" / "drops.ts").read_text(), re.M)
    assert len(reasons) == 5 and all(f"`{reason}`" in guide for reason in reasons)
