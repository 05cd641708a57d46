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
    """Groups of one table: minute, masks, and per group rows, usable rows, weight and squared weight."""

    sql: str
    read: int
    at: Ints
    starts: Ints
    masks: list[Ints]
    rows: Floats
    usable: Floats
    weight: Floats
    squares: Floats

    @classmethod
    def run(cls, table: str, counters: list[_Counter], reader: Reader, start: datetime, end: datetime) -> _TableScan:
        uniform = getattr(reader, "uniform_weights", None)
        even = bool(uniform(table, start, end)) if uniform is not None else False
        sql = scan_sql(table, [c.conditions for c in counters], reader.source(table, start, end), even_weights=even)
        groups = reader.query(sql)
        minute = _numbers(groups, "minute").astype(np.int64)
        order = np.argsort(minute, kind="stable")
        minute = minute[order]
        at, starts = np.unique(minute, return_index=True)
        keys = [n for n in groups.column_names if n.startswith("mask")]
        rows = _numbers(groups, "rows")[order]
        return cls(
            sql=sql,
            read=int(rows.sum()),
            at=at,
            starts=starts.astype(np.int64),
            masks=[_numbers(groups, k).astype(np.int64)[order] for k in keys],
            rows=rows,
            usable=rows if even else _numbers(groups, "usable")[order],
            weight=rows if even else _numbers(groups, "weight")[order],
            squares=rows if even else _numbers(groups, "squares")[order],
        )

    def total(self, index: int, values: Floats) -> Floats:
        """Sum of `values` per minute over the groups that pass filter `index`."""
        number, value = bit(index)
        if not len(self.at):
            return np.zeros(0)
        passing = (self.masks[number] & value) != 0
        return np.add.reduceat(np.where(passing, values, 0.0), self.starts)


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
        fits = "sample_interval IS NULL OR (isfinite(sample_interval) AND sample_interval > 0)"
        clean.append(f"CASE WHEN {fits} THEN coalesce(sample_interval, 1.0) END AS sample_interval")
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


def _numbers(table: pa.Table, name: str) -> Floats | Any:
    return table.column(name).to_numpy(zero_copy_only=False)


def _minutes(
    asked: Asked,
    plan: tuple[_Counter, _Counter, _Counter | None],
    scans: dict[str, _TableScan],
    places: dict[str, dict[_Counter, int]],
) -> Minutes:
    valid, part, base = plan
    scan = scans[valid.table]
    index = places[valid.table][valid]
    weight = scan.total(index, scan.weight)
    unmeasured = scan.total(index if base is None else places[base.table][base], scan.rows - scan.usable)
    if base is not None:
        unmeasured = unmeasured + np.maximum(scan.total(places[base.table][base], scan.weight) - weight, 0.0)
    at, other = scan.at, scans[part.table]
    counted = other.total(places[part.table][part], other.weight)
    columns = [weight, scan.total(index, scan.squares), scan.total(index, scan.usable), unmeasured]
    if part.table != valid.table:
        at = np.union1d(scan.at, other.at)
        columns = [_onto(at, scan.at, c) for c in columns]
        counted = _onto(at, other.at, counted)
    metric = asked.indicator.metric
    subtract = not isinstance(metric, Threshold | Raw) and metric.bad is not None
    good = columns[0] - counted if subtract else counted
    return Minutes(at, good, *columns)


def _onto(at: Ints, own: Ints, values: Floats) -> Floats:
    out = np.zeros(len(at))
    out[np.searchsorted(at, own)] = values
    return out
