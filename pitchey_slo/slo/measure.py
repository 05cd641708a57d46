"""Every objective asked for -> its minutes, whatever its SLI is: events are counted by the store, PromQL by its room.

type pitchey                events: `sli.count`, one scan per table for all objectives
type prometheus or promql   counters, counts, values or ratios: `promql_sli.count`, one evaluation per query
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pitchey_slo.errors import SloError
from pitchey_slo.slo import sli
from pitchey_slo.slo.findings import Provenance
from pitchey_slo.slo.ledger import minute_of
from pitchey_slo.slo.model import MetricSource, Raw, Threshold
from pitchey_slo.slo.notes import Odd
from pitchey_slo.slo.sli import Asked, Minutes, Reader

if TYPE_CHECKING:
    from pitchey_slo.promql import Scan
    from pitchey_slo.slo.promql_sli import Counting

#: Types of metric sources that hold PromQL, in lower case.
PROMQL = ("prometheus", "promql")
#: Tables that hold series or are made into some.
SERIES_TABLES = ("business_events", "requests", "samples")
#: What the rows of a table are called in sentences, unless the annotation `pitchey.com/noun` says it better.
NOUNS = {"requests": "requests", "business_events": "events"}


@dataclass(frozen=True, eq=False)
class Measured:
    """One objective counted.

    regular   its data come at a fixed pace, so that every minute without any is a gap
    noun      what is counted
    odd       what was met on the way
    """

    asked: Asked
    minutes: Minutes
    provenance: Provenance
    noun: str
    regular: bool = False
    odd: tuple[Odd, ...] = ()


def sources(asked: Asked) -> tuple[MetricSource, ...]:
    """The queries of its indicator, the valid ones first."""
    metric = asked.indicator.metric
    if isinstance(metric, Raw | Threshold):
        return (metric.source,)
    return tuple(s for s in (metric.total, metric.good, metric.bad) if s is not None)


def in_promql(asked: Asked) -> bool:
    """Whether its queries are PromQL, not events. SloError for a mix of both, and for systems we cannot ask."""
    theirs = [s.type.lower() in PROMQL for s in sources(asked)]
    if all(theirs):
        return True
    if any(theirs):
        raise SloError(f"{asked.slo.name}: events and PromQL in one ratio; write both of its queries in one of the two")
    asked.sources()  # says what cannot be evaluated
    return False


def newest(asked: Sequence[Asked], reader: Reader) -> dict[str, datetime | None]:
    """The newest time of each table behind `asked`. PromQL may look at any table that has series."""
    tables = {s.table for a in asked if not in_promql(a) for s in a.sources()}
    if any(in_promql(a) for a in asked):
        tables |= set(SERIES_TABLES)
    return {table: reader.watermark(table) for table in sorted(tables)}


def measure(
    asked: Sequence[Asked],
    reader: Reader,
    scan: Scan | None,
    start: datetime,
    end: datetime,
    watermarks: dict[str, datetime | None],
) -> list[Measured]:
    """Each of `asked` over start <= t < end. Raises SloError, ConfigError or QueryError for what cannot be answered."""
    events = [a for a in asked if not in_promql(a)]
    found = _events(events, reader, start, end, watermarks) if events else iter(())
    if len(events) == len(asked):
        return list(found)
    from pitchey_slo.slo.promql_sli import Counting  # a report on events does without PromQL

    series = Counting(scan, minute_of(start), minute_of(end))
    return [_series(a, series) if in_promql(a) else next(found) for a in asked]


def _events(
    asked: Sequence[Asked],
    reader: Reader,
    start: datetime,
    end: datetime,
    watermarks: dict[str, datetime | None],
) -> Iterator[Measured]:
    minutes, read = sli.count(asked, reader, start, end)
    for one, counted in zip(asked, minutes, strict=True):
        provenance = Provenance(read.sql, read.rows, watermarks[one.table], read.seconds, tables=dict(read.tables))
        yield Measured(one, counted, provenance, NOUNS.get(one.table, "events"))


def _series(asked: Asked, counting: Counting) -> Measured:
    found = counting.count(asked)
    return Measured(asked, found.minutes, found.provenance, found.noun, regular=True, odd=found.odd)
