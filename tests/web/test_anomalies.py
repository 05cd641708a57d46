"""The scorer inside a running server: history is scored, the score is a series, and a rule on it fires."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from .conftest import Running, running

MINUTE = 60_000
WATCH = """
watch:
  - {name: checkouts, expr: 'sum(checkouts)', detectors: [mad], history: 2d}
"""
RULES = """
groups:
- name: anomalies
  interval: 1s
  rules:
  - alert: Unusual
    expr: pitchey_anomaly_score{series="checkouts"} > 0.999
    labels: {severity: warning}
  - alert: Static
    expr: sum(checkouts) > 1000
    labels: {severity: warning}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("anomalies")
    config = home / "config"
    (config / "rules").mkdir(parents=True)
    (config / "rules" / "rules.yml").write_text(RULES)
    with running(home / "home", config=config) as found:
        yield found


def until(look: Any, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def history(client: httpx.Client) -> None:
    """A day of samples up to now, the last ones far below what is usual."""
    now = int(time.time() * 1000) // MINUTE * MINUTE
    at = now - MINUTE * np.arange(1_440)[::-1]
    values = 60 + np.random.default_rng(1).normal(0, 3, len(at))
    values[-4:] = 5.0
    lines = "".join(f"checkouts {v:.3f} {t / 1000:.3f}\n" for v, t in zip(values, at, strict=True))
    headers = {"content-type": "application/openmetrics-text"}
    answer = client.post("/api/monitoring/metrics?backfill=true", content=lines + "# EOF\n", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == 1_440


def test_a_drop_that_no_threshold_sees_fires_the_rule_on_its_score(server: Running) -> None:
    with server.client(server.token("ingest", "read")) as client:
        history(client)
        (server.settings.config / "anomalies.yml").write_text(WATCH)
        alerts = until(lambda: client.get("/api/monitoring/alerts").json()["alerts"])
        assert {a["labels"]["alertname"] for a in alerts} == {"Unusual"}
        [told] = client.get("/api/monitoring/anomalies").json()["watched"]
        assert told["series"] == "checkouts"
        assert told["error"] is None
        assert told["scores"][0]["labels"] == {"detector": "mad"}
        found = client.get("/api/v1/query", params={"query": "pitchey_anomaly_score"}).json()["data"]["result"]
        assert [r["metric"]["series"] for r in found if r["metric"]["series"] == "checkouts"]


def test_it_needs_a_token(server: Running) -> None:
    with server.client() as client:
        assert client.get("/api/monitoring/anomalies").status_code == 401


def test_a_bad_file_is_told(server: Running, tmp_path: Path) -> None:
    with server.client(server.token("read")) as client:
        file = server.settings.config / "anomalies.yml"
        file.write_text("watch:\n- {name: checkouts}\n")
        problem = until(lambda: client.get("/api/monitoring/anomalies").json()["problem"])
        assert "expr is missing" in problem
