"""Incidents and deployments behind a chart over time: bands for what was wrong, thin lines for what was changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import theme


def draw(
    fig: go.Figure,
    incidents: pd.DataFrame | None,
    deployments: pd.DataFrame | None,
    start: datetime,
    end: datetime,
    *,
    top: tuple[str, float],
    bottom: tuple[str, float],
) -> None:
    """Mark what happened between `start` and `end` over the whole height of the figure.

    `incidents` has columns title, severity, started_at, ended_at (missing while it lasts), `deployments` ts, version,
    description; either may be None. `top` and `bottom` say on which y axis, at which value, the small marks stand that
    tell more on hover.
    """
    spans = [s for row in theme.rows_of(incidents) if (s := _span(row, start, end))]
    changes = [c for row in theme.rows_of(deployments) if (c := _change(row, start, end))]
    fig.update_layout(shapes=[*fig.layout.shapes, *map(_band, spans), *map(_line, changes)])
    if spans:
        _flags(fig, [s[0] for s in spans], [s[2] for s in spans], "triangle-down", theme.RED, top)
    if changes:
        _flags(fig, [c[0] for c in changes], [c[1] for c in changes], "triangle-up", theme.PURPLE, bottom)


def _span(row: dict[str, Any], start: datetime, end: datetime) -> tuple[str, str, str] | None:
    """(first, last, words) inside the chart; an incident without an end lasts."""
    first = row["started_at"]
    open_ended = pd.isna(row.get("ended_at"))
    last = end if open_ended else row["ended_at"]
    if first >= end or last < start:
        return None
    low, high = theme.utc([max(first, start), min(last, end)])
    until = "now" if open_ended else theme.day(last)
    words = f"<b>incident</b> {theme.text(row['title'])}<br>{theme.day(first)} – {until}, {theme.text(row['severity'])}"
    return str(low), str(high), words


def _change(row: dict[str, Any], start: datetime, end: datetime) -> tuple[str, str] | None:
    if not start <= row["ts"] <= end:
        return None
    more = row.get("description")
    words = f"<b>deployed</b> {theme.text(row['version'])}" + ("" if pd.isna(more) else f"<br>{theme.text(more)}")
    return str(theme.utc([row["ts"]])[0]), words


def _band(span: tuple[str, str, str]) -> dict[str, Any]:
    edge = {"color": theme.rgba(theme.RED, 0.35), "width": 1}  # else five minutes in a month are less than a pixel
    fill = theme.rgba(theme.RED, 0.14)
    return _shape("rect", span[0], span[1]) | {"fillcolor": fill, "line": edge}


def _line(change: tuple[str, str]) -> dict[str, Any]:
    return _shape("line", change[0], change[0]) | {
        "line": {"color": theme.rgba(theme.PURPLE, 0.55), "width": 1, "dash": "dot"}
    }


def _shape(kind: str, first: str, last: str) -> dict[str, Any]:
    return {"type": kind, "xref": "x", "yref": "paper", "x0": first, "x1": last, "y0": 0, "y1": 1, "layer": "below"}


def _flags(
    fig: go.Figure, times: list[str], words: list[str], symbol: str, colour: str, where: tuple[str, float]
) -> None:
    fig.add_trace(
        go.Scatter(
            x=np.array(times, dtype="datetime64[ms]"),
            y=[where[1]] * len(times),
            yaxis=where[0],
            mode="markers",
            marker={"symbol": symbol, "size": 8, "color": colour},
            hovertext=words,
            hovertemplate="%{hovertext}<extra></extra>",
            cliponaxis=False,
        )
    )
