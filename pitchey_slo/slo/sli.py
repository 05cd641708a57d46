"""Good, bad and valid per minute for all SLOs asked, from one scan of each table.

The scan groups rows by whole minute (minutes since 1970) and by the mask of filters they pass (`filters.py`). What
comes back is small, and everything later (budgets, burn rates, charts) is made from it. A row counts as
`sample_interval` events; `squares` sums the squared weights for the interval. Numbers that are NaN or infinite are
taken as NULL before any comparison, since `NaN > 5` is TRUE in DuckDB.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.errors import ConfigError, QueryError, SloError
from pitchey_slo.slo.filters import bit, conjuncts, masks
from pitchey_slo.slo.findings import Floats
from pitchey_slo.slo.model import Indicator, MetricSource, Objective, Raw, Slo, Threshold
from pitchey_slo.tables import TABLES

Ints = NDArray[np.int64]
_OPS = {"lte": "<=", "gte": ">=", "lt": "<", "gt": ">"}


class Reader(Protocol):
    """Where rows come from; `pitchey_slo.store` has one over the lake. A reader may also have
    `uniform_weights(table, start, end) -> bool`: True when every `sample_interval` there is 1, which saves a column."""

    def query(self, sql: str, params: Sequence[Any] | None = None) -> pa.Table:
        """Run a SELECT."""

    def source(self, table: str, start: datetime, end: datetime) -> str:
        """SQL table expression with the rows of `table` where start <= ts < end."""

    def check_filter(self, table: str, text: str) -> None:
        """QueryError unless `text` is a boolean expression over the columns of `table`."""

    def watermark(self, table: str) -> datetime | None:
        """Newest time in `table`; None when it is empty."""


@dataclass(frozen=True, eq=False)
class Minutes:
    """Counts of one objective per minute, for minutes with any row of the table (ascending `at`).

    at           minutes since 1970-01-01 UTC
    good, valid  weighted events; bad = valid - good
    squares      sum of squared weights of the valid rows
    rows         valid rows, unweighted
    unmeasured   events without a usable value, and rows without a usable weight
    """

    at: Ints
    good: Floats
    valid: Floats
    squares: Floats
    rows: Floats
    unmeasured: Floats

    @property
    def bad(self) -> Floats:
        return np.asarray(self.valid - self.good, dtype=np.float64)

    def between(self, start: int, end: int) -> Minutes:
        """The minutes start <= at < end."""
        i, j = np.searchsorted(self.at, (start, end))
        parts = (self.good, self.valid, self.squares, self.rows, self.unmeasured)
        return Minutes(self.at[i:j], *(p[i:j] for p in parts))


@dataclass(frozen=True)
class Asked:
    """One objective to count: what the SLO measures and, for a threshold, which values are good."""

    slo: Slo
    objective: Objective

    @property
    def indicator(self) -> Indicator:
        found = self.objective.indicator or self.slo.indicator
        if found is None:
            raise SloError(f"{self.slo.name}: nothing says what to measure; give indicator or indicatorRef")
        return found

    @property
    def table(self) -> str:
        """The table of the valid events."""
        return self._valid_source().table

    def _valid_source(self) -> MetricSource:
        metric = self.indicator.metric
        if isinstance(metric, Raw):
            raise SloError(
                f"{self.slo.name}: a raw ratio was read, but only counted events can be evaluated here; "
                "write ratioMetric with good or bad, and total"
            )
        return metric.source if isinstance(metric, Threshold) else metric.total

    def sources(self) -> tuple[MetricSource, ...]:
        """Every query of it; SloError when one is not ours."""
        metric = self.indicator.metric
        found: list[MetricSource | None] = [self._valid_source()]
        if not isinstance(metric, Threshold | Raw):
            found += [metric.good, metric.bad]
        sources = tuple(s for s in found if s is not None)
        for source in sources:
            source.check_ours(self.slo.name)
        return sources


@dataclass(frozen=True)
class _Counter:
    """A filter as conditions that must all hold, on one table."""

    table: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Scan:
    """What was asked of the store: SQL per table, rows grouped, seconds."""

    sql: str
    rows: int
    seconds: float


def count(asked: Sequence[Asked], reader: Reader, start: datetime, end: datetime) -> tuple[list[Minutes], Scan]:
    """Minutes for each of `asked`, over start <= t < end (whole minutes), and what it took.

    ConfigError with the file and line of a filter that does not fit its table; SloError for what cannot be evaluated.
    """
    began = clock.perf_counter()
    check_filters(asked, reader)
    plans = [_counters(a) for a in asked]
    tables: dict[str, dict[_Counter, int]] = {}
    for counter in (c for plan in plans for c in plan if c is not None):
        places = tables.setdefault(counter.table, {})
        places.setdefault(counter, len(places))
    scans = {name: _TableScan.run(name, list(places), reader, start, end) for name, places in tables.items()}
    found = [_minutes(a, plan, scans, tables) for a, plan in zip(asked, plans, strict=True)]
    sql = ";\n".join(s.sql for s in scans.values())
    return found, Scan(sql, sum(s.read for s in scans.values()), clock.perf_counter() - began)


def check_filters(asked: Iterable[Asked], reader: Reader) -> None:
    """Let the store look at every filter before any is run; the error names the file, line and key."""
    seen: set[tuple[str, str]] = set()
    for source in (s for a in asked for s in a.sources()):
        if source.filter is None or (source.table, source.filter) in seen:
            continue
        seen.add((source.table, source.filter))
        try:
            reader.check_filter(source.table, source.filter)
        except QueryError as error:
            place = source.place
            raise ConfigError(error.message, file=place.file, line=place.line, key=place.key) from None


def _conditions(source: MetricSource) -> tuple[str, ...]:
    return tuple(conjuncts(source.filter)) if source.filter else ()


def _counters(asked: Asked) -> tuple[_Counter, _Counter, _Counter | None]:
    """(valid, good or bad, asked-for but maybe without a value: thresholds only)."""
    metric = asked.indicator.metric
    if isinstance(metric, Threshold):
        source, goal = metric.source, asked.objective
        base = _conditions(source)
        has = f"{source.value} IS NOT NULL"
        good = f"{source.value} {_OPS[goal.op or 'lte']} {float(goal.value or 0.0)!r}::DOUBLE"
        return (
            _Counter(source.table, (*base, has)),
            _Counter(source.table, (*base, good)),
            _Counter(source.table, base),
        )
    assert not isinstance(metric, Raw)
    part = metric.good or metric.bad
    assert part is not None
    return _Counter(metric.total.table, _conditions(metric.total)), _Counter(part.table, _conditions(part)), None


@dataclass(frozen=True, eq=False)
class _TableScan:
    """Groups of one table: place of its minute in `at`, masks, and sums per group by name: rows, usable rows (with a
    weight that can be meant), weight and squared weight."""

    sql: str
    read: int
    at: Ints
    place: Ints
    masks: list[Ints]
    sums: dict[str, Floats]
    known: dict[tuple[int, str], Floats]

    @classmethod
    def run(cls, table: str, counters: list[_Counter], reader: Reader, start: datetime, end: datetime) -> _TableScan:
        uniform = getattr(reader, "uniform_weights", None)
        even = bool(uniform(table, start, end)) if uniform is not None else False
        sql = scan_sql(table, [c.conditions for c in counters], reader.source(table, start, end), even_weights=even)
        groups = reader.query(sql)
        at, place = _places(_ints(groups, "minute"))
        rows = _floats(groups, "rows")
        sums = {n: rows if even else _floats(groups, n) for n in ("usable", "weight", "squares")}
        keys = [_ints(groups, n) for n in groups.column_names if n.startswith("mask")]
        return cls(sql, int(rows.sum()), at, place, keys, {"rows": rows} | sums, {})

    def total(self, index: int, name: str) -> Floats:
        """Sum of `name` per minute of `at` over the groups that pass filter `index`."""
        key = (index, str(id(self.sums[name])))
        if key not in self.known:
            number, value = bit(index)
            passing = np.flatnonzero(self.masks[number] & value)
            weights = self.sums[name][passing]
            sums = np.bincount(self.place[passing], weights=weights, minlength=len(self.at))
            self.known[key] = np.asarray(sums, dtype=np.float64)
        return self.known[key]


def _places(minutes: Ints) -> tuple[Ints, Ints]:
    """(distinct minutes in order, place of each of `minutes` among them); without sorting, since they lie close."""
    if not len(minutes):
        return minutes, minutes
    first = minutes.min()
    there = np.bincount(minutes - first) > 0
    return np.flatnonzero(there) + first, (np.cumsum(there) - 1)[minutes - first]


def scan_sql(table: str, filters: Sequence[Sequence[str]], source: str, *, even_weights: bool) -> str:
    """The one query per table: rows, and unless all weights are 1 their sums, per minute and mask."""
    columns = TABLES[table].columns
    clean = [
        f"CASE WHEN isfinite({c.name}) THEN {c.name} END AS {c.name}"
        for c in columns
        if pa.types.is_floating(c.type) and c.name != "sample_interval"
    ]
    if not even_weights:
        # a missing weight is 1, as the table says; one that cannot be meant is NULL, and its row counts as unmeasured
        fits = "sample_interval > 0 AND sample_interval < 'Infinity'::DOUBLE"  # NaN is above Infinity in DuckDB
        missing = "WHEN sample_interval IS NULL THEN 1.0"
        clean.append(f"CASE WHEN {fits} THEN sample_interval {missing} END AS sample_interval")
    keys = [f"{m} AS mask{i}" for i, m in enumerate(masks(filters, [c.name for c in columns]))]
    sums = ["count(*) AS rows"]
    if not even_weights:
        sums += [
            "count(sample_interval) AS usable",
            "coalesce(sum(sample_interval), 0.0) AS weight",
            "coalesce(sum(sample_interval * sample_interval), 0.0) AS squares",
        ]
    chosen = f"SELECT * REPLACE ({', '.join(clean)})" if clean else "SELECT *"
    time = TABLES[table].time
    wanted = ",\n  ".join([f"epoch_us({time}) // 60000000 AS minute", *keys, ", ".join(sums)])
    return f"SELECT {wanted}\nFROM ({chosen} FROM {source} AS stored) AS clean\nGROUP BY ALL"


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def _ints(table: pa.Table, name: str) -> Ints:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.int64)


def _minutes(
    asked: Asked,
    plan: tuple[_Counter, _Counter, _Counter | None],
    scans: dict[str, _TableScan],
    places: dict[str, dict[_Counter, int]],
) -> Minutes:
    valid, part, base = plan
    scan, other = scans[valid.table], scans[part.table]
    index = places[valid.table][valid]
    everything = index if base is None else places[base.table][base]
    weight = scan.total(index, "weight")
    # rows without a usable weight, and for a threshold the weight of those without a value
    unmeasured = scan.total(everything, "rows") - scan.total(everything, "usable")
    unmeasured = unmeasured + np.maximum(scan.total(everything, "weight") - weight, 0.0)
    columns = [weight, scan.total(index, "squares"), scan.total(index, "usable"), unmeasured]
    counted = other.total(places[part.table][part], "weight")
    at = scan.at
    if part.table != valid.table:
        at = np.union1d(scan.at, other.at)
        columns = [_onto(at, scan.at, c) for c in columns]
        counted = _onto(at, other.at, counted)
    metric = asked.indicator.metric
    subtract = not isinstance(metric, Threshold | Raw) and metric.bad is not None
    return Minutes(at, columns[0] - counted if subtract else counted, *columns)


def _onto(at: Ints, own: Ints, values: Floats) -> Floats:
    out = np.zeros(len(at))
    out[np.searchsorted(at, own)] = values
    return out
