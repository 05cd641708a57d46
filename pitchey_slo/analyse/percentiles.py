"""One quantile, three answers: exact, from the sketch, interpolated from the Prometheus histogram."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.store.questions import latency_quantiles, quantile_name
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.store.rollup_questions import bound_counts, sketch_quantiles

if TYPE_CHECKING:
    import pandas as pd

#: The columns with an answer, milliseconds.
METHODS: Final = ("exact", "sketch", "histogram")

Floats = NDArray[np.float64]


def percentile_methods(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    quantiles: Sequence[float] = (0.5, 0.95, 0.99),
    *,
    seconds: int | None = None,
    by: str | None = None,
    where: str | None = None,
) -> pd.DataFrame:
    """Every quantile by every method, from `start` to `end`: one row per time bucket of `seconds` (a multiple of 15),
    per value of `by` (route, method, location, status) and quantile.

    Columns: time (when `seconds`), the `by` column, quantile, exact, sketch, histogram (milliseconds), measured
    (weight of the requests with a duration), sketch_error and histogram_error ((answer - exact) / exact). `exact` and
    the errors are NaN where the raw requests are gone. `where` may name route, method, status and location. A request
    that ends exactly on the border of two buckets counts in the later one for `exact`, in the earlier for the others.
    Raises QueryError.
    """

    asked = {"seconds": seconds, "by": by, "where": where}
    keys = ["time"] * (seconds is not None) + [by] * (by is not None)
    names = {quantile_name(q): q for q in quantiles}
    exact = latency_quantiles(reader, start, end, quantiles, **asked).to_pandas()  # type: ignore[arg-type]
    sketch = sketch_quantiles(reader, start, end, quantiles, **asked).to_pandas()  # type: ignore[arg-type]
    counts = bound_counts(reader, start, end, **asked).to_pandas()  # type: ignore[arg-type]
    found = _long(sketch, [k for k in keys if k], names, "sketch", "measured")
    on = [*(k for k in keys if k), "quantile"]
    found = found.merge(_histogram(counts, on[:-1], list(names.values())), how="left", on=on)
    found = found.merge(_long(exact, on[:-1], names, "exact"), how="left", on=on)
    for method in ("sketch", "histogram"):
        true = found["exact"].where(found["exact"] > 0)
        found[f"{method}_error"] = (found[method] - true) / true
    columns = [*on, *METHODS, "measured", "sketch_error", "histogram_error"]
    ordered: pd.DataFrame = found[columns].sort_values(on, ignore_index=True)
    return ordered


def interpolated(weights: Floats, q: float) -> Floats:
    """Prometheus' `histogram_quantile` in seconds: `weights` (rows, bounds + 1) is what lies in each bucket, +Inf last.

    Inside its bucket the quantile is taken as if the bucket's requests lay evenly. Above the last bound nothing is
    known and the last bound is the answer. NaN where nothing was measured.
    (prometheus/promql/quantile.go, bucketQuantile)
    """
    uppers = np.array(RESPONSE_TIME_BOUNDS)
    lowers = np.concatenate([[0.0], uppers[:-1]])
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1]
    rank = q * total
    at = np.minimum((reached < rank[:, None]).sum(axis=1), len(uppers))
    inside = np.minimum(at, len(uppers) - 1)
    rows = np.arange(len(weights))
    before = reached[rows, inside] - weights[rows, inside]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (rank - before) / weights[rows, inside]
    found = np.where(at == len(uppers), uppers[-1], lowers[inside] + (uppers - lowers)[inside] * share)
    return np.where(total > 0, found, np.nan)


def _long(frame: pd.DataFrame, keys: list[str], names: dict[str, float], value: str, *more: str) -> pd.DataFrame:
    """A column per quantile -> a row per quantile; groups without any are left out."""
    long = frame.melt([*keys, *more], list(names), "quantile", value).dropna(subset=[value])
    return long.assign(quantile=long["quantile"].map(names).astype(float))


def _histogram(counts: pd.DataFrame, keys: list[str], quantiles: list[float]) -> pd.DataFrame:
    import pandas as pd

    bounds = [*RESPONSE_TIME_BOUNDS, np.inf]
    # a group key of its own keeps missing values (location null) a group like any other
    groups = counts[keys].drop_duplicates(ignore_index=True) if keys else pd.DataFrame(index=range(min(1, len(counts))))
    place: Any = counts[keys].apply(tuple, axis=1) if keys else pd.Series([()] * len(counts))
    index = {key: i for i, key in enumerate(groups.apply(tuple, axis=1))} if keys else {(): 0}
    rows = np.array([index[key] for key in place], dtype=np.int64)
    cell = rows * len(bounds) + np.searchsorted(bounds, counts["le"].to_numpy())
    flat: Floats = np.zeros(len(groups) * len(bounds))
    flat += np.bincount(cell, counts["weight"].to_numpy(dtype=float), len(flat))
    weights = flat.reshape(len(groups), len(bounds))
    parts = [groups.assign(quantile=float(q), histogram=1_000 * interpolated(weights, q)) for q in quantiles]
    return pd.concat(parts, ignore_index=True)
