"""The SLI over time against its target."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import marks, theme
from pitchey_slo.slo import SloReport

#: The axis shows so many times the budget below the target; what is deeper is marked at the edge. A single bucket at
#: 40 % would otherwise press a target of 99.9 % and all that matters into the top line of pixels.
_DEPTH = 20.0


def sli_over_time(
    reports: SloReport | tuple[SloReport, ...] | list[SloReport],
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 260,
) -> go.Figure:
    """Good of valid in percent per bucket, one line per report, with the target as a dashed line.

    Buckets without valid events are gaps, a report without any is left out. A bucket deeper than the axis is a triangle
    on its edge; hover tells it.
    """
    given = [reports] if isinstance(reports, SloReport) else list(reports)
    found = [r for r in given if r.valid]
    if not found:
        return theme.nothing("no data in this window")
    fig = theme.blank(height=height, right=92)
    colours = [theme.BLUE, theme.ORANGE, theme.GREEN, theme.PURPLE, theme.GREY]
    floor = min(_floor(r) for r in found)
    for number, report in enumerate(found):
        draw(fig, report, colour=colours[number % len(colours)], floor=floor, named=len(found) > 1)
    start, end = min(r.start for r in found), max(r.end for r in found)
    marks.draw(fig, incidents, deployments, start, end, top=("y", 100.0), bottom=("y", floor))
    theme.time_axis(fig, start, end)
    return fig


def draw(
    fig: go.Figure,
    report: SloReport,
    *,
    colour: str = theme.BLUE,
    axis: str = "y",
    floor: float | None = None,
    named: bool = False,
) -> float:
    """Put SLI and target on one y axis; answers the lower end of that axis in percent."""
    low = _floor(report) if floor is None else floor
    sli = 100 * np.asarray(report.series.sli, dtype=float)
    time = theme.utc(report.series.time)
    digits = theme.sli_digits(report.target)
    span = 100 - low
    name = "yaxis" + axis[1:]
    fig.update_layout(
        {name: {"title": {"text": "SLI (%)"}, "range": [low - 0.04 * span, 100 + 0.04 * span], "nticks": 5}}
    )
    who = theme.text(report.display_name or report.slo)
    valid, bad = report.series.valid, report.series.bad
    fig.add_trace(
        go.Scatter(
            x=time,
            y=np.where(sli < low, low, sli),
            yaxis=axis,
            mode="lines",
            line={"color": colour, "width": 1.6},
            connectgaps=False,
            name=who,
            customdata=np.column_stack([sli, valid, bad]),
            hovertemplate=(f"{who}: " if named else "SLI ") + f"<b>%{{customdata[0]:.{digits}f}} %</b>, "
            "%{customdata[2]:,.0f} bad of %{customdata[1]:,.0f}<extra></extra>",
        )
    )
    _deep(fig, time, sli, low, axis, colour)
    _target(fig, report, axis, digits)
    return low


def _floor(report: SloReport) -> float:
    """Lower end of the axis in percent."""
    sli = 100 * np.asarray(report.series.sli, dtype=float)
    budget = 100 * (1 - report.target)
    lowest = float(np.nanmin(sli)) if np.isfinite(sli).any() else 100 - 2 * budget
    return max(0.0, min(100 - 1.6 * budget, max(lowest, 100 - _DEPTH * budget)))


def _deep(fig: go.Figure, time: np.ndarray, sli: np.ndarray, low: float, axis: str, colour: str) -> None:
    deep = sli < low - 1e-9
    if not deep.any():
        return
    fig.add_trace(
        go.Scatter(
            x=time[deep],
            y=np.full(int(deep.sum()), low),
            yaxis=axis,
            mode="markers",
            marker={"symbol": "triangle-down-open", "size": 7, "color": colour},
            hoverinfo="skip",
            cliponaxis=False,
            name="below the axis",
        )
    )


def _target(fig: go.Figure, report: SloReport, axis: str, digits: int) -> None:
    target = 100 * report.target
    dashed = {"color": theme.GREY, "width": 1.2, "dash": "dash"}
    fig.add_shape(type="line", xref="x domain", yref=axis, x0=0, x1=1, y0=target, y1=target, line=dashed)
    words = f"target {theme.percent(report.target, max(digits - 1, 0))}"
    theme.label(fig, 1, target, words, theme.GREY, xref="x domain", yref=axis)
