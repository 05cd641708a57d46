"""Words and tables of the SLO report on a small demo: against plain counting, and where there is nothing to say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pandas as pd
import pytest

from pitchey_slo.errors import QueryError, SloError
from pitchey_slo.report import lead, told
from pitchey_slo.report.review import Review, review
from pitchey_slo.settings import Settings
from pitchey_slo.testing import FixedClock, fresh_store
from pitchey_slo.workbench import Workbench, connect

from .conftest import END, HOSTILE


@pytest.fixture(scope="module")
def wb(demo: Settings) -> Workbench:
    return connect(settings=demo)


@pytest.fixture(scope="module")
def found(wb: Workbench) -> Review:
    return review(wb)


def plain(piece: told.Html) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", str(piece))).split())


def cells(piece: told.Html) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", str(piece))
    return [[plain(told.Html(c)) for c in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows[1:]]


def test_the_summary_says_what_plain_counting_says(found: Review, wb: Workbench) -> None:
    start = found.start.isoformat()
    rows = wb.sql(f"SELECT * FROM requests WHERE ts >= '{start}' AND ts < '{found.end.isoformat()}'").df()
    total = rows["sample_interval"].sum()
    errors = rows.loc[rows["status"] >= 500, "sample_interval"].sum()
    said = plain(found.summary())
    assert f"{total:,.0f} requests were served" in said
    assert f"{100 * errors / total:,.2f} % of them with a server error" in said
    assert f"{len(found.incidents)} incidents were labelled" in said
    api = rows[rows["route"].str.startswith("/api/") & (rows["status"] >= 500)]
    counts = api.groupby(["method", "route"])["sample_interval"].sum()
    assert f"failed most often, {counts.max():,.0f} times" in said


def test_the_summary_names_every_budget_that_is_gone_or_the_worst_of_them(found: Review) -> None:
    gone = [r for r in found.primary if r.state == "exhausted"]
    kept = len([r for r in found.primary if r.state in ("healthy", "at_risk")])
    said = plain(found.summary())
    assert f"{kept} of {kept + len(gone)} objectives with data kept their error budget" in said
    assert all(r.display_name in said for r in sorted(gone, key=lambda r: r.budget_left or 0)[:3])


def test_the_table_has_every_report_with_least_budget_left_first(found: Review) -> None:
    left = [r.budget_left for r in found.reports if r.budget_left is not None]
    assert left == sorted(left)
    rows = cells(found.table())
    assert len(rows) == len(found.reports)
    for row, report in zip(rows, found.reports, strict=True):
        assert row[0].startswith(report.display_name)
        assert {"healthy": "✓", "exhausted": "✕", "at_risk": "!", "no_data": "–"}[report.state] == row[1][0]


def test_one_report_per_objective_is_drawn(found: Review) -> None:
    names = [(r.slo, r.objective) for r in found.primary]
    assert len(names) == len(set(names))
    assert set(names) == {(r.slo, r.objective) for r in found.reports}


def test_routes_eat_exactly_the_budget_that_is_spent(found: Review) -> None:
    assert found.context is not None
    assert found.context.allowed is not None
    assert found.routes["errors"].sum() == pytest.approx(found.context.bad)
    eaten = found.routes["errors"].sum() / found.context.allowed
    assert eaten == pytest.approx(found.context.spent)


def test_what_people_wrote_is_escaped_everywhere(found: Review) -> None:
    for piece in (found.summary(), found.table(), found.worst_routes(), found.events(), found.changes()):
        assert "<img" not in str(piece)
    assert HOSTILE in plain(found.events())


def test_the_end_counts_the_rows_of_its_time_and_names_the_newest(found: Review, wb: Workbench) -> None:
    rows = {row[0]: row for row in cells(found.provenance())}
    when = f"ts >= '{found.start.isoformat()}' AND ts < '{found.end.isoformat()}'"
    [(counted, newest)] = wb.sql(f"SELECT count(*), max(ts) FROM requests WHERE {when}").fetchall()
    assert rows["requests"][3] == f"{counted:,}"
    assert rows["requests"][1] == f"{newest:%Y-%m-%d %H:%M} UTC"


def test_its_key_numbers_are_those_of_the_page(found: Review) -> None:
    facts = {f.name: f for f in lead.facts(found)}
    gone = sum(r.state == "exhausted" for r in found.primary)
    known = [r for r in found.primary if r.budget_left is not None]
    assert facts["budgets_kept"].value == len(known) - gone
    assert facts["requests"].value == found.volume["requests"].sum()
    assert facts["p95"].value == found.overall["p95"].iloc[0]
    left = {n: f.value for n, f in facts.items() if n.startswith("budget_left:")}
    assert left == {f"budget_left:{r.slo}:{r.objective}": r.budget_left for r in found.primary}


def test_the_query_is_shown_as_it_was_run(found: Review) -> None:
    assert "rows read" in plain(found.provenance())
    assert found.reports[0].provenance.sql.split()[0] in plain(found.provenance())


def test_a_service_a_window_and_an_end_can_be_chosen(wb: Workbench) -> None:
    service = wb.slos()[0].service
    chosen = review(wb, service=service, window="7d", end=(END - timedelta(days=3)).isoformat())
    assert {r.service for r in chosen.reports} == {service}
    assert {(r.window, r.end) for r in chosen.reports} == {("7d", END - timedelta(days=3))}
    assert chosen.incidents["started_at"].max() <= END - timedelta(days=3)


def test_a_wrong_choice_is_an_error_in_words(wb: Workbench) -> None:
    with pytest.raises(SloError, match="service"):
        review(wb, service="no-such-service")
    with pytest.raises(QueryError, match="end"):
        review(wb, end="soon")


def test_without_any_data_it_says_so_and_draws_nothing_from_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("empty") / "home"
    with fresh_store(home, clock=FixedClock(END)):
        pass
    empty = review(connect(settings=Settings.load(env_file=None, home=home, config=home / "none")))
    said = plain(empty.summary())
    assert "nothing can be said" in said
    assert "No request was recorded." in said
    assert "%" not in said
    assert {row[1] for row in cells(empty.table())} == {"– no data"}
    for piece in (empty.worst_routes(), empty.events(), empty.changes(), empty.provenance()):
        assert str(piece)


def test_an_incident_that_lasts_is_counted_up_to_the_end(found: Review) -> None:
    lasting = found.incidents.head(1).assign(started_at=pd.Timestamp(found.end - timedelta(hours=2)), ended_at=pd.NaT)
    changed = replace(found, incidents=lasting)
    assert "1 incident was labelled, 2.0 hours in all" in plain(changed.summary())
    assert "2 h so far" in plain(changed.events())
