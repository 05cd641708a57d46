"""Minutes: requests of the days that are over, counted per minute, route, method, status, location and latency edge.

What an SLO report asks of a month is answered from a third of the rows, and after the requests themselves are gone. A
minute is half-open, [m, m + 60 s), as reports have it; rollups count (t - 15 s, t], so the two cannot be added up.

A day is counted once it is over, and written as a whole. It says how many rows of `requests` it counted (`counted`) and
up to which commit; a day of `requests` that has more than that, or a newer commit, got rows since. Readers then take
that day from the requests, and the next round adds what came. The flush has no part in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable

from pitchey_slo.names import MINUTE_EDGES_MS
from pitchey_slo.store.engine import in_memory
from pitchey_slo.store.lake import Lake, live_files, plain_schema
from pitchey_slo.tables import REQUEST_MINUTES, REQUESTS

#: A round ends after so many requests: a second or so, in which the flush waits.
ROUND: Final = 2_000_000

_KEYS: Final = "minute, route, method, status, location, le_ms"
#: As reports weigh a row: none is 1, and what cannot be meant is no weight at all (NaN is above infinity in DuckDB).
_WEIGHT: Final = """
    CASE WHEN sample_interval IS NULL THEN 1.0
         WHEN sample_interval > 0 AND sample_interval < 'Infinity'::DOUBLE THEN sample_interval END"""
_SUMS: Final = {"usable": "BIGINT", "weight": "DOUBLE", "squares": "DOUBLE"}


@dataclass(frozen=True)
class DayFiles:
    """What the statistics of one day's files say: rows, newest commit (None: they do not say), and for minutes how many
    rows of requests they counted."""

    rows: int
    commit: int | None
    counted: int = 0

    def holds(self, requests: DayFiles) -> bool:
        """Whether these minutes count all of that day's requests (some of which may be deleted by now)."""
        known = self.commit is not None and requests.commit is not None and requests.commit <= self.commit
        return known and requests.rows <= self.counted


def day_files(table: DeltaTable) -> dict[str, DayFiles]:
    """Per day what its files hold, from statistics alone."""
    actions = live_files(table)
    if "partition.day" not in actions.column_names:
        return {}
    days, rows = actions["partition.day"].to_pylist(), actions["num_records"].to_pylist()
    nothing = [None] * len(days)
    commits, counted = (
        actions[name].to_pylist() if name in actions.column_names else nothing
        for name in ("max.commit_seq", "max.counted")
    )
    found: dict[str, DayFiles] = {}
    for day, n, commit, count in zip(days, rows, commits, counted, strict=True):
        old = found.get(day, DayFiles(0, 0))
        newest = None if commit is None or old.commit is None else max(commit, old.commit)
        found[day] = DayFiles(old.rows + n, newest, max(old.counted, count or 0))
    return found


def spans(
    requests: Mapping[str, DayFiles], minutes: Mapping[str, DayFiles], start: datetime, end: datetime
) -> tuple[list[tuple[datetime, datetime]], list[tuple[datetime, datetime]]]:
    """start <= t < end as half-open spans: those whose requests are all counted in minutes, and those to be taken from
    the requests themselves. Where there is neither, there is no span."""
    known: list[tuple[datetime, datetime]] = []
    rest: list[tuple[datetime, datetime]] = []
    for day in sorted(requests.keys() | minutes.keys()):
        low = datetime.fromisoformat(day).replace(tzinfo=UTC)
        inside = max(low, start), min(low + timedelta(days=1), end)
        if inside[0] >= inside[1]:
            continue
        whole = day in minutes and (day not in requests or minutes[day].holds(requests[day]))
        into = known if whole else rest
        if into and into[-1][1] == inside[0]:
            inside = into.pop()[0], inside[1]
        into.append(inside)
    return known, rest


def le_sql(column: str) -> str:
    """SQL expression: the smallest edge at or above a latency in milliseconds, null when it is no number."""
    edges = " ".join(f"WHEN {column} <= {edge!r}::DOUBLE THEN {edge!r}::DOUBLE" for edge in MINUTE_EDGES_MS)
    return f"CASE WHEN NOT coalesce(isfinite({column}), false) THEN NULL {edges} ELSE 'Infinity'::DOUBLE END"


def count_past_days(lake: Lake, now: datetime) -> int:
    """Count days of requests that are over by an hour and not yet (or no longer) counted, the oldest first, until about
    `ROUND` requests were read; returns how many days."""
    over = (now - timedelta(hours=1)).astimezone(UTC).strftime("%Y-%m-%d")
    with lake.lock:
        minutes = day_files(lake.table(REQUEST_MINUTES.name))
        done = read = 0
        for day, requests in sorted(day_files(lake.table(REQUESTS.name)).items()):
            known = minutes.get(day, DayFiles(0, 0))
            if day >= over or requests.commit is None or known.holds(requests):
                continue
            if done and read + requests.rows > ROUND:
                break
            _count_day(lake, day, requests, known)
            done, read = done + 1, read + requests.rows
        return done


def _count_day(lake: Lake, day: str, requests: DayFiles, known: DayFiles) -> None:
    """Write the minutes of one day anew: what they counted and the requests of later commits, or all requests when
    those do not add up (a second store has written into this lake, with numbers of its own)."""
    with in_memory() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("requests", lake.table(REQUESTS.name).to_pyarrow_dataset())
        connection.register("minutes", lake.table(REQUEST_MINUTES.name).to_pyarrow_dataset())
        of_day = f"FROM requests WHERE day = '{day}'"
        late = f"{of_day} AND commit_seq > {known.commit or 0}"
        came = int(connection.execute(f"SELECT count(*) {late}").fetchall()[0][0])
        if known.commit is not None and requests.rows - came <= known.counted:
            old = f"SELECT {_KEYS}, rows, {_given()} FROM minutes WHERE day = '{day}'"
            parts, counted = f"{old} UNION ALL {counted_sql(f'(SELECT * {late})')}", known.counted + came
        else:
            parts, counted = counted_sql(f"(SELECT * {of_day})"), requests.rows
        commit = max(known.commit or 0, requests.commit or 0)
        constants = f"{counted}::BIGINT AS counted, {commit}::BIGINT AS commit_seq, '{day}' AS day"
        rows = connection.sql(
            f"SELECT {_KEYS}, rows, {_short()}, {constants} FROM ({_added(parts)}) ORDER BY {REQUEST_MINUTES.order}"
        ).to_arrow_table()
    plain = rows.cast(plain_schema(rows.schema))
    lake.replace_day(REQUEST_MINUTES.name, day, pa.RecordBatchReader.from_batches(plain.schema, plain.to_batches()))


def counted_sql(source: str) -> str:
    """SELECT that counts rows of `requests` into the columns of minutes, sums given in full."""
    return f"""
        SELECT make_timestamptz(epoch_us(ts) // 60000000 * 60000000) AS minute, route, method, status, location,
               {le_sql("duration_ms")} AS le_ms, count(*) AS rows, count(w) AS usable,
               coalesce(sum(w), 0.0) AS weight, coalesce(sum(w * w), 0.0) AS squares
        FROM (SELECT *, {_WEIGHT} AS w FROM {source}) GROUP BY ALL"""


def _added(parts: str) -> str:
    sums = ", ".join(f"sum({name})::{kind} AS {name}" for name, kind in {"rows": "BIGINT", **_SUMS}.items())
    return f"SELECT {_KEYS}, {sums} FROM ({parts}) GROUP BY {_KEYS}"


def _given() -> str:
    """The sums in full: where they are null, every row weighs 1."""
    return ", ".join(f"coalesce({name}, rows)::{kind} AS {name}" for name, kind in _SUMS.items())


def _short() -> str:
    """The sums, null where every row weighs 1: such files say so in their statistics, and are read without them."""
    even = "usable = rows AND weight = rows AND squares = rows"
    return ", ".join(f"CASE WHEN NOT ({even}) THEN {name} END AS {name}" for name in _SUMS)
