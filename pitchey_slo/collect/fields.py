"""Which field of a delivery fills which column: one table of other names, and what to say about unknown ones.

A field name is matched after `normal`: letters in lower case, camelCase and punctuation as underscores, none in front.
So `durationMs`, `Duration-Ms` and `duration_ms` are one name, and so are `@timestamp` and `timestamp`. When a row gives
several fields for one column, the column's own name wins, then the order of the list.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from pitchey_slo.errors import did_you_mean
from pitchey_slo.tables import TABLES, Table

#: column -> other names it goes by, in the order they win. The docs print this table.
ALIASES: dict[str, tuple[str, ...]] = {
    "ts": ("timestamp", "time", "datetime", "event_time", "occurred_at"),
    "route": ("path", "uri", "url_path", "request_uri", "http_route"),
    "method": ("http_method", "request_method", "verb"),
    "status": ("status_code", "http_status", "response_status"),
    "duration_ms": ("duration", "latency_ms", "response_time_ms", "elapsed_ms"),
    "location": ("colo", "region"),
    "trace_id": ("traceid",),
    "cache_status": ("cache", "cf_cache_status"),
    "bytes": ("response_bytes", "body_bytes_sent", "bytes_sent"),
    "event_id": ("id", "request_id"),
    "event": ("event_name", "event_type"),
    "value": ("amount",),
    "properties": ("props", "attributes"),
    "started_at": ("start", "started"),
    "ended_at": ("end", "ended"),
    "kind": ("incident_type",),
    "labelled_by": ("labeled_by",),
    "deployed_by": ("author",),
    "version": ("release",),
    "level": ("severity", "severity_text", "loglevel", "log_level"),
    "message": ("msg", "body", "line"),
    "service": ("service_name",),
}

#: Texts where senders often have a whole number; it is stored as its decimal digits.
NUMERIC_TEXT = frozenset({"event_id", "id", "version"})

#: Texts where an object or array is stored as its JSON.
JSON_TEXT = frozenset({"properties", "parameters", "attributes", "details"})

SHOWN = 20  # warnings about unknown fields per delivery; one line counts the rest

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9]+")


@functools.lru_cache(maxsize=4_096)
def normal(name: str) -> str:
    """The name as it is matched: `normal("@cacheStatus") == "cache_status"`."""
    return _OTHER.sub("_", _HUMP.sub("_", name[:256]).lower()).strip("_")


@functools.cache
def known(table_name: str) -> dict[str, tuple[str, int]]:
    """Normalised field name -> (column, rank); rank 0 is the column's own name."""
    columns = TABLES[table_name].names
    found = {name: (name, 0) for name in columns}
    for name in columns:
        for rank, alias in enumerate(ALIASES.get(name, ()), 1):
            found.setdefault(alias, (name, rank))
    return found


def column_of(table: Table, field: str) -> str | None:
    """The column that `field` fills, or None for a field nobody knows."""
    hit = known(table.name).get(normal(field))
    return hit[0] if hit else None


def sources(table: Table, fields: Sequence[str]) -> tuple[dict[str, list[int]], list[str]]:
    """For each column the positions in `fields` that fill it, first choice first; and the unknown fields."""
    ranked: dict[str, list[tuple[int, int, int]]] = {}
    unknown: list[str] = []
    for place, field in enumerate(fields):
        hit = known(table.name).get(normal(field))
        if hit:
            ranked.setdefault(hit[0], []).append((hit[1], field != hit[0], place))
        else:
            unknown.append(field)
    return {name: [place for *_, place in sorted(places)] for name, places in ranked.items()}, unknown


def spellings(column: str) -> str:
    """`"route" (or path, uri, url_path)`, for messages."""
    others = ALIASES.get(column, ())
    return f'"{column}"' + (f" (or {', '.join(others[:3])})" if others else "")


def missing_required(table: Table, fields: Iterable[str]) -> list[str]:
    """Required columns that none of `fields` fills."""
    filled = {column_of(table, f) for f in fields}
    return [c.name for c in table.columns if c.required and c.name not in filled]


def unknown_warnings(table: Table, unknown: Iterable[str]) -> list[str]:
    """One sentence per unknown field, with the nearest known name; the first SHOWN of them."""
    names = sorted(set(unknown))
    told = []
    for name in names[:SHOWN]:
        short = name if len(name) <= 64 else name[:61] + "..."
        near = did_you_mean(normal(short), known(table.name))
        told.append(f"field {short!r} is not a column of {table.name} and was ignored" + (f"; {near}" if near else ""))
    if len(names) > SHOWN:
        told.append(f"{len(names) - SHOWN} more unknown fields were ignored")
    return told
