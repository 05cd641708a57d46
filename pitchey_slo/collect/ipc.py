"""Arrow IPC streams from strangers -> sound tables.

Two dangers, both measured: offsets that point elsewhere crash the process when the column is first used, and 8.5 KB
of compressed buffers become 256 MiB. So before anything is decoded, each message's metadata (a flatbuffer) is read
here and the sizes its buffers will have are added up against the limit: a compressed buffer says its size in its
first eight bytes, and Arrow allocates exactly that. After decoding, everything is validated, offsets and UTF-8
included.

The layout is Arrow's `format/Message.fbs`; vtable slots are counted in the order of the fields there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect.fields import column_of
from pitchey_slo.collect.texts import is_bytes, is_text
from pitchey_slo.collect.unpack import too_large
from pitchey_slo.errors import CollectError, UnknownFormat
from pitchey_slo.tables import Table

ROW_BYTES: Final = 8  # the least a row can take: its time
MOST_COLUMNS: Final = 1_000


def read_stream(body: bytes, table: Table, limit: int) -> pa.Table:
    """All record batches of the stream, decoded to at most `limit` bytes and fully validated.

    Columns that fill no column of `table` come back as null columns of the same name. Text that is not UTF-8 comes
    back as bytes, for `conform` to refuse row by row. Raises BodyTooLarge, CollectError, UnknownFormat (the IPC file
    format).
    """
    return read_columns(body, lambda name: column_of(table, name), limit)


def read_columns(body: bytes, wanted: Callable[[str], str | None], limit: int) -> pa.Table:
    """`read_stream` for any set of columns: `wanted` turns a name in the stream into a column, or None."""
    if body.startswith(b"ARROW1"):
        raise UnknownFormat("the body is an Arrow file; send the stream format (pyarrow.ipc.new_stream)")
    try:
        _check_sizes(body, limit)
        with pa.ipc.open_stream(body) as reader:
            if len(reader.schema) > MOST_COLUMNS:
                raise CollectError(f"{len(reader.schema):,} columns; at most {MOST_COLUMNS:,}")
            rows = reader.read_all()
        columns = [
            _sound(column, wanted(name), limit) for name, column in zip(rows.column_names, rows.columns, strict=True)
        ]
    except (pa.ArrowException, struct.error, IndexError, OSError, ValueError, OverflowError) as error:
        raise CollectError(f"the body is not a sound Arrow stream: {str(error)[:200]}") from None
    if sum(size for _, size in columns) > limit:
        raise too_large(limit, "the Arrow stream, its dictionaries written out,")
    return pa.table([column for column, _ in columns], names=rows.column_names)


def _sound(column: pa.ChunkedArray, wanted: str | None, limit: int) -> tuple[pa.ChunkedArray, int]:
    """The column validated, and how many bytes its values take when written out."""
    if wanted is None or pa.types.is_nested(column.type) or pa.types.is_run_end_encoded(column.type):
        if wanted is None:
            return pa.chunked_array([pa.nulls(len(column))]), 0
        raise CollectError(f"column {wanted!r} is {column.type}; a plain or dictionary-encoded column is wanted")
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
        return _sound(column, wanted, limit)
    for chunk in column.chunks:
        _check_views(chunk, limit)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        if not is_text(column.type):
            raise
        column = pa.chunked_array([_as_bytes(chunk) for chunk in column.chunks])
        column.validate(full=True)
    return column, _size(column)


def _check_views(array: pa.Array, limit: int) -> None:
    """Views may name one long text a million times, and validation would read it each time: add up their sizes
    first."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary
    if not (pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type)) or not len(array):
        return
    # a view is 16 bytes, its size the first four; the buffer's own length is checked here since nothing was validated
    views = np.frombuffer(array.buffers()[1], np.int32)[4 * array.offset : 4 * (array.offset + len(array)) : 4]
    if len(views) < len(array) or views.min() < 0:
        raise CollectError("the body is not a sound Arrow stream: views that are cut off")
    if int(views.sum(dtype=np.int64)) > limit:
        raise too_large(limit, "the Arrow stream, its views written out,")


def _as_bytes(array: pa.Array) -> pa.Array:
    kinds = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    return pa.Array.from_buffers(kinds[array.type], len(array), array.buffers(), array.null_count, array.offset)


def _size(column: pa.ChunkedArray) -> int:
    """Bytes of the values written out: a dictionary or a view can name one long text a million times."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        if pa.types.is_nested(kind.value_type) or pa.types.is_dictionary(kind.value_type):
            raise CollectError(f"a dictionary of {kind.value_type}; texts or numbers are wanted")
        if not (is_text(kind.value_type) or is_bytes(kind.value_type)):
            return len(column) * 8
        lengths = [pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks]
        return sum(pc.sum(each.cast(pa.int64())).as_py() or 0 for each in lengths)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        plain: int | None = pc.sum(pc.binary_length(column).cast(pa.int64())).as_py()
        return plain or 0
    return 0


def _check_sizes(body: bytes, limit: int) -> None:
    """Add up what the stream's buffers will take in memory; BodyTooLarge beyond `limit`."""
    total = 0
    for message in pa.ipc.MessageReader.open_stream(body):
        batch = _record_batch(message)
        if batch is None:
            continue
        rows, buffers, packed = batch
        data = memoryview(message.body) if message.body is not None else memoryview(b"")
        for start, length in buffers:
            size = -1
            if packed and length >= 8:
                (size,) = struct.unpack_from("<q", data, start)
            total += size if size >= 0 else max(length, 0)  # -1: this buffer stayed as it was
        if rows < 0:
            raise CollectError(f"a record batch of {rows} rows")
        if total > limit or rows * ROW_BYTES > limit:
            raise too_large(limit, "the Arrow stream")


def _record_batch(message: Any) -> tuple[int, list[tuple[int, int]], bool] | None:
    """Rows, (offset, length) of each buffer in the message's body, and whether they are compressed; None for a
    schema."""
    meta = _Flat(bytes(message.metadata))
    root = meta.table(0)
    kind = meta.number(root, 1, "<B", 0)
    if kind not in (2, 3):  # MessageHeader: Schema 1, DictionaryBatch 2, RecordBatch 3
        return None
    header = meta.child(root, 2)
    batch = meta.child(header, 1) if kind == 2 and header is not None else header
    if batch is None:
        raise CollectError("the body is not a sound Arrow stream: a message without its header")
    buffers = meta.structs(batch, 2)
    return meta.number(batch, 0, "<q", 0), buffers, meta.field(batch, 3) is not None


class _Flat:
    """The little of flatbuffers that the check needs: tables, scalars, and vectors of 16-byte structs."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def table(self, at: int) -> int:
        return at + int(self._read("<I", at))

    def field(self, table: int, slot: int) -> int | None:
        """Where the field lies, or None when it is not given."""
        vtable = table - int(self._read("<i", table))
        if 4 + 2 * slot >= self._read("<H", vtable):
            return None
        offset = self._read("<H", vtable + 4 + 2 * slot)
        return table + offset if offset else None

    def number(self, table: int, slot: int, kind: str, default: int) -> int:
        at = self.field(table, slot)
        return default if at is None else self._read(kind, at)

    def child(self, table: int, slot: int) -> int | None:
        at = self.field(table, slot)
        return None if at is None else self.table(at)

    def structs(self, table: int, slot: int) -> list[tuple[int, int]]:
        """A vector of structs of two int64: FieldNode and Buffer."""
        at = self.field(table, slot)
        if at is None:
            return []
        start = self.table(at)
        count = self._read("<I", start)
        if start + 4 + 16 * count > len(self.data):
            raise CollectError("the body is not a sound Arrow stream: a list of buffers beyond its message")
        return list(struct.iter_unpack("<qq", self.data[start + 4 : start + 4 + 16 * count]))

    def _read(self, kind: str, at: int) -> int:
        if at < 0:  # struct would count from the end
            raise CollectError("the body is not a sound Arrow stream: an offset before its message")
        value: int = struct.unpack_from(kind, self.data, at)[0]
        return value
