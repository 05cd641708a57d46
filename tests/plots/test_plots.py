"""The charts, as the figures they are: what is drawn, apart from what, and that text from data stays text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from pitchey_slo import plots
from pitchey_slo.plots import theme

from . import made

HOSTILE = "<b onmouseover=alert(1)>'\"&x</b>"
FIGURES: dict[str, Callable[[], go.Figure]] = {
    "budget_bars": lambda: plots.budget_bars([made.report(display_name=HOSTILE), made.report(spent=4.0), made.empty()]),
    "burn_down": lambda: plots.burn_down(made.report(), made.incidents(HOSTILE), made.deployments()),
    "error_heatmap": lambda: plots.error_heatmap(made.volume()),
    "latency_percentiles": lambda: plots.latency_percentiles(made.percentiles(), made.incidents(HOSTILE)),
    "sli_over_time": lambda: plots.sli_over_time([made.report(display_name=HOSTILE), made.report()], made.incidents()),
    "slo": lambda: plots.slo(made.report(), made.incidents(HOSTILE), made.deployments()),
    "worst_routes": lambda: plots.worst_routes(made.routes(HOSTILE)),
}
EMPTY: dict[str, Callable[[], go.Figure]] = {
    "budget_bars": lambda: plots.budget_bars([]),
    "burn_down": lambda: plots.burn_down(made.empty()),
    "error_heatmap": lambda: plots.error_heatmap(made.volume().head(0)),
    "latency_percentiles": lambda: plots.latency_percentiles(made.percentiles().head(0)),
    "sli_over_time": lambda: plots.sli_over_time(made.empty()),
    "slo": lambda: plots.slo(made.empty(), made.incidents(), made.deployments()),
    "worst_routes": lambda: plots.worst_routes(made.routes().head(0)),
}


def traces(fig: go.Figure) -> dict[str, Any]:
    return {t.name: t for t in fig.data if t.name}


def words(fig: go.Figure) -> str:
    return " | ".join(a.text for a in fig.layout.annotations)


def test_every_chart_is_tried_here() -> None:
    assert set(FIGURES) == set(EMPTY) == set(plots.__all__)


@pytest.mark.parametrize("name", plots.__all__)
def test_a_chart_keeps_to_what_an_older_plotly_draws_and_to_the_template(name: str) -> None:
    fig = FIGURES[name]()
    assert {t.type for t in fig.data} <= {"scatter", "bar", "heatmap"}
    assert fig.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert fig.layout.height


@pytest.mark.parametrize("name", plots.__all__)
def test_axes_name_their_unit(name: str) -> None:
    layout = json.loads(FIGURES[name]().to_json())["layout"]
    titles = [axis.get("title", {}).get("text", "") for key, axis in layout.items() if key[1:5] == "axis"]
    units = ("(UTC)", "(%)", "milliseconds", "status 5xx")
    assert any(unit in title for title in titles for unit in units)
    for key, axis in layout.items():
        if key.startswith("xaxis") and axis.get("type") == "date":
            assert "UTC" in axis["title"]["text"]


@pytest.mark.parametrize("name", plots.__all__)
def test_text_from_data_is_escaped(name: str) -> None:
    assert "<b onmouseover" not in json.loads(json.dumps(FIGURES[name]().to_json()))


@pytest.mark.parametrize("name", plots.__all__)
def test_nothing_to_draw_is_no_error(name: str) -> None:
    assert isinstance(EMPTY[name](), go.Figure)


@pytest.mark.parametrize("name", ["burn_down", "sli_over_time", "slo"])
def test_no_data_is_said_and_not_drawn_as_a_line(name: str) -> None:
    fig = EMPTY[name]()
    assert "no data" in words(fig)
    assert not [t for t in fig.data if t.mode == "lines"]


def test_what_is_left_is_drawn_to_the_end_and_what_may_come_apart_from_it() -> None:
    report = made.report(spent=0.6)
    drawn = traces(plots.burn_down(report))
    left, low, high = (drawn[n] for n in ("budget left", "projected, highest burn", "projected, lowest burn"))
    assert left.y[-1] == pytest.approx(40.0)
    assert left.line.dash is None
    assert low.line.dash == high.line.dash == "dot"
    assert low.x[0] == theme.utc([report.end])[0]
    assert (np.asarray(low.y) <= np.asarray(high.y)).all()
    assert "40 % left" in words(plots.burn_down(report))


def test_the_time_axis_ends_a_third_of_the_window_later_unless_the_budget_ends_after_that() -> None:
    far = np.arange(np.datetime64("2026-11-23T12:00"), np.datetime64("2026-12-21T12:00"), np.timedelta64(1, "D"))
    curve = made.report().burn_down
    curve = replace(curve, projected_time=far.astype("datetime64[us]"), low=np.zeros(len(far)), high=np.zeros(len(far)))
    report = made.report(burn_down=curve)
    assert plots.burn_down(report).layout.xaxis.range[1].startswith("2026-12-02T20:00")
    late = replace(report.exhaustion, state="projected", earliest=made.END + timedelta(days=10), latest=None)
    assert plots.burn_down(replace(report, exhaustion=late)).layout.xaxis.range[1].startswith("2026-12-04T12:00")


def test_gaps_stay_gaps() -> None:
    sli = traces(plots.sli_over_time(made.report()))["API availability"]
    assert np.isnan(sli.y[50])
    assert not sli.connectgaps
    latency = plots.latency_percentiles(made.percentiles()).data[0]
    assert np.isnan(np.asarray(latency.y)).sum() == 1


def test_a_bucket_below_the_axis_is_marked_and_its_true_value_kept_for_hover() -> None:
    fig = plots.sli_over_time(made.report(deepest=0.4))
    drawn = traces(fig)
    assert len(drawn["below the axis"].x) == 3
    assert np.nanmin(drawn["API availability"].y) == pytest.approx(98.0)
    assert np.nanmin(np.asarray(drawn["API availability"].customdata)[:, 0]) == pytest.approx(40.0)


def test_incidents_and_deployments_are_marked_inside_the_window_only() -> None:
    report = made.report()
    early = made.incidents()
    early.loc[0, "started_at"] = pd.Timestamp(made.START - timedelta(days=3))
    early.loc[0, "ended_at"] = pd.Timestamp(made.START - timedelta(days=2))
    fig = plots.sli_over_time(report, early, made.deployments())
    bands = [s for s in fig.layout.shapes if s.type == "rect"]
    assert [(b.x0, b.x1) for b in bands] == [
        ("2026-11-20T01:00:00.000", "2026-11-23T12:00:00.000")
    ]  # lasts: to the end
    assert len([s for s in fig.layout.shapes if s.line.dash == "dot"]) == 2
    told = [t for trace in fig.data for t in (trace.hovertext if trace.hovertext is not None else ())]
    assert told[0].startswith("<b>incident</b> Still open<br>20 Nov 01:00 – now, warning")


def test_the_least_left_is_on_top_and_a_state_is_never_colour_alone() -> None:
    fig = plots.budget_bars([made.report(spent=0.1), made.report(spent=7.0), made.empty()])
    [bar] = fig.data
    assert list(bar.text) == ["✓ 90 %", "✕ −600 %"]  # plotly draws the last category on top
    assert list(bar.x) == pytest.approx([90.0, -100.0])


def test_hours_without_requests_are_empty_cells() -> None:
    heat = plots.error_heatmap(made.volume().drop(index=5)).data[0]
    assert np.isnan(np.asarray(heat.z, dtype=float)).sum() == 24 * 11 - 239


def test_times_of_any_zone_are_drawn_as_utc() -> None:
    stamp = pd.Timestamp("2026-03-01T01:00", tz="Europe/Berlin")
    assert (
        theme.utc([stamp])[0] == theme.utc([datetime(2026, 3, 1, tzinfo=UTC)])[0] == np.datetime64("2026-03-01T00:00")
    )


def test_every_chart_is_documented() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
    assert [name for name in plots.__all__ if f"| `{name}` |" not in docs] == []
