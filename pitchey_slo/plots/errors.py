"""Where errors are: by hour of each day, and by route."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import theme

_SCALE = [
    [0.0, theme.rgba(theme.ORANGE, 0.05)],
    [0.35, theme.rgba(theme.ORANGE, 0.75)],
    [1.0, theme.rgba(theme.RED, 1.0)],
]


def error_heatmap(frame: pd.DataFrame, *, height: int = 340) -> go.Figure:
    """Share of 5xx answers in percent, one column per day, one row per hour of the day in UTC, from a frame of
    `wb.volume(bucket="1h")`. Hours without a request are empty. Colour grows with the square root, so that a rise from
    0.1 % to 1 % is seen beside an outage."""
    if frame.empty:
        return theme.nothing("no requests")
    fig = theme.blank(height=height)
    times = pd.DatetimeIndex(theme.utc(frame["time"]))
    cells = pd.DataFrame(
        {
            "day": times.normalize(),
            "hour": times.hour,
            "ratio": 100 * frame["errors"].to_numpy() / frame["requests"].to_numpy(),
            "requests": frame["requests"].to_numpy(),
        }
    )
    grid = cells.pivot(index="hour", columns="day", values="ratio").reindex(range(24))
    seen = cells.pivot(index="hour", columns="day", values="requests").reindex(range(24))
    top = float(np.nanmax(grid.to_numpy()))
    ticks = [t for t in (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100) if t <= top]
    fig.add_trace(
        go.Heatmap(
            x=[f"{d:%Y-%m-%d}" for d in grid.columns],
            y=[f"{h:02}:00" for h in grid.index],
            z=np.sqrt(grid.to_numpy()),
            customdata=np.dstack([grid.to_numpy(), seen.to_numpy()]),
            colorscale=_SCALE,
            zmin=0,
            xgap=1,
            ygap=1,
            colorbar={
                "title": {"text": "5xx (%)"},
                "tickvals": np.sqrt(ticks).tolist(),
                "ticktext": [f"{t:g}" for t in ticks],
                "thickness": 10,
                "outlinewidth": 0,
            },
            hovertemplate="%{x} %{y} UTC<br><b>%{customdata[0]:.3f} %</b> of %{customdata[1]:,.0f} requests"
            "<extra></extra>",
        )
    )
    fig.update_layout(hovermode="closest")
    fig.update_xaxes(title_text="day (UTC)", type="date", showgrid=False)
    fig.update_yaxes(title_text="hour (UTC)", type="category", autorange="reversed", showgrid=False, dtick=3)
    return fig


def worst_routes(frame: pd.DataFrame, *, most: int = 10) -> go.Figure:
    """Errors per route as bars, most on top, from a frame of `wb.routes()`: method, route, requests, errors."""
    worst = frame[frame["errors"] > 0].nlargest(most, "errors").iloc[::-1]
    if worst.empty:
        return theme.nothing("no server errors")
    fig = theme.blank(height=70 + 28 * len(worst), right=60)
    ratio = worst["errors"] / worst["requests"]
    fig.add_trace(
        go.Bar(
            x=worst["errors"],
            y=[f"{theme.text(m)} {theme.text(r)}  " for m, r in zip(worst["method"], worst["route"], strict=True)],
            orientation="h",
            marker={"color": theme.RED, "opacity": 0.8},
            text=[theme.count(e) for e in worst["errors"]],
            textposition="outside",
            cliponaxis=False,
            customdata=np.column_stack([100 * ratio, worst["requests"]]),
            hovertemplate="<b>%{x:,.0f}</b> errors, %{customdata[0]:.2f} % of %{customdata[1]:,.0f} requests"
            "<extra></extra>",
        )
    )
    fig.update_layout(bargap=0.35, hovermode="closest")
    fig.update_xaxes(title_text="answers with status 5xx")
    fig.update_yaxes(showgrid=False, type="category")
    return fig
