"""How every chart looks: one template, one set of colours, one way to print numbers and times.

Colours follow Okabe and Ito (2008), told apart by colour-blind readers, shifted so that each has contrast on white and
on near-black; grounds are transparent and text is a grey that reads on both. Only trace types of plotly.js 3 are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from pitchey_slo import later

later.iri_grammar()  # plotly imports nbformat to show the first chart

BLUE: Final = "#2f86c9"
ORANGE: Final = "#d98a00"
GREEN: Final = "#159a74"
RED: Final = "#d9552b"
PURPLE: Final = "#b06fa0"
GREY: Final = "#808a96"

#: state of an SLO -> (colour, mark, words): never told by colour alone
STATES: Final[dict[str, tuple[str, str, str]]] = {
    "exhausted": (RED, "✕", "exhausted"),
    "at_risk": (ORANGE, "!", "at risk"),
    "healthy": (GREEN, "✓", "healthy"),
    "no_data": (GREY, "–", "no data"),
}
_THIN: Final = "rgba(128,138,150,0.22)"
_AXIS: Final = {
    "gridcolor": _THIN,
    "gridwidth": 1,
    "linecolor": "rgba(128,138,150,0.55)",
    "zeroline": False,
    "showline": False,
    "ticks": "",
    "automargin": True,
    "title": {"standoff": 8, "font": {"size": 12}},
}
TEMPLATE: Final = go.layout.Template(
    layout={
        "font": {
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
            "size": 12.5,
            "color": "#737d89",
        },
        "colorway": [BLUE, ORANGE, GREEN, RED, PURPLE, GREY],
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 24, "t": 16, "b": 44},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hovermode": "x unified",
        "hoverlabel": {"align": "left", "font": {"size": 12}},
        "showlegend": False,
        "dragmode": False,
    }
)


def blank(*, height: int, right: int = 24) -> go.Figure:
    """An empty figure in the house's template; `right` pixels are kept for labels beside the lines."""
    return go.Figure(layout={"template": TEMPLATE, "height": height, "margin": {"r": right}})


def nothing(words: str) -> go.Figure:
    """A small figure that says why there is nothing to draw."""
    fig = blank(height=110)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    fig.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=words, showarrow=False, font={"size": 14})
    return fig


def time_axis(fig: go.Figure, start: Any, end: Any, **place: int) -> None:
    """Name and bound a time axis; `place` is row and col of a subplot."""
    low, high = utc([start, end])
    fig.update_xaxes(
        type="date", range=[str(low), str(high)], title_text="time (UTC)", hoverformat="%a %d %b %Y %H:%M UTC", **place
    )


def utc(times: Any) -> NDArray[np.datetime64]:
    """Times of any kind as UTC without a zone, which is what plotly.js draws unchanged."""
    stamps = pd.to_datetime(pd.Series(list(times) if not isinstance(times, pd.Series) else times), utc=True)
    found: NDArray[np.datetime64] = stamps.dt.tz_localize(None).to_numpy(dtype="datetime64[ms]")
    return found


def text(value: Any) -> str:
    """Text from data inside a chart: Plotly reads a subset of HTML, so markup is escaped."""
    return escape(str(value), quote=False)


def label(fig: go.Figure, x: Any, y: float, words: str, colour: str, **more: Any) -> None:
    """A direct label to the right of a point; pages for phones leave it out (its name starts with "wide")."""
    given = {"xanchor": "left", "yanchor": "middle", "xshift": 6, "showarrow": False, "name": "wide label"} | more
    fig.add_annotation(x=x, y=y, text=text(words), font={"color": colour, "size": 12}, **given)


def percent(fraction: float | None, digits: int = 1) -> str:
    """
    >>> percent(0.99912, 2), percent(-5.5, 0), percent(None)
    ('99.91 %', '−550 %', 'no data')
    """
    if fraction is None or not np.isfinite(fraction):
        return "no data"
    return f"{fraction * 100:,.{digits}f} %".replace("-", "−")


def count(number: float | None) -> str:
    """
    >>> count(1234567.4), count(None)
    ('1,234,567', '–')
    """
    return "–" if number is None or not np.isfinite(number) else f"{number:,.0f}"


def sli_digits(target: float) -> int:
    """Decimals that tell an SLI from its target: 99.9 % needs two, 95 % one.

    >>> sli_digits(0.999), sli_digits(0.95), sli_digits(0.99995)
    (2, 1, 4)
    """
    text_ = f"{target * 100:.6f}".rstrip("0")
    return len(text_.partition(".")[2]) + 1


def day(moment: datetime) -> str:
    """
    >>> day(datetime(2026, 11, 3, 14, 5, tzinfo=UTC))
    '3 Nov 14:05'
    """
    when = moment.astimezone(UTC)
    return f"{when.day} {when:%b %H:%M}"


def rgba(colour: str, alpha: float) -> str:
    """
    >>> rgba("#2f86c9", 0.2)
    'rgba(47,134,201,0.2)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def rows_of(frame: pd.DataFrame | None) -> Sequence[dict[str, Any]]:
    """A frame's rows, or none."""
    return [] if frame is None else [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
