"""What each day takes on the disk, by table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import plotly.graph_objects as go

from pitchey_slo.plots import theme
from pitchey_slo.store.footprint import Held

#: Tables with a colour of their own; the others share grey.
MOST = 5
_COLOURS = (theme.BLUE, theme.ORANGE, theme.GREEN, theme.PURPLE, theme.RED)


def by_day(held: Sequence[Held], first: date, last: date) -> go.Figure:
    """Bars of megabytes for the days from `first` to `last`, both included."""
    kept = [h for h in held if any(first <= d <= last for d in h.days)]
    if not kept:
        return theme.nothing("no table is kept by day")
    days = sorted({d for h in kept for d in h.days if first <= d <= last})
    fig = theme.blank(height=300)
    groups = [(h.table, [h], colour) for h, colour in zip(kept, _COLOURS, strict=False)]
    groups += [("others", list(kept[MOST:]), theme.GREY)] if len(kept) > MOST else []
    for name, tables, colour in groups:
        fig.add_trace(
            go.Bar(
                x=[d.isoformat() for d in days],
                y=[sum(h.days.get(d, (0, 0))[1] for h in tables) / 1e6 for d in days],
                name=name,
                marker={"color": colour},
                hovertemplate=f"{theme.text(name)} <b>%{{y:,.2f}} MB</b><extra></extra>",
            )
        )
    fig.update_yaxes(title_text="MB a day, compressed")
    fig.update_xaxes(title_text="day (UTC)", type="date", tickformat="%-d %b", hoverformat="%a %-d %b")
    fig.update_layout(barmode="stack", bargap=0.15, showlegend=True)
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    return fig
