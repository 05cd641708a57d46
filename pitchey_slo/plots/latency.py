"""Latency percentiles over time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.plots import marks, theme

_COLOURS = (theme.BLUE, theme.ORANGE, theme.RED, theme.PURPLE, theme.GREEN)


def latency_percentiles(
    frame: pd.DataFrame,
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 340,
) -> go.Figure:
    """Lines in milliseconds on a logarithmic axis from a frame of `wb.percentiles(...)`: a column `time` and one column
    per quantile, named p50, p95, p99_9. Missing buckets are gaps."""
    columns = [c for c in frame.columns if str(c)[:1] == "p" and str(c)[1:].replace("_", "").isdigit()]
    frame = _gaps(frame[["time", *columns]].dropna(subset=columns, how="all"))
    if frame.empty:
        return theme.nothing("no duration was measured")
    fig = theme.blank(height=height, right=60)
    for name, colour in zip(columns, _COLOURS, strict=False):
        _line(fig, frame, name, colour)
    values = frame[columns].to_numpy(dtype=float)
    low, high = np.nanmin(values[values > 0], initial=1e9) * 0.8, np.nanmax(values, initial=1.0) * 1.3
    fig.update_yaxes(type="log", title_text="milliseconds, logarithmic", range=np.log10([low, high]).tolist(), dtick=1)
    fig.update_yaxes(minor={"dtick": "D2", "showgrid": False}, tickformat=",~r")
    start, end = frame["time"].iloc[0].to_pydatetime(), frame["time"].iloc[-1].to_pydatetime()
    marks.draw(fig, incidents, deployments, start, end, top=("y", high), bottom=("y", low))
    theme.time_axis(fig, start, end)
    return fig


def _line(fig: go.Figure, frame: pd.DataFrame, name: str, colour: str) -> None:
    said = name.replace("_", ".")
    fig.add_trace(
        go.Scatter(
            x=theme.utc(frame["time"]),
            y=frame[name].to_numpy(dtype=float),
            mode="lines",
            line={"color": colour, "width": 1.5},
            connectgaps=False,
            name=said,
            hovertemplate=f"{said} <b>%{{y:,.0f}} ms</b><extra></extra>",
        )
    )
    last = frame[name].last_valid_index()
    if last is not None:
        when, value = str(theme.utc([frame["time"].loc[last]])[0]), float(np.log10(frame[name].loc[last]))
        theme.label(fig, when, value, said, colour)


def _gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an empty row where more than one bucket is missing, so that lines break there."""
    if len(frame) < 3:
        return frame.reset_index(drop=True)
    step = frame["time"].diff().median()
    late = frame["time"].diff() > 1.5 * step
    holes = pd.DataFrame({"time": frame.loc[late, "time"] - step})
    return (
        pd.concat([frame, holes]).sort_values("time", ignore_index=True) if len(holes) else frame.reset_index(drop=True)
    )
