"""Removing what is old: from hot after days (the lake has it), from everywhere after the table's retention.

A row's age counts from when it happened or when it arrived, whichever is later: an old access log loaded today is
kept as long as today's rows. When a row arrived is known to the hour, from table `commits`, and errs on the side of
keeping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from pitchey_slo.store.dedup import Dedup
from pitchey_slo.store.hot import Hot
from pitchey_slo.store.lake import Lake, sql_time
from pitchey_slo.store.samples import SeriesIndex
from pitchey_slo.store.writer import Writer
from pitchey_slo.tables import GROWING, HOT, REQUEST_MINUTES, REQUESTS, ROLLUPS, SAMPLES, SERIES, STORED


@dataclass(frozen=True)
class Removed:
    """What retention removed from one table (or would remove, in a dry run)."""

    table: str
    keep_days: int
    cutoff: datetime
    rows: int


def arrived_before(hot: Hot, moment: datetime) -> int:
    """Highest commit that is certainly older than `moment`; 0 for none."""
    found = hot.query("SELECT coalesce(max(seq), 0) AS seq FROM commits WHERE committed_at < ?", [moment])
    return int(found["seq"][0].as_py())


def apply(hot: Hot, lake: Lake, writer: Writer, keep: dict[str, int], now: datetime, *, dry_run: bool) -> list[Removed]:
    """Remove from hot and lake what is older than `keep[table]` days (0: for ever). One entry per table with a
    limit."""
    removed = []
    for name, days in keep.items():
        if not days:
            continue
        cutoff = now - timedelta(days=days)
        old = f"{STORED[name].time} < '{sql_time(cutoff)}' AND commit_seq <= {arrived_before(hot, cutoff)}"
        if name == REQUEST_MINUTES.name:  # a day of it is whole or not there
            old += f" AND day < '{cutoff.astimezone(UTC):%Y-%m-%d}'"
        if name in GROWING:
            rows = _from_stream(lake, writer, name, old, dry_run=dry_run)
        else:
            rows = _from_register(hot, writer, name, old, dry_run=dry_run)
        removed.append(Removed(name, days, cutoff, rows))
    return removed


def _from_stream(lake: Lake, writer: Writer, name: str, old: str, *, dry_run: bool) -> int:
    with lake.lock:
        rows = int(lake.count(name, old))
        if dry_run or not rows:
            return rows
        lake.delete(name, old)
    if name in HOT:
        writer.write(lambda c: c.execute(f"DELETE FROM {name} WHERE {old}")).result()
    return rows


def _from_register(hot: Hot, writer: Writer, name: str, old: str, *, dry_run: bool) -> int:
    rows = int(hot.query(f"SELECT count(*) AS n FROM {name} WHERE {old}")["n"][0].as_py())
    if rows and not dry_run:
        writer.write(lambda c: c.execute(f"DELETE FROM {name} WHERE {old}"), changes=(name,)).result()
    return rows


def thin_commits(writer: Writer, now: datetime) -> None:
    """Keep one commit per hour of those older than a day: enough to say when a row arrived."""
    writer.write(
        lambda c: c.execute(
            """
            DELETE FROM commits WHERE committed_at < ?
            AND seq NOT IN (SELECT max(seq) FROM commits GROUP BY time_bucket(INTERVAL 1 HOUR, committed_at))
            """,
            [now - timedelta(days=1)],
        )
    ).result()


def trim_hot(
    lake: Lake, writer: Writer, dedup: Dedup, index: SeriesIndex, now: datetime, hot_days: int
) -> dict[str, int]:
    """Remove from hot the rows that happened more than `hot_days` ago and lie in the lake; returns rows per table."""
    cutoff = now - timedelta(days=hot_days)
    # labels stay: the index reads them
    flushed = {name: lake.flushed(name) for name in GROWING if name in HOT and name != SERIES.name}
    flushed[REQUESTS.name] = min(flushed[REQUESTS.name], lake.flushed(ROLLUPS.name))  # counted before they go

    def trim(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
        trimmed = {}
        for name, seq in flushed.items():
            row = cursor.execute(
                f"DELETE FROM {name} WHERE {STORED[name].time} < ? AND commit_seq <= ?", [cutoff, seq]
            ).fetchone()
            trimmed[name] = int(row[0]) if row else 0
            if trimmed[name]:
                cursor.execute("DELETE FROM facts WHERE name = ?", [_fact(name)])
                cursor.execute("INSERT INTO facts VALUES (?, ?)", [_fact(name), sql_time(cutoff)])
        if any(trimmed.values()):
            # inside the transaction and in the writer's thread: no row can arrive between the two
            dedup.load(cursor, trimmed_before(cursor))
            index.load(cursor, trimmed_before(cursor)[SAMPLES.name])
        return trimmed

    result: dict[str, int] = writer.write(trim).result()
    return result


def trimmed_before(cursor: duckdb.DuckDBPyConnection) -> dict[str, datetime | None]:
    """Per stream the time before which hot is not complete; None when it is complete."""
    facts = dict(cursor.execute("SELECT name, value FROM facts").fetchall())
    return {name: datetime.fromisoformat(facts[_fact(name)]) if _fact(name) in facts else None for name in GROWING}


def _fact(name: str) -> str:
    return f"trimmed_before:{name}"
