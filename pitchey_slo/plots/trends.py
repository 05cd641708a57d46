"""How far each route's speed moved in a week, with how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pitchey_slo.analyse.trends import Route
from pitchey_slo.plots import theme

#: Routes that are drawn, those with most traffic.
MOST = 20


def speeds(routes: Sequence[Route], name: str = "p95") -> go.Figure:
    """A dot for each route's change in per cent, its line the 95 % interval; red got slower, green faster, grey may be
    chance. Slowest on top."""
    shown = [r for r in routes if r.speed[name].low is not None][:MOST]
    if not shown:
        return theme.nothing("no route has enough days to be compared")
    shown.sort(key=lambda r: r.speed[name].change or 0.0)
    fig = theme.blank(height=90 + 24 * len(shown))
    fig.add_vline(x=0, line={"color": theme.GREY, "width": 1})
    for route in shown:
        t = route.speed[name]
        colour = theme.GREY if not t.moved else theme.RED if t.up else theme.GREEN
        low, high, middle = (100 * float(v or 0.0) for v in (t.low, t.high, t.change))
        fig.add_trace(
            go.Scatter(
                x=[low, high], y=[theme.text(route.name)] * 2, mode="lines", line={"color": colour, "width": 2},
                opacity=0.6, hoverinfo="skip",
            )
        )  # fmt: skip
        fig.add_trace(
            go.Scatter(
                x=[middle],
                y=[theme.text(route.name)],
                mode="markers",
                marker={"color": colour, "size": 9 if t.moved else 6},
                customdata=[[t.before, t.now, low, high]],
                hovertemplate="%{y}: %{customdata[0]:,.0f} → <b>%{customdata[1]:,.0f} ms</b><br>%{x:+.1f} % "
                "(%{customdata[2]:+.1f} to %{customdata[3]:+.1f} %)<extra></extra>",
            )
        )
    reach = max(10.0, 1.05 * float(np.percentile([abs(100 * float(v or 0.0)) for r in shown
                                                  for v in (r.speed[name].low, r.speed[name].high)], 95)))  # fmt: skip
    fig.update_xaxes(title_text=f"change of the {name} in per cent; right is slower", range=[-reach, reach])
    fig.update_layout(hovermode="closest")
    return fig
