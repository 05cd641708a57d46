"""Rows of the lake and, inside the server, of hot: every row once, as SQL sources of one DuckDB connection.

Hot is read first, the lake is pinned after it. Whatever that version of the lake holds is dropped from what hot gave
(each row carries the commit that stored it, each version of the lake how far it got), so a flush or a trim in between
changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.store import LakeReader
from pitchey_slo.store.lake import sql_time
from pitchey_slo.store.rollups import partials_sql
from pitchey_slo.tables import BUSINESS_EVENTS, LOGS, REQUESTS, ROLLUPS, SAMPLES, STORED

#: Columns that series are made of, by table.
COLUMNS: Final = {
    SAMPLES.name: ("series_id", "ts", "value"),
    REQUESTS.name: (
        *("ts", "route", "method", "status", "location"),
        *("duration_ms", "sample_interval", "user_hash"),
    ),
    BUSINESS_EVENTS.name: ("ts", "event", "location", "value", "currency", "sample_interval"),
    LOGS.name: ("ts", "level", "service", "sample_interval"),
    ROLLUPS.name: tuple(ROLLUPS.names),
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS, _LAST_MS = 0, 253_370_764_800_000  # the year 9999


@dataclass(frozen=True)
class Hot:
    """The server's own store: `query(sql, params)`, and the name under which its commits stand in the lake."""

    query: Callable[[str, Sequence[Any]], pa.Table]
    store_id: str


class Rows:
    """One reader and perhaps a hot store. For one thread."""

    def __init__(self, reader: LakeReader, hot: Hot | None = None) -> None:
        self.reader = reader
        self.hot = hot
        self._fresh: set[str] = set()

    @contextmanager
    def snapshot(
        self, tables: Sequence[str], start_ms: int, end_ms: int, *, wide: Sequence[str] = ()
    ) -> Iterator[None]:
        """Inside, `source` and `query` see one state of both stores. Hot rows are limited to start <= time <= end;
        those of the tables in `wide` have all columns."""
        fresh = {}
        if self.hot:
            fresh = {name: self._read_hot(name, start_ms, end_ms, wide=name in wide) for name in tables}
        with ExitStack() as stack:
            stack.enter_context(self.reader.pinned())
            for name, rows in fresh.items():
                new = rows.filter(pc.greater(rows["commit_seq"], self._flushed(name)))
                if new.num_rows:
                    self.reader.connection.register(f"fresh_{name}", new)
                    self._fresh.add(name)
                    stack.callback(self._forget, name)
            yield

    def source(self, table: str, start_ms: int, end_ms: int, *, fresh_from_ms: int | None = None) -> str:
        """SQL table expression of the columns above, with start <= time <= end in milliseconds; `fresh_from_ms` is
        another start for the rows that only hot has."""
        start, end = moment(start_ms), moment(end_ms + 1)
        columns = ", ".join(COLUMNS[table])
        lake = f"(SELECT {columns} FROM {self.reader.source(table, start, end)})"
        if table not in self._fresh:
            return lake
        fresh = f"(SELECT * FROM ({partials_sql('fresh_rollups')}))" if table == ROLLUPS.name else f"fresh_{table}"
        time = STORED[table].time
        since = start if fresh_from_ms is None else moment(fresh_from_ms)
        bounds = f"{time} >= TIMESTAMPTZ '{sql_time(since)}' AND {time} < TIMESTAMPTZ '{sql_time(end)}'"
        return f"(FROM {lake} UNION ALL SELECT {columns} FROM {fresh} WHERE {bounds})"

    def whole(self, table: str, start_ms: int, end_ms: int) -> str:
        """SQL table expression of all columns, with start <= time <= end in milliseconds; inside a snapshot in which
        the table is `wide`."""
        start, end = moment(start_ms), moment(end_ms + 1)
        columns, time = ", ".join(STORED[table].names), STORED[table].time
        lake = f"(SELECT {columns} FROM {self.reader.source(table, start, end)})"
        if table not in self._fresh:
            return lake
        bounds = f"{time} >= TIMESTAMPTZ '{sql_time(start)}' AND {time} < TIMESTAMPTZ '{sql_time(end)}'"
        return f"(FROM {lake} UNION ALL SELECT {columns} FROM fresh_{table} WHERE {bounds})"

    def fresh(self, table: str) -> str | None:
        """Name of the table of the rows that only hot has, when there are any in this snapshot."""
        return f"fresh_{table}" if table in self._fresh else None

    def query(self, sql: str) -> pa.Table:
        return self.reader.query(sql)

    def span_ms(self, table: str) -> tuple[int, int] | None:
        """Oldest and newest time of a table in milliseconds, hot rows of this snapshot included; None when empty."""
        times = [self.reader.earliest(table), self.reader.watermark(table)]
        if table in self._fresh:
            name = "ts" if table == ROLLUPS.name else STORED[table].time
            found = self.query(f"SELECT min({name}) AS low, max({name}) AS high FROM fresh_{table}").to_pylist()[0]
            times += [found["low"], found["high"]]
        known = [time for time in times if time is not None]
        # a microsecond after a whole tick belongs to the next one
        return (milliseconds(min(known)), milliseconds(max(known) + timedelta(microseconds=999))) if known else None

    def _flushed(self, table: str) -> int:
        assert self.hot is not None
        return self.reader.flushed(table, self.hot.store_id)

    def _read_hot(self, name: str, start_ms: int, end_ms: int, *, wide: bool = False) -> pa.Table:
        """Rows the lake may lack; those of rollups are requests that are not counted there yet."""
        assert self.hot is not None
        table = REQUESTS.name if name == ROLLUPS.name else name
        early = TICK_SECONDS * 1_000 if name == ROLLUPS.name else 0
        return self.hot.query(
            f"""
            SELECT {", ".join(STORED[table].names if wide else COLUMNS[table])}, commit_seq FROM {table}
            WHERE commit_seq > ? AND {STORED[table].time} >= ? AND {STORED[table].time} < ?
            """,
            [self._flushed(name), moment(start_ms - early), moment(end_ms + 1)],
        )

    def _forget(self, name: str) -> None:
        self._fresh.discard(name)
        self.reader.connection.unregister(f"fresh_{name}")


def moment(ms: int) -> datetime:
    """A time in milliseconds, kept within what a calendar can say."""
    return _EPOCH + timedelta(milliseconds=min(max(ms, _FIRST_MS), _LAST_MS))


def milliseconds(time: datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return (time - _EPOCH) // timedelta(milliseconds=1)
