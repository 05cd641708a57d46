"""The rules of a running server, as Prometheus' API tells them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import running

RULES = """
groups:
- name: one
  interval: 1s
  query_offset: 0s
  limit: 50
  rules:
  - alert: Always
    expr: vector(7.5) > 1
    keep_firing_for: 1m
    labels: {severity: warning}
    annotations: {summary: "{{ $value }}"}
  - alert: Later
    expr: vector(1)
    for: 1h
  - record: rec:sum
    expr: sum(vector(2))
    labels: {kind: rec}
- name: two
  interval: 1s
  rules:
  - alert: Broken
    expr: label_replace(vector(1), "a", "b", "", "") * on (x) group_left () (label_replace(vector(1), "y", "1", "", "") or vector(1))
"""  # noqa: E501


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("home")
    (home / "config" / "rules").mkdir(parents=True)
    (home / "config" / "rules" / "a.yml").write_text(RULES)
    with running(home, config=home / "config") as server, server.client(server.token("read")) as client:
        yield client


def until(answer: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 60
    while not wanted(found := answer()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def groups(ask: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    answer = ask.get("/api/v1/rules", params=params).json()
    assert answer["status"] == "success"
    return list(answer["data"]["groups"])


def test_groups_and_rules(ask: httpx.Client) -> None:
    one, two = until(
        lambda: groups(ask),
        lambda found: len(found) == 2 and all(r["health"] != "unknown" for g in found for r in g["rules"]),
    )
    assert {k: one[k] for k in ("name", "interval", "limit")} == {"name": "one", "interval": 1, "limit": 50}
    assert one["file"].endswith("config/rules/a.yml")
    assert abs(datetime.fromisoformat(one["lastEvaluation"]).timestamp() - time.time()) < 60
    always, later, record = one["rules"]
    assert (always["state"], always["type"], always["health"]) == ("firing", "alerting", "ok")
    assert (always["query"], always["duration"], always["keepFiringFor"]) == ("vector(7.5) > 1", 0, 60)
    (alert,) = always["alerts"]
    assert alert["labels"] == {"alertname": "Always", "severity": "warning"}
    assert (alert["state"], alert["value"], alert["annotations"]) == ("firing", "7.5e+00", {"summary": "7.5"})
    assert (later["state"], later["alerts"][0]["state"]) == ("pending", "pending")
    assert (record["type"], record["labels"]) == ("recording", {"kind": "rec"})
    assert "state" not in record and "alerts" not in record
    (broken,) = two["rules"]
    assert (broken["health"], broken["state"]) == ("err", "inactive") and "match" in broken["lastError"]


def test_alerts(ask: httpx.Client) -> None:
    found = until(lambda: ask.get("/api/v1/alerts").json()["data"]["alerts"], lambda alerts: len(alerts) == 2)
    assert {(a["labels"]["alertname"], a["state"]) for a in found} == {("Always", "firing"), ("Later", "pending")}


def test_filters_and_pages(ask: httpx.Client) -> None:
    assert [r["name"] for g in groups(ask, type="record") for r in g["rules"]] == ["rec:sum"]
    assert [g["name"] for g in groups(ask, **{"rule_group[]": "two"})] == ["two"]
    assert [r["name"] for g in groups(ask, **{"rule_name[]": ["Later", "Broken"]}) for r in g["rules"]] == [
        "Later",
        "Broken",
    ]
    assert groups(ask, exclude_alerts="true")[0]["rules"][0]["alerts"] == []
    first = ask.get("/api/v1/rules", params={"group_limit": 1}).json()["data"]
    assert [g["name"] for g in first["groups"]] == ["one"]
    page = {"group_limit": 1, "group_next_token": first["groupNextToken"]}
    last = ask.get("/api/v1/rules", params=page).json()["data"]
    assert [g["name"] for g in last["groups"]] == ["two"] and "groupNextToken" not in last
    for wrong in ({"type": "x"}, {"exclude_alerts": "perhaps"}, {"group_next_token": "x"}, {"group_limit": "x"}):
        assert ask.get("/api/v1/rules", params=wrong).status_code == 400


def test_what_rules_write_can_be_asked(ask: httpx.Client) -> None:
    def value(query: str) -> list[Any]:
        return list(ask.get("/api/v1/query", params={"query": query}).json()["data"]["result"])

    (found,) = until(lambda: value('ALERTS{alertname="Always"}'), bool)
    assert found["metric"]["alertstate"] == "firing" and found["value"][1] == "1"
    (recorded,) = until(lambda: value("rec:sum"), bool)
    assert recorded["value"][1] == "2" and recorded["metric"]["kind"] == "rec"


def test_files_are_read_again(ask: httpx.Client) -> None:
    file = Path(groups(ask)[0]["file"])
    file.write_text(RULES.replace("Later", "Renamed"))
    until(lambda: groups(ask), lambda found: found[0]["rules"][1]["name"] == "Renamed")
