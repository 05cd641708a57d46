"""A series as a notebook has it, scored: `wb.detect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pitchey_slo.analyse.anomaly import score
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Result

if TYPE_CHECKING:
    import pandas as pd


def one_series(result: Result, expr: str) -> pd.Series:
    """The only series of an answer, gaps as NaN; index UTC time. Raises QueryError when there is none, or another."""
    frame = result.to_pandas()
    if frame.shape[1] != 1:
        shown = ", ".join(map(str, frame.columns[:3])) + (", ..." if frame.shape[1] > 3 else "")
        hint = f"add them up, as in sum({expr}), or choose one" if frame.shape[1] else "nothing matches in this time"
        raise QueryError(f"{expr} has {frame.shape[1]} series{f' ({shown})' if shown else ''}, one is needed; {hint}")
    return frame.iloc[:, 0]


def with_times(series: pd.Series) -> pd.Series:
    """The same series, its index UTC time. Raises QueryError when that has no times."""
    import pandas as pd

    index = series.index
    if not isinstance(index, pd.DatetimeIndex):
        raise QueryError(f"the series has an index of {type(index).__name__}, not of times; give it a DatetimeIndex")
    return series.set_axis(index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC"))


def detect(
    series: pd.Series, detector: str, released: Sequence[tuple[datetime, str]], timezone: str, params: Mapping[str, Any]
) -> pd.DataFrame:
    """`anomaly.score` of a series with UTC times, as a frame with its index."""
    import pandas as pd

    times = series.index.tz_localize(None).to_numpy("datetime64[ms]")  # type: ignore[attr-defined]
    found = score(times, np.asarray(series, np.float64), detector, released, timezone, **params)
    columns = {"value": found.values, "score": found.scores, "reason": list(found.reasons)}
    return pd.DataFrame(columns, index=series.index)
