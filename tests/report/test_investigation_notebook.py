"""The investigation report: clean as committed, its words from its numbers, run as it ships."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pitchey_slo.alert import rows as alert_rows
from pitchey_slo.alert.model import Alert, AlertEvent
from pitchey_slo.errors import QueryError
from pitchey_slo.plots import investigation as plots
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.investigation import Case, investigation
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "70_incident_investigation.ipynb"
END = NOON + timedelta(minutes=30)
ALERT = Alert({"alertname": "Pay <b>fails</b>", "severity": "critical"}, "firing", NOON, NOON, fired_at=NOON)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two quiet hours, then half an hour in which every fourth payment fails, and an alert about it."""
    folder = tmp_path_factory.mktemp("case")
    count, start = 3_000, NOON - timedelta(hours=2)
    step = 2.5 * 3_600 / count
    pays = [i % 10 == 0 for i in range(count)]
    fails = [pay and i * step >= 7_200 and i % 40 == 0 for i, pay in enumerate(pays)]
    with fresh_store(folder / "home", clock=FixedClock(END)) as store:
        store.append(
            "requests",
            rows(
                count=count,
                start=start,
                step=step,
                route=["/pay" if pay else "/home" for pay in pays],
                status=[503 if failed else 200 for failed in fails],
            ),
        )
        store.append("deployments", rows("deployments", start=NOON - timedelta(minutes=7), version="9.1"))
        event = AlertEvent(NOON, ALERT.id, ALERT.fingerprint, "state", "began to fire <script>")
        store.append_all({"alerts": alert_rows.alert_rows([ALERT]), "alert_events": alert_rows.event_rows([event])})
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports")


@pytest.fixture(scope="module")
def case(home: Settings) -> Case:
    return investigation(Workbench(home), start=NOON, end=END)


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    notebook = find(str(NOTEBOOK))
    assert [p.name for p in notebook.parameters] == ["title", "alert", "start", "end", "where"]
    assert all(p.help for p in notebook.parameters)


def test_the_words_come_from_the_numbers(case: Case) -> None:
    words = str(case.summary())
    assert "15 of 600 requests failed (2.50&nbsp;%; before: 0.00&nbsp;%), all of them from GET /pay" in words
    assert "pitchey 9.1 was deployed 7 minutes before it began" in words
    assert "10.0&nbsp;% of the traffic" in words
    assert "GET /pay" in str(case.where_from("errors"))
    assert "No more slow requests than chance would bring" in str(case.where_from("slow"))


def test_a_quiet_window_says_so(home: Settings) -> None:
    quiet = investigation(Workbench(home), start=NOON - timedelta(minutes=50), end=NOON)
    assert "Neither errors nor slow requests rose beyond chance" in str(quiet.summary())
    nothing = investigation(Workbench(home), start=END + timedelta(days=1), end=END + timedelta(days=2))
    assert "no request at all" in str(nothing.summary())
    figure = plots.window(nothing.volume, nothing.percentiles, END, END + timedelta(hours=1))
    assert figure.layout.annotations[0].text == "no requests"


def test_the_window_of_an_alert_is_its_time_and_its_decisions_are_told(home: Settings) -> None:
    about = investigation(Workbench(home), alert=ALERT.id)
    assert (about.found.start, about.title) == (NOON - timedelta(minutes=5), "Pay <b>fails</b>")
    assert "began to fire &lt;script&gt;" in str(about.decisions())
    assert "<b>" not in str(about.summary())
    with pytest.raises(QueryError, match="no alert 'x'"):
        investigation(Workbench(home), alert="x")
    with pytest.raises(QueryError, match=r"ends .* before it starts"):
        investigation(Workbench(home), start=END, end=NOON)


def test_the_chart_draws_what_the_frames_hold(case: Case) -> None:
    fig = plots.window(
        case.volume, case.percentiles, NOON, END, pd.DataFrame(case.found.deployments, columns=["ts", "version"])
    )
    errors, p95 = fig.data
    assert max(errors.y) == pytest.approx((100 * case.volume["errors"] / case.volume["requests"]).max())
    assert list(p95.y) == case.percentiles["p95"].tolist()
    assert len(fig.layout.shapes) == 4  # the window and a deployment, on both halves


def test_it_runs_as_it_ships(home: Settings) -> None:
    outcome = run_notebook(find("incident_investigation", NOTEBOOK.parent), {"alert": ALERT.id}, settings=home)
    assert outcome.run.status == "succeeded"
    page = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert "began to fire" in page
    assert "<script>" not in page[page.index("began to fire") : page.index("began to fire") + 40]
