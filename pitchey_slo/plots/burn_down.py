"""The error budget going down: what is left as counted, then, apart, what may be left if the recent burn goes on."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import marks, theme
from pitchey_slo.slo import SloReport


def burn_down(
    report: SloReport,
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 280,
) -> go.Figure:
    """Budget left in percent over the window of `report`: a solid line up to its end, a lighter band after it.

    Below zero the budget is overspent. Without data the figure only says so.
    """
    if report.budget_left is None:
        return theme.nothing("no data in this window")
    fig = theme.blank(height=height, right=92)
    low = draw(fig, report)
    marks.draw(fig, incidents, deployments, report.start, report.end, top=("y", 104.0), bottom=("y", low))
    theme.time_axis(fig, report.start, last_time(report))
    return fig


def draw(fig: go.Figure, report: SloReport) -> float:
    """Put budget and projection on the first y axis; answers the lower end of that axis."""
    curve = report.burn_down
    left, most, least = (100 * (1 - values) for values in (curve.spent, curve.low, curve.high))
    low = _floor(left, least[theme.utc(curve.projected_time) <= theme.utc([last_time(report)])[0]])
    fig.update_layout(yaxis={"title": {"text": "budget left (%)"}, "range": [low, 106], "nticks": 6})
    colour = theme.STATES[report.state][0]
    if len(curve.projected_time):
        _band(fig, theme.utc(curve.projected_time), np.maximum(least, low), np.maximum(most, low), colour)
    fig.add_trace(
        go.Scatter(
            x=theme.utc(curve.time),
            y=left,
            mode="lines",
            line={"color": colour, "width": 2.2},
            fill="tozeroy",
            fillcolor=theme.rgba(colour, 0.10),
            name="budget left",
            hovertemplate="<b>%{y:,.1f} %</b> of the budget left<extra></extra>",
        )
    )
    _lines(fig, report)
    end, last = str(theme.utc([report.end])[0]), float(left[-1])
    below = {"xanchor": "right", "yanchor": "top", "xshift": -6, "yshift": -4, "name": "left"}  # free of line and band
    theme.label(fig, end, last, f"{theme.percent(last / 100, 0)} left", colour, **below)
    return low


def last_time(report: SloReport) -> datetime:
    """Where the time axis ends. Of a projection a third of the window's length is shown, or, when the budget may end
    later than that, up to there: a projection as wide as the window would leave half the chart to guesses."""
    if not len(report.burn_down.projected_time):
        return report.end
    found = report.exhaustion
    ends = [t for t in (found.earliest, found.latest) if t is not None]
    third = report.end + (report.end - report.start) / 3
    wanted = max([third, *(t + (t - report.end) / 10 for t in ends)])
    last: datetime = pd.Timestamp(report.burn_down.projected_time[-1], tz="UTC").to_pydatetime()
    return min(wanted, last)


def _floor(left: np.ndarray, least: np.ndarray) -> float:
    """Lower end of the axis: all that was counted, and of a projection at most as much again, or it would flatten the
    rest."""
    counted = min(0.0, float(np.nanmin(left, initial=0.0)))
    projected = min(0.0, float(np.nanmin(least, initial=0.0)))
    return min(counted, max(projected, 2 * counted - 40)) - 6


def _band(fig: go.Figure, time: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> None:
    edge = {"color": theme.rgba(colour, 0.5), "width": 1, "dash": "dot"}
    words = "projected: <b>%{y:,.0f} %</b> left if the {which} recent burn goes on<extra></extra>"
    for values, which, fill in ((high, "lowest", None), (low, "highest", "tonexty")):
        fig.add_trace(
            go.Scatter(
                x=time,
                y=values,
                mode="lines",
                line=edge,
                fill=fill,
                fillcolor=theme.rgba(colour, 0.16),
                name=f"projected, {which} burn",
                hovertemplate=words.replace("{which}", which),
            )
        )


def _lines(fig: go.Figure, report: SloReport) -> None:
    """Zero, where the budget ends, and the moment up to which was counted."""
    end = str(theme.utc([report.end])[0])
    grey = {"color": theme.GREY, "width": 1}
    fig.add_shape(type="line", xref="x domain", yref="y", x0=0, x1=1, y0=0, y1=0, line=grey)
    fig.add_shape(type="line", xref="x", yref="y domain", x0=end, x1=end, y0=0, y1=1, line=grey | {"dash": "dash"})
