"""A backtest over time: one lane per rule with what it fired, over the incidents and deployments of the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.analyse.backtest.score import GRACE, touches
from pitchey_slo.analyse.backtest.tested import worst_first
from pitchey_slo.plots import marks, theme

if TYPE_CHECKING:
    from pitchey_slo.analyse.backtest import Firing, RuleHistory, Tested

#: Lanes that are drawn at most; rules that fired most come first.
LANES = 30
_TRUE, _FALSE = theme.BLUE, theme.ORANGE


def firings(
    tested: Tested, deployments: pd.DataFrame | None = None, *, start: datetime | None = None,
    end: datetime | None = None, lanes: int = LANES,
) -> go.Figure:  # fmt: skip
    """When each rule fired: blue bars tell of an incident, orange ones with a cross of none. Bands are incidents, those
    that no rule caught say "missed"; a short line under a bar is the time an alert was pending. `start` and `end` show
    a part of the time. Rules that never fired are left out."""
    low, high = start or tested.backtest.start, end or tested.backtest.end
    rows = [(h, found) for h, _ in worst_first(tested) if (found := _within(h, low, high, tested.backtest.end))]
    if not rows:
        return theme.nothing("no rule fired in this time")
    rows.sort(key=lambda row: -len(row[1]))
    left = len(rows) - lanes
    rows = rows[:lanes]
    fig = theme.blank(height=110 + 26 * len(rows))
    names = _names([h for h, _ in rows])
    for lane, (_, found) in enumerate(rows):
        for true in (True, False):
            some = [f for f in found if _true(tested, f) is true]
            if some:
                _bars(fig, tested, lane, some, low, high, true=true)
    incidents = pd.DataFrame(
        [
            {"title": _title(tested, i.id, i.title), "severity": i.kind or "incident", "started_at": i.started_at,
             "ended_at": i.ended_at}
            for i in tested.incidents
        ]
    )  # fmt: skip
    marks.draw(fig, incidents, deployments, low, high, top=("y", -0.8), bottom=("y", len(rows) - 0.2))
    fig.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.1, -0.9], showgrid=False
    )  # fmt: skip
    theme.time_axis(fig, low, high)
    fig.update_layout(hovermode="closest", margin={"b": 60})
    if left > 0:
        fig.add_annotation(
            x=1, y=0, xref="paper", yref="paper", yshift=-46, text=f"and {left} more rules", showarrow=False
        )  # fmt: skip
    return fig


def _bars(
    fig: go.Figure, tested: Tested, lane: int, found: Sequence[Firing], low: datetime, high: datetime, *, true: bool
) -> None:
    """Bars as one line trace with gaps; a mark at the moment an alert began, since a minute in a month is no pixel."""
    colour, symbol = (_TRUE, "circle") if true else (_FALSE, "x")
    x: list[datetime | None] = []
    pending: list[datetime | None] = []
    for firing in found:
        fired = firing.fired_at or firing.pending_at
        x += [max(fired, low), min(firing.resolved_at or tested.backtest.end, high), None]
        pending += [max(firing.pending_at, low), max(fired, low), None]
    for times, y, width in ((x, lane, 9.0), (pending, lane + 0.28, 2.0)):
        fig.add_trace(
            go.Scatter(
                x=_times(times), y=[y] * len(times), mode="lines", line={"color": colour, "width": width},
                connectgaps=False, hoverinfo="skip",
            )
        )  # fmt: skip
    fig.add_trace(
        go.Scatter(
            x=theme.utc([max(f.fired_at or f.pending_at, low) for f in found]),
            y=[lane] * len(found),
            mode="markers",
            marker={"symbol": symbol, "size": 8, "color": colour, "line": {"width": 1, "color": "white"}},
            hovertext=[_words(tested, f) for f in found],
            hovertemplate="%{hovertext}<extra></extra>",
            cliponaxis=False,
        )
    )


def _times(times: Sequence[datetime | None]) -> pd.Series:
    """None is a gap."""
    return pd.Series(pd.to_datetime(pd.Series(list(times)), utc=True)).dt.tz_localize(None)


def _words(tested: Tested, firing: Firing) -> str:
    about = [i.title for i in tested.incidents if touches(firing, i, tested.backtest.end, GRACE)]
    labels = ", ".join(f"{k}={v}" for k, v in sorted(firing.labels.items()) if k not in ("alertname", "severity"))
    fired = firing.fired_at or firing.pending_at
    until = "goes on" if firing.resolved_at is None else theme.day(firing.resolved_at)
    told = f"incident: {', '.join(about)}" if about else "no incident"
    return (
        f"<b>{theme.text(firing.alertname)}</b> {theme.text(labels[:200])}<br>{theme.day(fired)} – {until}, "
        f"peak {firing.peak_value:.4g}<br>{theme.text(told)}"
    )


def _within(history: RuleHistory, low: datetime, high: datetime, end: datetime) -> list[Firing]:
    return [f for f in history.fired if (f.fired_at or f.pending_at) < high and (f.resolved_at or end) > low]


def _true(tested: Tested, firing: Firing) -> bool:
    return any(touches(firing, i, tested.backtest.end, GRACE) for i in tested.incidents)


def _title(tested: Tested, id_: str, title: str) -> str:
    missed = {i.id for i in tested.together.missed}
    return f"{title} (missed by every rule)" if id_ in missed else title


def _names(histories: Sequence[RuleHistory]) -> list[str]:
    found = []
    for history in histories:
        labels = history.rule.labels
        parts = history.rule.name, labels.get("slo"), labels.get("windows") or labels.get("severity")
        found.append(theme.text(" ".join(filter(None, parts))))
    return found
