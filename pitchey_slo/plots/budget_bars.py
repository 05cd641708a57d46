"""What is left of every budget at one glance."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pitchey_slo.plots import theme
from pitchey_slo.slo import SloReport


def budget_bars(reports: Sequence[SloReport]) -> go.Figure:
    """One bar per report with data, least budget left on top, state in colour, mark and words.

    A bar ends at −100 %, however far the budget is overspent; the words beside it tell how far.
    """
    known = sorted((r for r in reports if r.budget_left is not None), key=_left, reverse=True)
    if not known:
        return theme.nothing("no objective has data")
    fig = theme.blank(height=70 + 30 * len(known), right=110)
    shown = [max(_left(r), -1.0) * 100 for r in known]
    words = [f"{theme.STATES[r.state][1]} {theme.percent(_left(r), 0)}" for r in known]
    fig.add_trace(
        go.Bar(
            x=shown,
            y=[f"{theme.text(r.display_name or r.slo)}, {r.window}  " for r in known],
            orientation="h",
            marker={"color": [theme.STATES[r.state][0] for r in known], "opacity": 0.85},
            text=words,
            textposition="outside",
            cliponaxis=False,
            hovertext=[theme.text(r.sentence()) for r in known],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    low = min([0.0, *shown])
    fig.update_layout(bargap=0.35, hovermode="closest")
    fig.update_xaxes(
        title_text="error budget left (%)", range=[low - 16 if low < 0 else 0, 104], zeroline=True, zerolinewidth=1
    )
    fig.update_yaxes(showgrid=False, type="category")
    return fig


def _left(report: SloReport) -> float:
    return 0.0 if report.budget_left is None else report.budget_left
