"""`POST /api/monitoring/metrics` -> SampleBatch: metrics as JSON, for those who have no Prometheus client at hand.

    {"metrics": [
      {"name": "orders_total", "type": "counter", "value": 12, "labels": {"shop": "a"}, "help": "Orders", "unit": "1"},
      {"name": "queue", "type": "gauge", "value": 3, "timestamp": "2026-03-02T12:00:00Z"},
      {"name": "latency_seconds", "type": "histogram", "buckets": {"0.1": 5, "1": 9, "+Inf": 10}, "sum": 2.5},
      {"name": "size_bytes", "type": "summary", "quantiles": {"0.5": 10, "0.99": 80}, "count": 7, "sum": 300}
    ]}

`buckets` are cumulative counts by upper bound; without "+Inf" it is `count`, without `count` it is the +Inf bucket.
A value may be a number or one of the texts "NaN", "+Inf", "-Inf". A time is milliseconds since 1970 or ISO 8601.
A bad metric is refused with a reason from `names.ROW_REASONS`, the others are taken. docs/prometheus.md has the table.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import orjson

from pitchey_slo.collect.batch import Rejected
from pitchey_slo.collect.prometheus.expose import value_text
from pitchey_slo.collect.prometheus.series_labels import check_labels
from pitchey_slo.errors import CollectError, did_you_mean
from pitchey_slo.series import Labels, Metadata, SampleBatch

TYPES: Final = ("counter", "gauge", "histogram", "summary")
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_KEYS: Final = {
    "name", "type", "value", "buckets", "count", "sum", "quantiles", "labels", "timestamp", "help", "unit"
}  # fmt: skip
_WORDS: Final = {"NaN": math.nan, "+Inf": math.inf, "Inf": math.inf, "-Inf": -math.inf}
_FAR: Final = 253_402_300_800_000  # the year 10000, milliseconds


@dataclass(frozen=True, eq=False)
class Pushed:
    """`metrics` counts what was sent, `rejected` lists what was refused (`row`: 0-based place in "metrics")."""

    batch: SampleBatch
    metrics: int
    rejected: list[Rejected]


class _Bad(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def decode_push(body: bytes, *, now: int) -> Pushed:
    """Reads an (uncompressed) body; metrics without a time get `now` (milliseconds).

    Raises CollectError when it is no JSON object with a list "metrics".
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CollectError(f"not JSON: {error}") from None
    if not isinstance(told, dict) or not isinstance(told.get("metrics"), list):
        raise CollectError('expected {"metrics": [...]}', detail={"example": EXAMPLE})
    places: dict[Labels, int] = {}
    samples: list[tuple[int, int, float]] = []
    metadata: dict[str, Metadata] = {}
    rejected: list[Rejected] = []
    for row, metric in enumerate(told["metrics"]):
        try:
            series, said, ts = _metric(metric, now)
        except _Bad as bad:
            rejected.append(Rejected(row, bad.reason, bad.message))
            continue
        metadata[metric["name"]] = said
        samples += [(places.setdefault(labels, len(places)), ts, value) for labels, value in series]
    index, times, values = zip(*samples, strict=True) if samples else ((), (), ())
    batch = SampleBatch(
        list(places), np.array(index, np.int64), np.array(times, np.int64), np.array(values, np.float64), metadata
    )
    return Pushed(batch, len(told["metrics"]), rejected)


EXAMPLE: Final = {"metrics": [{"name": "orders_total", "type": "counter", "value": 12, "labels": {"shop": "a"}}]}


def _metric(metric: Any, now: int) -> tuple[list[tuple[Labels, float]], Metadata, int]:
    if not isinstance(metric, dict):
        raise _Bad("not_an_object", f"{_shown(metric)}: a metric is an object")
    for key in metric:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS) or f"known: {', '.join(sorted(_KEYS))}"
            raise _Bad("wrong_type", f"{key}: no such field; {hint}")
    name, kind = _text(metric, "name", required=True), _text(metric, "type", required=True)
    if not _NAME.fullmatch(name):
        raise _Bad("wrong_type", f"name: {name!r} is no metric name ([a-zA-Z_:][a-zA-Z0-9_:]*)")
    if kind not in TYPES:
        near = did_you_mean(kind, TYPES)
        raise _Bad("wrong_type", f"type: {kind!r}; {near or 'one of ' + ', '.join(TYPES)}")
    labels = metric.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        raise _Bad("wrong_type", "labels: an object of texts")
    if "__name__" in labels:
        raise _Bad("wrong_type", "labels: the metric name stands in `name`")
    said = Metadata(kind, _text(metric, "help"), _text(metric, "unit"))
    series: list[tuple[Labels, float]] = []
    for suffix, extra, value in _parts(metric, kind):
        pairs: list[tuple[str | None, str | None]] = [*labels.items(), *extra, ("__name__", name + suffix)]
        checked, wrong = check_labels(pairs)
        if wrong:
            raise _Bad("wrong_type", f"labels: {wrong}")
        series.append((checked, value))
    return series, said, _time(metric.get("timestamp"), now)


def _parts(metric: dict[str, Any], kind: str) -> list[tuple[str, list[tuple[str, str]], float]]:
    """(suffix of the name, label of its own, value) of each series that a metric makes."""
    wanted = {"histogram": {"buckets", "count", "sum"}, "summary": {"quantiles", "count", "sum"}}.get(kind, {"value"})
    for key in {"value", "buckets", "quantiles", "count", "sum"} - wanted:
        if key in metric:
            raise _Bad("wrong_type", f"{key}: a {kind} has {', '.join(sorted(wanted))}")
    if kind in ("counter", "gauge"):
        value = _number(metric, "value", required=True)
        if kind == "counter" and not value >= 0:
            raise _Bad("out_of_range", f"value: {value} in a counter, which never falls below 0")
        return [("", [], value)]
    return _buckets(metric) if kind == "histogram" else _quantiles(metric)


def _buckets(metric: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]], float]]:
    bounds = _by_bound(metric, "buckets")
    if bounds and math.isinf(bounds[-1][0]):
        total = bounds[-1][1]
        if "count" in metric and _number(metric, "count", required=True) != total:
            raise _Bad("out_of_range", f"count: {metric['count']} differs from the +Inf bucket, {value_text(total)}")
    elif "count" in metric:
        total = _number(metric, "count", required=True)
        bounds.append((math.inf, total))
    else:
        raise _Bad("missing_field", 'buckets: no "+Inf" bucket and no count')
    counts = [count for _, count in bounds]
    if not all(count >= 0 for count in counts) or counts != sorted(counts):
        raise _Bad("out_of_range", "buckets: cumulative counts start at 0 or more and never fall")
    parts = [("_bucket", [("le", value_text(bound))], count) for bound, count in bounds]
    if "sum" in metric:
        parts.append(("_sum", [], _number(metric, "sum", required=True)))
    return [*parts, ("_count", [], total)]


def _quantiles(metric: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]], float]]:
    bounds = _by_bound(metric, "quantiles") if "quantiles" in metric else []
    if any(not 0 <= bound <= 1 for bound, _ in bounds):
        raise _Bad("out_of_range", "quantiles: between 0 and 1")
    parts = [("", [("quantile", value_text(bound))], value) for bound, value in bounds]
    parts += [(f"_{key}", [], _number(metric, key, required=True)) for key in ("sum", "count") if key in metric]
    if not parts:
        raise _Bad("missing_field", "quantiles: a summary needs quantiles, count or sum")
    return parts


def _by_bound(metric: dict[str, Any], key: str) -> list[tuple[float, float]]:
    """(bound, value) in rising order from an object, or from a list of pairs."""
    given = metric.get(key)
    if isinstance(given, dict):
        pairs = list(given.items())
    elif isinstance(given, list) and all(isinstance(p, list) and len(p) == 2 for p in given):
        pairs = [(p[0], p[1]) for p in given]
    elif given is None:
        raise _Bad("missing_field", f"{key}: required")
    else:
        raise _Bad("wrong_type", f'{key}: an object such as {{"0.1": 5}} or a list such as [[0.1, 5]]')
    bounds = sorted((_float(bound, key, texts=True), _float(value, key)) for bound, value in pairs)
    if any(math.isnan(bound) for bound, _ in bounds) or len({b for b, _ in bounds}) != len(bounds):
        raise _Bad("out_of_range", f"{key}: each bound once, and none is NaN")
    return bounds


def _number(metric: dict[str, Any], key: str, *, required: bool) -> float:
    if metric.get(key) is None and required:
        raise _Bad("missing_field", f"{key}: required")
    return _float(metric[key], key)


def _float(value: Any, key: str, *, texts: bool = False) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        if value in _WORDS:
            return _WORDS[value]
        if texts and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
            return float(value)
    raise _Bad("wrong_type", f'{key}: {_shown(value)} is not a number ("NaN", "+Inf" and "-Inf" as texts)')


def _text(metric: dict[str, Any], key: str, *, required: bool = False) -> str:
    value = metric.get(key)
    if value is None:
        if required:
            raise _Bad("missing_field", f"{key}: required")
        return ""
    if not isinstance(value, str):
        raise _Bad("wrong_type", f"{key}: {_shown(value)} is not a text")
    return value


def _time(value: Any, now: int) -> int:
    if value is None:
        return now
    if isinstance(value, str):
        try:
            told = datetime.fromisoformat(value)
        except ValueError:
            raise _Bad("bad_time", f"timestamp: {_shown(value)} is neither milliseconds nor ISO 8601") from None
        told = told if told.tzinfo else told.replace(tzinfo=UTC)
        value = (told - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _FAR:
        raise _Bad("bad_time", f"timestamp: {_shown(value)}; milliseconds since 1970 or ISO 8601")
    if 0 < value < 1e10:
        raise _Bad("bad_time", f"timestamp: {value} looks like seconds; send milliseconds")
    return round(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
