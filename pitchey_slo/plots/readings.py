"""What parts of the platform said around a bad window, each on a scale of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go

from pitchey_slo.analyse.readings import Reading
from pitchey_slo.plots import theme

#: Parts that are drawn, odd ones first.
MOST = 6


def readings(found: Sequence[Reading], start: datetime, end: datetime) -> go.Figure:
    """A line for each, red when it is odd; the window is shaded, a bound dotted."""
    from plotly.subplots import make_subplots

    shown = sorted((r for r in found if r.values), key=lambda r: not r.odd)[:MOST]
    if not shown:
        return theme.nothing("no part of the platform said anything of itself")
    fig = make_subplots(rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.3 / len(shown))
    fig.update_layout(theme.blank(height=70 + 110 * len(shown)).layout)
    for i, r in enumerate(shown, 1):
        factor = 100 if r.gauge.unit == "ratio" else 1
        fig.add_trace(
            go.Scatter(
                x=theme.utc(r.times), y=[v * factor for v in r.values], mode="lines",
                line={"color": theme.RED if r.odd else theme.BLUE, "width": 1.5},
                hovertemplate="%{y:,.4~g}<extra>" + theme.text(r.gauge.name) + "</extra>",
            ),
            row=i, col=1,
        )  # fmt: skip
        fig.add_vrect(x0=start, x1=end, fillcolor=theme.rgba(theme.ORANGE, 0.14), line_width=0, row=i, col=1)
        if r.gauge.bound is not None and r.passed:
            fig.add_hline(y=r.gauge.bound * factor, line={"dash": "dot", "width": 1, "color": theme.GREY}, row=i, col=1)
        unit = {"ratio": " (%)", "count": ""}.get(r.gauge.unit, f" ({r.gauge.unit})" if r.gauge.unit else "")
        axis = "" if i == 1 else str(i)
        fig.add_annotation(
            text=f"<b>{theme.text(r.gauge.name)}</b>{theme.text(unit)}", x=0, y=1.0, xref=f"x{axis} domain",
            yref=f"y{axis} domain", xanchor="left", yanchor="bottom", showarrow=False,
        )  # fmt: skip
        fig.update_yaxes(rangemode="tozero", nticks=4, row=i, col=1)
    fig.update_layout(margin={"t": 34}, hovermode="x")
    return fig
