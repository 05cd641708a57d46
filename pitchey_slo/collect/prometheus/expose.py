"""Series -> Prometheus text 0.0.4, OpenMetrics 1.0 or JSON: the newest value of each series.

Families stand together with what is known of them (`families`). Bounds of buckets are written as they came: `le="1"`
stays, though OpenMetrics would like `le="1.0"`, because another text would be another series.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

import orjson

from pitchey_slo.collect.prometheus.families import Family, Point, families, newest
from pitchey_slo.series import Labels, Metadata, SampleBatch

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
JSON_TYPE: Final = "application/json"

_PLAIN_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PLAIN_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TEXT_TYPES: Final = {"counter", "gauge", "histogram", "summary"}
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def negotiate(accept: str | None) -> str:
    """The content type to answer with: what `Accept` likes best of the three, Prometheus text when it says nothing.

    >>> negotiate("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2")[:28]
    'application/openmetrics-text'
    """
    best, found = 0.0, TEXT_TYPE
    for part in (accept or "").split(","):
        media, *parameters = [p.strip().lower() for p in part.split(";")]
        kind = next((t for t in (TEXT_TYPE, OPENMETRICS_TYPE, JSON_TYPE) if t.partition(";")[0] == media), None)
        if kind is None and media in ("*/*", "text/*"):
            kind = TEXT_TYPE
        quality = _quality(parameters)
        if kind and quality > best:
            best, found = quality, kind
    return found


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                value = float(parameter[2:])
            except ValueError:
                return 0.0
            return value if 0 <= value <= 1 else 0.0
    return 1.0


def expose(batch: SampleBatch, content_type: str = TEXT_TYPE, *, timestamps: bool = False) -> bytes:
    """The newest value of each series of `batch` in one of the three content types; `timestamps` adds their times
    (JSON always has them)."""
    points = newest(batch)
    if content_type == JSON_TYPE:
        return _json(families(points, batch.metadata, openmetrics=False))
    openmetrics = content_type == OPENMETRICS_TYPE
    lines: list[str] = []
    for family in families(points, batch.metadata, openmetrics=openmetrics):
        lines += _head(family, openmetrics)
        lines += [_line(point, openmetrics, timestamps) for point in family.points]
    if openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")


def _head(family: Family, openmetrics: bool) -> list[str]:
    said, name = family.said, quoted_name(family.name)
    lines = []
    kind = said.type if openmetrics or said.type in _TEXT_TYPES else "untyped" if said.type == "unknown" else "gauge"
    if openmetrics or said != Metadata():
        lines.append(f"# TYPE {name} {kind}")
    if openmetrics and said.unit and family.name.endswith("_" + said.unit):
        lines.append(f"# UNIT {name} {said.unit}")
    if said.help:
        lines.append(f"# HELP {name} {said.help.translate(_ESCAPES if openmetrics else _HELP_ESCAPES)}")
    return lines


def quoted_name(name: str) -> str:
    """A metric name as the formats write it: in quotes when it is not an old-style name."""
    return name if _PLAIN_NAME.fullmatch(name) else f'"{name.translate(_ESCAPES)}"'


def series_text(labels: Labels) -> str:
    """`name{a="b"}`, or `{"my.name", a="b"}` for a name that must be quoted.

    >>> series_text((("__name__", "up"), ("job", "api")))
    'up{job="api"}'
    """
    name = ""
    parts = []
    for label, value in labels:
        if label == "__name__":
            name = value
        else:
            shown = label if _PLAIN_LABEL.fullmatch(label) else f'"{label.translate(_ESCAPES)}"'
            parts.append(f'{shown}="{value.translate(_ESCAPES)}"')
    if not _PLAIN_NAME.fullmatch(name):
        return "{" + ",".join([quoted_name(name), *parts]) + "}"
    return f"{name}{{{','.join(parts)}}}" if parts else name


def value_text(value: float) -> str:
    """A float as both formats write it; every finite one reads back to the same bits.

    >>> value_text(1.0), value_text(float("-inf"))
    ('1', '-Inf')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return (
        str(int(value)) if value == int(value) and abs(value) < 1e15 and (value or not _minus(value)) else repr(value)
    )


def _minus(value: float) -> bool:
    return math.copysign(1.0, value) < 0


def _line(point: Point, openmetrics: bool, timestamps: bool) -> str:
    text = f"{series_text(point.labels)} {value_text(point.value)}"
    if not timestamps:
        return text
    if not openmetrics:
        return f"{text} {point.ts}"
    seconds, millis = divmod(abs(point.ts), 1000)
    return f"{text} {'-' if point.ts < 0 else ''}{seconds}.{millis:03d}"


def _json(found: Sequence[Family]) -> bytes:
    """Values are texts, as in Prometheus' API: JSON knows no NaN and no infinity."""
    return orjson.dumps(
        {
            "metrics": [
                {
                    "name": family.name,
                    "type": family.said.type,
                    "help": family.said.help,
                    "unit": family.said.unit,
                    "series": [
                        {"labels": dict(p.labels), "value": value_text(p.value), "timestamp": p.ts}
                        for p in family.points
                    ],
                }
                for family in found
            ]
        }
    )
