"""One quantile, three answers: over time, their errors, and route by route. Frames of `wb.percentile_methods(...)`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.plots import marks, theme

_LINES = {
    "histogram": (theme.ORANGE, "solid", 1.5, "interpolated"),
    "exact": (theme.BLUE, "solid", 2.0, "exact"),
    "sketch": (theme.GREEN, "dot", 1.5, "sketch"),
}


def quantile_methods(
    frame: pd.DataFrame,
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    height: int = 360,
) -> go.Figure:
    """The answers over time in milliseconds, on a logarithmic axis, with the bounds Prometheus counts at as lines. One
    quantile, a column `time`."""
    if frame.empty:
        return theme.nothing("no duration was measured")
    fig = theme.blank(height=height, right=90)
    times, columns = theme.utc(frame["time"]), list(_LINES)
    values = frame[columns].to_numpy(dtype=float)
    low, high = np.nanmin(values[values > 0], initial=1e9) * 0.85, np.nanmax(values, initial=1.0) * 1.2
    for bound in RESPONSE_TIME_BOUNDS:
        if low < 1_000 * bound < high:
            fig.add_hline(1_000 * bound, line={"color": theme.GREY, "width": 1, "dash": "4px,4px"}, opacity=0.6)
    for name, (colour, dash, width, said) in _LINES.items():
        fig.add_trace(
            go.Scatter(
                x=times,
                y=frame[name].to_numpy(dtype=float),
                mode="lines",
                line={"color": colour, "width": width, "dash": dash},
                name=said,
                hovertemplate=f"{said} <b>%{{y:,.1f}} ms</b><extra></extra>",
            )
        )
    last = frame["exact"].last_valid_index()
    if last is not None:
        end_row = frame.loc[last]
        near = abs(np.log(end_row["histogram"] / end_row["exact"])) < 0.06
        both = {"exact": "exact, sketch"} if not near else {"exact": "all three"}
        both |= {} if near else {"histogram": "interpolated"}
        for name, words in both.items():
            at = str(theme.utc([end_row["time"]])[0])
            theme.label(fig, at, float(np.log10(end_row[name])), words, _LINES[name][0])
    fig.update_yaxes(type="log", title_text="milliseconds, logarithmic", range=np.log10([low, high]).tolist(), dtick=1)
    fig.update_yaxes(minor={"dtick": "D2", "showgrid": False}, tickformat=",~r")
    start, end = frame["time"].iloc[0].to_pydatetime(), frame["time"].iloc[-1].to_pydatetime()
    marks.draw(fig, incidents, deployments, start, end, top=("y", high), bottom=("y", low))
    theme.time_axis(fig, start, end)
    return fig


def quantile_errors(frame: pd.DataFrame, *, height: int = 260) -> go.Figure:
    """How far off the sketch and the interpolation are, in percent of the exact answer; the band is the sketch's
    promise of one percent."""
    frame = frame.dropna(subset=["exact"]).reset_index(drop=True)
    if frame.empty:
        return theme.nothing("the raw requests of this time are gone: there is no exact answer to compare with")
    fig = theme.blank(height=height, right=90)
    times = theme.utc(frame["time"])
    fig.add_hrect(-1, 1, fillcolor=theme.GREEN, opacity=0.18, line_width=0)
    for name in ("histogram", "sketch"):
        colour, _, _, said = _LINES[name]
        percent = 100 * frame[f"{name}_error"].to_numpy(dtype=float)
        fig.add_trace(
            go.Scatter(
                x=times,
                y=percent,
                mode="lines",
                line={"color": colour, "width": 1.5},
                name=said,
                hovertemplate=f"{said} <b>%{{y:+.2f}} %</b><extra></extra>",
            )
        )
        theme.label(fig, str(times[-1]), float(percent[-1]), said, colour)
    fig.update_yaxes(title_text="error, % of exact", zeroline=True, zerolinecolor=theme.GREY, ticksuffix=" %")
    theme.time_axis(fig, frame["time"].iloc[0].to_pydatetime(), frame["time"].iloc[-1].to_pydatetime())
    return fig


def quantile_by_group(frame: pd.DataFrame, by: str = "route") -> go.Figure:
    """Exact against interpolated per value of `by`, largest error on top; vertical lines are Prometheus' bounds.
    Between two lines the histogram knows how many requests there were, not where."""
    frame = frame.dropna(subset=["exact", "histogram_error"])
    if frame.empty:
        return theme.nothing("no duration was measured")
    frame = frame.reindex(frame["histogram_error"].abs().sort_values().index)
    fig = theme.blank(height=90 + 26 * len(frame))
    names = [theme.text(value) for value in frame[by]]
    low, high = (
        frame[["exact", "histogram"]].to_numpy().min() * 0.8,
        frame[["exact", "histogram"]].to_numpy().max() * 1.3,
    )
    for bound in RESPONSE_TIME_BOUNDS:
        if low < 1_000 * bound < high:
            fig.add_vline(1_000 * bound, line={"color": theme.GREY, "width": 1, "dash": "4px,4px"}, opacity=0.6)
    for name, row in zip(names, frame.itertuples(), strict=True):
        fig.add_trace(
            go.Scatter(
                x=[row.exact, row.histogram],
                y=[name, name],
                mode="lines",
                line={"color": theme.GREY, "width": 2},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    for column, symbol in (("exact", "circle"), ("histogram", "diamond-open")):
        colour, _, _, said = _LINES[column]
        fig.add_trace(
            go.Scatter(
                x=frame[column].to_numpy(),
                y=names,
                mode="markers",
                name=said,
                showlegend=True,
                marker={"color": colour, "size": 10, "symbol": symbol, "line": {"width": 2, "color": colour}},
                hovertemplate=f"{said} <b>%{{x:,.1f}} ms</b><extra></extra>",
            )
        )
    fig.update_xaxes(type="log", title_text="milliseconds, logarithmic", range=np.log10([low, high]).tolist(), dtick=1)
    fig.update_xaxes(minor={"dtick": "D2", "showgrid": False}, tickformat=",~r")
    fig.update_layout(showlegend=True, hovermode="closest", legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"})
    return fig
