"""Results of PromQL -> what widgets draw: plain values, times in ms since 1970, a missing number as None."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pitchey_slo.board.model import Query
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Result

Data = dict[str, Any]
#: Lines of one chart, rows of one table and cells of one heat map; more is no picture any more.
MOST_SERIES: Final = 40
MOST_ROWS: Final = 500
_LABEL: Final = re.compile(r"\{\{\s*([a-zA-Z_]\w*)\s*\}\}")


def legend(text: str, labels: Mapping[str, str], fallback: str = "") -> str:
    """The name of a series: the legend with its labels put in, else its labels.

    >>> legend("{{route}} ({{status}})", {"route": "/", "status": "200"})
    '/ (200)'
    >>> legend("", {"__name__": "up", "job": "api"})
    'up job=api'
    """
    if text:
        return _LABEL.sub(lambda found: labels.get(found[1], ""), text)
    parts = [f"{k}={v}" for k, v in labels.items() if k != "__name__"]
    return " ".join([*([labels["__name__"]] if "__name__" in labels else []), *parts]) or fallback


def numbers(values: Any, present: Any = None) -> list[float | None]:
    """Floats as JSON has them: what is missing, NaN or infinite is None."""
    there = np.isfinite(values) if present is None else np.isfinite(values) & present
    return [value if some else None for value, some in zip(values.tolist(), there.tolist(), strict=True)]


def series(found: Sequence[tuple[Query, Result]], shift_ms: int = 0) -> Data:
    """{"times": [ms], "series": [{"name", "labels", "values"}]}; lines beyond `MOST_SERIES` are left out, those with
    the largest mean stay, and "left_out" counts the others."""
    lines = [
        (query, dict(labels), result.values[i], result.present[i])
        for query, result in found
        for i, labels in enumerate(result.labels)
    ]
    left_out = max(0, len(lines) - MOST_SERIES)
    if left_out:
        weight = [float(np.where(p & np.isfinite(v), v, 0).sum()) for _, _, v, p in lines]
        keep = sorted(np.argsort(weight)[::-1][:MOST_SERIES].tolist())
        lines = [lines[i] for i in keep]
    times = (found[0][1].times + shift_ms).tolist() if found else []
    told = [
        {"name": legend(q.legend, labels, q.expr), "labels": labels, "values": numbers(values, present)}
        for q, labels, values, present in lines
    ]
    return {"times": times, "series": told, **({"left_out": left_out} if left_out else {})}


def single(result: Result) -> float | None:
    """The one number of an instant result; None when there is none. Raises QueryError when there are several."""
    if len(result) > 1:
        raise QueryError(f"{len(result)} series where one number is needed; add sum(...) or max(...)")
    if not len(result) or not result.present[0, -1]:
        return None
    value = float(result.values[0, -1])
    return value if np.isfinite(value) else None


def bars(found: Sequence[tuple[Query, Result]]) -> Data:
    """{"labels": [...], "values": [...]}: instant results, the largest first."""
    pairs = [(name, value) for name, _, value in _rows(found) if value is not None]
    pairs.sort(key=lambda pair: (-pair[1], pair[0]))
    kept = pairs[:MOST_SERIES]
    return {"labels": [name for name, _ in kept], "values": [value for _, value in kept]}


def funnel(found: Sequence[tuple[Query, Result]]) -> Data:
    """{"stages": [{"name", "value"}]}, one per query, in their order."""
    return {"stages": [{"name": query.legend or query.expr, "value": single(result)} for query, result in found]}


def table(found: Sequence[tuple[Query, Result]], unit: str) -> Data:
    """{"columns": [{"name", "label", "unit", "align"}], "rows": [[...]]}: a row for each label set, a column for each
    label and each query; sorted by the first query, the largest first."""
    sets: dict[tuple[tuple[str, str], ...], list[float | None]] = {}
    for place, (_, result) in enumerate(found):
        for i, labels in enumerate(result.labels):
            key = tuple((k, v) for k, v in labels if k != "__name__")
            row = sets.setdefault(key, [None] * len(found))
            row[place] = numbers(result.values[i, -1:], result.present[i, -1:])[0]
    names = sorted({name for key in sets for name, _ in key})
    columns = [column(name) for name in names]
    columns += [column(f"value{i}", q.legend or q.expr, q.unit or unit, "right") for i, (q, _) in enumerate(found)]
    ordered = sorted(sets.items(), key=lambda item: (item[1][0] is None, -(item[1][0] or 0.0), item[0]))
    rows = [[dict(key).get(name, "") for name in names] + values for key, values in ordered[:MOST_ROWS]]
    return {"columns": columns, "rows": rows}


def column(name: str, label: str = "", unit: str = "", align: str = "left") -> dict[str, str]:
    return {"name": name, "label": label or name, "unit": unit, "align": align}


def heatmap(found: Sequence[tuple[Query, Result]]) -> Data:
    """{"times", "buckets", "values": [bucket][time]}. Series of a classic histogram (label `le`, cumulative) become
    what lies between two bounds; others are a bucket each."""
    rows = [
        (legend(q.legend, dict(labels), q.expr), dict(labels), result.values[i], result.present[i])
        for q, result in found
        for i, labels in enumerate(result.labels)
    ]
    times = found[0][1].times.tolist() if found else []
    bounds = [labels.get("le") for _, labels, _, _ in rows]
    if rows and all(bound is not None for bound in bounds):
        rows.sort(key=lambda row: float(row[1]["le"].replace("+Inf", "inf")))
        stacked = np.array([np.where(present, values, np.nan) for _, _, values, present in rows])
        between = np.clip(np.diff(stacked, axis=0, prepend=0.0), 0.0, None)
        return {
            "times": times,
            "buckets": [row[1]["le"] for row in rows],
            "values": [numbers(line) for line in between],
        }
    kept = rows[:MOST_SERIES]
    return {
        "times": times,
        "buckets": [name for name, _, _, _ in kept],
        "values": [numbers(values, present) for _, _, values, present in kept],
    }


def places(found: Sequence[tuple[Query, Result]]) -> list[tuple[str, float]]:
    """(location, value) of each series that has the label `location`."""
    return [
        (labels["location"], value) for _, labels, value in _rows(found) if value is not None and labels.get("location")
    ]


def _rows(found: Iterable[tuple[Query, Result]]) -> list[tuple[str, dict[str, str], float | None]]:
    """(name, labels, newest value) of each series of instant results."""
    return [
        (
            legend(query.legend, dict(labels), query.expr),
            dict(labels),
            numbers(result.values[i, -1:], result.present[i, -1:])[0],
        )
        for query, result in found
        for i, labels in enumerate(result.labels)
    ]
