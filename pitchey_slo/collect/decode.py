"""One delivery over the wire -> one Batch: content type, encoding, limit, then `conform`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from pitchey_slo.collect import ipc, json_rows
from pitchey_slo.collect.batch import Batch, Rejected, merge
from pitchey_slo.collect.conform import conform_piece, split
from pitchey_slo.collect.unpack import unpack
from pitchey_slo.errors import BodyTooLarge, CollectError, UnknownFormat
from pitchey_slo.tables import Table

JSON: Final = frozenset({"application/json"})
NDJSON: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json-lines",
        "application/x-jsonlines",
    }
)
ARROW: Final = frozenset({"application/vnd.apache.arrow.stream"})

STEP: Final = 1 << 14  # objects turned into columns at once
#: Objects and arrays in one JSON body: `{},{},...` takes 24 times its size as Python objects.
MOST_OBJECTS: Final = 2_000_000


def decode(
    body: bytes,
    *,
    content_type: str | None,
    content_encoding: str | None,
    table: Table,
    limit: int,
    now: datetime,
    batch_key: str | None = None,
) -> Batch:
    """`body` as rows of `table`; `Rejected.row` counts the rows of the delivery from 0 (blank lines are no rows).

    `limit` counts bytes after decompression, and for Arrow after its own buffers are decompressed too. With a
    `batch_key` (the delivery's Idempotency-Key), rows without an event id get `<batch_key>:<row>`, so that the same
    delivery sent again is stored once. Raises CollectError (400), BodyTooLarge (413) or UnknownFormat (415) when
    nothing can be read; refused rows raise nothing.
    """
    kind = _kind(content_type)
    body = unpack(body, content_encoding, limit)
    if kind in ARROW:
        return _arrow(body, table, limit, now, batch_key)
    if kind in NDJSON:
        return _ndjson(body, table, now, batch_key)
    return _json(body, table, now, batch_key)


def _kind(content_type: str | None) -> str:
    name, *parameters = [part.strip().lower() for part in (content_type or "").split(";")]
    if name not in JSON | NDJSON | ARROW:
        raise UnknownFormat(
            f"Content-Type {content_type!r}: send application/json, application/x-ndjson or {min(ARROW)}"
        )
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
            raise UnknownFormat(f"Content-Type {content_type!r}: JSON is UTF-8")
    return name


def _event_ids(batch_key: str | None, numbers: np.ndarray[Any, Any]) -> dict[str, pa.Array]:
    if batch_key is None:
        return {}
    return {"event_id": pa.array([f"{batch_key}:{number}" for number in numbers.tolist()], pa.string())}


def _arrow(body: bytes, table: Table, limit: int, now: datetime, batch_key: str | None) -> Batch:
    return _columns(ipc.read_stream(body, table, limit), table, now, batch_key)


def _columns(rows: pa.Table, table: Table, now: datetime, batch_key: str | None) -> Batch:
    """`conform` of a whole table, with event ids from the batch key."""
    parts = []
    for numbers, arrays in split(rows):
        ids = _event_ids(batch_key, numbers)
        parts.append(conform_piece(table, rows.column_names, arrays, numbers, now=now, fallbacks=ids)[0])
    return merge(table, parts)


def _ndjson(body: bytes, table: Table, now: datetime, batch_key: str | None) -> Batch:
    clean = json_rows.read_clean(body, table)
    if clean is not None:
        return _columns(clean[0], table, now, batch_key)
    return _exactly(body, table, now, batch_key)


def _exactly(body: bytes, table: Table, now: datetime, batch_key: str | None) -> Batch:
    """NDJSON line by line."""
    if body.count(b"{") + body.count(b"[") + body.count(b"\n") > 2 * MOST_OBJECTS:
        raise _too_many()
    parts: list[Batch] = []
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    for start in range(0, len(lines), STEP):
        numbers = range(start, min(start + STEP, len(lines)))
        rows, places, refused = json_rows.parse_lines(lines[start : start + STEP], numbers)
        parts.append(_objects(rows, np.array(places, np.int64) + start, refused, table, now, batch_key))
    return merge(table, parts)


def _objects(
    rows: list[dict[str, Any]],
    numbers: np.ndarray[Any, Any],
    refused: list[Rejected],
    table: Table,
    now: datetime,
    batch_key: str | None,
) -> Batch:
    names, arrays = json_rows.columns_of(rows, table)
    ids = _event_ids(batch_key, numbers)
    batch, _ = conform_piece(table, names, arrays, numbers, now=now, fallbacks=ids)
    rejected = sorted([*refused, *batch.rejected], key=lambda r: r.row) if refused else batch.rejected
    return Batch(batch.table, batch.rows, rejected, batch.warnings)


def _json(body: bytes, table: Table, now: datetime, batch_key: str | None) -> Batch:
    if body.count(b"{") + body.count(b"[") > MOST_OBJECTS or body.count(b",") > 16 * MOST_OBJECTS:
        raise _too_many()
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CollectError(f"the body is not JSON: {error}") from None
    if isinstance(given, dict) and isinstance(given.get("events"), list):
        given = given["events"]
    elif isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        raise CollectError('the body is neither an object, nor an array of objects, nor {"events": [...]}')
    parts = []
    for start in range(0, len(given), STEP):
        piece = given[start : start + STEP]
        places = [i for i, row in enumerate(piece) if type(row) is dict]
        refused = [json_rows.not_an_object(row, start + i) for i, row in enumerate(piece) if type(row) is not dict]
        rows = [piece[i] for i in places]
        parts.append(_objects(rows, np.array(places, np.int64) + start, refused, table, now, batch_key))
    return merge(table, parts)


def _too_many() -> BodyTooLarge:
    return BodyTooLarge(f"the body has more than {MOST_OBJECTS:,} objects; send it in several parts")
