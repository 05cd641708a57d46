"""A bad window and the time around it: errors and latency per minute, the window shaded."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import theme


def window(
    volume: pd.DataFrame,
    percentiles: pd.DataFrame,
    start: datetime,
    end: datetime,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 420,
) -> go.Figure:
    """Share of 5xx answers (above) and p95 (below), from frames of `wb.volume` and `wb.percentiles` with the same
    buckets; deployments as dotted lines."""
    from plotly.subplots import make_subplots

    if volume.empty:
        return theme.nothing("no requests")
    blank = theme.blank(height=height)
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    fig.update_layout(blank.layout)
    ratio = 100 * volume["errors"] / volume["requests"]
    fig.add_trace(
        go.Scatter(
            x=theme.utc(volume["time"]),
            y=ratio,
            name="errors",
            mode="lines",
            line={"color": theme.RED, "width": 1.5},
            customdata=volume[["errors", "requests"]],
            hovertemplate="%{y:.2f} % (%{customdata[0]:,.0f} of %{customdata[1]:,.0f})<extra>errors</extra>",
        ),
        row=1,
        col=1,
    )
    fig.add_trace(
        go.Scatter(
            x=theme.utc(percentiles["time"]),
            y=percentiles["p95"],
            name="p95",
            mode="lines",
            line={"color": theme.BLUE, "width": 1.5},
            hovertemplate="%{y:,.0f} ms<extra>p95</extra>",
        ),
        row=2,
        col=1,
    )
    fig.add_vrect(x0=start, x1=end, fillcolor=theme.rgba(theme.ORANGE, 0.14), line_width=0, row="all", col=1)
    for when in [] if deployments is None else deployments["ts"]:
        fig.add_vline(x=pd.Timestamp(when).to_pydatetime(), line={"dash": "dot", "width": 1}, row="all", col=1)
    fig.update_yaxes(title_text="5xx (%)", rangemode="tozero", row=1, col=1)
    fig.update_yaxes(title_text="p95 (ms)", rangemode="tozero", row=2, col=1)
    fig.update_layout(showlegend=False)
    return fig
