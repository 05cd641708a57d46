"""A tuning in two charts: what can be had for what (the front), and the cost of every threshold and duration."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import plotly.graph_objects as go

from pitchey_slo.alert.state import span
from pitchey_slo.analyse.tune import Point, Tuning
from pitchey_slo.analyse.tune.words import lasting, rate, setting
from pitchey_slo.plots import theme


def tuning_front(tuning: Tuning, *, height: int = 380) -> go.Figure:
    """False firings a week against missed incidents: every setting as a dot, those that no other beats joined, the rule
    as it is and as proposed marked."""
    if not tuning.incidents:
        return theme.nothing("no incident is labelled in this time")
    fig = theme.blank(height=height, right=40)
    _dots(fig, tuning)
    line = _stairs(tuning.front)
    fig.add_trace(
        go.Scatter(
            x=[p.false_per_week for p in line],
            y=[p.missed for p in line],
            mode="lines+markers",
            line={"color": theme.BLUE, "width": 1.5, "shape": "hv"},
            marker={"size": 7, "color": theme.BLUE},
            hovertext=[_words(p) for p in line],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    for point, word, colour, symbol in _marked(tuning):
        fig.add_trace(
            go.Scatter(
                x=[point.false_per_week],
                y=[point.missed],
                mode="markers",
                marker={"size": 14, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
                hovertext=[f"<b>{word}</b> {_words(point)}"],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
        theme.label(fig, point.false_per_week, point.missed, word, colour, yanchor="bottom", yshift=8)
    marked = max(tuning.current.false_per_week, tuning.recommended.false_per_week)
    # the far end of the front is noise nobody would take; it stays reachable by zooming
    most = max([marked, *(p.false_per_week for p in line if p.false_per_week <= 5 * marked + 5)])
    fig.update_xaxes(title_text="firings without an incident, a week", range=[-0.04 * most - 0.05, 1.15 * most + 0.2])
    fig.update_yaxes(
        title_text=f"missed of {len(tuning.incidents)} incidents",
        range=[-0.4, len(tuning.incidents) + 0.4],
        tickformat="d",
    )
    fig.update_layout(hovermode="closest")
    return fig


def tuning_map(tuning: Tuning, window: str | None = None, *, height: int = 420) -> go.Figure:
    """What each threshold and `for` costs (in false firings, as `Cost` weighs them): darker is worse. One window."""
    w = next((i for i, turn in enumerate(tuning.turns) if turn.window == window), 0)
    turn = tuning.turns[w]
    if tuning.knob.current is None:
        return theme.nothing("this rule has no number to turn, only its for")
    fig = theme.blank(height=height, right=70)
    names = [f"{t:g}" for t in turn.thresholds]
    holds = [span(timedelta(seconds=f)) for f in tuning.fors]
    cost = turn.total
    words = [[_words(tuning.point(w, i, j)) for i in range(len(names))] for j in range(len(holds))]
    fig.add_trace(
        go.Heatmap(
            x=names,
            y=holds,
            z=np.log10(1 + cost.T),
            colorscale=[[0, theme.rgba(theme.BLUE, 0.04)], [1, theme.rgba(theme.BLUE, 0.95)]],
            text=words,
            hovertemplate="%{text}<extra></extra>",
            colorbar={"title": {"text": "cost"}, **_ticks(cost), "thickness": 12, "outlinewidth": 0},
        )
    )
    for point, word, colour, symbol in _marked(tuning):
        if point.place[0] == w:
            x, y = names[point.place[1]], holds[point.place[2]]
            fig.add_trace(
                go.Scatter(
                    x=[x],
                    y=[y],
                    mode="markers+text",
                    text=[word],
                    textposition="top center",
                    textfont={"color": colour},
                    marker={"size": 13, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
                    hoverinfo="skip",
                )
            )
    fig.update_xaxes(title_text="threshold", type="category", nticks=16, showgrid=False)
    fig.update_yaxes(title_text="for", type="category", showgrid=False)
    fig.update_layout(hovermode="closest")
    return fig


def _dots(fig: go.Figure, tuning: Tuning) -> None:
    """All settings, one dot per place in the chart."""
    seen: dict[tuple[float, int], Point] = {}
    for point in tuning.points():
        seen.setdefault((point.false_per_week, point.missed), point)
    fig.add_trace(
        go.Scatter(
            x=[key[0] for key in seen],
            y=[key[1] for key in seen],
            mode="markers",
            marker={"size": 4, "color": theme.rgba(theme.GREY, 0.45)},
            hovertext=[_words(p) for p in seen.values()],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )


def _stairs(front: tuple[Point, ...]) -> list[Point]:
    """Of the front the points that differ in what the chart shows, from few false firings to many."""
    best: dict[int, Point] = {}
    for point in front:
        known = best.get(point.missed)
        if known is None or (point.false, point.detect_seconds) < (known.false, known.detect_seconds):
            best[point.missed] = point
    line: list[Point] = []
    for point in sorted(best.values(), key=lambda p: (p.false, p.missed)):
        if not line or point.missed < line[-1].missed:
            line.append(point)
    return line


def _marked(tuning: Tuning) -> list[tuple[Point, str, str, str]]:
    now = (tuning.current, "now", theme.RED, "circle-open")
    return [now, (tuning.recommended, "proposed", theme.GREEN, "star")] if tuning.changes else [now]


def _words(point: Point) -> str:
    found = "" if np.isnan(point.detect_seconds) else f", found after {lasting(point.detect_seconds)}"
    return theme.text(
        f"{setting(point)}: {point.caught} of {point.incidents} caught, "
        f"{rate(point.false_per_week)} false a week{found}"
    )


def _ticks(cost: np.ndarray) -> dict[str, object]:
    top = float(cost.max(initial=1.0))
    steps = [v for v in (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000) if v <= top]
    return {"tickvals": [float(np.log10(1 + v)) for v in steps], "ticktext": [f"{v:,}" for v in steps]}
