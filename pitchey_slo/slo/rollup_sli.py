"""SLIs on requests from the minutes in which these are counted (table `request_minutes`), exactly.

Minutes know route, method, status, location and the smallest edge at or above the latency (`names.MINUTE_EDGES_MS`). So
a filter on these columns keeps its meaning there, and "at most 500 ms" or "above 500 ms" is exact, 500 being an edge;
"below 500 ms" is not. A filter on anything else, and every day that is not counted yet or got rows since, is read from
the requests. So are readers with a `unit_sql`, whose unit is not the minute.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pitchey_slo.errors import QueryError
from pitchey_slo.names import MINUTE_EDGES_MS
from pitchey_slo.slo.filters import columns_in, masks
from pitchey_slo.slo.table_scan import Part, floats, source_of
from pitchey_slo.tables import REQUEST_MINUTES, REQUESTS

if TYPE_CHECKING:
    from pitchey_slo.slo.sli import Reader

Span = tuple[datetime, datetime]

#: Columns of requests that minutes have too, with the same meaning.
SHARED: Final = frozenset(("route", "method", "status", "location"))

_ALL = (*REQUESTS.names, *REQUEST_MINUTES.names)
_MEASURED = re.compile(r"\s*duration_ms\s+IS\s+(NOT\s+)?NULL\s*", re.IGNORECASE)
_LIMIT = re.compile(r"\s*duration_ms\s*(<=|>)\s*(\d+(?:\.\d*)?)(?:::DOUBLE)?\s*", re.IGNORECASE)
# a subquery or COLUMNS(*) may look at more than the columns it names
_TOO_CLEVER = re.compile(r"\b(SELECT|FROM|COLUMNS)\b|\*", re.IGNORECASE)


def spans(reader: Reader, start: datetime, end: datetime) -> tuple[list[Span], list[Span]]:
    """start <= t < end as the spans that minutes hold, and the rest that is to be read from requests."""
    counted = getattr(reader, "counted_spans", None)
    if counted is None or hasattr(reader, "unit_sql"):
        return [], [(start, end)]
    known, rest = counted(start, end)
    return known, rest


def conditions(given: Sequence[str], reader: Reader) -> tuple[str, ...] | None:
    """Conditions on requests that must all hold, as conditions on minutes; None when minutes cannot tell."""
    found = [_condition(text, reader) for text in given]
    return None if None in found else tuple(text for text in found if text is not None)


def _condition(text: str, reader: Reader) -> str | None:
    measured, limit = _MEASURED.fullmatch(text), _LIMIT.fullmatch(text)
    if measured:
        return f"le_ms IS {measured[1] or ''}NULL"
    if limit:
        edge = float(limit[2])
        return f"le_ms {limit[1]} {edge!r}::DOUBLE" if edge in MINUTE_EDGES_MS else None
    if columns_in(text, _ALL) - SHARED or _TOO_CLEVER.search(text):
        return None
    try:
        reader.check_filter(REQUEST_MINUTES.name, text)
    except QueryError:  # it means something that only requests have
        return None
    return text


def read_minutes(filters: Sequence[Sequence[str]], reader: Reader, known: Sequence[Span]) -> Part:
    """The groups of those spans, from minutes; `filters` as `conditions` gave them."""
    uniform = getattr(reader, "uniform_weights", None)
    even = uniform is not None and all(uniform(REQUEST_MINUTES.name, *span) for span in known)
    sql = scan_sql(filters, source_of(reader, REQUEST_MINUTES.name, known), even_weights=even)
    groups = reader.query(sql)
    return Part(REQUEST_MINUTES.name, sql, groups.drop_columns(["stored"]), int(floats(groups, "stored").sum()))


def scan_sql(filters: Sequence[Sequence[str]], source: str, *, even_weights: bool) -> str:
    """As `table_scan.scan_sql`, of minutes; `stored` counts the rows that were read."""
    keys = [f"{m} AS mask{i}" for i, m in enumerate(masks(filters, [*sorted(SHARED), "le_ms"]))]
    sums = ["count(*) AS stored", "sum(rows)::BIGINT AS rows"]
    if not even_weights:  # null: as many as rows
        sums += [
            "sum(coalesce(usable, rows))::BIGINT AS usable",
            "sum(coalesce(weight, rows)) AS weight",
            "sum(coalesce(squares, rows)) AS squares",
        ]
    wanted = ",\n  ".join(["epoch_us(minute) // 60000000 AS minute", *keys, ", ".join(sums)])
    return f"SELECT {wanted}\nFROM {source} AS counted\nGROUP BY ALL"
