"""What a proposal would change, over time: the firings as they were and as they would have been, over the incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.analyse.backtest.model import Firing
from pitchey_slo.analyse.review import Proposal, Review
from pitchey_slo.analyse.review.words import setting
from pitchey_slo.plots import marks, theme

#: Firings are drawn at least so wide, in shares of the whole time: a minute of a month would not be seen.
_SEEN = 0.003


def before_after(proposal: Proposal, *, height: int = 210) -> go.Figure:
    """Two lines of firings, now and as proposed: red ones belong to no labelled incident, blue ones to one."""
    tuning = proposal.tuning
    false = {
        side: {
            id(getattr(c, side)) for c in proposal.changes.changes if getattr(c, side) is not None and not c.incident
        }
        for side in ("before", "after")
    }
    fig = theme.blank(height=height)
    lines = [("now", tuning.current, "before", 1.0), ("proposed", proposal.point, "after", 0.0)]
    for _, point, side, level in lines:
        firings = [f for c in proposal.changes.changes if (f := getattr(c, side)) is not None]
        for colour, word, chosen in (
            (theme.RED, "no incident", [f for f in firings if id(f) in false[side]]),
            (theme.BLUE, "an incident", [f for f in firings if id(f) not in false[side]]),
        ):
            _bars(fig, chosen, level, colour, f"{setting(point)}: {word}", tuning.start, tuning.end)
    incidents = pd.DataFrame([vars(i) | {"severity": i.kind.replace("_", " ")} for i in tuning.incidents])
    marks.draw(fig, incidents, None, tuning.start, tuning.end, top=("y", 1.62), bottom=("y", -0.62))
    theme.time_axis(fig, tuning.start, tuning.end)
    fig.update_yaxes(
        tickvals=[1.0, 0.0],
        ticktext=[f"now<br>{setting(tuning.current)}", f"proposed<br>{setting(proposal.point)}"],
        range=[-0.65, 1.75],
        showgrid=False,
    )
    fig.update_layout(hovermode="closest", barmode="overlay")
    return fig


def noise(review: Review, most: int = 12, *, height: int | None = None) -> go.Figure:
    """Per rule the firings a week: with an incident and without, noisiest first."""
    rules = [r for r in review.rules if r.fired][:most]
    if not rules:
        return theme.nothing("no rule fired")
    rules.reverse()
    fig = theme.blank(height=height or 90 + 30 * len(rules))
    names = [theme.text(name(r.rule.name, r.rule.labels)) for r in rules]
    for colour, word, counts in (
        (theme.RED, "without incident", [len(r.false) for r in rules]),
        (theme.BLUE, "with incident", [r.fired - len(r.false) for r in rules]),
    ):
        fig.add_trace(
            go.Bar(
                y=list(range(len(rules))),
                x=[c / r.weeks for c, r in zip(counts, rules, strict=True)],
                orientation="h",
                marker={"color": colour},
                name=word,
                customdata=counts,
                hovertemplate=f"%{{customdata:,.0f}} firings {word}<extra></extra>",
            )
        )
    fig.update_layout(barmode="stack", showlegend=True, hovermode="closest")
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    fig.update_xaxes(title_text="firings a week", rangemode="tozero")
    fig.update_yaxes(tickvals=list(range(len(rules))), ticktext=names, showgrid=False)
    return fig


def name(rule: str, labels: dict[str, str] | object) -> str:
    """A rule as people tell it from its namesakes.

    >>> name("HighErrorRate", {"severity": "critical"})
    'HighErrorRate critical'
    """
    given = labels if isinstance(labels, dict) else {}
    return " ".join([rule, *(given[k] for k in ("slo", "severity") if given.get(k))])


def _bars(
    fig: go.Figure, firings: Sequence[Firing], level: float, colour: str, words: str, start: datetime, end: datetime
) -> None:
    if not firings:
        return
    least = (end - start) * _SEEN
    begins = [f.fired_at or f.pending_at for f in firings]
    spans = [max((f.resolved_at or end) - b, least) for f, b in zip(firings, begins, strict=True)]
    fig.add_trace(
        go.Bar(
            base=theme.utc(begins),
            x=[s.total_seconds() * 1000 for s in spans],
            y=[level] * len(firings),
            width=0.5,
            orientation="h",
            marker={"color": colour, "line": {"width": 0}},
            hovertext=[
                f"<b>{theme.day(b)}</b> for {f.seconds(end) / 60:,.0f} min<br>{theme.text(words)}"
                for f, b in zip(firings, begins, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
