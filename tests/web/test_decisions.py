"""Decisions over HTTP, by the workbench and the command line through a running server; the live rules follow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.client import HttpDoor
from pitchey_slo.errors import DecisionError, NotFound
from pitchey_slo.settings import Settings
from pitchey_slo.workbench import Workbench

from .conftest import Running, running
from .test_events import refused

DECISIONS = "/api/monitoring/decisions"
TEXT = "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Always  # a test\n    expr: vector(20) > 10\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("decisions")
    (folder / "config" / "rules").mkdir(parents=True)
    (folder / "config" / "rules" / "r.yml").write_text(TEXT)
    with running(folder / "home", config=folder / "config") as it:
        yield it


@pytest.fixture
def alerting(served: Running) -> Iterator[httpx.Client]:
    with served.client(served.token("alert", "read", name="Ann's laptop")) as client:
        yield client


def file_of(served: Running) -> Path:
    return served.settings.config / "rules" / "r.yml"


def said(**more: Any) -> dict[str, Any]:
    return {"rule": "Always", "kind": "accept", "reason": "too noisy", "threshold": 30, "for": "5m", **more}


@pytest.fixture(scope="module")
def reading(served: Running) -> Iterator[httpx.Client]:
    with served.client(served.token("read")) as client:
        yield client


def firing(reading: httpx.Client) -> set[str]:
    alerts = reading.get("/api/v1/alerts").json()["data"]["alerts"]
    told = reading.get("/api/monitoring/alerts").json()["alerts"]
    return {a["labels"]["alertname"] for a in [*alerts, *told] if a["state"] == "firing"}


def wait(what: Any, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_who_may_decide_may_not_apply(served: Running, alerting: httpx.Client, reading: httpx.Client) -> None:
    made = alerting.post(DECISIONS, json=said())
    assert made.status_code == 201, made.text
    row = made.json()
    assert (row["decided_by"], row["state"], row["name"], row["source"]) == ("Ann's laptop", "decided", "Always", "api")
    assert "+    expr: vector(20) > 30\n+    for: 5m" in row["diff"]
    assert row in alerting.get(DECISIONS).json()["decisions"]
    refused(alerting.post(f"{DECISIONS}/{row['id']}/apply"), 403, "forbidden")
    refused(reading.post(DECISIONS, json=said()), 403, "forbidden")
    assert file_of(served).read_text() == TEXT


@pytest.mark.parametrize(
    ("change", "status", "reason", "says"),
    [
        ({"kind": "maybe"}, 422, "invalid_decision", "accept, change, reject"),
        ({"rule": "Alway"}, 404, "not_found", 'did you mean \\"Always\\"'),
        ({"threshold": 10, "for": None}, 422, "invalid_decision", "says that already"),
        ({"look_again_at": "soon"}, 400, "bad_parameter", "is no time"),
        ({"diff": "rm -rf"}, 400, "bad_parameter", "diff"),
        ({"threshold": "30"}, 400, "bad_parameter", "threshold"),
        ({"evidence": {"x": "y" * 60_000}}, 422, "invalid_decision", "evidence"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    alerting: httpx.Client, change: dict[str, Any], status: int, reason: str, says: str
) -> None:
    answer = alerting.post(DECISIONS, json=said(**change))
    refused(answer, status, reason)
    assert says in answer.text


def test_the_workbench_decides_and_the_live_rule_follows(served: Running, reading: httpx.Client) -> None:
    wb = Workbench(Settings.load(env_file=None, home=served.settings.home, config="/nowhere"))
    wait(lambda: "Always" in firing(reading))
    made = wb.decide("Always", "change", by="Ann", reason="it is never that low", threshold=25)
    assert wb.apply(made, by="Bea")["state"] == "applied"
    assert "vector(20) > 25  # a test" not in file_of(served).read_text()
    assert "expr: vector(20) > 25" in file_of(served).read_text()
    wait(lambda: "Always" not in firing(reading))
    assert "AlertThresholdChanged" in firing(reading)
    assert wb.revert(made, by="Bea")["reverted_by"] == "Bea"
    assert file_of(served).read_text() == TEXT
    wait(lambda: "Always" in firing(reading))
    row = wb.decisions().set_index("id").loc[made]
    assert (row["state"], row["applied_by"], row["source"]) == ("reverted", "Bea", "notebook")
    assert row["look_again_at"] > row["created_at"]
    with pytest.raises(DecisionError, match="reverted by Bea"):
        wb.apply(made, by="Bea")
    with HttpDoor(served.info) as door, pytest.raises(NotFound, match="no decision"):
        door.apply_decision("dec x", "Ann")


def test_the_command_line_does_the_same(served: Running, capsys: pytest.CaptureFixture[str]) -> None:
    from pitchey_slo.cli import build

    def run(*words: str) -> str:
        build(["rules"])(args=["rules", *words, "--home", str(served.settings.home)], standalone_mode=False)
        return capsys.readouterr().out

    run("decide", "Always", "accept", "--threshold", "40", "--by", "Cy", "--reason", "calmer", "--id", "d-40")
    assert "+ expr: vector(20) > 40" in run("decisions")
    assert file_of(served).read_text() == TEXT
    assert "+    expr: vector(20) > 40" in run("apply", "d-40", "--by", "Cy")
    assert "> 40" in file_of(served).read_text()
    run("revert", "d-40")
    assert file_of(served).read_text() == TEXT
    told = next(d for d in json.loads(run("decisions", "--json")) if d["id"] == "d-40")
    assert (told["state"], told["evidence"]["file"]) == ("reverted", "r.yml")
