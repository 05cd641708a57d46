"""What-if over HTTP: a process of its own answers, once for all who ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from .conftest import Running, running

PATH = "/api/monitoring/review/whatif"
RULES = "groups:\n- name: g\n  rules:\n  - {alert: Queue, expr: queue > 0.6, for: 2m}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("whatif")
    (home / "config" / "rules").mkdir(parents=True)
    (home / "config" / "rules" / "rules.yml").write_text(RULES)
    with running(home / "home", config=home / "config", flush_seconds=0.2) as found:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        at = [now - timedelta(minutes=minute) for minute in range(600, 0, -1)]
        values = np.where(np.arange(600) % 100 < 10, 0.9, 0.1)
        lines = "".join(f"queue {v} {t.timestamp()}\n" for t, v in zip(at, values, strict=True)) + "# EOF\n"
        with found.client(found.token("ingest")) as client:
            headers = {"content-type": "application/openmetrics-text"}
            sent = client.post("/api/monitoring/metrics?backfill=true", content=lines, headers=headers)
            assert sent.json()["stored"] == 600
        yield found


def asked(client: httpx.Client, **given: Any) -> httpx.Response:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        answer = client.get(PATH, params=given)
        if answer.status_code != 202:
            return answer
    raise AssertionError("not within 100 s")


def test_it_answers_once_for_all(server: Running) -> None:
    with server.client(server.token("read")) as client:
        told = asked(client, rule="Queue", days=1).json()
        assert told["name"] == "Queue"
        i, j = told["current"]
        assert (told["thresholds"][i], told["fors"][j]) == (0.6, 120.0)
        assert told["fired"][i][j] == 6
        begun = time.monotonic()
        assert asked(client, rule="Queue", days=1).json() == told
        assert time.monotonic() - begun < 1.0  # kept: a process would take longer to start


def test_what_cannot_be_meant_is_refused(server: Running) -> None:
    with server.client(server.token("read")) as client:
        unknown = asked(client, rule="Queeu", days=1)
        assert unknown.status_code == 404
        assert "Queue" in unknown.json()["error"]["message"]
        assert client.get(PATH).status_code == 400
        assert client.get(PATH, params={"rule": "Queue", "days": "0"}).status_code == 400
        assert client.get(PATH, params={"rule": "Queue", "dyas": "3"}).status_code == 400
    with server.client() as client:
        assert client.get(PATH, params={"rule": "Queue"}).status_code == 401
