"""Synthetic tests over a real server: tests added, run and taken away, results of agents, quorum, maintenance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.probe.synthetic.target import Target, definition, target

from .conftest import Running, running, stored

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def platform() -> Iterator[Target]:
    with target() as made:
        yield made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, platform: Target) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("synthetic")
    files = home / "config" / "synthetics"
    files.mkdir(parents=True)
    (files / "front.yaml").write_text(definition("front", interval="1h"))
    (files / "elsewhere.yaml").write_text(definition("elsewhere", more="locations: [mars]"))
    given = {"config": home / "config", "api_base_url": platform.url, "location": "here", "flush_seconds": 1}
    with running(home, **given) as server:
        yield server


@pytest.fixture(scope="module")
def admin(house: Running) -> Iterator[httpx.Client]:
    with house.client(house.token("admin")) as client:
        yield client


@pytest.fixture(scope="module")
def agent(house: Running) -> Iterator[httpx.Client]:
    with house.client(house.token("ingest")) as client:
        yield client


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def row(test: str, location: str, state: str, at: datetime, **more: Any) -> dict[str, Any]:
    failing = {"failure": "timeout", "reason": "no answer in 2 s"} if state == "unhealthy" else {}
    names = {"run_id": f"{test}-{location}-{at.timestamp()}", "event_id": f"{test}-{location}-{at.timestamp()}"}
    return (
        {"test": test, "location": location, "state": state, "ts": at.isoformat(), "kind": "http"}
        | failing
        | names
        | more
    )


def send(client: httpx.Client, rows: list[dict[str, Any]], **params: Any) -> httpx.Response:
    body = b"\n".join(orjson.dumps(r) for r in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    return client.post("/api/monitoring/synthetic/results", content=body, headers=headers, params=params)


def listed(client: httpx.Client, name: str) -> dict[str, Any]:
    found = client.get("/api/monitoring/synthetic")
    assert found.status_code == 200, found.text
    return next(t for t in found.json()["tests"] if t["name"] == name)


def promql(client: httpx.Client, expr: str, at: datetime | None = None) -> dict[str, float]:
    params = {"query": expr} | ({"time": at.isoformat()} if at else {})
    found = client.get("/api/v1/query", params=params).json()["data"]["result"]
    return {
        ",".join(f"{k}={v}" for k, v in sorted(s["metric"].items()) if k != "__name__"): float(s["value"][1])
        for s in found
    }


def add(client: httpx.Client, text: str) -> dict[str, Any]:
    answer = client.post("/api/monitoring/synthetic", json={"definition": text})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_file_is_a_test_and_runs_here_when_it_is_told(admin: httpx.Client, platform: Target) -> None:
    found = admin.post("/api/monitoring/synthetic/front/run").json()["results"]
    assert [(r["test"], r["location"], r["state"]) for r in found if r["scope"] == "verdict"] == [
        ("front", "here", "healthy")
    ]
    assert "/ok" in platform.seen
    test = listed(admin, "front")
    assert (test["state"], test["up"], test["source"]) == ("healthy", True, "file")
    assert test["sentence"] == "0 of 1 location fails"
    [place] = test["locations"]
    assert place["place"] == "counting" and place["phases"].keys() >= {"connect", "first_byte"}
    assert listed(admin, "elsewhere")["locations"] == []  # runs on mars alone
    until(lambda: promql(admin, 'pitchey_synthetic_success{test="front"}') == {"location=here,test=front": 1.0})
    assert promql(admin, 'pitchey_synthetic_duration_seconds{test="front",phase="total"}')
    until(lambda: (listed(admin, "front")["uptime"]["24h"] or {}).get("uptime") == 1.0)


def test_a_test_is_added_runs_by_itself_and_is_taken_away(admin: httpx.Client, platform: Target) -> None:
    made = add(admin, definition("quick", "/quick", interval="10s"))
    assert (made["source"], made["definition"].startswith("name: quick")) == ("api", True)
    until(lambda: "/quick" in platform.seen, 15)
    gone = admin.delete("/api/monitoring/synthetic/quick")
    assert gone.status_code == 200 and gone.json()["file_holds_again"] is False
    again = admin.get("/api/monitoring/synthetic/quick")
    assert again.status_code == 404 and "tests: " in again.json()["error"]["message"]
    assert admin.delete("/api/monitoring/synthetic/quick").status_code == 404


def test_an_added_test_replaces_a_file_until_it_is_taken_away(admin: httpx.Client) -> None:
    add(admin, definition("front", "/other", interval="1h"))
    assert listed(admin, "front")["source"] == "api"
    assert admin.delete("/api/monitoring/synthetic/front").json()["file_holds_again"] is True
    assert listed(admin, "front")["source"] == "file"
    refused = admin.delete("/api/monitoring/synthetic/front")
    assert refused.status_code == 409 and "front.yaml" in refused.json()["error"]["message"]


def test_what_cannot_be_meant_is_refused_with_its_line(admin: httpx.Client) -> None:
    text = definition("bad").replace("interval: 1m", "intervall: 1m")
    answer = admin.post("/api/monitoring/synthetic", json={"definition": text})
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (422, "invalid_test")
    assert 'did you mean "interval"' in error["message"]
    window = 'maintenance: [{start: "2026-03-01T02:00:00", duration: 1h, rrule: "FREQ=SOMETIMES"}]'
    answer = admin.post("/api/monitoring/synthetic", json={"definition": definition("bad", more=window)})
    assert answer.status_code == 422 and "FREQ" in answer.json()["error"]["message"]
    as_object = {"name": "object", "kind": "http", "component": "api", "interval": "1h",
                 "steps": [{"name": "get", "request": {"url": "{{ base }}/ok"}}]}  # fmt: skip
    made = admin.post("/api/monitoring/synthetic", json={"definition": as_object, "by": "ann"})
    assert made.status_code == 201 and made.json()["place"] == "ann"


def test_who_may_do_what(house: Running, agent: httpx.Client) -> None:
    with house.client(house.token("read")) as reader, house.client(house.token("alert")) as operator:
        assert reader.post("/api/monitoring/synthetic", json={"definition": ""}).status_code == 403
        assert reader.delete("/api/monitoring/synthetic/front").status_code == 403
        assert reader.post("/api/monitoring/synthetic/front/run").status_code == 403
        assert send(reader, [row("front", "x", "healthy", datetime.now(UTC))]).status_code == 403
        assert operator.post("/api/monitoring/synthetic/nothing/run").status_code == 404
    assert agent.get("/api/monitoring/synthetic").status_code == 403


def test_an_agent_pulls_only_what_is_new(agent: httpx.Client) -> None:
    first = agent.get("/api/monitoring/synthetic/tests", params={"location": "mars"})
    assert {"front", "elsewhere"} <= {t["name"] for t in first.json()["tests"]}
    again = agent.get(
        "/api/monitoring/synthetic/tests", params={"location": "mars"}, headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    here = agent.get("/api/monitoring/synthetic/tests", params={"location": "here"})
    assert "elsewhere" not in {t["name"] for t in here.json()["tests"]}


def test_results_are_stored_once_and_late_ones_at_their_own_times(
    house: Running, admin: httpx.Client, agent: httpx.Client
) -> None:
    add(admin, definition("late", interval="1m", more="locations: [moon]"))
    now = datetime.now(UTC)
    rows = [
        row("late", "moon", "unhealthy" if i > 3 else "healthy", now - (10 - i) * MINUTE, duration_ms=12.0)
        for i in range(10)
    ]
    first = send(agent, rows, location="moon", dropped=7)
    assert first.json()["stored"] == 10, first.text
    again = send(agent, rows, location="moon")
    assert (again.json()["stored"], again.json()["duplicates"]) == (0, 10)
    test = listed(admin, "late")
    [place] = test["locations"]
    assert (place["consecutive_failures"], test["up"], place["place"]) == (6, False, "failing")
    assert test["attribution"]["text"] == "timeout, 1 of 1 location"
    assert promql(admin, 'pitchey_synthetic_success{test="late"}', now - 8 * MINUTE + timedelta(seconds=5)) == {
        "location=moon,test=late": 1.0
    }
    assert promql(admin, 'pitchey_synthetic_success{test="late"}', now - 4 * MINUTE + timedelta(seconds=5)) == {
        "location=moon,test=late": 0.0
    }
    assert admin.get("/api/monitoring/synthetic").json()["dropped"] == {"moon": 7}
    found = admin.get("/api/monitoring/synthetic/late/results", params={"state": "healthy", "limit": 2}).json()[
        "results"
    ]
    assert [r["at"] for r in found] == sorted((r["at"] for r in found), reverse=True)
    assert found[0]["details"] == {"speaks_s": 180.0}


def test_rows_that_mean_nothing_are_refused_and_the_others_kept(agent: httpx.Client) -> None:
    now = datetime.now(UTC)
    good, bad = row("late", "sun", "healthy", now), row("late", "sun", "splendid", now - MINUTE)
    answer = send(agent, [good, bad]).json()
    assert (answer["stored"], answer["rejected"]) == (1, 1) and "splendid" in answer["rows"][0]["message"]
    assert send(agent, [bad]).status_code == 422
    assert send(agent, [good], dropped="many").status_code == 400


def test_a_location_that_is_cut_off_is_excluded_and_said(admin: httpx.Client, agent: httpx.Client) -> None:
    for name, component in (("q-api", "api"), ("q-web", "web")):
        add(admin, definition(name, component=component, interval="10s", more="locations: [a, b, c]"))
    now = datetime.now(UTC)
    for test in ("q-api", "q-web"):
        for where in "abc":
            state = "unhealthy" if where == "c" else "healthy"
            send(agent, [row(test, where, state, now - timedelta(seconds=s)) for s in (25, 13, 1)])
    test = listed(admin, "q-api")
    assert (test["up"], test["quorum"]["excluded"], test["quorum"]["counting"]) == (True, ["c"], ["a", "b"])
    assert "left out: c (excluded)" in test["sentence"]
    places = {p["location"]: p for p in admin.get("/api/monitoring/synthetic").json()["locations"]}
    assert places["c"]["state"] == "excluded" and "2 of its 2 tests" in places["c"]["reason"]
    both_up = {"test=q-api": 1.0, "test=q-web": 1.0}
    until(lambda: promql(admin, 'pitchey_synthetic_up{test=~"q-.*"}') == both_up)
    blind = 'pitchey_synthetic_location_blind{location="c",reason="excluded"}'
    until(lambda: promql(admin, blind) == {"location=c,reason=excluded": 1.0})
    counted = promql(admin, 'pitchey_synthetic_consecutive_failures{test="q-api"}')
    assert sorted(counted) == ["location=a,test=q-api", "location=b,test=q-api"]


def test_maintenance_is_run_and_does_not_count(house: Running, admin: httpx.Client, agent: httpx.Client) -> None:
    now = datetime.now(UTC)
    start = (now - 5 * MINUTE).replace(microsecond=0).isoformat()
    window = f'maintenance: [{{start: "{start}", duration: 10m, comment: we move}}]'
    add(admin, definition("moved", interval="1m", more=f"locations: [a]\n{window}"))
    add(admin, definition("corrected", component="house", interval="1m", more="locations: [a]"))
    correction = {
        "category": "scheduled_maintenance",
        "reason": "new switch",
        "approver": "ann",
        "start": start,
        "minutes": 10,
    }
    answer = admin.post("/api/monitoring/corrections", json=correction)
    assert answer.status_code == 201, answer.text
    try:
        until(lambda: listed(admin, "corrected")["maintenance"]["now"], 15)
        for name, reason in (("moved", "we move"), ("corrected", "new switch")):
            before = row(name, "a", "healthy", now - 8 * MINUTE)
            send(agent, [before, row(name, "a", "unhealthy", now - MINUTE), row(name, "a", "unhealthy", now)])
            test = listed(admin, name)
            assert (test["up"], test["sentence"]) == (None, "maintenance: results do not count")
            [place] = test["locations"]
            assert place["consecutive_failures"] == 0 and reason in place["details"]["maintenance"]
            [old] = admin.get(f"/api/monitoring/synthetic/{name}/results", params={"state": "healthy"}).json()[
                "results"
            ]
            assert "maintenance" not in old["details"]
        admin.post("/api/monitoring/admin/flush")
        until(lambda: (listed(admin, "moved")["uptime"]["24h"] or {}).get("uptime") == 1.0, 30)
    finally:
        admin.delete(f"/api/monitoring/corrections/{answer.json()['id']}")


def test_a_broken_file_is_told_and_the_test_it_was_holds_on(house: Running, admin: httpx.Client) -> None:
    path: Path = house.settings.config / "synthetics" / "front.yaml"
    text = path.read_text()
    path.write_text(text.replace("kind: http", "kind: ftp"))
    try:
        problems = until(lambda: admin.get("/api/monitoring/synthetic").json()["problems"], 15)
        assert "front.yaml" in problems[0]
        assert listed(admin, "front")["interval_seconds"] == 3_600
    finally:
        path.write_text(text)


def test_a_restart_forgets_no_failures(tmp_path: Path, platform: Target) -> None:
    files = tmp_path / "config" / "synthetics"
    files.mkdir(parents=True)
    (files / "t.yaml").write_text(definition("t", interval="1m", more="locations: [a]"))
    given = {"config": tmp_path / "config", "api_base_url": platform.url, "location": ""}
    now = datetime.now(UTC)
    with running(tmp_path / "home", **given) as server, server.client(server.token("ingest")) as client:
        send(client, [row("t", "a", "unhealthy", now - s * MINUTE) for s in (2, 1)])
    with running(tmp_path / "home", **given) as server, server.client(server.token("admin")) as client:
        send(client, [row("t", "a", "unhealthy", now)])
        [place] = listed(client, "t")["locations"]
        assert place["consecutive_failures"] == 3
        assert client.post("/api/monitoring/synthetic/t/run").status_code == 503  # nothing runs in this one
    assert len(stored(tmp_path / "home", "probes")) == 3


def test_without_an_address_tests_that_begin_there_are_not_run_and_this_is_said(
    tmp_path: Path, platform: Target
) -> None:
    files = tmp_path / "config" / "synthetics"
    files.mkdir(parents=True)
    (files / "a.yaml").write_text(definition("based", interval="5s"))
    (files / "b.yaml").write_text(definition("whole", f"{platform.url}/whole", interval="5s"))
    with (
        running(tmp_path / "home", config=tmp_path / "config", location="here") as server,
        server.client(server.token("admin")) as client,
    ):
        until(lambda: listed(client, "whole")["up"], 15)
        assert listed(client, "based")["locations"] == []
        [problem] = client.get("/api/monitoring/synthetic").json()["problems"]
        assert problem.endswith(": based") and "API_BASE_URL" in problem
        given = client.get("/api/monitoring/synthetic/tests", params={"location": "x"}).json()
        assert given["base"] is None


def test_a_sender_whose_clock_is_ahead_counts_from_now(admin: httpx.Client, agent: httpx.Client) -> None:
    add(admin, definition("ahead", interval="1m", more="locations: [x]"))
    for minutes, state in ((4, "unhealthy"), (5, "healthy")):
        send(agent, [row("ahead", "x", state, datetime.now(UTC) + minutes * MINUTE)])
        test = until(lambda: t if (t := listed(admin, "ahead"))["up"] is (state == "healthy") else None)  # noqa: B023
        assert test["quorum"]["counting"] == ["x"]
