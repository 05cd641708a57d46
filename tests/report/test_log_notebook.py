"""The log report: clean as committed, its words from its numbers, run as it ships; logs in an investigation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pitchey_slo.analyse.logs import Pattern
from pitchey_slo.plots import logs as plots
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.investigation import investigation
from pitchey_slo.report.log_analysis import LogAnalysis, log_analysis
from pitchey_slo.report.log_words import saying, short, told_shortly
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "80_log_analysis.ipynb"


@pytest.fixture(scope="module")
def wb(demo: Settings) -> Workbench:
    return Workbench(demo)


@pytest.fixture(scope="module")
def bad(wb: Workbench) -> pd.Series:
    """The last bad deployment of the demo's month."""
    incidents = wb.incidents()
    return incidents[incidents["kind"] == "bad_deployment"].iloc[-1]


@pytest.fixture(scope="module")
def found(wb: Workbench, bad: pd.Series) -> LogAnalysis:
    """The day of that deployment."""
    return log_analysis(wb, end=bad["ended_at"].to_pydatetime() + timedelta(hours=2))


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    notebook = find(str(NOTEBOOK))
    assert notebook.short == "log_analysis"
    assert [p.name for p in notebook.parameters] == ["window", "baseline", "service", "end"]
    assert all(p.help for p in notebook.parameters)


def test_the_words_come_from_the_numbers(wb: Workbench, found: LogAnalysis) -> None:
    start, end = found.about.start, found.about.end
    logs = wb.sql("SELECT * FROM logs").df()
    logs = logs[(logs["ts"] >= start) & (logs["ts"] < end)]
    requests = wb.sql("SELECT * FROM requests").df()
    requests = requests[(requests["ts"] >= start) & (requests["ts"] < end)]
    errors = logs[logs["level"] == "error"]
    failing = requests[requests["status"] >= 500]
    assert found.patterns.total == logs["sample_interval"].sum()
    assert found.errors == errors["sample_interval"].sum() > 0
    assert found.requests == requests["sample_interval"].sum()
    told = failing["trace_id"].isin(errors["trace_id"])
    assert found.joined.failing == failing["sample_interval"].sum()
    assert found.joined.failing_with_line == failing["sample_interval"][told].sum()
    words = str(found.summary())
    assert f"{found.errors:,.0f} of them errors" in words
    facts = {fact.name: fact.value for fact in found.facts()}
    assert facts["lines"] == found.patterns.total
    assert facts["errors_per_thousand"] == pytest.approx(1_000 * found.errors / found.requests)
    assert found.levels.to_numpy().sum() == found.patterns.total
    assert found.bad.to_numpy().sum() == logs[logs["level"] != "info"]["sample_interval"].sum()


def test_a_bad_deployment_says_something_new(found: LogAnalysis, bad: pd.Series) -> None:
    new = [p for p in found.new if p.level == "error"]
    assert new
    assert all(bad["started_at"] <= p.first_seen <= bad["ended_at"] for p in new)
    assert "was deployed" in str(found.what_is_new())
    assert short(new[0])[:20] in str(found.summary())
    routes = bad["routes"].split(",")
    assert any(route in str(found.what_is_new()) for route in routes)
    assert str(found.table()).count("<tr>") > len(new)


def test_an_investigation_shows_what_the_logs_say(wb: Workbench, bad: pd.Series) -> None:
    case = investigation(wb, start=bad["started_at"].to_pydatetime(), end=bad["ended_at"].to_pydatetime())
    assert {p.level for p in case.lines.patterns} <= {"warning", "error"}
    assert "New in the logs" in str(case.summary())
    assert str(case.logs()).index("new") < str(case.logs()).index("slow answer")
    assert "log_requests" in str(case.next_steps())


def test_charts_have_the_lines_that_there_are(found: LogAnalysis) -> None:
    span = (found.about.start, found.about.end)
    fig = plots.levels(found.levels, *span, found.incidents, found.deployments)
    (every,) = (trace for trace in fig.data if trace.name == "all lines")
    assert sum(every.y) == found.patterns.total
    (errors,) = (trace for trace in fig.data if trace.name == "error")
    assert sum(errors.y) == found.errors
    fig = plots.patterns(found.bad, found.bad_names(2), *span)
    bars = [trace for trace in fig.data if trace.type == "bar"]
    assert len(bars) == 3
    assert sum(sum(trace.y) for trace in bars) == found.bad.to_numpy().sum()
    assert plots.patterns(found.bad.head(0), [], *span).layout.annotations
    assert plots.levels(found.levels.head(0), *span).layout.annotations


def test_a_day_without_lines_says_so(wb: Workbench, found: LogAnalysis) -> None:
    empty = log_analysis(wb, end=found.patterns.baseline_start - timedelta(days=60))
    assert "No line was written" in str(empty.summary())
    assert "no time before" in str(empty.what_is_new())
    for piece in (empty.what_changed(), empty.whose_requests(), empty.silent(), empty.table()):
        assert "<table" not in str(piece)
    assert empty.joined.told is None


def test_one_service_alone(wb: Workbench, found: LogAnalysis) -> None:
    edge = log_analysis(wb, service="edge", window="28d", end=found.about.end)
    assert all(p.services == ("edge",) for p in edge.patterns.patterns)
    assert log_analysis(wb, service="o'edge", end=found.about.end).patterns.total == 0


def test_lines_cannot_write_into_the_page(found: LogAnalysis) -> None:
    at = datetime.fromisoformat("2026-11-20T00:00:00+00:00")
    hostile = Pattern("<script>alert(1)</script> <*>", "error", ("<b>",), "<i>", "<u>", 5.0, 1.0, 0.0, 0.0, 1e-9, "new",
                      at, at, "", ("f",))  # fmt: skip
    patterns = replace(found.patterns, patterns=(hostile,))
    pieces = [saying(hostile), told_shortly(patterns)]
    report = replace(found, patterns=patterns)
    pieces += [report.summary(), report.what_is_new(), report.table(), report.whose_requests()]
    for piece in pieces:
        assert "<script" not in str(piece)
        assert "<b>" not in str(piece)
        assert "<i>" not in str(piece)


def test_it_runs_as_it_ships(demo: Settings) -> None:
    outcome = run_notebook(find(str(NOTEBOOK)), {"window": "2d"}, settings=demo)
    assert outcome.run.status == "succeeded", outcome.run.error
    page = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    for heading in ("What is new", "What changed", "Whose requests", "The data behind it"):
        assert heading in page
