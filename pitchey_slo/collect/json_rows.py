"""JSON objects -> columns: a fast way for clean NDJSON, and an exact one for everything.

The exact way reads each line with orjson (it refuses NaN, lone surrogates, bad UTF-8 and deep nesting; the standard
library takes the first two), so a bad line costs that line only. A column whose values have several JSON types
becomes several columns of one name, one per type, which `conform` puts together again.

The fast way is Arrow's JSON reader with the schema said beforehand. It is taken only for bodies where both ways must
agree: flat objects, one per line, fields and types as in the first line. Anything else returns None and goes the
exact way. Since every field's type is said and no other field is allowed, nested values end the reading at once:
nothing is inferred, and nothing strange in a body can make columns or depth.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as pajson

from pitchey_slo.collect.batch import Rejected
from pitchey_slo.collect.fields import JSON_TEXT, SHOWN, column_of
from pitchey_slo.tables import TEXT, TIME, Table

BLOCK: Final = 8 << 20
MOST_FIELDS: Final = 200  # of a row, on the fast way

_ESCAPES: Final = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")

Columns = tuple[list[str], list[pa.Array]]


def read_clean(body: bytes, table: Table) -> tuple[pa.Table, int] | None:
    """Clean NDJSON as a table and its number of rows, or None when the exact way must decide."""
    body = body.rstrip(b"\n")
    lines = body.count(b"\n") + 1
    if not body.startswith(b"{") or not body.endswith(b"}") or body.count(b"}\n{") != lines - 1:
        return None  # a newline between } and { always parts two objects: a text cannot hold it
    if b"\\u" in body and _ESCAPES.search(body):
        return None
    if b"\0" in body or not (body.isascii() or _is_utf8(body)):
        return None
    schema = _schema(body[: body.find(b"\n") if lines > 1 else len(body)], table)
    if schema is None:
        return None
    try:
        rows = pajson.read_json(
            pa.BufferReader(body),
            read_options=pajson.ReadOptions(block_size=BLOCK, use_threads=True),
            parse_options=pajson.ParseOptions(
                explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior="error"
            ),
        )
    except (pa.ArrowException, ValueError):
        return None
    if rows.num_rows != lines or _float_times(rows, table):
        return None
    return rows, lines


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _schema(line: bytes, table: Table) -> pa.Schema | None:
    """Types of the fields as in the first line; None when a type is not plain there."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or not row or len(row) > MOST_FIELDS:
        return None
    fields = []
    for name, value in row.items():
        wanted = column_of(table, name)
        kind = {str: TEXT, int: pa.int64(), float: pa.float64(), bool: pa.bool_()}.get(type(value))
        if wanted and value is None:
            kind = table.column(wanted).type
            kind = pa.int64() if pa.types.is_integer(kind) else TEXT if kind == TIME else kind
        if wanted and pa.types.is_floating(table.column(wanted).type) and kind == pa.int64():
            kind = pa.float64()
        fields.append(pa.field(name, kind or TEXT))
    return pa.schema(fields)


def _float_times(rows: pa.Table, table: Table) -> bool:
    """Whether a time came as a number too large for a float to hold exactly (whole nanoseconds among decimals)."""
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        wanted = column_of(table, name)
        if wanted and table.column(wanted).type == TIME and pa.types.is_float64(column.type):
            top = pc.max(pc.abs(column)).as_py()
            if top is not None and top >= 2**53:
                return True
    return False


def parse_lines(
    lines: Sequence[bytes], numbers: Sequence[int]
) -> tuple[list[dict[str, Any]], list[int], list[Rejected]]:
    """Each line as an object: the objects, the positions they had in `lines`, and the lines that are none."""
    try:
        rows = [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        rows = []
    if len(rows) == len(lines) and all(type(row) is dict for row in rows):
        return rows, list(range(len(lines))), []
    rows, places, rejected = [], [], []
    for place, line in enumerate(lines):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            rejected.append(_malformed(line, numbers[place], error))
            continue
        if type(row) is dict:
            rows.append(row)
            places.append(place)
        else:
            rejected.append(not_an_object(row, numbers[place]))
    return rows, places, rejected


def not_an_object(value: Any, number: int) -> Rejected:
    kind = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
    return Rejected(number, "not_an_object", f"the row is {kind}; an object such as {{...}} is wanted")


def _malformed(line: bytes, number: int, error: orjson.JSONDecodeError) -> Rejected:
    if not _is_utf8(line) or "surrogate" in str(error):
        return Rejected(number, "invalid_utf8", "the line has bytes that are not UTF-8, or half a surrogate pair")
    near = line[max(error.pos - 20, 0) : error.pos + 20].decode(errors="replace")
    return Rejected(number, "malformed_line", f"not JSON: {error.msg} at column {error.colno}, near {near!r}")


def columns_of(rows: Sequence[dict[str, Any]], table: Table) -> Columns:
    """Objects as columns by field; unknown fields as null columns, so that `conform` can name them."""
    names: list[str] = []
    arrays: list[pa.Array] = []
    unknown = 0
    for field in sorted(set().union(*rows)):
        wanted = column_of(table, field)
        if wanted is None:
            unknown += 1
            if unknown <= SHOWN + 1:
                names.append(field)
                arrays.append(pa.nulls(len(rows)))
            continue
        for lane in _lanes(_values(rows, field), as_json=wanted in JSON_TEXT):
            names.append(field)
            arrays.append(lane)
    return names, arrays


def _values(rows: Sequence[dict[str, Any]], field: str) -> list[Any]:
    try:
        return list(map(operator.itemgetter(field), rows))
    except KeyError:
        return [row.get(field) for row in rows]


def _lanes(values: list[Any], *, as_json: bool) -> Iterable[pa.Array]:
    """One array per JSON type among the values, null where a value is of another type."""
    kinds = set(map(type, values)) - {type(None)}
    if as_json and kinds & {dict, list}:
        values = [orjson.dumps(v).decode() if type(v) in (dict, list) else v for v in values]
        kinds = (kinds - {dict, list}) | {str}
    if not kinds:
        return [pa.nulls(len(values))]
    return [lane for kind in sorted(kinds, key=lambda k: k.__name__) for lane in _lane(values, kind, len(kinds) == 1)]


def _lane(values: list[Any], kind: type, alone: bool) -> list[pa.Array]:
    own: list[Any] = values if alone else [v if type(v) is kind else None for v in values]
    if kind is str:
        return [pa.array(own, TEXT)]
    if kind is float:
        return [pa.array(own, pa.float64())]
    if kind is int:
        try:
            return [pa.array(own, pa.int64())]
        except (OverflowError, pa.ArrowInvalid):  # beyond int64: no column holds it, a float says so
            small = [v if v is not None and abs(v) < 2**63 else None for v in own]
            large = [float(v) if v is not None and abs(v) >= 2**63 else None for v in own]
            return [pa.array(small, pa.int64()), pa.array(large, pa.float64())]
    if kind is bool:
        return [pa.array(own, pa.bool_())]
    # an object or array where a plain value belongs: any type that no column takes
    return [pa.array([None if v is None else [] for v in own], pa.list_(pa.null()))]
