"""Files -> batches, piece by piece: access logs, other text logs, JSON lines, CSV, Parquet and Upptime's histories,
plain or as .gz and .zst.

The format is found by looking inside. Rows without an event id get one from their line (Parquet: from their values),
rows without a source get the file's name, so reading the same or a grown file again stores nothing twice.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pitchey_slo.collect import access_log, csv_rows, json_rows, log_lines, upptime
from pitchey_slo.collect.batch import Batch, FileBatch, Rejected
from pitchey_slo.collect.conform import conform_piece, whole
from pitchey_slo.collect.fields import missing_required, spellings
from pitchey_slo.collect.lines import LONGEST, Identity, Piece, head, pieces, source_name, verbatim
from pitchey_slo.collect.log_formats import Formats, LogFormat, log_formats
from pitchey_slo.errors import CollectError, UnknownFormat, did_you_mean
from pitchey_slo.tables import LOGS, PROBES, REQUESTS, TABLES, TEXT, Table

FORMATS: Final = {
    "access": "access log of Apache or nginx, common or combined",
    "jsonl": "one JSON object per line",
    "csv": "comma, semicolon, tab or bar, with a header line",
    "parquet": "Apache Parquet",
    "upptime": "status history of Upptime, into the table probes",
}
ROWS: Final = 1 << 16  # of Parquet, at once

Parsed = tuple[list[str], list[pa.Array], list[int], list[Rejected]]


def read_file(
    path: Path,
    *,
    table: Table = REQUESTS,
    format: str | None = None,  # noqa: A002  # the word people type
    source: str | None = None,
    now: datetime,
    user_key: bytes | None = None,
    formats: Formats | None = None,
) -> Iterator[FileBatch]:
    """The rows of a file, a piece at a time; memory does not grow with the file.

    `format` is one of FORMATS or of `formats`, those of text logs (the shipped ones when None); it is found by looking
    inside when None. `source` names the rows' source (default
    `file:<path>` without rotation suffix), `user_key` makes `user_hash` from an access log's addresses (without it they
    are dropped). `Rejected.row` is the line, counted from 1 (Parquet: the row), and `.text` the line as it stands.
    Raises CollectError when the file cannot be read or holds nothing of this table; UnknownFormat for another format.
    """
    if format is not None and format not in FORMATS:
        formats = log_formats() if formats is None else formats
        if format not in formats:
            names = [*FORMATS, *formats]
            raise UnknownFormat(
                f"no format {format!r}; {did_you_mean(format, names) or 'formats: ' + ', '.join(names)}"
            )
    start = head(path)
    if not start.strip():
        return
    kind = format or find_format(path, start, table, formats)
    source = source or source_name(path)
    if kind == "parquet":
        yield from _parquet(path, table, source, now)
    elif kind == "csv":
        yield from _csv(path, table, source, now)
    elif kind == "upptime":
        if table is not PROBES:
            raise CollectError(f"{path}: a history of Upptime fills the table probes, not {table.name}")
        yield from _csv(path, table, source, now, upptime_history=True)
    elif kind not in FORMATS:
        if table is not LOGS:
            raise CollectError(f"{path}: a log as {kind} has it fills the table logs, not {table.name}: --table logs")
        yield from _log(path, source, now, (log_formats() if formats is None else formats)[kind], user_key)
    else:
        if kind == "access" and table is not REQUESTS:
            raise CollectError(f"{path}: an access log fills the table requests, not {table.name}")
        if kind == "jsonl":
            _check_objects(path, table, start)
        yield from _lines(path, table, source, now, kind, user_key)


def find_format(path: Path, start: bytes, table: Table = REQUESTS, formats: Formats | None = None) -> str:
    """The format of a file whose text begins with `start`; raises UnknownFormat that shows its first line."""
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        raise UnknownFormat(f"{path}: an Arrow file; write it as Parquet, or send it to the API as a stream")
    lines = _first_lines(start)
    first = lines[0].lstrip(b"\xef\xbb\xbf").strip()
    if access_log.looks_like(lines):
        return "access"
    if first.startswith(b"{") or any(_object(line) for line in lines):
        return "jsonl"
    if table is LOGS:
        formats = log_formats() if formats is None else formats
        if (found := log_lines.looks_like(lines, formats)) is not None:
            return found
    if first.startswith((b"[{", b"[\n")) or first == b"[":
        raise UnknownFormat(f"{path}: one JSON array; one object per line is wanted: jq -c '.[]' {path.name}")
    if table is LOGS:
        formats = log_formats() if formats is None else formats
        if (found := log_lines.looks_like(lines, formats)) is not None:
            return found
    header = csv_rows.read_header(lines[0])
    if upptime.looks_like(header.fields):
        return "upptime"
    if len(header.fields) > 1 and len(missing_required(table, header.fields)) < _required(table):
        return "csv"
    shown = first[:80].decode(errors="replace")
    logs = log_formats() if formats is None else formats
    if table is not LOGS and (found := log_lines.looks_like(lines, logs)) is not None:
        raise UnknownFormat(
            f"{path}: no rows of {table.name}; its first line is {shown!r}. "
            f"It is a log, {logs[found].what}: --table logs"
        )
    wanted = FORMATS | ({name: each.what for name, each in logs.items()} if table is LOGS else {})
    raise UnknownFormat(
        f"{path}: no format I know; its first line is {shown!r}. "
        f"Wanted: {'; '.join(f'{name} ({what})' for name, what in wanted.items())}. --format says which it is"
    )


def _first_lines(start: bytes, most: int = 20) -> list[bytes]:
    lines = [line for line in start.split(b"\n") if line.strip()]
    return (lines[:-1] if len(lines) > 1 else lines)[:most]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _required(table: Table) -> int:
    return sum(c.required for c in table.columns)


def _check_objects(path: Path, table: Table, start: bytes) -> None:
    """Refuse JSON that is something else altogether, such as counters, before its lines become rejects."""
    objects = [row for line in _first_lines(start) if (row := _object(line))]
    if objects:
        _check_fields(path, table, sorted(set().union(*objects)))


def _check_fields(path: Path, table: Table, given: Sequence[str]) -> None:
    missing = missing_required(table, given)
    if not missing:
        return
    fits = [t.name for t in TABLES.values() if t is not table and not missing_required(t, given)]
    shown = ", ".join(given[:8]) + (", ..." if len(given) > 8 else "")
    raise CollectError(
        f"{path}: no rows of {table.name}: its fields are {shown}; missing: {', '.join(map(spellings, missing))}"
        + (f". They fit --table {fits[0]}" if fits else "")
    )


def _batch(
    table: Table,
    parsed: Parsed,
    lines: Sequence[bytes],
    numbers: Sequence[int],
    source: str,
    ids: Identity,
    now: datetime,
    show: Callable[[int], bytes] | None = None,
) -> Batch:
    """Parsed columns as a Batch whose rejects carry their lines (or what `show` gives for a position)."""
    show = show or lines.__getitem__
    names, arrays, places, refused = parsed
    identity = pa.array(ids.ids([lines[i] for i in places] if len(places) < len(lines) else list(lines)), TEXT)
    fallbacks = {"event_id": identity, "source": pa.repeat(pa.scalar(source, TEXT), len(places))}
    rows = np.array(numbers, np.int64)[places]
    batch, _ = conform_piece(table, names, arrays, rows, now=now, fallbacks=fallbacks)
    if not refused and not batch.rejected:
        return batch
    place = {number: i for i, number in enumerate(numbers)}
    rejected = sorted([*refused, *batch.rejected], key=lambda r: r.row)
    return replace(batch, rejected=[replace(r, text=verbatim(show(place[r.row]))) for r in rejected])


def _lines(
    path: Path, table: Table, source: str, now: datetime, kind: str, user_key: bytes | None
) -> Iterator[FileBatch]:
    ids = Identity()

    def parse(lines: list[bytes], numbers: list[int]) -> Parsed:
        if kind == "access":
            return access_log.parse(lines, numbers, user_key)
        return _json(lines, numbers, table)

    def split_and_parse(piece: Piece) -> tuple[list[bytes], list[int], list[Rejected], Parsed]:
        lines, numbers, long = _split(piece)
        return lines, numbers, long, parse(lines, numbers)

    for piece, (lines, numbers, long, parsed) in _ahead(split_and_parse, pieces(path)):
        batch = _batch(table, parsed, lines, numbers, source, ids, now)
        if long:
            batch = replace(batch, rejected=sorted([*batch.rejected, *long], key=lambda r: r.row))
        yield FileBatch(batch, piece.bytes_read, piece.total_bytes, len(lines) + len(long))


def _ahead(function: Callable[[Piece], Any], items: Iterable[Piece]) -> Iterator[tuple[Piece, Any]]:
    """Each item and what `function` makes of it, in order, computed up to two ahead on other threads (Arrow's kernels
    let other threads run). When the items end in an error, what came before it is given first."""
    waiting: deque[tuple[Piece, Future[Any]]] = deque()
    damage: CollectError | None = None
    source = iter(items)
    with ThreadPoolExecutor(2, "read") as pool:
        while True:
            try:
                item = next(source, None) if damage is None else None
            except CollectError as error:
                item, damage = None, error
            if item is not None:
                waiting.append((item, pool.submit(function, item)))
            if waiting and (item is None or len(waiting) > 2):
                first, result = waiting.popleft()
                yield first, result.result()
            elif item is None:
                break
    if damage is not None:
        raise damage


def _split(piece: Piece) -> tuple[list[bytes], list[int], list[Rejected]]:
    """The lines to parse with their numbers (blank ones left out), and those that are too long."""
    if piece.first == 1 and piece.lines[0].startswith(b"\xef\xbb\xbf"):
        piece.lines[0] = piece.lines[0][3:]
    problem = f"a line longer than {LONGEST:,} bytes"
    long = [Rejected(piece.first + i, "too_long", problem, verbatim(piece.lines[i])) for i in sorted(piece.cut)]
    if not long and all(piece.lines) and not any(map(bytes.isspace, piece.lines)):
        return piece.lines, list(range(piece.first, piece.first + len(piece.lines))), []
    kept = [i for i, line in enumerate(piece.lines) if line.strip() and i not in piece.cut]
    return [piece.lines[i] for i in kept], [piece.first + i for i in kept], long


def _json(lines: list[bytes], numbers: list[int], table: Table) -> Parsed:
    clean = json_rows.read_clean(b"\n".join(lines), table) if lines else None
    if clean is not None:
        rows = clean[0]
        return rows.column_names, [whole(column) for column in rows.columns], list(range(len(lines))), []
    objects, places, refused = json_rows.parse_lines(lines, numbers)
    names, arrays = json_rows.columns_of(objects, table)
    return names, arrays, places, refused


def _csv(path: Path, table: Table, source: str, now: datetime, *, upptime_history: bool = False) -> Iterator[FileBatch]:
    ids, records = Identity(), csv_rows.Records()
    header: csv_rows.Header | None = None
    read = total = 0

    def batch(found: list[tuple[int, bytes]], header: csv_rows.Header) -> Batch:
        numbers, lines = [n for n, _ in found], [line for _, line in found]
        parsed = csv_rows.parse(header, lines, numbers)
        if upptime_history:
            names, arrays, places, refused = parsed
            names, arrays, places, wrong = upptime.translate(names, arrays, places, numbers)
            parsed = (names, arrays, places, sorted([*refused, *wrong], key=lambda r: r.row))
        return _batch(table, parsed, lines, numbers, source, ids, now)

    for piece in pieces(path):
        lines, first = piece.lines, piece.first
        if header is None:
            skip = next((i for i, line in enumerate(lines) if line.strip()), None)
            if skip is None:
                continue
            header = csv_rows.read_header(lines[skip])
            if not upptime_history:
                _check_fields(path, table, header.fields)
            elif not upptime.looks_like(header.fields):
                raise CollectError(f"{path}: no history of Upptime; its columns are {', '.join(upptime.FIELDS)}")
            lines, first = lines[skip + 1 :], first + skip + 1
        found = list(records.feed(lines, first))
        read, total = piece.bytes_read, piece.total_bytes
        yield FileBatch(batch(found, header), read, total, len(found))
    if header is not None and (last := list(records.rest())):
        yield FileBatch(batch(last, header), read, total, len(last))


def _log(path: Path, source: str, now: datetime, form: LogFormat, user_key: bytes | None) -> Iterator[FileBatch]:
    """A text log: lines that belong to the one before are joined to it, also where a piece ends."""
    ids, records = Identity(), log_lines.Records()
    read = total = 0

    def batch(found: list[log_lines.Record], long: list[Rejected]) -> FileBatch:
        parsed = log_lines.parse(form, found, user_key, now)
        made = _batch(LOGS, parsed, [r.whole for r in found], [r.number for r in found], source, ids, now)
        made = replace(made, rejected=sorted([*made.rejected, *long], key=lambda r: r.row)) if long else made
        return FileBatch(made, read, total, len(found) + len(long))

    for piece in pieces(path):
        lines, numbers, long = _split(piece)
        read, total = piece.bytes_read, piece.total_bytes
        yield batch(records.feed(lines, numbers), long)
    if last := records.rest():
        yield batch(last, [])


def _parquet(path: Path, table: Table, source: str, now: datetime) -> Iterator[FileBatch]:
    ids, size, done = Identity(), path.stat().st_size, 0
    try:
        with pq.ParquetFile(path) as file:
            _check_fields(path, table, file.schema_arrow.names)
            count = file.metadata.num_rows
            for rows in file.iter_batches(batch_size=ROWS):
                rows.validate(full=True)
                numbers = list(range(done + 1, done + 1 + len(rows)))
                parsed = (rows.schema.names, list(rows.columns), list(range(len(rows))), list[Rejected]())
                batch = _batch(
                    table, parsed, _values(rows), numbers, source, ids, now, functools.partial(_as_json, rows)
                )
                done += len(rows)
                yield FileBatch(batch, size * done // count, size, len(rows))
    except (pa.ArrowException, OSError) as error:
        raise CollectError(f"{path}: not sound Parquet: {str(error)[:200]}") from None


def _values(rows: pa.RecordBatch) -> list[bytes]:
    """Each row's values as one text: what its id is made from."""
    try:
        texts = [pc.coalesce(column.cast(TEXT), "\0") for column in rows.columns]
        joined: list[bytes] = pc.binary_join_element_wise(*texts, "\x1f").cast(pa.binary()).to_pylist()
    except pa.ArrowException:  # nested or binary columns
        return [_as_json(rows, i) for i in range(len(rows))]
    return joined


def _as_json(rows: pa.RecordBatch, place: int) -> bytes:
    """One row as a line of JSON: what a reject looks like."""
    return orjson.dumps(rows.slice(place, 1).to_pylist()[0], default=repr, option=orjson.OPT_SORT_KEYS)
