"""SLO numbers over HTTP: those of the workbench, shared, and served on while a file is broken."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.testing import NOON, fresh_store, rows
from pitchey_slo.web import slo_numbers
from pitchey_slo.workbench import Workbench, connect

from .conftest import Running, running
from .test_events import refused

SLOS = "/api/monitoring/slos"
END = NOON.isoformat()


SPEC = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: NAME}
spec:
  service: test
  indicator:
    metadata: {name: NAME}
    spec:
      ratioMetric:
        bad: {metricSource: {type: pitchey, spec: {table: requests, filter: "status >= 500"}}}
        total: {metricSource: {type: pitchey, spec: {table: requests}}}
  timeWindow: [{duration: WINDOW, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: TARGET}]
"""


def spec_text(name: str, target: float = 0.9, window: str = "28d") -> str:
    return SPEC.replace("NAME", name).replace("TARGET", str(target)).replace("WINDOW", window)


def write_specs(folder: Path, **texts: str) -> None:
    (folder / "slos").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "slos" / f"{name}.yaml").write_text(text)


def numbers(report: dict[str, Any]) -> dict[str, Any]:
    """A report without how long it took."""
    return report | {"provenance": {k: v for k, v in report["provenance"].items() if k != "seconds"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slos")
    with fresh_store(folder / "home") as store:
        status = [500 if i % 50 == 0 else 200 for i in range(3_000)]
        store.append("requests", rows(count=3_000, start=NOON - timedelta(hours=5), step=6, status=status))
    strict = spec_text(name="strict", target=0.999, window="1d")
    silent = spec_text(name="silent").replace("table: requests}", "table: requests, filter: \"route = '/none'\"}")
    write_specs(folder / "config", easy=spec_text(name="easy"), strict=strict, silent=silent)
    return folder


@pytest.fixture(scope="module")
def slo_server(place: Path) -> Iterator[Running]:
    with running(place / "home", config=place / "config") as it:
        yield it


@pytest.fixture(scope="module")
def reading(slo_server: Running) -> Iterator[httpx.Client]:
    with slo_server.client(slo_server.token("read")) as client:
        yield client


def test_all_slos_the_least_budget_first_and_no_data_last(reading: httpx.Client) -> None:
    told = reading.get(SLOS).json()
    assert told["problems"] == []
    assert [r["slo"] for r in told["reports"]] == ["strict", "easy", "silent"]
    assert [r["bad"] for r in told["reports"]] == [60.0, 60.0, 0.0]


@pytest.mark.parametrize("window", ["", "10Y", "3h", "1d Europe/London"])
def test_one_slo_is_what_the_workbench_says(reading: httpx.Client, slo_server: Running, window: str) -> None:
    told = reading.get(f"{SLOS}/strict", params={"window": window, "end": END}).json()["reports"]
    mine = connect(settings=slo_server.settings).slo("strict").report(window, END)
    assert [numbers(r) for r in told] == [numbers(r.as_dict()) for r in mine]


def test_a_service_alone(reading: httpx.Client) -> None:
    assert len(reading.get(SLOS, params={"service": "test"}).json()["reports"]) == 3
    refused(reading.get(SLOS, params={"service": "tests"}), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "status", "reason", "says"),
    [
        ("/stric", 404, "not_found", 'did you mean "strict"'),
        ("?window=28", 422, "invalid_slo", "is not a window"),
        ("?window=1M%20Europe/Londn", 422, "invalid_slo", "Europe/London"),
        ("?window=11Y", 422, "invalid_slo", "longer than ten years"),
        ("?end=tomorrow", 400, "invalid_query", "2026-03-01T12:00:00Z"),
        ("?end=0001-01-01T00:00%2B14:00", 400, "invalid_query", "outside the calendar"),
        ("?end=0001-01-02", 400, "bad_parameter", "no time that data can be of"),
        ("?end=9999-12-31", 400, "bad_parameter", "no time that data can be of"),
        ("/strict?servce=x", 400, "bad_parameter", "servce"),
        ("?windw=3h", 400, "bad_parameter", 'did you mean "window"'),
        ("?window=3h&window=4h", 400, "bad_parameter", "twice"),
        ("?token=abc", 401, "unauthorized", "header"),
    ],
)
def test_what_cannot_be_meant(reading: httpx.Client, path: str, status: int, reason: str, says: str) -> None:
    answer = reading.get(SLOS + path)
    refused(answer, status, reason)
    assert says in answer.json()["error"]["message"]


def test_it_needs_the_scope_to_read(slo_server: Running) -> None:
    with slo_server.client(slo_server.token("ingest")) as client:
        refused(client.get(SLOS), 403, "forbidden")
    with slo_server.client() as client:
        refused(client.get(f"{SLOS}/strict"), 401, "unauthorized")


def test_who_asks_for_the_same_shares_one_evaluation(
    slo_server: Running, reading: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    go_on = threading.Event()
    whole = Workbench.evaluate

    def slow(self: Workbench, slos: Any, *given: Any) -> Any:
        counted.append(slos[0].name)
        assert go_on.wait(30)
        return whole(self, slos, *given)

    monkeypatch.setattr(Workbench, "evaluate", slow)
    ask = {"window": "2h", "end": END}
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(reading.get, f"{SLOS}/strict", params=ask) for _ in range(6)]
        assert reading.get("/api/health/live").status_code == 200, "the event loop is free meanwhile"
        go_on.set()
        bodies = {each.result().content for each in waiting}
    assert len(bodies) == 1 and counted == ["strict"]
    assert reading.get(f"{SLOS}/strict", params=ask).content in bodies, "and who comes just after"
    reading.get(f"{SLOS}/strict", params=ask | {"window": "90m"})
    assert counted == ["strict", "strict"]


def test_too_many_evaluations_are_refused_and_come_again(
    slo_server: Running, reading: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    whole = Workbench.evaluate

    def slow(self: Workbench, *given: Any) -> Any:
        assert go_on.wait(30)
        return whole(self, *given)

    monkeypatch.setattr(Workbench, "evaluate", slow)
    with ThreadPoolExecutor(20) as pool:
        windows = [f"{20 + i}m" for i in range(slo_numbers.MOST_WAITING + 4)]
        waiting = [pool.submit(reading.get, f"{SLOS}/easy", params={"window": w}) for w in windows]
        first = next(iter(wait(waiting, 30, FIRST_COMPLETED).done)).result()
        assert first.status_code == 503 and first.headers["Retry-After"]
        go_on.set()
        codes = sorted(w.result().status_code for w in waiting)
    assert codes.count(503) == 4 and codes.count(200) == slo_numbers.MOST_WAITING


def test_a_broken_file_is_told_and_the_last_good_specs_are_served(tmp_path: Path) -> None:
    config = tmp_path / "config"
    write_specs(config, easy=spec_text(name="easy"))
    with running(tmp_path / "home", config=config) as server, server.client(server.info.token) as client:

        def seen() -> tuple[list[str], list[str]]:
            told = client.get(SLOS).json()
            return [r["slo"] for r in told["reports"]], told["problems"]

        def change(**texts: str) -> None:
            write_specs(config, **texts)
            client.post("/api/monitoring/corrections", json={**CORRECTION, "id": os.urandom(4).hex()})  # forgets

        assert seen() == (["easy"], [])
        change(easy="kind: SLO\n")
        names, problems = seen()
        assert names == ["easy"] and "easy.yaml" in problems[0] and "last good" in problems[0]
        change(easy=spec_text(name="easy"), more=spec_text(name="more"))
        assert seen() == (["easy", "more"], [])
        unfit = spec_text(name="more").replace("status >= 500", "stauts >= 500")
        change(more=unfit)
        names, problems = seen()
        assert names == ["easy"] and problems[0].startswith("more: ") and 'did you mean "status"' in problems[0]
        refused(client.get(f"{SLOS}/more"), 422, "invalid_slo")


CORRECTION = {"start": "2026-03-02T02:00", "minutes": 30, "category": "other", "reason": "r", "approver": "a"}


def test_without_any_good_specs_the_problem_is_the_answer(tmp_path: Path) -> None:
    write_specs(tmp_path / "config", bad="kind: SLOO\n")
    with running(tmp_path / "home", config=tmp_path / "config") as server, server.client(server.info.token) as client:
        told = client.get(SLOS)
        assert told.status_code == 200 and told.json()["reports"] == [] and "bad.yaml" in told.json()["problems"][0]
        answer = client.get(f"{SLOS}/easy")
        refused(answer, 404, "not_found")
        assert "bad.yaml" in answer.json()["error"]["detail"]["problems"][0]
