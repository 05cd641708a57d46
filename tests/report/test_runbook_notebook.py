"""The runbooks as reports: a pool that fills and a cache that empties, each number beside a plain loop."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitchey_slo.analyse.readings import Gauge, reading
from pitchey_slo.errors import QueryError
from pitchey_slo.plots import daily, investigation, readings
from pitchey_slo.report import find, told
from pitchey_slo.report.noise import noise
from pitchey_slo.report.runbook import RUNBOOKS, Guide, runbook
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.store import Store
from pitchey_slo.tables import ALERTS
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench
from tests.probe.synthetic.made import HOSTILE

MINUTE = timedelta(minutes=1)
START = NOON - 60 * MINUTE


def samples(store: Store, name: str, values: list[float]) -> None:
    """One each minute up to noon."""
    stamps = np.array([round((NOON - m * MINUTE).timestamp() * 1000) for m in range(len(values) - 1, -1, -1)], np.int64)
    batch = SampleBatch((labels_of({"__name__": name}),), np.zeros(len(values), np.int64), stamps, np.array(values))
    store.samples(batch).result()


def bad_hour(store: Store) -> None:
    rng = np.random.default_rng(5)
    before, now = rng.normal(40, 2, 90), np.linspace(40, 97, 60)
    samples(store, "pitchey_db_connections_active", [*before, *now])
    samples(store, "pitchey_db_connections_max", [100.0] * 150)
    samples(store, "pitchey_db_up", [1.0] * 150)
    for route, slow in (("/slow", 900.0), (HOSTILE, 20.0)):
        for hour, ms in ((1, slow), (2, 20.0)):
            store.append("requests", rows("requests", 60, start=NOON - hour * 60 * MINUTE + MINUTE / 2, step=60,
                                          route=route, duration_ms=[ms + i for i in range(60)], method="GET",
                                          trace_id="abc", status=[503 if hour == 1 and i < 12 else 200
                                                                  for i in range(60)]))  # fmt: skip


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder = tmp_path_factory.mktemp("runbook")
    with fresh_store(folder / "home", clock=FixedClock(NOON)) as store:
        bad_hour(store)
    yield Workbench(Settings.load(env_file=None, home=folder / "home", config=folder / "none"))


@pytest.fixture(scope="module")
def guide(wb: Workbench) -> Guide:
    return runbook(wb, "database-problems", start=START, end=NOON)


def test_a_reading_is_odd_when_it_passed_its_bound_or_moved() -> None:
    def of(before: list[float], now: list[float], **more: object) -> tuple[bool, bool]:
        values = [*before, *now]
        times = [START + (i - len(before)) * MINUTE for i in range(len(values))]
        gauge = Gauge("g", "x", "count", "look", **more)  # type: ignore[arg-type]
        found = reading(gauge, lambda *_: list(zip(times, values, strict=True)), START, START, NOON)
        assert found.now == (statistics.fmean(now) if now else None)
        return found.odd, found.passed

    calm = [10.0, 11, 9, 10, 10, 11]
    assert of(calm, [10.5, 9.5]) == (False, False)
    assert of(calm, [14.0, 15.0]) == (True, False) and of(calm, [5.0]) == (False, False)  # less is no harm
    assert of(calm, [5.0], worse="down") == (True, False)
    assert of(calm, [10.0, 12.0], bound=11.5) == (True, True)  # it did pass it, for a moment
    assert of([1.0] * 6, [1.0]) == (False, False) and of([1.0] * 6, [1.1]) == (True, False)
    assert of(calm[:3], [50.0]) == (False, False)  # too little before to say so
    assert of(calm, []) == (False, False)


def test_the_parts_say_what_is_odd_and_what_is_not_known(guide: Guide, wb: Workbench) -> None:
    assert {r.gauge.name for r in guide.odd} >= {"connections in use", "share of 5xx"}
    pool = next(r for r in guide.readings if r.gauge.name == "connections in use")
    kept = wb.reader.query("SELECT max(value) AS v FROM samples JOIN series USING (series_id) WHERE name = ?",
                           ["pitchey_db_connections_active"])["v"][0].as_py()  # fmt: skip
    assert pool.worst == pytest.approx(kept / 100) and pool.passed
    words = told.plain(guide.summary())
    assert "The pool is nearly used up" in words and "docs/runbooks/database-problems.md" in words
    assert "Nothing is known of: time of a query, queries waiting for a lock, replicas behind" in words
    page = told.plain(guide.parts())
    assert "beyond 90.0 %" in page and "not known" in page and "✓ as before" in page
    assert "time of a query" not in told.plain(guide.parts("connections in use")).replace("the queries", "")


def test_what_fails_and_what_is_slow_are_those_of_a_loop(guide: Guide, wb: Workbench) -> None:
    plain = [r for r in wb.reader.query("SELECT * FROM requests").to_pylist() if START <= r["ts"] < NOON]
    for row in guide.failing.to_dict("records"):
        mine = [r for r in plain if r["route"] == row["route"] and r["status"] == row["status"]]
        assert row["requests"] == len(mine) == 12 and row["example"] == "abc"
    top = guide.slow.to_dict("records")[0]
    times = sorted(r["duration_ms"] for r in plain if r["route"] == "/slow")
    assert (top["route"], top["p95"], top["rows"]) == ("/slow", times[-(-95 * 60 // 100) - 1], 60)
    assert top["p95_before"] < 100 < top["p95"]
    assert "50 % of what failed" in told.plain(guide.fails())


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_piece_of_each_notebook_is_there_and_escaped(name: str, wb: Workbench) -> None:
    path = shipped("notebooks") / f"{RUNBOOKS[name][0]}.ipynb"
    text = (shipped("docs") / "runbooks" / f"{name}.md").read_text(encoding="utf-8")
    assert find(str(path)).short in text, "the runbook does not link to its notebook"
    cells = json.loads(path.read_text())["cells"]
    assert f"docs/runbooks/{name}.md" in "".join(cells[0]["source"])
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] for c in cells if c["cell_type"] == "code")
    made = runbook(wb, name, start=START, end=NOON)
    known = {"guide": made, "found": made.case.found, "investigation": investigation, "readings": readings}
    assert f'"{name}"' in code[1]
    for cell in list(code[2:]):
        shown = eval(cell, dict(known))
        assert "<img" not in (shown.markup if isinstance(shown, told.Html) else str(shown.to_dict()))


def test_without_data_nothing_is_called_well(tmp_path_factory: pytest.TempPathFactory, wb: Workbench) -> None:
    folder = tmp_path_factory.mktemp("empty")
    with fresh_store(folder / "home", clock=FixedClock(NOON)):
        pass
    empty = Workbench(Settings.load(env_file=None, home=folder / "home", config=folder / "none"))
    made = runbook(empty, "high-error-rate", start=START, end=NOON)
    assert "as before" not in told.plain(made.parts()) and "not known" in told.plain(made.parts())
    assert "nothing unusual" not in told.plain(made.summary())
    with pytest.raises(QueryError, match="did you mean"):
        runbook(wb, "high-error-rat")


def test_noise_is_sorted_into_the_kinds_of_the_runbook(tmp_path: Path) -> None:
    def alert(name: str, minutes: float, lasted: float | None, acked: bool = False) -> dict[str, Any]:
        at = NOON - minutes * MINUTE
        return {"id": f"{name}{minutes}", "fingerprint": name, "name": name, "severity": "warning",
                "labels": json.dumps({"alertname": name}), "annotations": "{}", "active_at": at, "fired_at": at,
                "state": "resolved", "resolved_at": None if lasted is None else at + lasted * MINUTE,
                "acked_at": at + MINUTE if acked else None, "updated_at": NOON}  # fmt: skip

    fired = [alert("Flicker", m, 2) for m in (300, 240, 180)] + [alert("True", 100, 30, True), alert("Echo", 99, 30)]
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)) as store:
        store.append("alerts", ALERTS.of(fired))
        store.append("incidents", rows("incidents", started_at=[NOON - 101 * MINUTE], ended_at=[NOON - 60 * MINUTE]))
        busy = [NOON - 110 * MINUTE + i * MINUTE / 20 for i in range(400)]
        store.append("requests", rows("requests", 400, ts=busy))
    wb = Workbench(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path / "none"))
    found = {n.name: n for n in noise(wb, end=NOON).found}
    assert found["Flicker"].kinds == {"flickers": 3, "on few requests": 3, "with others": 0, "nobody took it on": 3,
                                      "without incident": 3}  # fmt: skip
    assert found["True"].kinds == {"flickers": 0, "on few requests": 0, "with others": 1, "nobody took it on": 0,
                                   "without incident": 0}  # fmt: skip
    assert found["Echo"].remedies == () and "rules tune Flicker" in found["Flicker"].remedies[-1]
    whole = noise(wb, end=NOON)
    assert whole.found[0].name == "Flicker" and "3 without a labelled incident" in told.plain(whole.summary())
    assert [n.name for n in noise(wb, alert="True", end=NOON).found] == ["True"]
    cells = json.loads((shipped("notebooks") / "75_runbook_alert_tuning.ipynb").read_text())["cells"]
    for cell in ["".join(c["source"]) for c in cells if c["cell_type"] == "code"][2:]:
        assert eval(cell, {"tuning": whole, "plots": daily}) is not None
    quiet = noise(wb, end=NOON - timedelta(days=30))
    assert "No alert fired" in told.plain(quiet.summary()) and "No alert fired" in told.plain(quiet.kinds())
