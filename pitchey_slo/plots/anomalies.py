"""Detectors side by side: the series on top, below it a row of scores for each, as the number of nines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from pitchey_slo.plots import marks, theme

Scores = tuple[NDArray[np.int64], NDArray[np.float64]]

#: Points drawn per line; of each stretch the highest, so that no peak is lost.
POINTS = 1_500
NINES = 6.0


def side_by_side(
    values: pd.Series,
    scores: Mapping[str, Scores],
    thresholds: Mapping[str, float],
    incidents: pd.DataFrame | None = None,
    deployments: pd.DataFrame | None = None,
    *,
    unit: str = "",
) -> go.Figure:
    """`values` with UTC times as index; per detector times in ms with scores, and its threshold as a dashed line. A
    score is drawn as -log10(1 - score): 3 is 0.999, and as unusual as one sample in a thousand."""
    if values.dropna().empty:
        return theme.nothing("the series has no data in this time")
    names = list(scores)
    fig = make_subplots(
        rows=1 + len(names), cols=1, shared_xaxes=True, vertical_spacing=0.015, row_heights=[2.2, *[1.0] * len(names)]
    )
    fig.update_layout(template=theme.TEMPLATE, height=230 + 92 * len(names), margin={"r": 96})
    at, level = _thin(theme.utc(values.index.to_series()).astype(np.int64), values.to_numpy(np.float64), both=True)
    fig.add_trace(_line(at, level, theme.BLUE, "%{y:.4g}"), row=1, col=1)
    for row, name in enumerate(names, 2):
        times, found = scores[name]
        at, height = _thin(times, _nines(found))
        fig.add_trace(_line(at, height, theme.ORANGE, "%{y:.1f} nines"), row=row, col=1)
        if name in thresholds and np.isfinite(thresholds[name]):
            limit = float(_nines(np.array([thresholds[name]]))[0])
            fig.add_hline(limit, row=row, col=1, line={"color": theme.GREY, "width": 1, "dash": "4px,4px"})
        fig.update_yaxes(range=[0, NINES + 0.4], tickvals=[0, 3, 6], row=row, col=1)
        fig.add_annotation(
            text=theme.text(name), xref="paper", x=1.0, xanchor="left", yref=f"y{row} domain", y=0.5, xshift=6,
            showarrow=False, name="wide label", font={"color": theme.ORANGE},
        )  # fmt: skip
    fig.update_yaxes(title_text=unit or None, row=1, col=1)
    start, end = values.index[0].to_pydatetime(), values.index[-1].to_pydatetime()
    top = float(np.nanmax(level)) if np.isfinite(level).any() else 1.0
    bottom = float(np.nanmin(level)) if np.isfinite(level).any() else 0.0
    marks.draw(fig, incidents, deployments, start, end, top=("y", top), bottom=("y", bottom))
    low, high = theme.utc([start, end])
    fig.update_xaxes(type="date", range=[str(low), str(high)], hoverformat="%a %d %b %Y %H:%M UTC")
    fig.update_xaxes(title_text="time (UTC)", row=1 + len(names), col=1)
    return fig


def around(
    values: pd.Series, scores: Mapping[str, Scores], start: datetime, end: datetime, **more: object
) -> go.Figure:
    """The same for a part of the time."""
    low, high = (round(at.astimezone(UTC).timestamp() * 1000) for at in (start, end))
    cut = {name: (t[(t >= low) & (t <= high)], s[(t >= low) & (t <= high)]) for name, (t, s) in scores.items()}
    return side_by_side(values[(values.index >= start) & (values.index <= end)], cut, **more)  # type: ignore[arg-type]


def _nines(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(NINES, -np.log10(np.maximum(1 - scores, 10**-NINES)))


def _line(at: NDArray[np.int64], height: NDArray[np.float64], colour: str, said: str) -> go.Scatter:
    return go.Scatter(
        x=at.astype("datetime64[ms]"), y=height, mode="lines", line={"color": colour, "width": 1.3},
        hovertemplate=f"<b>{said}</b><extra></extra>", connectgaps=False,
    )  # fmt: skip


def _thin(
    at: NDArray[np.int64], values: NDArray[np.float64], *, both: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most about POINTS points: of each stretch the highest (and, for `both`, the lowest) in order of time."""
    size = -(-len(values) // POINTS)
    if size <= 1:
        return at, values
    keep: list[int] = []
    for first in range(0, len(values), size):
        part = values[first : first + size]
        if np.isnan(part).all():
            keep.append(first)
            continue
        picked: Sequence[int] = (
            [int(np.nanargmax(part)), int(np.nanargmin(part))] if both else [int(np.nanargmax(part))]
        )
        keep += sorted({first + i for i in picked})
    chosen = np.array(keep)
    return at[chosen], values[chosen]
