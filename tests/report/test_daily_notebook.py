"""The daily review: one bad day made by hand, a quiet one, one without data; and the notebook as it ships."""

from __future__ import annotations

import json
import os
import re
import statistics
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.analyse.daily import Arrival, arrivals, refused
from pitchey_slo.plots import daily as plots
from pitchey_slo.probe.result import Result, rows_of
from pitchey_slo.report import find, run_notebook, told
from pitchey_slo.report.daily import Day, daily
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.store import Store
from pitchey_slo.tables import ALERTS, DECISIONS, NOTIFICATIONS
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench
from tests.probe.synthetic.made import HOSTILE

NOTEBOOK = shipped("notebooks") / "10_daily_review.ipynb"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
START = NOON - 24 * HOUR


def alert(
    name: str, began: float, over: float | None = None, acked: float | None = None, **more: Any
) -> dict[str, Any]:
    """Hours before noon."""
    at = NOON - began * HOUR
    severity = more.pop("severity", "critical")
    labels = json.dumps({"alertname": name, "severity": severity, **more.pop("labels", {})})
    return {"id": f"{name}-{began:g}", "fingerprint": name, "name": name, "severity": severity, "labels": labels,
            "state": "firing" if over is None else "resolved", "active_at": at - MINUTE, "fired_at": at,
            "annotations": json.dumps({"summary": f"{name} {HOSTILE}", "runbook_url": "/docs/runbooks/x.md"}),
            "resolved_at": None if over is None else NOON - over * HOUR, "updated_at": NOON,
            "acked_at": None if acked is None else NOON - acked * HOUR, "acked_by": "ann", **more}  # fmt: skip


FIRED = [
    alert("Errors", 10, 9, 9.9),  # within the incident
    alert("Errors", 5, 4, 4.5),  # belongs to none
    alert("Elsewhere", 10, 9.5, labels={"route": "/api/other"}),  # at the same time, about another route
    alert("Old", 30, 26),  # over before the day
    alert("Long", 40, 20, 39),  # of the day before, over within this one
    alert("Now", 0.5, severity="critical"),
    alert("Taken", 26, None, 25, severity="warning"),
]


def requests(source: str, first: float, last: float, every: float = 60.0, **more: Any) -> Any:
    """One each minute from `first` to `last` hours before noon."""
    start, count = NOON - first * HOUR, int((first - last) * 3600 / every)
    return rows("requests", count, start=start + timedelta(seconds=30), step=every, source=source, **more)


def bad_day(store: Store) -> None:
    store.append("requests", requests("steady", 150, 0))
    for first, last in ((150, 6), (3, 0)):  # three hours without a row
        store.append("requests", requests("paused", first, last))
    store.append("requests", requests("gone", 150, 30))
    store.append("requests", requests("steady", 2, 1.9, status=500))
    store.append("alerts", ALERTS.of(FIRED))
    began, ended = NOON - 10 * HOUR - 2 * MINUTE, NOON - 9 * HOUR
    store.append("incidents", rows("incidents", started_at=[began], ended_at=[ended], routes=["/api/pitches"]))
    message = {"id": "m", "dedup_key": "m", "receiver": "people", "channel": "slack/0", "action": "firing",
               "payload": "{}", "state": "dead", "attempts": 7, "answer": "404: no such hook",
               "created_at": NOON - HOUR,
               "due_at": NOON, "next_attempt_at": NOON, "updated_at": NOON - HOUR}  # fmt: skip
    store.append("notifications", NOTIFICATIONS.of([message]))
    decision = {"id": "d", "rule": "alert_rules.yml;g;0;Errors",
                "kind": "reject", "decided_by": "ann",
                "reason": "wait", "created_at": NOON - 50 * HOUR, "before": "a", "after": "a", "state": "decided",
                "look_again_at": NOON - HOUR}  # fmt: skip
    store.append("decisions", DECISIONS.of([decision, {**decision, "id": "e", "look_again_at": NOON + HOUR}]))
    looks = [
        Result("login", "unhealthy" if m < 30 else "healthy", NOON - m * MINUTE, kind="journey", component="api",
               failure="timeout" if m < 30 else None, reason="no answer" if m < 30 else None,
               cert_days=5.0)
        for m in range(1, 1_400, 5)
    ]  # fmt: skip
    store.append("probes", rows_of(looks))
    store.append("logs", rows("logs", 2, ts=[NOON - 40 * 24 * HOUR, NOON - MINUTE]))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("daily")
    with fresh_store(folder / "home", clock=FixedClock(NOON)) as store:
        bad_day(store)
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "none")


@pytest.fixture(scope="module")
def day(settings: Settings) -> Iterator[Day]:
    yield daily(Workbench(settings), now=NOON + MINUTE)


def names(found: Any) -> list[str]:
    return [each.name for each in found]


def test_firings_are_judged_by_the_incidents_of_their_time_and_route(day: Day) -> None:
    assert day.end == NOON
    assert names(day.fired) == ["Long", "Taken", "Elsewhere", "Errors", "Errors", "Now"]  # not one that was over before
    assert names(day.active) == ["Now", "Taken"]  # what nobody took on stands first
    assert [f.id for f in day.false] == ["Elsewhere-10", "Errors-5"]
    assert [f.id for f in day.fired if f.incident] == ["Taken-26", "Errors-10"]
    assert day.acks == (360.0, 1800.0)
    facts = {f.name: f.value for f in day.facts()}
    assert facts["acked"] == statistics.median(day.acks) == 1080.0
    assert (facts["fired"], facts["false"], facts["active"], facts["incidents"]) == (4, 2, 2, 1)
    assert "without an incident" in told.plain(day.alerts()) and "404: no such hook" in told.plain(day.alerts())


def test_the_list_of_work_says_what_is_wrong_and_how_urgent(day: Day) -> None:
    found = [(t.when, t.what) for t in day.todo]
    assert [w for w, _ in found] == sorted((w for w, _ in found), key=["now", "today", "this week"].index)
    text = {when: " ".join(t for w, t in found if w == when) for when in ("now", "today", "this week")}
    assert "Take on Now (critical)" in text["now"] and "Taken" in text["today"]
    assert "1 message could not be delivered to people (slack/0)" in text["now"]
    assert "login is down for 26 min" in text["now"] and "(timeout)" in text["now"]
    assert "ends in 5 days" in text["today"]
    assert "gone sends nothing to requests any more" in text["now"]
    assert "paused paused for 3 h in requests" in text["today"] and "steady" not in " ".join(text.values())
    assert "2 firings of Elsewhere, Errors without an incident" in text["this week"]
    assert "logs holds rows 10 d" in text["this week"]
    assert "Look again at what was decided about Errors" in text["this week"]
    assert len(day.decisions) == 1  # what was rejected and is not due waits for nobody
    assert f"{len(day.todo)} things to do" in told.plain(day.summary())


def test_every_command_of_the_list_exists(day: Day) -> None:
    import typer.main

    from pitchey_slo.cli import build

    commands = [w.split()[1:] for t in day.todo for w in (t.how, t.where) if w.startswith("pitchey-slo ")]
    assert len(commands) >= 5
    for words in commands:
        group: Any = typer.main.get_command(build(words)).commands[words[0]]  # type: ignore[attr-defined]
        assert words[1].startswith("-") or words[1] in group.commands, words
    for path in {t.how for t in day.todo if t.how.startswith("docs/")}:
        assert (Path(__file__).parents[2] / path).is_file(), path


def test_gaps_are_those_a_loop_finds(settings: Settings) -> None:
    reader = Workbench(settings).reader
    found = {a.source: a for a in arrivals(reader, START, NOON) if a.table == "requests"}
    table = reader.query("SELECT source, ts FROM requests").to_pylist()
    for source, a in found.items():
        times = sorted(row["ts"] for row in table if row["source"] == source)
        assert a.newest == times[-1] and a.rows == sum(t >= START for t in times)
        minutes = sorted({int(t.timestamp() // 60) for t in times} | {int(NOON.timestamp() // 60)})
        steps = [(b, b - a - 1) for a, b in pairwise(minutes)]
        begin = START.timestamp() / 60
        assert a.gap_seconds == 60 * max(gap for b, gap in steps if b > begin)
        assert a.usual_gap_seconds == 60 * max((gap for b, gap in steps if b <= begin), default=0)
    assert found["paused"].unusual and not found["steady"].unusual
    assert found["gone"].stopped and found["gone"].gap_seconds == 30 * 3600


def test_a_pause_is_unusual_only_beside_what_is_usual() -> None:
    def of(gap: float | None, usual: float | None, rows_: int = 5) -> bool:
        return Arrival("requests", "a", NOON, rows_, gap, usual).unusual

    assert of(1_200, 60) and of(1_200, None)
    assert not of(540, 0)  # nine minutes are none
    assert not of(7_200, 3_600)  # twice as long as ever is not yet more than twice
    assert of(0.0, 60, rows_=0)


def test_budgets_of_the_day_are_parts_of_the_whole(day: Day, settings: Settings) -> None:
    wb = Workbench(settings)
    api = next(s for s in day.spent if s.report.slo == "api-availability")
    start = (NOON - 24 * HOUR).isoformat()
    rows_ = wb.sql(f"SELECT status, sample_interval FROM requests WHERE ts >= '{start}'").fetchall()
    assert api.bad == sum(w for status, w in rows_ if status >= 500) == 6
    whole = next(r for r in wb.slo_report(end=NOON) if r.slo == "api-availability")
    assert api.share == api.bad / whole.allowed and api.left == whole.budget_left
    silent = next(s for s in day.spent if s.report.slo == "payment")
    assert silent.share is None and day.spent[-1].share is None  # nothing counted is not nothing spent


def test_rows_put_aside_are_counted_in_their_time(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "rejects").mkdir()
    for name, hours, lines in (("new.log-1", 2, 3), ("old.log-1", 30, 5)):
        path = tmp_path / "rejects" / f"{name}.rejects"
        path.write_text("a line\n" * lines)
        stamp = (NOON - hours * HOUR).timestamp()
        os.utime(path, (stamp, stamp))
    found = refused(Workbench(settings).reader, tmp_path, START, NOON)
    assert [(r.what, r.rows) for r in found] == [("new.log-1.rejects", 3)]


def test_what_people_wrote_is_escaped(day: Day) -> None:
    pieces = (day.summary(), day.work(), day.alerts(), day.looks(), day.sources(), day.open_decisions())
    assert all("<img" not in piece.markup for piece in pieces)
    figure = plots.day(day.fired, day.incidents, day.start, day.end)
    assert {t.name: len(t.base) for t in figure.data} == {"with an incident": 2, "without an incident": 4}
    assert len(figure.layout.shapes) == 1


def test_old_data_is_a_finding_unless_an_old_day_was_asked_for(settings: Settings) -> None:
    later = NOON + 3 * HOUR
    live = daily(Workbench(settings), now=later)
    assert any("Nothing has arrived for 3 h" in t.what for t in live.todo)
    asked = daily(Workbench(settings), end=NOON, now=later)
    assert not any("has arrived" in t.what for t in asked.todo)


def test_a_quiet_day_has_nothing_to_do(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)) as store:
        store.append("requests", requests("steady", 150, 0))
        store.append("probes", rows_of([Result("login", "healthy", NOON - m * MINUTE, kind="journey", component="api")
                                        for m in range(1, 1_500, 5)]))  # fmt: skip
    quiet = daily(Workbench(home(tmp_path)), now=NOON + MINUTE)
    assert quiet.todo == ()
    assert "Nothing to do." in told.plain(quiet.summary()) and "Nothing to do" in told.plain(quiet.work())
    assert "No alert fired." in told.plain(quiet.summary())
    assert plots.day(quiet.fired, quiet.incidents, quiet.start, quiet.end).layout.annotations[0].text


def test_without_any_data_nothing_is_called_well(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)):
        pass
    empty = daily(Workbench(home(tmp_path)), end=NOON, now=NOON)
    words = told.plain(empty.summary())
    assert "No row came from anywhere" in words and "No synthetic test had a result" in words
    assert any("Nobody looks from outside" in t.what for t in empty.todo)
    for piece in (empty.alerts(), empty.looks(), empty.budgets(), empty.sources(), empty.retention(),
                  empty.open_decisions(), empty.changes(), empty.provenance()):  # fmt: skip
        assert told.plain(piece) and "✓ as it" not in told.plain(piece)


def home(folder: Path) -> Settings:
    return Settings.load(env_file=None, home=folder / "home", config=folder / "none")


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    notebook = find(str(NOTEBOOK))
    assert notebook.short == "daily_review" and all(p.help for p in notebook.parameters)
    assert [(p.name, p.type) for p in notebook.parameters] == [("window", "str"), ("end", "datetime")]


def test_it_runs_as_it_ships(settings: Settings) -> None:
    outcome = run_notebook(find(str(NOTEBOOK)), {"end": datetime.fromisoformat(NOON.isoformat())}, settings=settings)
    assert outcome.run.status == "succeeded"
    text = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert re.search(r"Take on Now", text) and HOSTILE not in text and "first report of its kind" in text
