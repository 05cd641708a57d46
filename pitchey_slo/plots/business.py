"""Charts of the business report: people by day, what they do by day, the funnel, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import plotly.graph_objects as go

from pitchey_slo.analyse.business import Business, Step
from pitchey_slo.plots import theme

_LINES = {"views": ("views", theme.BLUE), "created": ("created", theme.ORANGE), "updated": ("changed", theme.GREEN)}


def active(found: Business, *, height: int = 260) -> go.Figure:
    """People of each day of the last four weeks, the report's own days dark."""
    days = [d for d in range(28) if d < len(found.by_day) and found.by_day[d] is not None]
    if not days:
        return theme.nothing("nobody came")
    fig = theme.blank(height=height)
    fig.add_trace(
        go.Bar(
            x=theme.utc([found.end - timedelta(days=d, hours=12) for d in days]),
            y=[found.by_day[d] for d in days],
            width=0.8 * 86_400_000,
            marker={"color": [theme.BLUE if d < found.days else theme.rgba(theme.BLUE, 0.4) for d in days]},
            customdata=[_hours(found.end, d) for d in days],
            hovertemplate="<b>%{y:,} people</b><br>%{customdata}<extra></extra>",
        )
    )
    fig.update_yaxes(title_text="people a day", rangemode="tozero")
    fig.update_xaxes(title_text="24 hours each, UTC; the days of this report are dark", tickformat="%a %-d %b")
    fig.update_layout(hovermode="closest", bargap=0.2)
    return fig


def pitches(found: Business, *, height: int = 300) -> go.Figure:
    """Views, creations and changes of each day, each in a row of its own: they differ by a hundred times."""
    from plotly.subplots import make_subplots

    named = [(name, *_LINES[name]) for name in _LINES if any(found.daily[name])]
    if not named:
        return theme.nothing("nothing was done with pitches")
    fig = make_subplots(rows=1, cols=len(named), horizontal_spacing=0.08)
    fig.update_layout(theme.blank(height=height).layout)
    for i, (name, words, colour) in enumerate(named, 1):
        now, past = found.daily[name][: found.days], found.daily[name][found.days :]
        times = theme.utc([found.end - timedelta(days=d, hours=12) for d in range(found.days)])
        if found.compared:
            _line(fig, i, times, past, f"{words}, {found.days} days before", theme.GREY, "dot")
        _line(fig, i, times, now, words, colour, "solid")
        fig.add_annotation(
            text=f"<b>{words}</b>", x=0, y=1.0, xref=f"x{'' if i == 1 else i} domain", xanchor="left", yanchor="bottom",
            yref=f"y{'' if i == 1 else i} domain", showarrow=False, font={"color": colour},
        )  # fmt: skip
        fig.update_yaxes(rangemode="tozero", row=1, col=i)
        fig.update_xaxes(tickformat="%-d %b", nticks=4, hoverformat="%a %-d %b", row=1, col=i)
    fig.update_yaxes(title_text="a day", row=1, col=1)
    fig.update_layout(margin={"t": 34})
    return fig


def funnel(now: Sequence[Step], before: Sequence[Step], *, height: int | None = None) -> go.Figure:
    """People of each step, on a logarithmic length since each step is a small part of the one before; a tick marks the
    time before."""
    if not now or not now[0].people:
        return theme.nothing("nobody took the first step")
    fig = theme.blank(height=height or 70 + 52 * len(now), right=120)
    names = [theme.text(s.words) for s in now]
    fig.add_trace(
        go.Bar(
            y=names,
            x=[s.people or None for s in now],
            orientation="h",
            marker={"color": theme.BLUE},
            text=[_step(s) for s in now],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: <b>%{x:,} people</b><extra></extra>",
        )
    )
    if before:
        fig.add_trace(
            go.Scatter(
                y=names,
                x=[s.people or None for s in before],
                mode="markers",
                marker={"symbol": "line-ns", "size": 22, "line": {"width": 2, "color": theme.GREY}},
                hovertemplate="before: <b>%{x:,} people</b><extra></extra>",
            )
        )
    fig.update_yaxes(autorange="reversed")
    fig.update_xaxes(type="log", range=[0, np.log10(max(s.people for s in now)) * 1.1])
    fig.update_xaxes(title_text="people, logarithmic; grey: before", dtick=1)
    fig.update_layout(hovermode="closest")
    return fig


def places(names: Sequence[str], now: Sequence[int], before: Sequence[int] | None) -> go.Figure:
    """People by country, most first; a tick marks the time before."""
    if not names:
        return theme.nothing("no place is known")
    fig = theme.blank(height=80 + 26 * len(names))
    said = [theme.text(name) for name in names]
    fig.add_trace(
        go.Bar(y=said, x=list(now), orientation="h", marker={"color": theme.BLUE},
               hovertemplate="%{y}: <b>%{x:,} people</b><extra></extra>")
    )  # fmt: skip
    if before is not None:
        fig.add_trace(
            go.Scatter(
                y=said,
                x=list(before),
                mode="markers",
                marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": theme.GREY}},
                hovertemplate="before: <b>%{x:,} people</b><extra></extra>",
            )
        )
    fig.update_yaxes(autorange="reversed")
    fig.update_xaxes(title_text="people" + ("; grey: before" if before is not None else ""))
    fig.update_layout(hovermode="closest")
    return fig


def _line(fig: go.Figure, col: int, x: object, y: Sequence[float], name: str, colour: str, dash: str) -> None:
    fig.add_trace(
        go.Scatter(
            x=x, y=list(y), mode="lines+markers" if dash == "solid" else "lines", name=name,
            line={"color": colour, "width": 2 if dash == "solid" else 1.3, "dash": dash}, marker={"size": 5},
            hovertemplate=f"{name} <b>%{{y:,.0f}}</b><extra></extra>",
        ),
        row=1, col=col,
    )  # fmt: skip


def _hours(end: datetime, day: int) -> str:
    return f"up to {end - timedelta(days=day):%a %d %b %H:%M} UTC"


def _step(step: Step) -> str:
    return f"{step.people:,}" + (f"  ({step.of_before.value * 100:.1f} %)" if step.of_before else "")
