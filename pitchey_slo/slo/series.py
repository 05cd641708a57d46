"""SLO counts as PromQL series, so that a burn alert is a rule like any other.

    pitchey_slo_valid_total{slo, service, objective}   events that count
    pitchey_slo_bad_total{slo, service, objective}     those of them that were bad
    pitchey_slo_target{slo, service, objective}        the objective's target, a gauge

They are computed when a query asks, from the same filters and by the same counting as a report (`sli.count`), at every
whole 15 s as all event series are (`promql/derived.py`): a counter at tick t is everything up to t. What a correction
covers is taken out, in minutes, so an alert does not fire about time that does not count. What a file of the lake adds
is counted once, since files never change.

Only SLIs over events have series; those that are PromQL have their own metrics. Slices are not judged here: the
counters are events for every budgeting method.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pitchey_slo.errors import ConfigError
from pitchey_slo.names import SLO_BAD, SLO_TARGET, SLO_VALID, TICK_SECONDS
from pitchey_slo.promql import Matcher, SeriesBlock
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.derived import dense, ticks, together
from pitchey_slo.promql.derived_metrics import EVENTS, clock_of
from pitchey_slo.promql.rows import Rows, moment
from pitchey_slo.promql.scan import block_of, filter_labels
from pitchey_slo.series import Labels, Metadata
from pitchey_slo.slo.corrections import spans, stored
from pitchey_slo.slo.findings import Floats
from pitchey_slo.slo.model import Correction, Raw, Slo
from pitchey_slo.slo.sli import Asked, Ints, check_filters, count
from pitchey_slo.store import LakeReader
from pitchey_slo.store.reader import parquet
from pitchey_slo.tables import STORED

NAMES = (SLO_BAD, SLO_TARGET, SLO_VALID)
#: Type and help of each, for exposition and /api/v1/metadata.
FAMILIES = {
    SLO_BAD: Metadata("counter", "events that were bad for the SLO"),
    SLO_TARGET: Metadata("gauge", "fraction of valid events that shall be good"),
    SLO_VALID: Metadata("counter", "events that count for the SLO"),
}
TICK_MS = TICK_SECONDS * 1_000
_FIRST, _LAST = moment(0), moment(1 << 62)
_DAY = 86_400 // TICK_SECONDS
#: Files and books kept beyond those that the last query used: those of other specs, and of files compaction replaced.
_SPARE = 200


@dataclass(frozen=True, eq=False)
class Cells:
    """What some rows add: tick numbers (ascending), and per objective and tick the valid and bad events."""

    at: Ints
    valid: Floats
    bad: Floats

    @classmethod
    def together(cls, parts: Sequence[Cells], objectives: int) -> Cells:
        """The sum of several."""
        at = np.unique(np.concatenate([cells.at for cells in parts])) if parts else np.zeros(0, dtype=np.int64)
        valid, bad = np.zeros((objectives, len(at))), np.zeros((objectives, len(at)))
        for cells in parts:
            place = np.searchsorted(at, cells.at)
            valid[:, place] += cells.valid
            bad[:, place] += cells.bad
        return cls(at, valid, bad)

    def without(self, corrected: Sequence[Ints]) -> Cells:
        """With nothing in the corrected ranges of tick numbers of each objective."""
        valid, bad = self.valid.copy(), self.bad.copy()
        for place, ranges in enumerate(corrected):
            for i, j in np.searchsorted(self.at, ranges).tolist():
                valid[place, i:j] = bad[place, i:j] = 0.0
        return Cells(self.at, valid, bad)

    def running(self) -> Cells:
        """Everything up to and with each tick."""
        return Cells(self.at, np.cumsum(self.valid, axis=1), np.cumsum(self.bad, axis=1))

    def upto(self, grid: Ints, place: int) -> tuple[Floats, Floats]:
        """(valid, bad) of running sums at each tick number of `grid`."""
        column = np.searchsorted(self.at, grid, side="right")
        return tuple(np.concatenate([[0.0], sums[place]])[column] for sums in (self.valid, self.bad))  # type: ignore[return-value]  # two of them


class SloSeries:
    """Makes a `promql.lake_scan.Computed` per set of rows; what files add is shared by all it made.

    `slos` gives the SLOs as they are now, `corrections` those the store holds; both are asked anew for every query.
    """

    def __init__(
        self,
        slos: Callable[[], Sequence[Slo]],
        corrections: Callable[[LakeReader], Sequence[Correction]] = stored,
    ) -> None:
        self._slos = slos
        self.corrections = corrections
        self._lock = threading.Lock()
        self._kept: dict[Hashable, Cells] = {}
        self._checked = ""

    def __call__(self, rows: Rows) -> _SloSeries:
        return _SloSeries(rows, self)

    def asked(self, *, named: bool) -> list[Asked]:
        """The objectives that have series. Raises ConfigError for broken files if the query `named` such a series."""
        try:
            slos = self._slos()
        except ConfigError:
            if named:
                raise
            return []
        found = [Asked(slo, objective) for slo in slos for objective in slo.objectives]
        return [asked for asked in found if _counts_events(asked)]

    def once(self, key: Hashable, make: Callable[[], Cells]) -> Cells:
        """What `make` gives; the first time only."""
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._kept[key] = found  # used last
        if found is None:
            found = make()
            with self._lock:
                self._kept[key] = found
        return found

    def check_once(self, specs: str, check: Callable[[], None]) -> None:
        """Run `check` for specs that were not checked last; the columns of a table do not change while a process
        runs."""
        if self._checked != specs:
            check()
            self._checked = specs

    def forget(self, used: int) -> None:
        """Keep the `used` that were used last, and some."""
        with self._lock:
            for key in list(self._kept)[: max(0, len(self._kept) - used - _SPARE)]:
                del self._kept[key]


#: metric, place of its objective, labels
_Chosen = tuple[str, int, Labels]


class _SloSeries:
    """The series over one set of rows; for one thread."""

    def __init__(self, rows: Rows, shared: SloSeries) -> None:
        self._rows = rows
        self._shared = shared

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        *,
        needs: Collection[str] | None = None,  # noqa: ARG002  # the protocol's; adding up a handful saves nothing
    ) -> SeriesBlock:
        """As `Scan.select`."""
        asked, chosen = self._chosen(matchers)
        if not chosen:
            return block_of([])
        tables = sorted({source.table for a in asked for source in a.sources()})
        clocks = {clock_of(*(source.table for source in asked[i].sources())) for _, i, _ in chosen}
        watched = sorted({*EVENTS, *tables, *(name for clock in clocks for name in clock)})
        # hot rows of any time: a late one belongs to a file's time, but to none of its counts
        with self._rows.snapshot(watched, 0, end_ms, wide=tables):
            grids = {clock: ticks(self._rows, start_ms, end_ms, clock) for clock in clocks}
            if not any(len(grid) for grid in grids.values()):
                return block_of([])
            sums = self._sums(asked, tables)
        return together([self._values(asked, chosen, clock, grid, sums) for clock, grid in sorted(grids.items())])

    def _values(
        self, asked: list[Asked], chosen: list[_Chosen], clock: tuple[str, ...], grid: Ints, sums: Sequence[Cells]
    ) -> SeriesBlock:
        """The series of the objectives with that clock."""
        mine = [each for each in chosen if clock_of(*(source.table for source in asked[each[1]].sources())) == clock]
        if not len(grid):
            return block_of([])
        values = np.empty((len(mine), len(grid)))
        for row, (name, i, _) in enumerate(mine):
            if name == SLO_TARGET:
                values[row] = asked[i].objective.target
                continue
            parts = [cells.upto(grid // TICK_MS, i)[name == SLO_BAD] for cells in sums]
            # good and total of two tables may come a tick apart: a counter does not fall for that
            values[row] = np.maximum.accumulate(np.maximum(np.sum(parts, axis=0), 0.0))
        return dense([labels for *_, labels in mine], grid, values)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Labels of the series that have samples in that time."""
        asked, chosen = self._chosen(matchers)
        clocks: dict[tuple[str, ...], list[Labels]] = {}
        for _, i, labels in chosen:
            clocks.setdefault(clock_of(*(source.table for source in asked[i].sources())), []).append(labels)
        found: list[Labels] = []
        for clock, known in clocks.items():
            with self._rows.snapshot(clock, start_ms, end_ms):
                found += known if len(ticks(self._rows, start_ms, end_ms, clock)) else []
        return sorted(found)

    def _chosen(self, matchers: Sequence[Matcher]) -> tuple[list[Asked], list[_Chosen]]:
        """All objectives with series, and (metric, place of its objective, labels) of the series asked for."""
        on_name = [m for m in matchers if m.name == lb.NAME]
        if not filter_labels(on_name, [lb.make({lb.NAME: name}) for name in NAMES]):
            return [], []
        asked = self._shared.asked(named=any(m.op == "=" for m in on_name))
        known = [
            (
                name,
                i,
                lb.make({lb.NAME: name, "slo": a.slo.name, "service": a.slo.service, "objective": a.objective.title}),
            )
            for i, a in enumerate(asked)
            for name in NAMES
        ]
        return asked, [known[i] for i in filter_labels(matchers, [labels for *_, labels in known])]

    def _sums(self, asked: list[Asked], tables: Sequence[str]) -> list[Cells]:
        """Running sums of what files of past days add, and of the rest; corrections are taken out.

        The first change once a day, so they are added up once; the rest is little.
        """
        shared, specs = self._shared, repr([(a.slo.name, a.objective, a.indicator) for a in asked])
        shared.check_once(specs, lambda: check_filters(asked, self._rows.reader))
        files = {path: self._file(asked, specs, table, path) for table in tables for path in self._paths(table)}
        parts = [self._count(asked, table, source) for table in tables for source in self._loose(table)]
        newest = max((int(c.at[-1]) for c in (*files.values(), *parts) if len(c.at)), default=0)
        corrections = tuple(shared.corrections(self._rows.reader))
        ranges = [_corrected((*a.slo.corrections, *corrections), a.slo.name, newest) for a in asked]
        past = frozenset(path for path, c in files.items() if not len(c.at) or int(c.at[-1]) < newest - _DAY)
        recent = [c for path, c in files.items() if path not in past] + parts

        def added_up(cells: Sequence[Cells]) -> Cells:
            return Cells.together(cells, len(asked)).without(ranges).running()

        shared.forget(len(files))
        # what is corrected until today; a rule that goes on for ever has a new range each day
        key = (specs, past, tuple(tuple(r[r[:, 0] < newest - _DAY].ravel().tolist()) for r in ranges))
        return [shared.once(key, lambda: added_up([files[path] for path in past])), added_up(recent)]

    def _paths(self, table: str) -> list[str]:
        return self._rows.reader.files(table)  # none for a lake elsewhere

    def _file(self, asked: list[Asked], specs: Hashable, table: str, path: str) -> Cells:
        return self._shared.once((specs, path), lambda: self._count(asked, table, parquet([path])))

    def _loose(self, table: str) -> list[str]:
        """Sources whose counts cannot be kept: rows only hot has, and a lake elsewhere."""
        fresh = self._rows.fresh(table)
        remote = self._rows.reader.remote and self._rows.reader.version(table) >= 0
        return [*([fresh] if fresh else []), *([self._rows.reader.source(table, _FIRST, _LAST)] if remote else [])]

    def _count(self, asked: list[Asked], table: str, source: str) -> Cells:
        found, _ = count(asked, _Ticks(self._rows, table, source), _FIRST, _LAST)
        at = np.unique(np.concatenate([minutes.at for minutes in found]))
        valid, good = np.zeros((len(asked), len(at))), np.zeros((len(asked), len(at)))
        for i, minutes in enumerate(found):
            place = np.searchsorted(at, minutes.at)
            valid[i, place], good[i, place] = minutes.valid, minutes.good
        return Cells(at, valid, valid - good)


@dataclass(frozen=True)
class _Ticks:
    """A `slo.Reader` over one source of one table, whose minutes are the numbers of 15 s ticks.

    `unit_sql` is what `sli.scan_sql` groups by instead of the minute.
    """

    rows: Rows
    table: str
    of_table: str

    @property
    def unit_sql(self) -> str:
        width = TICK_MS * 1_000
        return f"(epoch_us({STORED[self.table].time}) + {width - 1}) // {width}"

    def query(self, sql: str, params: Sequence[Any] | None = None) -> pa.Table:
        return self.rows.reader.query(sql, params)

    def source(self, table: str, start: datetime, end: datetime) -> str:  # noqa: ARG002  # the protocol's
        return self.of_table if table == self.table else f"(SELECT * FROM {table} WHERE false)"

    def check_filter(self, table: str, text: str) -> None:
        """Checked once for all sources."""

    def watermark(self, table: str) -> datetime | None:
        return self.rows.reader.watermark(table)


def _counts_events(asked: Asked) -> bool:
    indicator = asked.objective.indicator or asked.slo.indicator
    if indicator is None or isinstance(indicator.metric, Raw):
        return False
    metric = indicator.metric
    sources = (getattr(metric, name, None) for name in ("source", "good", "bad", "total"))
    return all(source.type == "pitchey" for source in sources if source is not None)


def _corrected(corrections: Sequence[Correction], slo: str, newest: int) -> Ints:
    """Half-open ranges of tick numbers that do not count, up to tick `newest`; shape [n, 2]."""
    mine = [c for c in corrections if not c.slos or slo in c.slos]
    if not mine:
        return np.zeros((0, 2), dtype=np.int64)
    per_minute = 60 // TICK_SECONDS
    first = min(int(c.starts_at.timestamp()) for c in mine) // 60
    # tick t holds what happened in (t - 15 s, t]: the ticks of minute m are 4 m + 1 to 4 m + 4
    return np.asarray(spans(mine, slo, first, newest // per_minute + 1) * per_minute + 1, dtype=np.int64)
