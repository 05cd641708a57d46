"""The day of an on-call on one line: which alert fired when, and when something was labelled as wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.analyse.daily import Fired
from pitchey_slo.plots import theme

#: Alerts that get a line of their own; the others share the last one.
MOST = 14


def day(fired: Sequence[Fired], incidents: pd.DataFrame, start: datetime, end: datetime) -> go.Figure:
    """A line for each alert name, a bar for each firing: blue belongs to an incident, red to none; bands are labelled
    incidents."""
    if not fired and incidents.empty:
        return theme.nothing("nothing fired, and nothing was labelled as wrong")
    names = list(dict.fromkeys(f.name for f in fired))
    lines = names[:MOST] + (["others"] if len(names) > MOST else [])
    fig = theme.blank(height=96 + 30 * max(len(lines), 1))
    for told, colour, false in (("with an incident", theme.BLUE, False), ("without an incident", theme.RED, True)):
        mine = [f for f in fired if (f.incident is None) == false]
        if mine:
            fig.add_trace(_bars(mine, lines, told, colour, start, end))
    for row in theme.rows_of(incidents):
        begin, until = row["started_at"], row["ended_at"] if not pd.isna(row["ended_at"]) else end
        low, high = theme.utc([max(begin, start), min(until, end)])
        fig.add_vrect(x0=str(low), x1=str(high), fillcolor=theme.RED, opacity=0.12, line_width=0, layer="below")
    if not lines:
        fig.update_yaxes(visible=False)
    fig.update_yaxes(autorange="reversed", type="category")
    fig.update_layout(hovermode="closest", barmode="overlay", showlegend=True, bargap=0.35)
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    theme.time_axis(fig, start, end)
    return fig


def _bars(
    fired: Sequence[Fired], lines: Sequence[str], told: str, colour: str, start: datetime, end: datetime
) -> go.Bar:
    begins = [max(f.fired_at, start) for f in fired]
    lengths = [((f.resolved_at or end) - b).total_seconds() * 1_000 for f, b in zip(fired, begins, strict=True)]
    least = (end - start).total_seconds() * 1_000 / 250  # a firing of a minute is seen, too
    return go.Bar(
        y=[theme.text(f.name if f.name in lines else lines[-1]) for f in fired],
        base=theme.utc(begins),
        x=[max(length, least) for length in lengths],
        orientation="h",
        name=told,
        marker={"color": colour},
        customdata=[theme.text(_words(f, end)) for f in fired],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _words(fired: Fired, end: datetime) -> str:
    labels = ", ".join(f"{k}={v}" for k, v in fired.labels.items() if k not in ("alertname", "severity"))
    lasted = f"{fired.seconds(end) / 60:.0f} min" + (", and goes on" if fired.active else "")
    return f"{fired.name} {labels}: from {fired.fired_at:%d %b %H:%M} UTC, {lasted}"
