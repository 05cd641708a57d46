"""Where the data comes from: does it still come, as steadily as usual, and does it go when it shall."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pitchey_slo.settings import Settings
from pitchey_slo.store import daily_questions as ask
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import BUSINESS_EVENTS, LOGS, PROBES, REQUESTS, SAMPLES, STORED

#: Streams whose rows name their source.
STREAMED: Final = (REQUESTS.name, BUSINESS_EVENTS.name, LOGS.name, PROBES.name)
#: So much before the time says what is usual.
BEFORE: Final = timedelta(days=7)
#: A gap is unusual when it is so long, and so many times as long as the longest of the week before.
LEAST_GAP: Final = 600.0
TIMES: Final = 2.0
#: A table is cleaned about once a day; only what is older than this beyond its limit should have gone.
SLACK: Final = timedelta(days=2)


@dataclass(frozen=True)
class Arrival:
    """Rows of one source in one table. `gap_seconds`: the longest time without a row within the time, up to its end;
    `usual_gap_seconds` the same of the week before. None: there was no row."""

    table: str
    source: str
    newest: datetime | None
    rows: int
    gap_seconds: float | None
    usual_gap_seconds: float | None

    def silent_seconds(self, end: datetime) -> float | None:
        """Since its newest row."""
        return (end - self.newest).total_seconds() if self.newest else None

    @property
    def stopped(self) -> bool:
        """It came in the week before, and not once in the time."""
        return not self.rows

    @property
    def unusual(self) -> bool:
        """Whether it was away longer than it usually is."""
        gap, usual = self.gap_seconds, self.usual_gap_seconds
        return self.stopped or (gap is not None and gap >= LEAST_GAP and gap > TIMES * (usual or 0.0))


@dataclass(frozen=True)
class Silent:
    """A metric whose series all ended: `series` of them, `newest` the last sample."""

    name: str
    series: int
    newest: datetime


@dataclass(frozen=True)
class Target:
    """One scraped target by its labels: scrapes within the time, those that failed, and whether the last one did."""

    name: str
    scrapes: int
    failed: int
    down: bool
    newest: datetime


@dataclass(frozen=True)
class Refused:
    """Rows that were not taken: `what` says of which table and why, or names the file they were put aside in."""

    what: str
    rows: int


@dataclass(frozen=True)
class Kept:
    """How long a table is kept (days, 0: for ever), and its oldest row. `over`: by how much that is too old."""

    table: str
    keep_days: int
    oldest: datetime | None
    over: timedelta

    @property
    def late(self) -> bool:
        return self.over > SLACK


def arrivals(reader: LakeReader, start: datetime, end: datetime) -> tuple[Arrival, ...]:
    """Per table and source, of all sources that sent anything within the time or the week before."""
    made = []
    for table in STREAMED:
        rows = reader.source(table, start - BEFORE, end)
        for row in reader.query(ask.arrivals(rows, start, end)).to_pylist():
            gaps = (None if row[name] is None else 60.0 * row[name] for name in ("gap", "usual_gap"))
            made.append(Arrival(table, row["source"] or "", row["newest"], int(row["rows"]), *gaps))
    return tuple(made)


def silent(reader: LakeReader, start: datetime, end: datetime, *, after: timedelta) -> tuple[Silent, ...]:
    """Metrics that had samples since a day before `start` and none in the last `after` of the time."""
    samples = reader.source(SAMPLES.name, start - timedelta(days=1), end)
    found = reader.query(ask.silent(samples, end - after)).to_pylist()
    return tuple(Silent(row["name"], int(row["series"]), row["newest"]) for row in found)


def targets(reader: LakeReader, start: datetime, end: datetime) -> tuple[Target, ...]:
    """Every target that was scraped, the one that failed most first."""
    found = reader.query(ask.targets(reader.source(SAMPLES.name, start, end))).to_pylist()
    return tuple(
        Target(_named(row["labels"], "job", "instance"), row["scrapes"], row["failed"], row["last"] == 0, row["newest"])
        for row in found
    )


def refused(reader: LakeReader, home: Path, start: datetime, end: datetime) -> tuple[Refused, ...]:
    """Rows the server refused, where its own metrics are stored, and the files of lines that `ingest` put aside."""
    counted = reader.query(ask.refused(reader.source(SAMPLES.name, start, end))).to_pylist()
    made = [Refused(_named(row["labels"], "table", "reason"), round(row["rows"])) for row in counted]
    for path in sorted(home.glob("rejects/*.rejects")):
        if start <= datetime.fromtimestamp(path.stat().st_mtime, UTC) < end:
            with path.open("rb") as lines:
                made.append(Refused(path.name, sum(1 for _ in lines)))
    return tuple(made)


def _named(labels: str, *names: str) -> str:
    found = json.loads(labels)
    return ", ".join(str(found[name]) for name in names if found.get(name)) or labels


def kept(reader: LakeReader, settings: Settings, now: datetime) -> tuple[Kept, ...]:
    """Every table with a limit, and its oldest row. A row's age counts from when it happened or arrived, whichever is
    later, and the lake does not say when it arrived: an old file loaded today looks late and is not."""
    made = []
    for name in STORED:
        days = settings.keep_days(name)
        oldest = reader.earliest(name) if days else None
        over = now - oldest - timedelta(days=days) if oldest else timedelta()
        made += [Kept(name, days, oldest, max(over, timedelta()))] if days else []
    return tuple(made)
