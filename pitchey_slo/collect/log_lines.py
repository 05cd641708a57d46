"""Lines of text logs -> columns of `logs`, as a format of `log_formats.py` says.

A line that begins with white space, or continues a stack trace (`Traceback`, `Caused by:`, the error at a Python
trace's end), belongs to the line before it. A time without a zone is in the format's zone (UTC unless it says
otherwise); one without a year, as syslog has it, is the newest that is not more than a day to come. Ids in a route
become `:id`, its query is dropped. `client` addresses become keyed hashes, as in access logs, or are dropped without a
key. What a line says beyond the columns of `logs` stands in `attributes`, as texts.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect.access_log import hashed
from pitchey_slo.collect.batch import Rejected
from pitchey_slo.collect.log_formats import Formats, LogFormat
from pitchey_slo.collect.log_times import stamps_of
from pitchey_slo.tables import LOGS, TEXT

#: Lines that one record may have, and characters of its message; what is more is cut off.
MOST_LINES: Final = 500
LONGEST: Final = 32_000

Parsed = tuple[list[str], list[pa.Array], list[int], list[Rejected]]


_CONTINUES: Final = (b" ", b"\t", b"Traceback (", b"Caused by: ", b"The above exception", b"During handling of")
#: How a Python trace ends: `shop.errors.Refused: no` or `KeyboardInterrupt`.
_TRACE_END: Final = re.compile(rb"[A-Za-z_][\w.]*(?:: |$)")

#: Levels of syslog's priorities and of other houses -> ours; another word stays as it is, in small letters.
_LEVELS: Final = {
    **dict.fromkeys(("emerg", "emergency", "alert", "crit", "critical", "fatal", "panic"), "critical"),
    **dict.fromkeys(("err", "error", "severe"), "error"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("notice", "info", "information", "informational", "audit"), "info"),
    **dict.fromkeys(("debug", "trace", "verbose", *(f"trace{i}" for i in range(1, 9))), "debug"),
}
_SEVERITIES: Final = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")

_IDS: Final = r"/(?:[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|\d+)(/|$)"


@dataclass
class Record:
    """A line with its number and the lines that belong to it."""

    number: int
    line: bytes
    more: list[bytes] = field(default_factory=list)
    traced: bool = False

    @property
    def whole(self) -> bytes:
        return b"\n".join([self.line, *self.more]) if self.more else self.line


class Records:
    """Lines -> records; the last one waits for lines that may belong to it."""

    def __init__(self) -> None:
        self._open: Record | None = None

    def feed(self, lines: Sequence[bytes], numbers: Sequence[int]) -> list[Record]:
        """The records that are complete."""
        found: list[Record] = []
        for line, number in zip(lines, numbers, strict=True):
            record = self._open
            if record is not None and (line.startswith(_CONTINUES) or self._ends_trace(record, line)):
                if len(record.more) < MOST_LINES:
                    record.more.append(line)
                record.traced = record.traced or line.startswith(b"Traceback (")
                continue
            if record is not None:
                found.append(record)
            self._open = Record(number, line, traced=b"Traceback (most recent call last)" in line)
        return found

    def rest(self) -> list[Record]:
        last, self._open = self._open, None
        return [last] if last is not None else []

    def _ends_trace(self, record: Record, line: bytes) -> bool:
        return bool(record.traced and record.more and record.more[-1][:1] in (b" ", b"\t") and _TRACE_END.match(line))


def looks_like(lines: Sequence[bytes], formats: Formats) -> str | None:
    """The format that most of the lines are of, if at least half of those that begin a record are; the first of equals
    in the order of the file."""
    texts = pa.array([line.decode(errors="replace") for line in lines if not line.startswith(_CONTINUES)], TEXT)
    if not len(texts):
        return None
    hits = {name: pc.sum(pc.match_substring_regex(texts, each.line)).as_py() for name, each in formats.items()}
    best = max(hits, key=lambda name: hits[name], default=None)
    return best if best is not None and 2 * hits[best] >= len(texts) else None


def parse(form: LogFormat, records: Sequence[Record], key: bytes | None, now: datetime) -> Parsed:
    """Records -> names and arrays of columns, the positions of those that gave a row, and the refused."""
    texts, refused = _decoded(records)
    groups = _groups(texts, form.line)
    fits = groups["ts"].is_valid() if "ts" in groups else pa.array([False] * len(records))
    stamps = stamps_of(form, groups["ts"], now)
    known = {r.row for r in refused}
    good = np.array(pc.and_(fits, stamps.is_valid()).to_pylist(), bool)
    matched = fits.to_pylist()
    for i in np.flatnonzero(~good).tolist():
        if records[i].number not in known:
            refused.append(Rejected(records[i].number, *_why(form, matched[i], groups, i)))
    places: list[int] = np.flatnonzero(good).tolist()
    take = pa.array(places, pa.int64())
    groups = {name: array.take(take) for name, array in groups.items()}
    message = groups["message"].fill_null("")
    for name, array in _first_fit(message, form.message).items():
        groups[name] = pc.coalesce(groups[name], array) if name in groups else array
    columns = _columns(form, groups, key)
    columns["ts"] = stamps.take(take).cast(pa.timestamp("us", tz="UTC"))
    columns["message"] = _with_more(message, [records[i] for i in places])
    refused.sort(key=lambda r: r.row)
    return list(columns), list(columns.values()), places, refused


def _why(form: LogFormat, fits: bool, groups: dict[str, pa.Array], place: int) -> tuple[str, str]:
    if not fits:
        return "malformed_line", f"no line of {form.name} ({form.what})"
    return "bad_time", f"{groups['ts'][place].as_py()!r} is no time as {form.time} has it"


def _decoded(records: Sequence[Record]) -> tuple[pa.Array, list[Rejected]]:
    """First lines as text; those that are not UTF-8 are null and refused."""
    array = pa.array([record.line for record in records], pa.binary())
    try:
        return array.cast(TEXT), []
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        refused = []
        for record in records:
            try:
                texts.append(record.line.decode())
            except UnicodeDecodeError as error:
                texts.append(None)
                problem = f"byte {record.line[error.start]:#04x} at column {error.start + 1} is not UTF-8"
                refused.append(Rejected(record.number, "invalid_utf8", problem))
        return pa.array(texts, TEXT), refused


def _groups(texts: pa.Array, pattern: str) -> dict[str, pa.Array]:
    """The named groups of a pattern over a column; null where it does not match or the group took no part."""
    found = pc.extract_regex(texts, pattern)
    flat = {f.name: pc.struct_field(found, f.name) for f in found.type}
    # extract_regex gives "" for a group that took no part
    return {n: a if n in ("ts", "message") else pc.if_else(pc.equal(a, ""), None, a) for n, a in flat.items()}


def _first_fit(texts: pa.Array, patterns: Sequence[str]) -> dict[str, pa.Array]:
    """The groups of the first pattern that fits each text."""
    merged: dict[str, pa.Array] = {}
    left = texts
    for pattern in patterns:
        hit = pc.match_substring_regex(left, pattern).fill_null(False)
        if not pc.any(hit).as_py():
            continue
        for name, array in _groups(pc.if_else(hit, left, None), _named(pattern)).items():
            merged[name] = pc.coalesce(merged[name], array) if name in merged else array
        left = pc.if_else(hit, None, left)
    return merged


def _named(pattern: str) -> str:
    return pattern if "(?P<" in pattern else f"(?P<_>{pattern})"


def _columns(form: LogFormat, groups: dict[str, pa.Array], key: bytes | None) -> dict[str, pa.Array]:
    """Everything but time and message."""
    count = len(groups["message"])
    columns = {name: groups[name] for name in LOGS.names if name in groups and name not in ("ts", "message")}
    for name, other in (("level", "level2"), ("logger", "logger2")):
        if other in groups:
            columns[name] = pc.coalesce(columns[name], groups[other]) if name in columns else groups[other]
    level = columns.get("level", pa.nulls(count, TEXT))
    columns["level"] = _by_value(level, lambda v: _LEVELS.get(v.lower(), v.lower()), TEXT)
    if "priority" in groups:
        columns["level"] = pc.coalesce(columns["level"], _by_value(groups["priority"], _severity, TEXT))
    columns["level"] = columns["level"].fill_null(form.level or "info")
    if form.service is not None:
        columns["service"] = (
            columns["service"].fill_null(form.service)
            if "service" in columns
            else pa.repeat(pa.scalar(form.service, TEXT), count)
        )
    if "route" in columns:
        columns["route"] = _by_value(columns["route"], _route, TEXT)
    for name, factor in (("duration_s", 1_000.0), ("duration_us", 0.001)):
        if name in groups:
            told = pc.multiply(groups[name].cast(pa.float64()), factor)
            columns["duration_ms"] = (
                pc.coalesce(columns["duration_ms"].cast(pa.float64()), told) if ("duration_ms" in columns) else told
            )
    if "client" in groups and key is not None:
        columns["user_hash"] = _by_value(groups["client"], functools.partial(hashed, key), TEXT)
    special = {*LOGS.names, "client", "priority", "duration_s", "duration_us", "level2", "logger2", "_"}
    columns["attributes"] = _attributes({n: a for n, a in groups.items() if n not in special}, count)
    return columns


def _attributes(more: dict[str, pa.Array], count: int) -> pa.Array:
    if not more:
        return pa.nulls(count, TEXT)
    names = sorted(more)
    told = []
    for values in zip(*(more[name].to_pylist() for name in names), strict=True):
        found = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        told.append(json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else None)
    return pa.array(told, TEXT)


def _with_more(message: pa.Array, records: Sequence[Record]) -> pa.Array:
    """The messages with the lines that belong to them, cut where they get too long."""
    longest = pc.max(pc.binary_length(message)).as_py() or 0
    if longest <= LONGEST and not any(record.more for record in records):
        return message
    told = []
    for text, record in zip(message.to_pylist(), records, strict=True):
        lines = [text, *(line.decode(errors="replace").replace("\t", "    ") for line in record.more)]
        whole = "\n".join(lines)
        told.append(whole if len(whole) <= LONGEST else whole[:LONGEST] + " [cut]")
    return pa.array(told, TEXT)


def _severity(priority: str) -> str:
    return _SEVERITIES[int(priority) & 7]


def _route(path: str) -> str:
    """`/v2/54fadb.../servers/12?a=b` is `/v2/:id/servers/:id`."""
    path = path.split("?", 1)[0].split("#", 1)[0]
    return re.sub(_IDS, r"/:id\1", re.sub(_IDS, r"/:id\1", path)) or "/"


def _by_value(array: pa.Array, function: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    coded = array.dictionary_encode()
    found = pa.array([None if v is None else function(v) for v in coded.dictionary.to_pylist()], kind)
    return found.take(coded.indices)
