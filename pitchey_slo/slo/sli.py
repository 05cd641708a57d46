"""Good, bad and valid per minute for all SLOs asked, from one scan of each table.

The scan groups rows by whole minute (minutes since 1970) and by the mask of filters they pass (`filters.py`,
`table_scan.py`). What comes back is small, and everything later (budgets, burn rates, charts) is made from it. SLIs on
requests whose days are counted already come from there, with the same numbers (`rollup_sli.py`).
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pitchey_slo.errors import ConfigError, QueryError, SloError
from pitchey_slo.slo.filters import conjuncts
from pitchey_slo.slo.model import Indicator, MetricSource, Objective, Raw, Slo, Threshold
from pitchey_slo.slo.rollup_sli import conditions, read_minutes, spans
from pitchey_slo.slo.table_scan import Floats, Ints, Part, TableScan, read_rows
from pitchey_slo.tables import REQUESTS

__all__ = ["Asked", "Floats", "Ints", "Minutes", "Reader", "Scan", "check_filters", "count"]

_OPS = {"lte": "<=", "gte": ">=", "lt": "<", "gt": ">"}


class Reader(Protocol):
    """Where rows come from; `pitchey_slo.store` has one over the lake. A reader may also have
    `uniform_weights(table, start, end) -> bool`: True when every `sample_interval` there is 1, which saves a column;
    `counted_spans(start, end)`, the times whose requests are all counted in minutes, and the rest (`pinned()` then
    holds one state of both); and `unit_sql`, what to group by instead of the minute (minutes do not serve it)."""

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
    """A filter as conditions that must all hold, on one table; `in_minutes` are the same on `request_minutes`, for what
    is answered from there."""

    table: str
    conditions: tuple[str, ...]
    in_minutes: tuple[str, ...] | None = None

    @property
    def scan(self) -> tuple[str, bool]:
        """Counters with the same are counted together."""
        return self.table, self.in_minutes is not None


_Plan = tuple[_Counter, _Counter, _Counter | None]


@dataclass(frozen=True)
class Scan:
    """What was asked of the store: SQL, rows read, seconds, and rows read by table: `request_minutes` among them says
    that counted minutes were read, `requests` that rows were."""

    sql: str
    rows: int
    seconds: float
    tables: tuple[tuple[str, int], ...] = ()


def count(asked: Sequence[Asked], reader: Reader, start: datetime, end: datetime) -> tuple[list[Minutes], Scan]:
    """Minutes for each of `asked`, over start <= t < end (whole minutes), and what it took.

    ConfigError with the file and line of a filter that does not fit its table; SloError for what cannot be evaluated.
    """
    began = clock.perf_counter()
    check_filters(asked, reader)
    plans = [_counters(a) for a in asked]
    with getattr(reader, "pinned", nullcontext)():
        known, rest = spans(reader, start, end)
        if known:
            plans = [_from_minutes(plan, reader) for plan in plans]
        groups: dict[tuple[str, bool], dict[_Counter, int]] = {}
        for counter in (c for plan in plans for c in plan if c is not None):
            places = groups.setdefault(counter.scan, {})
            places.setdefault(counter, len(places))
        scans = {}
        for key, places in groups.items():
            table, counted = key
            filters = [c.conditions for c in places]
            parts = [read_minutes([c.in_minutes or () for c in places], reader, known)] if counted else []
            if rest or not counted:
                parts.append(read_rows(table, filters, reader, rest if counted else [(start, end)]))
            scans[key] = TableScan.of(parts, len(filters))
    found = [_minutes(a, plan, scans, groups) for a, plan in zip(asked, plans, strict=True)]
    return found, _scan([part for scan in scans.values() for part in scan.parts], clock.perf_counter() - began)


def _from_minutes(plan: _Plan, reader: Reader) -> _Plan:
    """The same, marked as answered from minutes where they can tell all of it that is on requests."""
    own = [c for c in plan if c is not None and c.table == REQUESTS.name]
    told = {c: conditions(c.conditions, reader) for c in own}
    if None in told.values():
        return plan
    valid, part, base = (c if c not in told else replace(c, in_minutes=told[c]) for c in plan)
    assert valid is not None
    assert part is not None
    return valid, part, base


def _scan(parts: Sequence[Part], seconds: float) -> Scan:
    read: dict[str, int] = {}
    for part in parts:
        read[part.table] = read.get(part.table, 0) + part.read
    return Scan(";\n".join(part.sql for part in parts), sum(read.values()), seconds, tuple(read.items()))


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


def _counters(asked: Asked) -> _Plan:
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


def _minutes(
    asked: Asked,
    plan: _Plan,
    scans: dict[tuple[str, bool], TableScan],
    places: dict[tuple[str, bool], dict[_Counter, int]],
) -> Minutes:
    valid, part, base = plan
    scan, other = scans[valid.scan], scans[part.scan]
    index = places[valid.scan][valid]
    everything = index if base is None else places[base.scan][base]
    weight = scan.total(index, "weight")
    # rows without a usable weight, and for a threshold the weight of those without a value
    unmeasured = scan.total(everything, "rows") - scan.total(everything, "usable")
    unmeasured = unmeasured + np.maximum(scan.total(everything, "weight") - weight, 0.0)
    columns = [weight, scan.total(index, "squares"), scan.total(index, "usable"), unmeasured]
    counted = other.total(places[part.scan][part], "weight")
    at = scan.at
    if other is not scan:
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
