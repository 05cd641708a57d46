"""The public status page: what it says, what it never says, how fast, and how it gets to the edge."""

from __future__ import annotations

import json
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pitchey_slo.errors import ConfigError
from pitchey_slo.names import STATES
from pitchey_slo.probe import Result, rows_of
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.tables import INCIDENT_UPDATES, INCIDENTS
from pitchey_slo.testing import NOON, FixedClock, fresh_store
from pitchey_slo.web import create_app, status_config, status_kv
from pitchey_slo.web.meter import Meter
from pitchey_slo.web.status_board import Ready, StatusBoard, ready
from pitchey_slo.web.status_page import MOST_BYTES, html
from pitchey_slo.web.status_told import Component, Day, Incident, Page, Update

from .conftest import Running, running
from .test_events import refused

ROOT = Path(__file__).parents[2]
EVIL = "<img src=x onerror=alert(1)>\"'&{{title}}{{incidents}}</article><script>alert(2)</script>"
SHOWN = """
title: Pitchey status
contact: {text: Support, url: "mailto:help@pitchey.example"}
components:
  - {name: API, description: What apps talk to, components: [api]}
  - {name: Sign-up, tests: [signup]}
  - {name: Data, components: [database]}
  - {name: Files, components: [storage]}
"""


def look(test: str, component: str, at: datetime, state: str, location: str = "local", **more: Any) -> Result:
    assert state in STATES
    kind = "health" if component in ("api", "database") else "journey"
    given = {"kind": kind, "component": component, "location": location, **more}
    return Result(test, state, at, **given)  # type: ignore[arg-type]


@contextmanager
def board(home: Path, results: list[Result], clock: FixedClock, shown: str = SHOWN) -> Iterator[StatusBoard]:
    config = home / "config"
    config.mkdir(parents=True)
    (config / "status.yml").write_text(shown)
    with fresh_store(home / "home", clock=clock) as store:
        store.append("probes", rows_of(results))
        store.flush()
        settings = Settings.load(env_file=None, home=home / "home", config=config)
        app = create_app(store, settings, clock=clock)
        yield app.state.status


def every(minutes: float, start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += timedelta(minutes=minutes)


def made(found: StatusBoard) -> dict[str, Any]:
    page = found.make()
    assert page is not None
    told = json.loads(page.json)
    assert isinstance(told, dict)
    return told


def test_days_are_counted_from_verdicts_as_a_slow_obvious_count_does(tmp_path: Path) -> None:
    clock = FixedClock()
    begin = NOON - timedelta(days=3, hours=5)
    bad = (NOON - timedelta(days=1, hours=2), NOON - timedelta(days=1, hours=1))
    gap = (NOON - timedelta(days=2, hours=4), NOON - timedelta(days=2))
    results = []
    for at in every(5, begin, NOON):
        if gap[0] <= at < gap[1]:
            continue
        state = "unhealthy" if bad[0] <= at < bad[1] else "healthy"
        results.append(look("api", "api", at, state, details={"speaks_s": 600}))
    with board(tmp_path, results, clock) as found:
        told = made(found)
    (api,) = told["components"]  # nobody ever looked at the others
    assert (api["name"], api["status"], len(api["days"])) == ("API", "operational", 90)
    # minute by minute: the newest verdict of the last ten minutes speaks
    times = [r.at for r in results]
    expected: dict[date, list[int]] = {}
    for minute in every(1, NOON - timedelta(days=4), NOON):
        newest = bisect_right(times, minute) - 1
        if newest >= 0 and minute - times[newest] < timedelta(minutes=10):
            day = expected.setdefault(minute.date(), [0, 0])
            day[results[newest].state == "unhealthy"] += 1
    for day in api["days"]:
        up, down = expected.get(date.fromisoformat(day["date"]), [0, 0])
        assert (day["uptime"] is None) == (up + down == 0), day
        if up + down:
            assert day["down_minutes"] == down and day["uptime"] == pytest.approx(up / (up + down), abs=1e-6)
    assert sum(d["uptime"] is None for d in api["days"]) == 86
    assert sum(d["down_minutes"] for d in api["days"]) == 60


def test_what_is_not_known_is_not_up(tmp_path: Path) -> None:
    clock = FixedClock()
    old = [look("api", "api", at, "healthy") for at in every(5, NOON - timedelta(days=5), NOON - timedelta(days=4))]
    ours = [look("db", "database", NOON - timedelta(minutes=1), "unknown", failure="probe_error")]
    with board(tmp_path, old + ours, clock) as found:
        told = made(found)
    api, data = told["components"]
    assert (api["status"], data["status"], told["status"]) == ("unknown", "unknown", "unknown")
    assert data["uptime_90d"] is None and {d["uptime"] for d in data["days"]} == {None}
    assert api["uptime_90d"] == 1.0 and sum(d["uptime"] == 1 for d in api["days"]) == 2


def test_state_now_takes_quorum_hanging_and_slow_into_account(tmp_path: Path) -> None:
    at = NOON - timedelta(minutes=1)

    def places(test: str, *words: str) -> list[Result]:
        return [look(test, "x", at, word, f"l{i}") for i, word in enumerate(words)]

    def database(test: str, state: str, **more: Any) -> list[Result]:
        return [look(test, "database", at, state, **more)]

    cases: dict[str, tuple[str, list[Result]]] = {
        "one of three fails": ("operational", places("a", "healthy", "healthy", "unhealthy")),
        "two of three fail": ("outage", places("b", "healthy", "unhealthy", "unhealthy")),
        "two of three are slow": ("degraded", places("c", "degraded", "degraded", "healthy")),
        "out of time once": ("unknown", database("d", "unknown", failure="timeout", details={"up": True})),
        "out of time again": ("outage", database("e", "unknown", failure="timeout", details={"up": False})),
        "one of two checks": ("outage", [*database("f", "healthy"), *database("f2", "unhealthy")]),
        "maintenance": ("maintenance", [look("g", "x", at, "healthy", details={"maintenance": "weekly"})]),
    }
    shown = "components:\n" + "".join(
        f"  - {{name: {name}, tests: [{', '.join(sorted({r.test for r in found}))}]}}\n"
        for name, (_, found) in cases.items()
    )
    with board(tmp_path, [r for _, found in cases.values() for r in found], FixedClock(), shown) as found:
        told = {c["name"]: c["status"] for c in made(found)["components"]}
    assert told == {name: state for name, (state, _) in cases.items()}


def incident(store: Store, name: str, updates: list[tuple[str, str, datetime]], **more: Any) -> None:
    usual = {"title": f"title of {name}", "started_at": NOON - timedelta(hours=2), "severity": "critical"}
    inside = {"description": "internal: eve broke it", "labelled_by": "mallory", "kind": "error_burst"}
    row = {"id": name, **usual, **inside, **more}
    store.append("incidents", INCIDENTS.of([row]))
    rows = [
        {"id": f"{name}-{i}", "incident_id": name, "status": status, "message": message, "posted_by": "trudy",
         "components": "API,Secret", "created_at": at}
        for i, (status, message, at) in enumerate(updates)
    ]  # fmt: skip
    store.append("incident_updates", INCIDENT_UPDATES.of(rows))


def test_incidents_with_updates_are_told_and_nothing_internal_is(tmp_path: Path) -> None:
    clock = FixedClock()
    with board(tmp_path, [look("api", "api", NOON - timedelta(minutes=1), "healthy")], clock) as found:
        store = found._house.opened()
        hour = timedelta(hours=1)
        incident(store, "open", [("investigating", EVIL, NOON - hour), ("identified", "known", NOON - hour / 2)])
        incident(store, "silent", [])
        incident(store, "over", [("resolved", "it works", NOON - timedelta(days=2))])
        incident(store, "old", [("resolved", "long ago", NOON - timedelta(days=15))])
        incident(store, "ended", [("monitoring", "we watch", NOON - hour)], ended_at=NOON - hour)
        page = found.make()
    assert page is not None
    told = json.loads(page.json)
    assert [(i["title"], i["status"], i["ended_at"] is None) for i in told["incidents"]] == [
        ("title of open", "identified", True),
        ("title of ended", "monitoring", False),
        ("title of over", "resolved", False),
    ]
    assert told["incidents"][0]["components"] == ["API"]
    assert set(told["incidents"][0]) == {"title", "status", "started_at", "ended_at", "components", "updates"}
    for body in (page.html.decode(), page.json.decode()):
        assert not re.findall("mallory|trudy|eve broke|critical|error_burst|Secret", body)
    text = page.html.decode()
    assert "<img" not in text and "<script" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;{{title}}{{incidents}}" in text


class Outline(HTMLParser):
    """Tags and what attributes they have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def big(components: int, updates: int) -> Page:
    days = tuple(
        Day(date(2026, 1, 1) + timedelta(days=i), 86_000.0 - 7 * i, 400.0 if i % 9 == 0 else 0.0) for i in range(90)
    )
    named = tuple(Component(EVIL[: 20 + i], EVIL, "degraded", days) for i in range(components))
    said = tuple(Update("investigating", EVIL * 10, NOON) for _ in range(updates))
    incidents = tuple(Incident(EVIL, NOON, NOON if i else None, (EVIL,), said) for i in range(20))
    return Page(EVIL, (EVIL, "https://example.com/" + EVIL), NOON, named, incidents)


@pytest.mark.parametrize(("components", "updates"), [(0, 1), (8, 1), (8, 30), (15, 3)])
def test_the_page_is_small_whatever_is_on_it_and_no_text_becomes_markup(components: int, updates: int) -> None:
    text = html(big(components, updates)).decode()
    assert len(text.encode()) <= MOST_BYTES
    outline = Outline(text)
    known = {"html", "meta", "link", "title", "style", "main", "header", "h1", "h2", "h3", "span", "p", "section", "b",
             "svg", "path", "details", "summary", "ul", "li", "ol", "article", "time", "footer", "a"}  # fmt: skip
    assert {tag for tag, _ in outline.tags} <= known
    assert not [a for _, attrs in outline.tags for a in attrs if a.startswith("on")]
    assert sum(tag == "svg" for tag, _ in outline.tags) == components
    assert "status.json" in text


def test_a_day_is_told_without_colour() -> None:
    days = (Day(date(2026, 1, 1), 86_400, 0), Day(date(2026, 1, 2), 86_100, 300), Day(date(2026, 1, 3), 43_200, 43_200),
            Day(date(2026, 1, 4), 0, 0))  # fmt: skip
    text = html(Page("x", None, NOON, (Component("API", "", "operational", days),), ())).decode()
    assert 'aria-label="4 days: 1 without trouble, 2 with, 1 not known"' in text
    shapes = dict(re.findall(r'<path class=(\w) d="([^"]*)"/>', text))
    assert shapes == {
        "g": "M2 0v32",
        "o": "M7 0v12m0 4v16",
        "r": "M12 0v12m0 4v16",
        "n": "M17 24v8",
    }
    assert "<li>03 January: 12 h 0 min down, 50.00 % up<li>02 January: 5 min down, 99.65 % up" in text
    assert "known for 3 of 4 days" in text and "83.21 % up" in text


# over HTTP


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = tmp_path_factory.mktemp("config")
    (config / "status.yml").write_text(SHOWN)
    with running(tmp_path_factory.mktemp("home"), config=config) as it:
        with it.client(it.token("ingest")) as client:
            now = datetime.now(UTC)
            rows = [
                {"ts": (now - timedelta(minutes=i)).isoformat(), "test": "api", "kind": "health", "component": "api",
                 "state": "healthy"}
                for i in range(5)
            ]  # fmt: skip
            assert client.post("/api/monitoring/events/probes", json=rows).status_code == 200
            told = [{"id": "inc-1", "title": "Sign-ups fail", "started_at": now.isoformat()}]
            assert client.post("/api/monitoring/events/incidents", json=told).status_code == 200
        with it.client(it.token("admin")) as client:
            client.post("/api/monitoring/admin/flush")
        with it.client() as client:
            end = time.monotonic() + 30
            while not client.get("/status.json").json().get("components"):
                assert time.monotonic() < end
                time.sleep(0.2)
        yield it


def test_everybody_may_read_and_keep_it(site: Running) -> None:
    with site.client() as client:
        page = client.get("/status")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"].startswith("public, max-age=30")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        again = client.get("/status", headers={"If-None-Match": page.headers["etag"]})
        assert again.status_code == 304 and again.content == b""
        assert client.get("/status", headers={"If-None-Match": '"other"'}).status_code == 200
        head = client.head("/status")
        assert head.status_code == 200 and head.content == b"" and head.headers["etag"] == page.headers["etag"]
        data = client.get("/status.json")
        assert data.headers["access-control-allow-origin"] == "*"
        assert data.json()["components"][0]["status"] == "operational"
        assert "API" in page.text and "<script" not in page.text and "http://" not in page.text


def test_it_lies_ready(site: Running) -> None:
    with site.client() as client:
        client.get("/status")
        took = []
        for _ in range(60):
            begin = time.perf_counter()
            client.get("/status")
            took.append(time.perf_counter() - begin)
    assert min(took) < 0.01  # the best of sixty: a busy machine is slow, not the page


def test_an_update_is_posted_shown_and_not_posted_twice(site: Running) -> None:
    path = "/api/monitoring/incidents/inc-1/updates"
    body = {"status": "investigating", "message": "We look into it", "components": ["Sign-up"], "id": "u-1"}
    with site.client(site.token("alert", name="ann")) as client, site.client(site.token("read")) as reader:
        first = client.post(path, json=body)
        assert first.status_code == 201 and first.json()["posted_by"] == "ann"
        shown = reader.get("/status.json").json()["incidents"]
        assert [i["updates"][0]["message"] for i in shown] == ["We look into it"]
        assert shown[0]["title"] == "Sign-ups fail" and shown[0]["components"] == ["Sign-up"]
        assert client.post(path, json=body).status_code == 201
        assert len(reader.get(path).json()["updates"]) == 1
        refused(client.post(path, json={**body, "message": "other"}), 400, "bad_parameter")
        wrong = client.post(path, json={**body, "status": "investigate", "id": "u-2"})
        refused(wrong, 400, "bad_parameter")
        assert 'did you mean "investigating"?' in wrong.json()["error"]["message"]
        assert 'did you mean "Sign-up"?' in client.post(
            path, json={**body, "components": ["Signup"], "id": "u-3"}
        ).json()["error"]["message"]  # fmt: skip
        refused(client.post(path.replace("inc-1", "inc-2"), json=body), 404, "not_found")
        refused(reader.post(path, json=body), 403, "forbidden")
        refused(client.get(path), 403, "forbidden")
        done = client.post(path, json={"status": "resolved", "message": "It works again"})
        assert done.status_code == 201
        assert reader.get("/status.json").json()["incidents"][0]["ended_at"] == done.json()["created_at"]


def test_without_a_file_there_is_no_page(server: Running) -> None:
    with server.client() as client:
        refused(client.get("/status"), 404, "not_found")
        refused(client.get("/status.json"), 404, "not_found")


# config/status.yml


def test_the_shipped_file_and_its_schema() -> None:
    text = (ROOT / "config" / "status.yml").read_text()
    config = status_config.read(text, "status.yml")
    assert config.title == "Pitchey status" and len(config.components) == 8
    schema = json.loads((ROOT / "config" / "schema" / "status.schema.json").read_text())
    assert schema == json.loads(json.dumps(status_config.schema()))
    Draft202012Validator.check_schema(schema)
    tests = {path.stem for path in (ROOT / "config" / "synthetics").glob("*.yaml")} | {"api"}
    assert {test for one in config.components for test in one.tests} <= tests


def test_a_wrong_file_is_told_with_its_places() -> None:
    text = (
        "titel: x\nincident_days: 0\ncontact: {url: 'javascript:alert(1)'}\n"
        "components:\n  - {name: A, tests: a}\n  - {name: A, components: [b]}\n  - {description: x}\n  - {name: C}\n"
    )
    with pytest.raises(ConfigError) as error:
        status_config.read(text, "status.yml")
    told = str(error.value)
    for part in ('did you mean "title"?', "'0' is no number of days", "'javascript:alert(1)' is no address",
                 "'A' stands twice", "name is missing", "status.yml:8:5", "nothing to look at"):  # fmt: skip
        assert part in told, part


def test_a_file_that_becomes_wrong_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "status.yml"
    watched = status_config.StatusFile(file)
    assert watched.current() is None
    file.write_text("title: one\ncomponents: []")
    first = watched.current()
    assert first is not None and first.title == "one"
    file.write_text("titel: two")
    assert watched.current() == first and watched.problem is not None
    file.unlink()
    assert watched.current() is None


# Cloudflare KV


class Cloudflare(BaseHTTPRequestHandler):
    """The two calls of Cloudflare's API that are used; what it was sent is kept."""

    seen: list[tuple[str, str, dict[str, str], bytes]]
    fails = 0

    def do_GET(self) -> None:
        self._keep()
        page = int(re.findall(r"[?&]page=(\d+)", self.path)[0])
        many = [{"id": f"{i:032x}", "title": f"other-{i}"} for i in range(100)]
        self._say(200, many if page == 1 else [{"id": "ab" * 16, "title": "pitchey-monitoring"}])

    def do_PUT(self) -> None:
        self._keep()
        kind = type(self)
        if kind.fails:
            kind.fails -= 1
            self._say(403, None, [{"code": 10000, "message": "Authentication error"}])
        else:
            self._say(200, None)

    def _keep(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        type(self).seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))

    def _say(self, status: int, result: Any, errors: list[Any] | None = None) -> None:
        body = json.dumps({"success": status == 200, "errors": errors or [], "result": result}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def cloudflare() -> Iterator[tuple[type[Cloudflare], str]]:
    handler = type("One", (Cloudflare,), {"seen": [], "fails": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/client/v4"
    server.shutdown()
    server.server_close()


PAGE = Page("Pitchey", None, NOON, (), ())


def publisher(url: str, pages: list[Ready], **given: Any) -> tuple[status_kv.Publisher, list[float], Meter]:
    usual = {"cloudflare_account_id": "acc-1", "cloudflare_api_token": "cf-t0ken", "cloudflare_api_url": url}
    settings = Settings.load(env_file=None, **{**usual, **given})
    time_, meter = [0.0], Meter()
    return status_kv.Publisher(settings, lambda: pages[-1], meter, every=0.05, monotonic=lambda: time_[0]), time_, meter


def test_the_page_is_published_when_it_changes(cloudflare: tuple[type[Cloudflare], str]) -> None:
    handler, url = cloudflare
    pages = [ready(PAGE)]
    publish, time_, _ = publisher(url, pages)
    assert publish.wanted and publish.publish() is True
    puts = [(path, headers["content-type"], body) for verb, path, headers, body in handler.seen if verb == "PUT"]
    place = f"/client/v4/accounts/acc-1/storage/kv/namespaces/{'ab' * 16}/values"
    assert puts == [
        (f"{place}/status.html", "text/html; charset=utf-8", pages[0].html),
        (f"{place}/status.json", "application/json", pages[0].json),
    ]
    assert {headers["authorization"] for _, _, headers, _ in handler.seen} == {"Bearer cf-t0ken"}
    pages.append(ready(replace(PAGE, at=NOON + timedelta(minutes=1))))
    assert publish.publish() is False  # only the time is another
    pages.append(ready(replace(PAGE, title="Other")))
    assert publish.publish() is True
    assert len([1 for verb, *_ in handler.seen if verb == "GET"]) == 2  # the namespace is looked up once, two pages
    time_[0] += 899
    assert publish.publish() is False
    time_[0] += 1
    assert publish.publish() is True


def test_an_id_needs_no_look_up_and_nothing_is_sent_without_a_token(cloudflare: tuple[type[Cloudflare], str]) -> None:
    handler, url = cloudflare
    publish, *_ = publisher(url, [ready(PAGE)], kv_namespace="cd" * 16)
    assert publish.publish() is True
    assert [verb for verb, *_ in handler.seen] == ["PUT", "PUT"] and "cd" * 16 in handler.seen[0][1]
    settings = Settings.load(env_file=None, cloudflare_account_id="acc-1")
    assert not status_kv.Publisher(settings, lambda: None, Meter()).wanted


def test_what_fails_is_told_counted_and_tried_again(
    cloudflare: tuple[type[Cloudflare], str], caplog: pytest.LogCaptureFixture
) -> None:
    handler, url = cloudflare
    handler.fails = 2
    publish, _, meter = publisher(url, [ready(PAGE)])

    def count(name: str) -> float:
        return sum(v for labels, v in meter._counts.items() if dict(labels)["__name__"] == f"pitchey_slo_{name}")

    publish.start()
    end = time.monotonic() + 20
    while not count("status_published_total"):
        assert time.monotonic() < end
        time.sleep(0.02)
    publish.close()
    assert count("status_publish_errors_total") == 2
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told == ["the status page was not published to Cloudflare KV: status 403: 10000 Authentication error"]
    missing, *_ = publisher(url, [ready(PAGE)], kv_namespace="nowhere")
    with pytest.raises(status_kv.NotPublished, match="no KV namespace 'nowhere'"):
        missing.publish()
    dead, *_ = publisher("http://127.0.0.1:9/v4", [ready(PAGE)])
    with pytest.raises(status_kv.NotPublished, match="ConnectError"):
        dead.publish()
