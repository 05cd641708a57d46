"""One SLO in one figure: budget above, SLI below, on one time axis, so that a dip and what it cost stand in line."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import marks, theme
from pitchey_slo.plots.burn_down import draw as draw_budget
from pitchey_slo.plots.burn_down import last_time
from pitchey_slo.plots.sli import draw as draw_sli
from pitchey_slo.slo import SloReport


def slo(
    report: SloReport,
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 440,
) -> go.Figure:
    """Budget left with its projection, and the SLI with its target, over the window of `report`."""
    if report.budget_left is None:
        return theme.nothing("no data in this window")
    fig = theme.blank(height=height, right=92)
    fig.update_layout(yaxis={"domain": [0.46, 1]}, yaxis2={"domain": [0, 0.38]}, xaxis={"anchor": "y2"})
    draw_budget(fig, report)
    low = draw_sli(fig, report, axis="y2")
    marks.draw(fig, incidents, deployments, report.start, report.end, top=("y", 104.0), bottom=("y2", low))
    theme.time_axis(fig, report.start, last_time(report))
    return fig
