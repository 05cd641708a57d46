"""The lake: one Delta table per table, written by the server, read by everyone.

A stream is appended in day partitions (`day` = UTC date of its time column), so are rollups; a register is mirrored
whole. Every commit carries the hot sequence number it reaches as an application transaction, so that a restart
continues after the last one and nothing is appended twice."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError

from pitchey_slo.store.engine import in_memory
from pitchey_slo.store.rollups import merged_sql
from pitchey_slo.tables import GROWING, ROLLUPS, SAMPLES, STORED, Table

log = logging.getLogger(__name__)

#: More small files than this in one day are worth compacting.
SMALL_FILES = 12
#: A file of this size is left alone by compaction.
TARGET_BYTES = 64 << 20
#: Readers keep a version's file list for one query; files they may still read are not vacuumed before this.
VACUUM_HOURS = 1

#: Application transaction that says up to which day (its ordinal) a table's files are sorted.
_SORTED = "pitchey-slo-sorted"

_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": f"interval {VACUUM_HOURS} hours",
    "delta.checkpointInterval": "50",
}
#: Times as differences, and the bytes of a sample's values side by side: 1.2 bytes a sample instead of 3.9, and a scan
#: reads them three times as fast. A dictionary would only be in the way of both.
_AS_DIFFERENCES = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
_BYTES_APART = ColumnProperties(dictionary_enabled=False, encoding="BYTE_STREAM_SPLIT")


def _writer(name: str) -> WriterProperties:
    columns = {STORED[name].time: _AS_DIFFERENCES}
    if name == SAMPLES.name:
        columns["value"] = _BYTES_APART
    return WriterProperties(
        compression="ZSTD", compression_level=3, max_row_group_size=122_880, column_properties=columns
    )


class Lake:
    """Write side of the lake. One thread at a time (`lock`): the flush, or whoever deletes, compacts or copies."""

    def __init__(self, uri: str, storage_options: dict[str, str], writer_id: str) -> None:
        self.uri = uri
        self.options = storage_options
        self._writer_id = writer_id
        self.lock = threading.RLock()
        self._tables: dict[str, DeltaTable] = {}

    def table(self, name: str) -> DeltaTable:
        """The Delta table at its newest version, created when absent."""
        if name not in self._tables:
            self._tables[name] = open_or_create(self.uri, self.options, STORED[name])
        else:
            self._tables[name].update_incremental()
        return self._tables[name]

    def flushed(self, name: str) -> int:
        """Sequence number up to which this store's rows are in the lake; 0 for none."""
        return self.table(name).transaction_version(self._writer_id) or 0

    def append(self, name: str, rows: pa.RecordBatchReader, seq: int) -> None:
        """Append rows of a stream (stored columns and `day`), reaching sequence number `seq`."""
        write_deltalake(
            self.table(name),
            rows,
            mode="append",
            commit_properties=self._reaching(seq),
            writer_properties=_writer(name),
            target_file_size=TARGET_BYTES,
        )

    def mirror(self, name: str, rows: pa.Table, seq: int) -> None:
        """Replace a register by `rows`, whose columns become those of the table: a newer version may have more."""
        write_deltalake(
            self.table(name),
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            commit_properties=self._reaching(seq),
            writer_properties=_writer(name),
        )

    def count(self, name: str, predicate: str) -> int:
        """Rows of a table that a `delete` with this predicate would remove."""
        source = self.table(name).to_pyarrow_dataset()
        with in_memory() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("source", source)
            row = connection.execute(f"SELECT count(*) FROM source WHERE {predicate}").fetchone()
        return int(row[0]) if row else 0

    def delete(self, name: str, predicate: str) -> int:
        """Delete rows of a stream for good: files are rewritten now, the old ones vacuumed later. Returns the rows
        deleted."""
        return int(self.table(name).delete(predicate).get("num_deleted_rows") or 0)

    def compact(self, name: str, *, at_least: int = SMALL_FILES) -> int:
        """Merge the small files of the day that has most of them; returns how many files went into it (0: nothing to
        do). Rollups of days that are over are added up, one day at a time."""
        merged = self._merge_past_day(name) if name == ROLLUPS.name else 0
        table = self.table(name)
        actions = live_files(table)
        if "partition.day" not in actions.column_names:
            return 0
        small = Counter(
            day
            for day, size in zip(actions["partition.day"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)
            if size < TARGET_BYTES // 2
        )
        day, files = small.most_common(1)[0] if small else ("", 0)
        if files < at_least:
            return merged
        table.optimize.compact(
            partition_filters=[("day", "=", day)], target_size=TARGET_BYTES, writer_properties=_writer(name)
        )
        return merged + files

    def sort_past_day(self, name: str, now: datetime) -> str | None:
        """Rewrite the oldest day that is over by an hour and not yet sorted (or has got late rows since) in the table's
        order; returns the day, or None when there is nothing to do."""
        over = (now - timedelta(hours=1)).astimezone(UTC).strftime("%Y-%m-%d")
        found = self._unsorted_day(name, over)
        if found is None:
            return None
        day = found[0]
        self._rewrite_day(name, day, f"SELECT * FROM source WHERE day = '{day}' ORDER BY {STORED[name].order}")
        return day

    def _merge_past_day(self, name: str) -> int:
        """Add up the partial rows of the oldest day before the newest one that is not merged yet (or got late rows
        since); returns how many files went into it."""
        days = self.days(name)
        found = self._unsorted_day(name, max(days)) if days else None
        if found is None:
            return 0
        day, files = found
        self._rewrite_day(name, day, merged_sql(f"(SELECT * FROM source WHERE day = '{day}')"))
        return files

    def days(self, name: str) -> list[str]:
        """The day of each file."""
        actions = pa.table(self.table(name).get_add_actions(flatten=True))
        return actions["partition.day"].to_pylist() if "partition.day" in actions.column_names else []

    def _unsorted_day(self, name: str, over: str) -> tuple[str, int] | None:
        """The oldest day before `over` that was not rewritten since it got its last file, and its number of files."""
        done = self.table(name).transaction_version(_SORTED) or 0  # days are sorted oldest first
        files: dict[str, int] = Counter(day for day in self.days(name) if day < over)
        waiting = sorted(day for day, count in files.items() if count > 1 or _day_number(day) > done)
        return (waiting[0], files[waiting[0]]) if waiting else None

    def _rewrite_day(self, name: str, day: str, sql: str) -> None:
        """Replace the files of one day by what `sql` makes of `source`, the whole table."""
        table = self.table(name)
        done = table.transaction_version(_SORTED) or 0
        with in_memory() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("source", table.to_pyarrow_dataset())  # DuckDB hands it the filter: one day is opened
            rows: Any = connection.sql(sql).to_arrow_reader(122_880)
            sorted_to = CommitProperties(app_transactions=[Transaction(_SORTED, max(done, _day_number(day)))])
            self.replace_day(name, day, pa.RecordBatchReader.from_batches(plain_schema(rows.schema), rows), sorted_to)

    def replace_day(
        self, name: str, day: str, rows: pa.RecordBatchReader, properties: CommitProperties | None = None
    ) -> None:
        """Put `rows` (stored columns and `day`) in the place of one day's, in one commit."""
        write_deltalake(
            self._tables[name],
            rows,
            mode="overwrite",
            predicate=f"day = '{day}'",
            writer_properties=_writer(name),
            commit_properties=properties,
        )

    def vacuum(self, name: str, *, hours: int = VACUUM_HOURS) -> int:
        """Remove files no version younger than `hours` needs; returns how many."""
        removed = self.table(name).vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)
        return len(removed)

    def _reaching(self, seq: int) -> CommitProperties:
        return CommitProperties(app_transactions=[Transaction(self._writer_id, seq)])


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """DuckDB hands out `timestamp[us, tz=UTC]` under the session's zone name; the lake wants exactly UTC."""
    return pa.schema(
        [pa.field(f.name, pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(f.type) else f.type) for f in schema]
    )


def _day_number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def live_files(table: DeltaTable) -> pa.Table:
    """One row per file of the table's version: path, size_bytes, num_records, and `min.`, `max.`, `null_count.` per
    column."""
    # not pa.table(): it would import pandas first, a second and more of every command
    return pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()


def table_uri(lake_uri: str, name: str) -> str:
    return f"{lake_uri.rstrip('/')}/{name}"


def open_or_create(lake_uri: str, options: dict[str, str], table: Table) -> DeltaTable:
    uri = table_uri(lake_uri, table.name)
    with suppress(TableNotFoundError):  # `create` takes twice as long to find that there is one
        return DeltaTable(uri, storage_options=options or None)
    if not is_remote(lake_uri):
        Path(uri).mkdir(parents=True, exist_ok=True)
    stream = table.name in GROWING
    schema = table.stored_schema.append(pa.field("day", pa.string())) if stream else table.stored_schema
    return DeltaTable.create(
        uri,
        schema=schema,
        mode="ignore",
        partition_by=["day"] if stream else None,
        configuration=_CONFIGURATION,
        storage_options=options or None,
    )


def is_remote(uri: str) -> bool:
    """Whether a lake lies in an object store (s3://...), not in a local folder."""
    return re.match(r"^[a-z0-9]+://", uri) is not None and not uri.startswith("file://")


def sql_time(moment: datetime) -> str:
    """`moment` as text that both DuckDB and Delta's predicates read as UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
