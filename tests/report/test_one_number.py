"""One number everywhere: workbench, command line, HTTP and the executed notebook, with corrections in place."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.client import ServerInfo
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.told import DATA
from pitchey_slo.settings import Settings
from pitchey_slo.store import utc_now
from pitchey_slo.testing import NOON, fresh_store, rows
from pitchey_slo.web.limits import Limits
from pitchey_slo.web.serve import listen, run
from pitchey_slo.workbench import connect
from tests.shell import shell

END = (NOON + timedelta(minutes=1)).isoformat()
SPEC = """
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
  annotations:
    pitchey.com/windows: "1d, 1M Europe/London"
    pitchey.com/corrections: |
      - {id: in-the-spec, category: deployment, reason: new release, approver: Ann,
         start: "2026-03-02T09:00:00Z", duration: 10m}
spec:
  service: shop
  indicator:
    metadata: {name: checkout}
    spec:
      ratioMetric:
        bad: {metricSource: {type: pitchey, spec: {table: requests, filter: "status >= 500"}}}
        total: {metricSource: {type: pitchey, spec: {table: requests}}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Seven hours of requests, one in 30 of which failed; half stand for ten."""
    folder = tmp_path_factory.mktemp("one")
    with fresh_store(folder / "home") as store:
        status = [500 if i % 30 == 0 else 200 for i in range(2_500)]
        weight = [10.0 if i % 2 else 1.0 for i in range(2_500)]
        store.append(
            "requests",
            rows(count=2_500, start=NOON - timedelta(hours=7), step=10, status=status, sample_interval=weight),
        )
    slos = folder / "config" / "slos"
    slos.mkdir(parents=True)
    (slos / "checkout.yaml").write_text(SPEC)
    return Settings.load(
        env_file=None, home=folder / "home", config=folder / "config", reports=folder / "reports", port=0
    )


@contextmanager
def serving(settings: Settings) -> Iterator[ServerInfo]:
    box: dict[str, Any] = {}
    ready = threading.Event()

    async def main() -> None:
        box["loop"], box["stop"] = asyncio.get_running_loop(), asyncio.Event()
        with listen("127.0.0.1", 0) as listener:
            told = lambda info: (box.update(info=info), ready.set())  # noqa: E731
            await run(settings, listener, box["stop"], clock=utc_now, limits=Limits(), on_ready=told)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield box["info"]
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(60)


def by_command(settings: Settings) -> Any:
    given = {"PITCHEY_HOME": settings.home, "PITCHEY_CONFIG": settings.config}
    words = ("slo", "report", "checkout", "--end", END, "--json")
    done = shell(*words, cwd=settings.home, env={name: str(path) for name, path in given.items()})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_http(info: ServerInfo, path: str) -> Any:
    headers = {"Authorization": f"Bearer {info.token}"}
    told = httpx.get(f"{info.url}{path}", params={"end": END}, headers=headers, trust_env=False, timeout=60).json()
    assert told["problems"] == []
    return told["reports"]


def by_notebook(settings: Settings, key: str) -> Any:
    outcome = run_notebook(find("slo"), {"service": "shop", "end": END}, settings)
    assert outcome.run.status == "succeeded"
    cells = json.loads(Path(outcome.run.output).read_text())["cells"]
    page = Path(outcome.run.html).read_text()
    assert page.count(f"other, {key}") == page.count("deployment, in-the-spec") == 3, "told once per window"
    (found,) = [o["data"][DATA] for c in cells for o in c.get("outputs", []) if DATA in o.get("data", {})]
    return found["reports"]


def numbers(reports: Any) -> dict[str, Any]:
    """By window, as JSON carries them, without how long it took."""
    found = json.loads(json.dumps(reports))
    for report in found:
        report["provenance"].pop("seconds")
    return {report["window"]: report for report in found}


def test_four_ways_one_number_with_corrections_in_place(settings: Settings) -> None:
    plain = {r.window: r for r in connect(settings=settings).slo("checkout").report(end=END)}
    with serving(settings) as info:
        wb = connect(settings=settings)
        key = wb.correct(
            "checkout", "2026-03-02T06:00", minutes=30.5, category="other", reason="moved", approver="Bea",
            rrule="FREQ=HOURLY;INTERVAL=2", zone="Europe/London",
        )  # fmt: skip
        mine = numbers([r.as_dict() for r in wb.slo("checkout").report(end=END)])
        told = {
            "HTTP, one": numbers(by_http(info, "/api/monitoring/slos/checkout")),
            "HTTP, all": numbers(by_http(info, "/api/monitoring/slos")),
            "command": numbers(by_command(settings)),
            "notebook": numbers(by_notebook(settings, key)),
        }
    assert set(mine) == {"28d", "1d", "1M Europe/London"}
    for way, found in told.items():
        assert found == mine, way
    for window, report in mine.items():
        source = report["provenance"]
        assert set(source["corrections"]) == {key, "in-the-spec"} == {c["id"] for c in report["corrections"]}
        assert source["rows_read"] == 2_500 and "requests" in source["sql"] and source["watermark"]
        assert report["valid"] < plain[window].valid, "the correction took time out"
        assert report["end"] == "2026-03-02T12:01:00Z"
