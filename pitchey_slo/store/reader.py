"""What every process but the server uses: the lake's newest version as DuckDB views.

The reader opens an in-memory DuckDB; its views list the live Parquet files of each table. Before each query it asks
the lake whether a table has a newer version (one look into a folder) and renews that view. It takes no lock, and the
writer never waits for it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from pitchey_slo.errors import QueryError, StoreError, did_you_mean
from pitchey_slo.store.engine import in_memory
from pitchey_slo.store.lake import is_remote, live_files, sql_time, table_uri
from pitchey_slo.store.minutes import DayFiles, day_files, spans
from pitchey_slo.store.rollups import MINUTES_VIEW
from pitchey_slo.store.sketch import buckets_table
from pitchey_slo.tables import REQUEST_MINUTES, REQUESTS, STORED, STREAMS, Table

#: File statistics in Delta are cut to milliseconds: a file may hold rows up to this much later than its maximum.
_STATISTICS_STEP = timedelta(milliseconds=1)
#: How often a lake in an object store is asked for a newer version; a local one is asked before each query.
_REMOTE_SECONDS = 2.0


@dataclass(frozen=True)
class Files:
    """The live files of one table at one version, with what their statistics say of time and sampling."""

    version: int
    paths: tuple[str, ...]
    first: np.ndarray[Any, np.dtype[np.datetime64]]  # (files,) smallest time, microseconds
    last: np.ndarray[Any, np.dtype[np.datetime64]]  # (files,) largest time, cut to milliseconds
    uniform: np.ndarray[Any, np.dtype[np.bool_]]  # (files,) every row counted there weighs exactly 1
    counts: np.ndarray[Any, np.dtype[np.int64]]  # (files,) rows

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def between(self, start: datetime, end: datetime) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return (self.last + np.timedelta64(1, "ms") >= _utc64(start)) & (self.first < _utc64(end))


class LakeReader:
    """Read side of one lake. Not for several threads at once; each takes `LakeReader(...)` of its own."""

    def __init__(self, uri: str, storage_options: dict[str, str] | None = None, memory_limit: str = "2GB") -> None:
        self.uri = uri
        self._options = storage_options or {}
        self.remote = is_remote(uri)
        self._delta: dict[str, DeltaTable] = {}
        self._versions: dict[str, int] = {}
        self._reached: dict[tuple[str, str], tuple[int, int]] = {}  # table, store -> version, commit it reaches
        self._files: dict[str, Files] = {}
        self._days: dict[str, tuple[int, dict[str, DayFiles]]] = {}  # table -> version, what its days hold
        self._watermarks: dict[str, tuple[int, datetime | None]] = {}  # table -> version, time of its newest row
        self._asked = 0.0
        self.connection = in_memory(memory_limit=memory_limit, python_enable_replacements=False)
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET parquet_metadata_cache = true")
        self._pinned = 0
        self.connection.register("buckets", buckets_table())
        self.connection.execute("CREATE TABLE latency_buckets AS FROM buckets")
        self.connection.unregister("buckets")
        # in one transaction: two dozen of their own take longer than reading all that the lake says of itself
        views = ";\n".join(_view_sql(table, "") for table in STORED.values())
        self.connection.execute(f"BEGIN; {views}; {MINUTES_VIEW}; COMMIT")
        self.refresh()

    def query(self, sql: str, params: Sequence[Any] | None = None) -> pa.Table:
        """Run any SELECT on the newest data. Raises QueryError with DuckDB's own words, line and caret."""
        self.refresh()
        try:
            relation = self.connection.sql(sql, params=list(params or []))
            return relation.to_arrow_table() if relation is not None else pa.table({})
        except duckdb.Error as error:
            raise QueryError(_plain_words(error)) from error

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """The same as a DuckDB relation, evaluated when it is shown or fetched."""
        self.refresh()
        try:
            return self.connection.sql(sql)
        except duckdb.Error as error:
            raise QueryError(_plain_words(error)) from error

    def source(self, table: str, start: datetime, end: datetime) -> str:
        """SQL table expression of the rows with start <= time < end, limited to the files that can hold such rows."""
        self.refresh()
        column = STORED[table].time
        bounds = f"{column} >= TIMESTAMPTZ '{sql_time(start)}' AND {column} < TIMESTAMPTZ '{sql_time(end)}'"
        if self.remote or table not in self._files:
            return f"(SELECT * FROM {table} WHERE {bounds})"
        files = self._files[table]
        paths = [p for p, inside in zip(files.paths, files.between(start, end), strict=True) if inside]
        return f"(SELECT * FROM {parquet(paths)} WHERE {bounds})" if paths else f"(SELECT * FROM {table} WHERE false)"

    def live(self, table: str, start: datetime, end: datetime) -> list[tuple[str, int]]:
        """(path, rows) of the files that can hold rows with start <= time < end, by their first time."""
        self.refresh()
        if table not in self._files:
            return []
        files = self._files[table]
        inside = np.flatnonzero(files.between(start, end))
        ordered = inside[np.argsort(files.first[inside], kind="stable")]
        return [(files.paths[i], int(files.counts[i])) for i in ordered.tolist()]

    def uniform_weights(self, table: str, start: datetime, end: datetime) -> bool:
        """Whether every row of that time stands for exactly one event, as the files' statistics say."""
        self.refresh()
        files = self._files.get(table)
        return bool(files is None or files.uniform[files.between(start, end)].all())

    def counted_spans(
        self, start: datetime, end: datetime
    ) -> tuple[list[tuple[datetime, datetime]], list[tuple[datetime, datetime]]]:
        """start <= t < end as half-open spans of time: those in which `request_minutes` counts every request, and those
        to be taken from `requests`. Ask and read inside `pinned()`."""
        self.refresh()
        return spans(self._day_files(REQUESTS.name), self._day_files(REQUEST_MINUTES.name), start, end)

    def _day_files(self, table: str) -> dict[str, DayFiles]:
        if table not in self._delta:
            return {}
        version = self._delta[table].version()
        if self._days.get(table, (-1, {}))[0] != version:
            self._days[table] = (version, day_files(self._delta[table]))
        return self._days[table][1]

    def check_filter(self, table: str, text: str) -> None:
        """Raises QueryError when `text` is not one boolean expression over the columns of `table`."""
        if table not in STORED:
            hint = did_you_mean(table, STORED) or f"tables: {', '.join(STORED)}"
            raise QueryError(f"no table {table!r}; {hint}")
        try:
            # a CASE closes the door to "true) ... (" tricks, WHERE to aggregates: one condition on a row
            sql = f"SELECT 1 FROM {table} WHERE CASE WHEN {text}\n THEN true END LIMIT 0"
            if len(duckdb.extract_statements(sql)) != 1:
                raise QueryError(f"{text!r} is more than one expression")
            self.connection.execute(sql)
        except duckdb.Error as error:
            raise QueryError(_filter_problem(table, text, error)) from error

    def watermark(self, table: str) -> datetime | None:
        """Time of the newest row; None when there is none. Reads one or two files, found by their statistics."""
        self.refresh()
        files = self._files.get(table)
        if files is None or not len(files.paths):
            return None
        known = self._watermarks.get(table)
        if known is not None and known[0] == files.version:
            return known[1]
        newest = files.last.max().astype("datetime64[us]").item().replace(tzinfo=UTC)
        column = STORED[table].time
        found = self.query(f"SELECT max({column}) AS t FROM {self.source(table, newest - _STATISTICS_STEP, _END)}")
        # by way of an integer: as_py() of a time would import pandas, a second and more of every command
        value: int | None = found["t"].cast(pa.int64())[0].as_py()
        moment = None if value is None else _EPOCH + timedelta(microseconds=value)
        self._watermarks[table] = (files.version, moment)
        return moment

    def earliest(self, table: str) -> datetime | None:
        """Time of the oldest row, to the millisecond below; None when there is none. From statistics alone."""
        self.refresh()
        files = self._files.get(table)
        if files is None or not len(files.paths):
            return None
        first: datetime = files.first.min().astype("datetime64[us]").item()
        return first.replace(tzinfo=UTC)

    def rows(self, table: str) -> int:
        """How many rows the newest version holds, from statistics alone."""
        self.refresh()
        return self._files[table].rows if table in self._files else 0

    def already_there(self, table: str, candidates: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the candidates (columns source, event_id, ts, position) that the lake holds."""
        source = self._covering(table, candidates["ts"])
        found = self.beside(
            "asked", candidates, f"SELECT position FROM asked SEMI JOIN {source} USING (source, event_id)"
        )
        return np.asarray(found["position"].to_numpy(), dtype=np.int64)

    def samples_there(self, late: pa.Table) -> pa.Table:
        """Columns row and value of the late samples (columns row, series_id, ts) that the lake holds."""
        source = self._covering("samples", late["ts"])
        return self.beside("asked", late, f"SELECT row, value FROM asked JOIN {source} USING (series_id, ts)")

    def version(self, table: str) -> int:
        """Version of the lake's table that queries see now; -1 when there is none."""
        self.refresh()
        return self._files[table].version if table in self._files else -1

    def flushed(self, table: str, store_id: str) -> int:
        """Commit of that store up to which the version queries see now holds its rows; 0 for none."""
        self.refresh()
        delta = self._delta.get(table)
        if delta is None:
            return 0
        version = self._versions[table]
        known = self._reached.get((table, store_id))
        if known is None or known[0] != version:
            known = self._reached[table, store_id] = (version, delta.transaction_version(store_id) or 0)
        return known[1]

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Inside, every query sees the versions that were the newest on entry."""
        self.refresh()
        self._pinned += 1
        try:
            yield
        finally:
            self._pinned -= 1

    def files(self, table: str, before: datetime | None = None) -> list[str]:
        """Paths of a local table's live files; with `before`, those that end before it."""
        self.refresh()
        files = self._files.get(table)
        if files is None or self.remote:
            return []
        old = np.ones(len(files.paths), np.bool_) if before is None else files.last < _utc64(before)
        return [path for path, inside in zip(files.paths, old, strict=True) if inside]

    def beside(self, name: str, asked: pa.Table, sql: str) -> pa.Table:
        """Run `sql` with `asked` as one more table, called `name`."""
        self.connection.register(name, asked)
        try:
            return self.query(sql)
        finally:
            self.connection.unregister(name)

    def _covering(self, table: str, times: pa.ChunkedArray) -> str:
        moments = times.to_numpy().astype("datetime64[us]")
        first, last = (t.item().replace(tzinfo=UTC) for t in (moments.min(), moments.max()))
        return self.source(table, first, last + timedelta(microseconds=1))

    def refresh(self) -> None:
        """Renew the views of the tables that have a newer version."""
        if self._pinned:
            return
        if self.remote and time.monotonic() - self._asked < _REMOTE_SECONDS:
            return
        self._asked = time.monotonic()
        for table in STORED.values():
            if self._newer(table):
                self._read_version(table)

    def _newer(self, table: Table) -> bool:
        uri = table_uri(self.uri, table.name)
        known = self._delta.get(table.name)
        if known is None:
            try:
                self._take(table, DeltaTable(uri, storage_options=self._options or None))
            except TableNotFoundError:
                return False
            return True
        before = self._versions[table.name]
        # each rule's every query asks this of all tables: os.path is ten times as quick as Path
        if not self.remote and not os.path.exists(f"{uri}/_delta_log/{before + 1:020}.json"):  # noqa: PTH110
            return False
        try:
            known.update_incremental()
        except Exception as error:  # deltalake raises several kinds; opening anew settles each of them
            if not isinstance(error, OSError | StoreError):
                self._take(table, DeltaTable(uri, storage_options=self._options or None))
                return True
            raise
        self._take(table, known)
        return self._versions[table.name] != before

    def _take(self, table: Table, delta: DeltaTable) -> None:
        self._delta[table.name] = delta
        self._versions[table.name] = delta.version()

    def _read_version(self, table: Table) -> None:
        delta = self._delta[table.name]
        if self.remote:
            self.connection.register(f"lake_{table.name}", delta.to_pyarrow_dataset())
            self._view(table, f"lake_{table.name}", delta)
        paths = tuple(delta.file_uris())
        before = self._files.get(table.name)
        self._files[table.name] = _files(table, delta, paths)
        if not self.remote and (paths or (before is not None and before.paths)):
            self._view(table, parquet(paths) if paths else "", delta)

    def _view(self, table: Table, scan: str, delta: DeltaTable) -> None:
        there = {field.name for field in delta.schema().fields}
        self.connection.execute(_view_sql(table, scan, there))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_SQL_TYPES = {
    "bool": "BOOLEAN",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "int16": "SMALLINT",
    "int64": "BIGINT",
    "double": "DOUBLE",
}


def _view_sql(table: Table, scan: str, there: Collection[str] = ()) -> str:
    """A view of the table's columns over `scan`; without rows when that is empty. Columns that the lake does not have
    yet (it was written by an older version) are null."""
    given = {c.name: f"NULL::{_SQL_TYPES[str(c.type)]} AS {c.name}" for c in table.columns}
    if not scan:
        scan = f"(SELECT {', '.join(given.values())} WHERE false)"
        there = table.names
    names = (name if name in there else given[name] for name in table.names)
    return f"CREATE OR REPLACE VIEW {table.name} AS SELECT {', '.join(names)} FROM {scan}"


def parquet(paths: Sequence[str]) -> str:
    """SQL table expression of these files."""
    quoted = ", ".join("'" + path.removeprefix("file://").replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{quoted}], hive_partitioning=false)"


def _files(table: Table, delta: DeltaTable, paths: tuple[str, ...]) -> Files:
    actions = live_files(delta)
    # the two calls list files in the same order only by chance: statistics are matched by the end of the path
    order = {path: i for i, path in enumerate(actions["path"].to_pylist())}
    index = [next(order[tail] for tail in _tails(path) if tail in order) for path in paths]

    rows = actions["num_records"].to_pylist()

    def stat(name: str) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        if name not in actions.column_names:
            return None
        values = actions[name].to_pylist()
        return np.array([np.nan if values[i] is None else values[i] for i in index], dtype=np.float64)

    def moments(name: str, unknown: str) -> np.ndarray[Any, np.dtype[np.datetime64]]:
        if name not in actions.column_names:
            return np.full(len(paths), np.datetime64(unknown, "us"))
        # by way of integers: to_numpy() of a time would import pandas, a second and more of every command
        values = actions[name].cast(pa.int64()).to_pylist()
        missing = int(np.datetime64(unknown, "us").astype(np.int64))
        ticks = [missing if values[i] is None else values[i] for i in index]
        return np.array(ticks, dtype=np.int64).view("datetime64[us]")

    low, high, nulls = stat("min.sample_interval"), stat("max.sample_interval"), stat("null_count.sample_interval")
    uniform = np.zeros(len(paths), dtype=np.bool_)
    if table.name in STREAMS and low is not None and high is not None and nulls is not None:
        uniform = (low == 1) & (high == 1) & (nulls == 0)
    unweighted = stat("null_count.weight")
    if table.name == REQUEST_MINUTES.name and unweighted is not None:
        uniform = unweighted == np.array([rows[i] for i in index])
    return Files(
        version=delta.version(),
        paths=paths,
        first=moments(f"min.{table.time}", "1970-01-01"),
        last=moments(f"max.{table.time}", "9999-01-01"),
        uniform=uniform,
        counts=np.array([rows[i] for i in index], dtype=np.int64),
    )


def _tails(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[-n:]) for n in (1, 2)]


def _utc64(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _plain_words(error: duckdb.Error) -> str:
    return str(error).strip()


def _filter_problem(table: str, text: str, error: duckdb.Error) -> str:
    words = str(error).strip().splitlines()[0]
    unknown = re.search(r'Referenced column "([^"]+)"', words)
    if unknown:
        hint = did_you_mean(unknown[1], STORED[table].names) or f"columns: {', '.join(STORED[table].names)}"
        return f"{table} has no column {unknown[1]!r} ({hint}) in {text!r}"
    return f"{text!r} is no condition on {table}: {words}"
