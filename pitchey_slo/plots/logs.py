"""Log lines over time: all of them, those that warn or fail, and the patterns of those that fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import marks, theme

COLOURS: Final = {
    "critical": theme.PURPLE,
    "error": theme.RED,
    "warning": theme.ORANGE,
    "info": theme.BLUE,
    "debug": theme.GREY,
}
_PATTERNS: Final = (theme.RED, theme.ORANGE, theme.PURPLE, theme.BLUE, theme.GREEN, theme.GREY)


def levels(
    lines: pd.DataFrame,
    start: datetime,
    end: datetime,
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 380,
) -> go.Figure:
    """Lines per bucket (above) and those that warn or fail (below, by level), from a frame of `wb.log_timeline`.
    Incidents are shaded, deployments dotted."""
    from plotly.subplots import make_subplots

    if lines.empty:
        return theme.nothing("no lines")
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09, row_heights=[0.4, 0.6])
    fig.update_layout(theme.blank(height=height).layout)
    times, width = theme.utc(lines.index.to_series()), _width(lines)
    fig.add_trace(
        go.Bar(x=times, y=lines.sum(axis=1), width=width, name="all lines", marker_color=theme.BLUE,
               hovertemplate="%{y:,.0f}<extra>all lines</extra>"), row=1, col=1,
    )  # fmt: skip
    for level in ("warning", "error", "critical"):
        if level in lines:
            fig.add_trace(
                go.Bar(x=times, y=lines[level], width=width, name=level, marker_color=COLOURS[level],
                       hovertemplate=f"%{{y:,.0f}}<extra>{level}</extra>"), row=2, col=1,
            )  # fmt: skip
    marks.draw(fig, incidents, deployments, start, end, top=("y", float(lines.sum(axis=1).max())), bottom=("y2", 0.0))
    fig.update_layout(barmode="stack", bargap=0)
    fig.update_yaxes(title_text="lines", rangemode="tozero", row=1, col=1)
    fig.update_yaxes(title_text="warnings and worse", rangemode="tozero", row=2, col=1)
    theme.time_axis(fig, start, end, row=2, col=1)
    fig.update_xaxes(title_text="", row=1, col=1)
    return fig


def patterns(
    lines: pd.DataFrame,
    names: Sequence[str],
    start: datetime,
    end: datetime,
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 340,
) -> go.Figure:
    """Lines of the patterns `names` (columns of the frame, most said first) per bucket, one on top of the other; all
    further columns together are the others."""
    if lines.empty or not names:
        return theme.nothing("no such line")
    fig = theme.blank(height=height)
    times, width = theme.utc(lines.index.to_series()), _width(lines)
    shown = list(names)[: len(_PATTERNS) - 1]
    others = [column for column in lines.columns if column not in shown]
    columns = [(name, lines[name]) for name in shown if name in lines]
    columns += [(f"{len(others)} others", lines[others].sum(axis=1))] if others else []
    for (name, values), colour in zip(columns, _PATTERNS, strict=False):
        words = theme.text(name if len(name) <= 60 else name[:59] + "…")
        fig.add_trace(
            go.Bar(x=times, y=values, width=width, name=words, marker_color=colour,
                   hovertemplate=f"%{{y:,.0f}}<extra>{words}</extra>")
        )  # fmt: skip
    marks.draw(fig, incidents, deployments, start, end, top=("y", float(lines.sum(axis=1).max())), bottom=("y", 0.0))
    for trace in fig.data[len(columns) :]:
        trace.showlegend = False  # the marks tell themselves on hover
    fig.update_layout(
        barmode="stack", bargap=0, showlegend=True,
        legend={"orientation": "v", "yanchor": "top", "y": -0.22, "x": 0, "font": {"size": 11.5}},
        margin={"b": 44 + 20 * len(columns)}, height=height + 20 * len(columns),
    )  # fmt: skip
    fig.update_yaxes(title_text="lines", rangemode="tozero")
    theme.time_axis(fig, start, end)
    return fig


def _width(lines: pd.DataFrame) -> float | None:
    """Milliseconds of a bucket: bars of sparse buckets stay as wide as the others."""
    if len(lines) < 2:
        return None
    gaps = pd.Series(lines.index).diff().dropna()
    return float(gaps.min().total_seconds() * 1_000)
