"""Dashboards over HTTP: who may look, one evaluation for all who ask, saving with versions, errors told with lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Running, running
from .test_events import refused

BOARDS = "/api/monitoring/dashboards"
TEXT = """\
title: TITLE
role: ROLE
variables: [{name: route, query: 'label_values(pitchey_http_requests_total, route)', all: true}]
rows:
  - title: Row
    widgets:
      - {id: count, type: number, title: Count, queries: [{expr: 'sum(pitchey_http_requests_total{route=~"$route"})'}]}
      - {id: line, type: line, title: Line, queries: [{expr: 'sum by (route) (pitchey_http_requests_total)'}]}
      - {id: broken, type: number, title: Broken, queries: [{expr: 'sum by (route) (pitchey_http_requests_total)'}]}
      - {id: health, type: health, title: Health, named: health_matrix}
      - {id: slos, type: slo_list, title: SLOs, named: slo_list}
"""


def text(title: str = "Mine", role: str = "viewer") -> str:
    return TEXT.replace("TITLE", title).replace("ROLE", role)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("boards")
    folder = home / "config" / "dashboards"
    folder.mkdir(parents=True)
    for role in ("public", "viewer", "operator", "admin"):
        (folder / f"{role}.yml").write_text(text(role.title(), role))
    (folder / "wrong.yml").write_text("title: Wrong\nrows: []\n")
    with running(home, config=home / "config") as it:
        now = time.time()
        events = [
            {"ts": now - 60 - i, "route": ["/a", "/b"][i % 2], "status": 200, "duration_ms": 5.0} for i in range(60)
        ]
        with it.client(it.token("ingest")) as client:
            for _ in range(2):
                assert client.post("/api/monitoring/events", json=events[:30]).status_code == 200
                events = events[30:]
        yield it


@pytest.fixture(scope="module")
def clients(served: Running) -> Iterator[dict[str, httpx.Client]]:
    """A client of each role; "sender" may only send."""
    scopes = {"viewer": ["read"], "operator": ["read", "alert"], "admin": ["admin"], "sender": ["ingest"]}
    made = {role: served.client(served.token(*given, name=role)) for role, given in scopes.items()}
    yield made | {"public": served.client()}
    for client in made.values():
        client.close()


def told_no(answer: httpx.Response, status: int, reason: str, words: str) -> None:
    assert words in refused(answer, status, reason)["message"]


def read(client: httpx.Client, name: str = "viewer", **given: Any) -> dict[str, Any]:
    answer = client.get(f"{BOARDS}/{name}", params=given)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_each_role_sees_what_it_may(clients: dict[str, httpx.Client]) -> None:
    roles = ["public", "viewer", "operator", "admin"]
    for place, role in enumerate(roles):
        told = clients[role].get(BOARDS).json()
        assert [each["id"] for each in told["dashboards"]] == sorted(roles[: place + 1]), role
        assert told["role"] == role
        for other, name in enumerate(roles):
            answer = clients[role].get(f"{BOARDS}/{name}")
            expected = 200 if other <= place else 401 if role == "public" else 403
            assert answer.status_code == clients[role].get(f"{BOARDS}/{name}/definition").status_code == expected
    assert any("wrong.yml:2" in problem for problem in clients["operator"].get(BOARDS).json()["problems"])
    assert clients["viewer"].get(BOARDS).json()["problems"] == []
    told_no(clients["public"].get(f"{BOARDS}/nothing"), 401, "unauthorized", "not public")
    told_no(clients["viewer"].get(f"{BOARDS}/viewr"), 404, "not_found", 'did you mean "viewer"')
    told_no(clients["sender"].get(BOARDS), 403, "forbidden", "read")


def test_who_am_i(clients: dict[str, httpx.Client]) -> None:
    for role in ("viewer", "operator", "admin"):
        told = clients[role].get("/api/monitoring/whoami").json()
        assert (told["role"], told["name"]) == (role, role)
    told_no(clients["public"].get("/api/monitoring/whoami"), 401, "unauthorized", "Authorization")


def test_a_dashboard_comes_with_its_data(clients: dict[str, httpx.Client]) -> None:
    told = read(clients["viewer"])
    assert told["dashboard"] == "viewer" and told["version"] == 0
    span = told["range"]
    assert span["end"] - span["start"] == 3_600_000 and span["step"] == 15_000
    assert told["widgets"]["count"]["value"] == 60.0
    assert [line["labels"] for line in told["widgets"]["line"]["series"]] == [{"route": "/a"}, {"route": "/b"}]
    assert told["widgets"]["broken"]["error"]["reason"] == "invalid_query"
    assert told["widgets"]["health"]["rows"] == []
    assert told["widgets"]["slos"]["rows"] or told["widgets"]["slos"].get("error")
    assert told["variables"][0]["values"] == ["/a", "/b"] and told["variables"][0]["chosen"] == ["$all"]
    only = read(clients["viewer"], **{"var-route": "/a"})
    assert only["widgets"]["count"]["value"] == 30.0
    assert read(clients["viewer"], **{"var-route": '/a"} or x{a="'})["widgets"]["count"]["value"] is None


def test_all_who_ask_in_one_tick_get_one_answer(served: Running, clients: dict[str, httpx.Client]) -> None:
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda _: read(clients["viewer"], range="2h"), range(24)))
    assert len({each["watermark"] for each in told}) <= 2, "one evaluation, or two when a tick ended meanwhile"
    assert all(each == told[0] for each in told if each["watermark"] == told[0]["watermark"])


def test_who_has_an_answer_gets_what_is_new(clients: dict[str, httpx.Client]) -> None:
    first = read(clients["viewer"], range="15m")
    again = read(clients["viewer"], range="15m", since=first["watermark"])
    if again["watermark"] == first["watermark"]:
        assert again["widgets"] == {} and set(again["same"]) == set(first["widgets"])
    deadline = time.monotonic() + 20
    while again["watermark"] == first["watermark"] and time.monotonic() < deadline:
        time.sleep(0.5)
        again = read(clients["viewer"], range="15m", since=first["watermark"])
    assert "health" in again["same"] and "health" not in again["widgets"]
    assert "same" not in read(clients["viewer"], range="15m", since=1)


def test_what_is_ready_comes_after_the_wait_and_the_rest_later(clients: dict[str, httpx.Client]) -> None:
    deadline, whole, since = time.monotonic() + 20, dict[str, Any](), dict[str, int]()
    while len(whole) < 5 and time.monotonic() < deadline:
        answer = clients["viewer"].get(f"{BOARDS}/viewer", params={"range": "3h", "wait": "0.01"} | since)
        if answer.status_code == 503:
            refused(answer, 503, "store_unavailable")  # not even begun
            continue
        got = answer.json()
        assert not set(got.get("pending", ())) & {*got["widgets"], *got.get("same", ())}
        whole |= got["widgets"]
        since = {"since": got["watermark"]}
    assert set(whole) == {"count", "line", "broken", "health", "slos"}


def test_a_time_of_the_past_and_a_comparison(clients: dict[str, httpx.Client]) -> None:
    told = read(clients["viewer"], start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z", compare="1d")
    assert told["range"]["step"] == 300_000 and told["widgets"]["count"]["value"] is None
    assert told["widgets"]["line"]["compare"] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"range": "1y"}, "such as 15m, 1h or 7d"),
        ({"rnge": "1h"}, 'did you mean "range"'),
        ({"start": "2026-01-01T00:00:00Z"}, "give a range, or start and end"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "not after start"),
        ({"start": "yesterday", "end": "today"}, "is no time"),
        ({"var-rout": "x"}, 'did you mean "route"'),
        ({"since": "-1"}, "watermark"),
        ({"wait": "long"}, "number of seconds"),
        ({"compare": "x"}, "compare"),
        ({"var-route": "x" * 400}, "characters"),
    ],
)
def test_parameters_that_mean_nothing(clients: dict[str, httpx.Client], given: dict[str, str], words: str) -> None:
    answer = clients["viewer"].get(f"{BOARDS}/viewer", params=given)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]


def test_a_dashboard_is_saved_changed_hidden_and_restored(clients: dict[str, httpx.Client]) -> None:
    operator = clients["operator"]
    new = {"definition": "name: mine\n" + text(), "comment": "a first try"}
    told_no(clients["viewer"].post(BOARDS, json=new), 403, "forbidden", "alert")
    answer = operator.post(BOARDS, json=new)
    assert answer.status_code == 201 and answer.json()["version"] == 1 and answer.json()["saved_by"] == "operator"
    told_no(operator.post(BOARDS, json=new), 409, "conflict", "exists already")
    plain = operator.get(f"{BOARDS}/mine/definition").json()["definition"]
    assert operator.post(BOARDS, json={"definition": plain | {"title": "Second"}, "version": 1}).json()["version"] == 2
    late = operator.post(BOARDS, json={"definition": plain | {"title": "Late"}, "version": 1})
    told_no(late, 409, "conflict", "version 2 now, saved by operator")
    assert late.json()["error"]["detail"] == {"version": 2}
    assert read(operator, "mine")["version"] == 2
    assert operator.request("DELETE", f"{BOARDS}/mine", json={}).json() == {"id": "mine", "version": 3}
    told_no(operator.get(f"{BOARDS}/mine"), 404, "not_found", "no dashboard 'mine'")
    assert operator.post(f"{BOARDS}/mine/restore", json={"version": 1}).json()["title"] == "Mine"
    versions = clients["viewer"].get(f"{BOARDS}/mine/versions").json()["versions"]
    assert [(v["version"], v["comment"]) for v in versions] == [
        (4, "version 1 restored"), (3, ""), (2, ""), (1, "a first try"),
    ]  # fmt: skip


def test_what_cannot_be_meant_is_told_with_its_line(clients: dict[str, httpx.Client]) -> None:
    wrong = text().replace("type: line", "type: lien") + "colour: red\n"
    answer = clients["operator"].post(BOARDS, json={"definition": "name: wrong2\n" + wrong})
    told_no(answer, 422, "invalid_dashboard", "2 problems")
    told = {p["line"]: p["hint"] for p in answer.json()["error"]["detail"]}
    assert set(told) == {9, 13} and told[9] == 'did you mean "line"?'
    for role, name in (("admin", "mine2"), ("viewer", "admin")):
        definition = f"name: {name}\n" + text(role=role)
        answer = clients["operator"].post(
            BOARDS, json={"definition": definition, "version": 0 if name == "admin" else None}
        )
        told_no(answer, 403, "forbidden", "")


def test_a_draft_is_seen_before_it_is_saved(clients: dict[str, httpx.Client]) -> None:
    widget = {"id": "w", "type": "line", "title": "W", "queries": [{"expr": "pitchey_active_users_5m"}]}
    told = clients["operator"].post(f"{BOARDS}/preview", json={"widget": widget, "range": "15m"}).json()
    assert len(told["widgets"]["w"]["times"]) == 61
    broken = widget | {"queries": [{"expr": "sum("}]}
    answer = clients["operator"].post(f"{BOARDS}/preview", json={"widget": broken})
    told_no(answer, 422, "invalid_dashboard", "not PromQL")
    whole = clients["operator"].post(f"{BOARDS}/preview", json={"definition": "name: x\n" + text()}).json()
    assert whole["widgets"]["count"]["value"] == 60.0
    told_no(clients["operator"].post(f"{BOARDS}/preview", json={}), 400, "bad_parameter", "give one of them")
    told_no(clients["viewer"].post(f"{BOARDS}/preview", json={"widget": widget}), 403, "forbidden", "alert")


def test_right_now_in_one_small_answer(clients: dict[str, httpx.Client]) -> None:
    answer = clients["viewer"].get("/api/monitoring/realtime")
    told = answer.json()
    assert len(answer.content) < 10_000
    assert told["numbers"]["requests_per_second"] > 0 and told["numbers"]["error_rate"] == 0
    assert 0 < told["numbers"]["p50_seconds"] <= told["numbers"]["p99_seconds"] < 1
    assert told["numbers"]["active_users"] is None or told["numbers"]["active_users"] == 0
    assert told["health"] == {"state": "unknown", "components": {}, "counts": {}}
    assert told["alerts"]["firing"] == 0 and set(told["alerts"]["severities"]) == {"critical", "warning", "info"}
    told_no(clients["public"].get("/api/monitoring/realtime"), 401, "unauthorized", "Authorization")


def test_the_catalogue_tells_an_editor_what_there_is(clients: dict[str, httpx.Client]) -> None:
    told = clients["viewer"].get(f"{BOARDS}/catalogue").json()
    assert set(told) == {"types", "named", "units", "states", "roles", "keys", "schema"}
    assert told["named"]["logs"]["shape"] == "logs" and "search" in told["named"]["logs"]["arguments"]


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "dashboards"
    folder.mkdir(parents=True)
    with running(tmp_path, config=tmp_path / "config") as it, it.client(it.token("admin")) as client:
        assert client.post(BOARDS, json={"definition": "name: mine\n" + text()}).status_code == 201
    with running(tmp_path, config=tmp_path / "config") as it, it.client(it.token("admin")) as client:
        assert [(d["id"], d["version"]) for d in client.get(BOARDS).json()["dashboards"]] == [("mine", 1)]
