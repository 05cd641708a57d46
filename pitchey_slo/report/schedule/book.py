"""The schedules as their file says now, and every due time as the store has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pitchey_slo.errors import ConfigError
from pitchey_slo.report.schedule.model import OVER, Due, Schedule, due_from
from pitchey_slo.report.schedule.read import FILE, load

log = logging.getLogger(__name__)

Query = Callable[[str, Sequence[Any]], pa.Table]
_OVER: Final = ", ".join(f"'{state}'" for state in sorted(OVER))


class Book:
    """The file as it changes. One that is wrong changes nothing: what held before holds on, and `problem` says why."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.problem: str | None = None
        self._signature: tuple[int, int] | None = None
        self._schedules: Mapping[str, Schedule] = {}
        self.version = 0

    def current(self) -> Mapping[str, Schedule]:
        """Schedules by name."""
        signature = self._look()
        if signature != self._signature:
            self._signature = signature
            try:
                self._schedules, self.problem = load(self.path).all, None
                self.version += 1
            except ConfigError as error:
                self.problem = str(error)
                log.error("%s is refused, what held before holds on: %s", self.path, error)
        return self._schedules

    def _look(self) -> tuple[int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size


def followed(query: Query) -> dict[str, Due]:
    """Schedule -> since when it is followed, and by which rule."""
    return {d.schedule: d for d in _dues(query("SELECT * FROM report_dues WHERE state = 'followed'", []))}


def last_dues(query: Query) -> dict[str, datetime]:
    """Schedule -> its newest time that was taken down."""
    rows = query(
        "SELECT schedule, max(due_at) AS last FROM report_dues WHERE state <> 'followed' AND trigger = 'schedule' "
        "GROUP BY ALL",
        [],
    ).to_pylist()
    return {row["schedule"]: row["last"] for row in rows}


def open_dues(query: Query) -> list[Due]:
    """Those that wait or run, in the order they were due."""
    return _dues(query("SELECT * FROM report_dues WHERE state IN ('waiting', 'running') ORDER BY due_at, id", []))


def unsettled(query: Query) -> list[Due]:
    """Those that are over, of whose messages something is still under way."""
    sql = f"SELECT * FROM report_dues WHERE state IN ({_OVER}) AND receipt IS NULL AND told IS NOT NULL ORDER BY due_at"
    return _dues(query(sql, []))


def recent(query: Query, limit: int, schedule: str | None = None) -> list[Due]:
    """The newest due times, of one schedule or of all."""
    where, given = ("AND schedule = ?", [schedule]) if schedule else ("", [])
    sql = (
        f"SELECT * FROM report_dues WHERE state <> 'followed' {where} ORDER BY due_at DESC, id DESC LIMIT {int(limit)}"
    )
    return _dues(query(sql, given))


def last_of_each(query: Query) -> dict[str, Due]:
    """Schedule -> its newest due time that is over and was not skipped."""
    sql = (
        "SELECT * FROM report_dues WHERE state IN ('succeeded', 'failed') "
        "QUALIFY row_number() OVER (PARTITION BY schedule ORDER BY due_at DESC, updated_at DESC) = 1"
    )
    return {d.schedule: d for d in _dues(query(sql, []))}


def last_successes(query: Query) -> dict[str, datetime]:
    """Schedule -> when it last ended well."""
    rows = query(
        "SELECT schedule, max(ended_at) AS at FROM report_dues WHERE state = 'succeeded' GROUP BY ALL", []
    ).to_pylist()
    return {row["schedule"]: row["at"] for row in rows}


def _dues(rows: pa.Table) -> list[Due]:
    return [due_from(row) for row in _plain(rows.to_pylist())]


def _plain(rows: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    from datetime import UTC

    for row in rows:
        yield {k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in row.items()}
