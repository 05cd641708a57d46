"""Synthetic tests over weeks: when each was up, where its time goes, why it failed, how the locations differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.analyse.synthetic import Reviewed
from pitchey_slo.names import FAILURES, PHASES
from pitchey_slo.plots import theme

#: phase -> colour and words
_PHASES: Final = dict(
    zip(PHASES, zip((theme.GREY, theme.ORANGE, theme.PURPLE, theme.BLUE, theme.GREEN),
                    ("DNS", "connect", "TLS", "first byte", "transfer"), strict=True), strict=True)
)  # fmt: skip
_COLOURS: Final = (theme.RED, theme.ORANGE, theme.PURPLE, theme.BLUE, theme.GREEN, theme.GREY)
#: word of the quorum -> colour, opacity, words
_WORDS: Final = {
    "up": (theme.GREEN, 0.45, "up"),
    "maintenance": (theme.PURPLE, 0.45, "maintenance"),
    "down": (theme.RED, 1.0, "down"),
}
#: An outage is drawn at least so wide, in shares of the whole time: a minute of a month would not be seen.
_SEEN: Final = 0.002
#: Tests of one chart.
MOST: Final = 30


def over_time(found: Reviewed, *, height: int | None = None) -> go.Figure:
    """A line per test, the worst on top: green while all locations together say up, red while they say down, nothing
    where nothing is known."""
    tests = [u.test for u in found.tests[:MOST]]
    if not tests:
        return theme.nothing("no synthetic test had a result in this time")
    fig = theme.blank(height=height or 80 + 24 * len(tests))
    least = (found.end - found.start) * _SEEN
    pieces = {test: found.pieces(test) for test in tests}
    for word, (colour, opacity, said) in _WORDS.items():
        spans = [(test, a, b) for test in tests for a, b, w in pieces[test] if w == word]
        if spans:
            wide = [(t, a, max(b, min(a + least, found.end)) if word == "down" else b, b - a) for t, a, b in spans]
            fig.add_trace(_bars(wide, colour, opacity, said))
    theme.time_axis(fig, found.start, found.end)
    fig.update_yaxes(categoryorder="array", categoryarray=[theme.text(t) for t in reversed(tests)], showgrid=False)
    fig.update_layout(barmode="overlay", hovermode="closest", showlegend=True, bargap=0.35)
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    return fig


def _bars(spans: Sequence[tuple[str, datetime, datetime, Any]], colour: str, opacity: float, said: str) -> go.Bar:
    begin, end = theme.utc([s[1] for s in spans]), theme.utc([s[2] for s in spans])
    return go.Bar(
        y=[theme.text(s[0]) for s in spans],
        base=[str(t) for t in begin],
        x=[int(d) for d in (end - begin).astype("int64")],
        orientation="h",
        marker={"color": colour, "opacity": opacity, "line": {"width": 0}},
        name=said,
        customdata=[[theme.day(s[1]), _length(s[3].total_seconds())] for s in spans],
        hovertemplate=f"%{{y}}: {said} from %{{customdata[0]}}, %{{customdata[1]}}<extra></extra>",
    )


def phases(found: Reviewed, test: str, *, height: int = 260) -> go.Figure:
    """Where a test's time goes: the medians of its phases, averaged over its locations, on top of each other; the
    dotted line is the 95th percentile of the whole at the slowest location."""
    frame = pd.DataFrame([r for r in found.phases if r["test"] == test])
    columns = [f"{p}_ms" for p in PHASES]
    if frame.empty or frame["duration_ms"].isna().all():
        return theme.nothing("no passing look was timed")
    middle = _typical(frame, [*columns, "duration_ms"])
    slow = frame.groupby("time")["p95_ms"].max().astype(float)
    steps = pd.date_range(middle.index.min(), middle.index.max(), freq=f"{found.bucket_seconds}s")
    mode = "lines"
    if 2 * len(middle) < len(steps):  # few looks, far from each other: points say more than broken lines
        steps, mode = pd.DatetimeIndex(middle.index), "lines+markers"
    middle, slow = middle.reindex(steps), slow.reindex(steps)
    fig = theme.blank(height=height, right=90)
    times = theme.utc(pd.Series(steps))
    known = [(p, c) for p, c in zip(PHASES, columns, strict=True) if middle[c].notna().any()]
    if not known:
        fig.add_trace(_line(times, middle["duration_ms"], theme.BLUE, "whole", "solid", mode))
    for phase, column in known:
        colour, said = _PHASES[phase]
        fig.add_trace(
            go.Scatter(
                x=times,
                y=middle[column].to_numpy(),
                mode="lines",
                line={"color": colour, "width": 0.5},
                fillcolor=theme.rgba(colour, 0.55),
                stackgroup="phases",
                stackgaps="interpolate",
                name=said,
                hovertemplate=f"{said} <b>%{{y:,.0f}} ms</b><extra></extra>",
            )
        )
    if mode == "lines":
        fig.add_trace(_line(times, slow, theme.RED, "p95, slowest place", "dot"))
    fig.update_yaxes(title_text="milliseconds", rangemode="tozero")
    fig.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    theme.time_axis(fig, found.start, found.end)
    return fig


def _typical(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The mean over the locations of each one's medians, by time. A location that is silent in a bucket stands there
    with its usual values: else the line would jump whenever one that is far away comes or goes."""
    found = {}
    for column in columns:
        wide = frame.pivot(index="time", columns="location", values=column).astype(float)
        found[column] = wide.fillna(wide.median()).mean(axis="columns")
    return pd.DataFrame(found)


def _line(times: Any, values: Any, colour: str, said: str, dash: str, mode: str = "lines") -> go.Scatter:
    return go.Scatter(
        x=times,
        y=values.to_numpy(),
        mode=mode,
        line={"color": colour, "width": 1.5, "dash": dash},
        connectgaps=False,
        name=said,
        hovertemplate=f"{said} <b>%{{y:,.0f}} ms</b><extra></extra>",
    )


def failures(found: Reviewed, *, height: int | None = None) -> go.Figure:
    """Failing looks per test, by class; our own faults are among them."""
    totals: dict[str, int] = {}
    for row in found.failures:
        totals[row["test"]] = totals.get(row["test"], 0) + row["looks"]
    if not totals:
        return theme.nothing("no look failed")
    tests = sorted(totals, key=lambda t: totals[t])[-MOST:]
    classes = [f for f in FAILURES if any(r["failure"] == f for r in found.failures)]
    fig = theme.blank(height=height or 90 + 26 * len(tests))
    for i, failure in enumerate(classes):
        counts = [sum(r["looks"] for r in found.failures if (r["test"], r["failure"]) == (t, failure)) for t in tests]
        fig.add_trace(
            go.Bar(
                y=[theme.text(t) for t in tests],
                x=counts,
                orientation="h",
                marker={"color": _COLOURS[i % len(_COLOURS)]},
                name=failure,
                hovertemplate=f"%{{x:,.0f}} {failure}<extra></extra>",
            )
        )
    fig.update_layout(barmode="stack", showlegend=True, hovermode="closest")
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"})
    fig.update_xaxes(title_text="failing looks", rangemode="tozero")
    fig.update_yaxes(showgrid=False)
    return fig


def locations(found: Reviewed, *, height: int | None = None) -> go.Figure:
    """The usual time of each test at each location, side by side: what is far to the right is slow from there."""
    rows = [r for r in found.usual if r["duration_ms"] is not None]
    if not rows:
        return theme.nothing("no passing look was timed")
    tests = sorted({r["test"] for r in rows}, reverse=True)[-MOST:]
    fig = theme.blank(height=height or 90 + 24 * len(tests))
    for i, place in enumerate(found.locations):
        mine = {r["test"]: r["duration_ms"] for r in rows if r["location"] == place}
        fig.add_trace(
            go.Scatter(
                y=[theme.text(t) for t in tests if t in mine],
                x=[mine[t] for t in tests if t in mine],
                mode="markers",
                marker={"color": _COLOURS[(i + 3) % len(_COLOURS)], "size": 10, "symbol": i % 5},
                name=theme.text(place),
                hovertemplate=f"{theme.text(place)} <b>%{{x:,.0f}} ms</b><extra></extra>",
            )
        )
    fig.update_xaxes(title_text="milliseconds, median", rangemode="tozero")
    fig.update_yaxes(categoryorder="array", categoryarray=[theme.text(t) for t in tests])
    fig.update_layout(showlegend=True, hovermode="closest")
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    return fig


def _length(seconds: float) -> str:
    """
    >>> _length(95), _length(7_380)
    ('2 min', '2 h 3 min')
    """
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
