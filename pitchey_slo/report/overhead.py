"""What the monthly overhead review says: what watching costs, how long the disk lasts, and what nobody asks for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.asked_for import Asked, asked_for
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import many, measured, said
from pitchey_slo.store import overhead_questions as ask
from pitchey_slo.store.footprint import Held, footprint, room

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "91_monthly_overhead"
#: Days that say what a day takes now.
RATE_DAYS: Final = 7
#: How far ahead the disk is looked at.
HORIZON: Final = 1_500
_TABLES: Final = ("requests", "business_events", "logs", "probes", "samples", "series")
_MOST: Final = 15
_MB: Final = 1e6
#: Rows from which compression says something: below, the footer is most of a file.
_SOME: Final = 1_000
#: Metrics that are there for the house itself.
_HOUSE: Final = {"ALERTS_FOR_STATE": ("alerting, after a restart",)}
#: What the server stores of itself: (words, expression, unit, decimals). `$` is the time looked back on.
_OWN: Final = (
    ("busiest process, of one processor", "max(rate(pitchey_slo_process_cpu_seconds_total[$]))", "ratio", 1),
    ("largest process", "max(max_over_time(pitchey_slo_process_resident_bytes[$])) / 1e6", "MB", 0),
    ("mean time of an answer",
     "1000 * sum(increase(pitchey_slo_http_request_seconds_sum[$]))"
     " / sum(increase(pitchey_slo_http_request_seconds_count[$]))", "ms", 1),
    ("evaluation of rules, late at most", "max(max_over_time(pitchey_slo_evaluation_late_seconds[$]))", "seconds", 1),
    ("lake behind, at most", "max(max_over_time(pitchey_slo_lake_lag_seconds[$]))", "seconds", 0),
    ("time of a commit",
     "1000 * sum(increase(pitchey_slo_commit_seconds_total[$])) / sum(increase(pitchey_slo_commits_total[$]))",
     "ms", 1),
    ("waiting to be written, at most", "max(max_over_time(pitchey_slo_queue_bytes[$])) / 1e6", "MB", 1),
    ("rows refused", "sum(increase(pitchey_slo_rows_refused_total[$]))", "count", 0),
    ("watching itself, of one processor", "sum(rate(pitchey_slo_overhead_seconds_total[$]))", "ratio", 2),
)  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """One stored metric: its series, those with a sample in the time, the samples, and who asks for it. `widest` is the
    label with most values and how many it has."""

    name: str
    series: int
    live: int
    samples: int
    newest: datetime | None
    widest: tuple[str, int] | None
    asked: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Cost:
    """`free`: bytes that may still be written; `hot`: those of the hot file. `keep`: table -> days it is kept (0: for
    ever). `own`: what the server stored of itself, as `_OWN`; None where it stored nothing."""

    start: datetime
    end: datetime
    held: tuple[Held, ...]
    free: int
    hot: int
    keep: Mapping[str, int]
    metrics: tuple[Metric, ...]
    events: tuple[tuple[str, int, bool], ...]
    asked: Asked
    own: tuple[float | None, ...]
    about: About

    @property
    def bytes(self) -> int:
        return sum(h.bytes for h in self.held)

    @property
    def waste(self) -> int:
        """Older versions and the log of the lake."""
        return sum(h.folder - h.bytes for h in self.held)

    @property
    def rates(self) -> dict[str, float]:
        """Bytes a day of each table kept by day, over the last whole days."""
        return {h.table: rate for h in self.held if (rate := self._rate(h)) is not None}

    @property
    def rate(self) -> float:
        return sum(self.rates.values())

    @property
    def unused(self) -> tuple[Metric, ...]:
        """Stored metrics nobody asks for, the most samples first."""
        return tuple(m for m in self.metrics if not m.asked)

    @property
    def full(self) -> tuple[int | None, int]:
        """(days until the disk is full at this rate, retention taken into account; None: not within HORIZON,
        bytes that are on the disk then, or at the horizon)."""
        size, left = 0.0, float(self.free)
        for day in range(1, HORIZON + 1):
            grown = sum(r for name, r in self.rates.items() if self._grows(name, day))
            size += grown
            if size > left:
                return day, self.bytes + round(size)
        return None, self.bytes + round(size)

    def summary(self) -> Html:
        """What it costs and what to do."""
        if not self.held:
            return told.paragraph("Nothing is stored on this machine: there is nothing to measure.", kind="lead")
        rows = sum(h.rows for h in self.held)
        largest = self.held[0]
        part = measured(largest.bytes / self.bytes, "ratio", 0)
        first = f"{_size(self.bytes)} hold {rows:,} rows, {largest.table} takes {part}; a day adds {_size(self.rate)}."
        return told.paragraph(first, self._disk(), self._series(), self._do(), kind="lead") + told.paragraph(
            f"{said(self.start)} to {said(self.end)}.", kind="quiet"
        )

    def facts(self) -> list[Fact]:
        """What watching costs, in a few numbers."""
        days = (self.end - self.start) / timedelta(days=1)
        samples = sum(m.samples for m in self.metrics)
        return [
            Fact("bytes", "lake", self.bytes / _MB if self.held else None, "MB", "down"),
            Fact("rate", "added a day", self.rate / _MB if self.held else None, "MB", "down", 1),
            Fact("full", "until the disk is full", self.full[0], "d", "up", 0),
            Fact("series", "time series with samples", sum(m.live for m in self.metrics), better="down"),
            Fact("samples", "samples a day", samples / days if days else None, better="down"),
            Fact("unused", "metrics nobody asks for", len(self.unused), better="down"),
            *(Fact(f"own{i}", words, value, unit, "down", digits)
              for i, ((words, _, unit, digits), value) in enumerate(zip(_OWN, self.own, strict=True))),
        ]  # fmt: skip

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def tables(self) -> Html:
        """Each table: rows, size, compression, what a day adds and how long it is kept."""
        columns = (
            Column("table"), Column("rows", number=True), Column("MB", number=True),
            Column("bytes a row", number=True), Column("compressed to", number=True, hint="of its encoded size"),
            Column("files", number=True), Column("older versions, MB", number=True, hint="until the next vacuum"),
            Column("MB a day", number=True), Column("kept", number=True),
        )  # fmt: skip
        rows = [
            (
                h.table,
                f"{h.rows:,}",
                f"{h.bytes / _MB:,.2f}",
                f"{h.bytes / h.rows:,.1f}" if h.rows else "–",
                measured(h.bytes / h.plain, "ratio", 0) if h.plain and h.rows >= _SOME else "–",
                f"{h.files:,}",
                f"{(h.folder - h.bytes) / _MB:,.2f}",
                f"{self.rates[h.table] / _MB:,.2f}" if h.table in self.rates else "–",
                f"{self.keep[h.table]} d" if self.keep.get(h.table) else "for ever",
            )
            for h in self.held
        ]
        note = (
            f"The hot file takes {_size(self.hot)} more. A day's bytes are those of the last "
            f"{RATE_DAYS} whole days; days of this week are not yet merged, and shrink a little when they are."
        )
        return told.table(columns, rows, empty="Nothing is stored here.") + told.paragraph(note, kind="note")

    def own_metrics(self) -> Html:
        """What the server stored of itself."""
        if all(v is None for v in self.own):
            return told.paragraph(
                "No metrics of the workbench's own are stored for this time (the server stores them while it runs), so "
                "its time, memory and lateness are not known.",
                kind="quiet",
            )
        rows = [(words, measured(v, unit, digits)) for (words, _, unit, digits), v in zip(_OWN, self.own, strict=True)]
        return told.table((Column("", wide=True), Column("over the time", number=True)), rows)

    def expensive(self) -> Html:
        """Metrics with the most samples."""
        total = sum(m.samples for m in self.metrics) or 1
        columns = (
            Column("metric"), Column("series", number=True, hint="with a sample in the time"),
            Column("samples", number=True), Column("of all", number=True), Column("split most by", short=True),
            Column("asked for by", wide=True),
        )  # fmt: skip
        rows = [
            (
                m.name,
                f"{m.live:,}",
                f"{m.samples:,}",
                measured(m.samples / total, "ratio"),
                f"{m.widest[0]} ({m.widest[1]:,})" if m.widest and m.widest[1] > 1 else "–",
                _who(m.asked),
            )
            for m in self.metrics[:_MOST]
        ]
        more = len(self.metrics) - _MOST
        return told.table(columns, rows, empty="No samples are stored.") + told.paragraph(
            f"{more} more metrics have fewer samples." if more > 0 else "", kind="quiet"
        )

    def not_asked_for(self) -> Html:
        """What is collected, and named nowhere."""
        total = sum(m.samples for m in self.metrics) or 1
        rows = [(m.name, "metric", f"{m.samples:,}", measured(m.samples / total, "ratio")) for m in self.unused]
        rows += [(name, "business event", f"{n:,}", "–") for name, n, named in self.events if not named]
        columns = (Column("what"), Column("", short=True), Column("samples or rows", number=True),
                   Column("of all samples", number=True))  # fmt: skip
        note = (
            "Rules, SLOs, dashboards and watched series were read. Notebooks, other tools that ask this server, and "
            "what the house shows by itself (health and synthetic pages) were not: look before you stop collecting one."
        )
        unread = f"Could not be read: {'; '.join(self.asked.unread[:5])}." if self.asked.unread else ""
        return told.table(columns, rows, empty="Everything that is stored is asked for.") + told.paragraph(
            note, unread, kind="note"
        )

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about, {"disk": f"{_size(self.free)} may still be written"})

    def _rate(self, held: Held) -> float | None:
        days = _last_days(self.end)
        there = [held.days[d][1] for d in days if d in held.days]
        first = min(held.days, default=None)
        span = sum(d >= first for d in days) if first else 0
        return sum(there) / span if span else None

    def _grows(self, table: str, day: int) -> bool:
        """Whether in `day` days a table still grows: none of its days is dropped for a new one."""
        days = next(h.days for h in self.held if h.table == table)
        age = (self.end.date() - min(days)).days
        return not self.keep.get(table) or age + day <= self.keep[table]

    def _disk(self) -> str:
        days, size = self.full
        if days is not None:
            when = self.end + timedelta(days=days)
            return f"At this rate the disk is full in {many(days, 'day')}, around {when:%d %b %Y}."
        return f"Retention ends the growth at about {_size(size)}; {_size(self.free)} may still be written."

    def _series(self) -> str:
        live, samples = sum(m.live for m in self.metrics), sum(m.samples for m in self.metrics)
        if not samples:
            return "No samples are stored."
        part = sum(m.samples for m in self.unused) / samples
        words = f"{live:,} time series have samples"
        if not self.unused:
            return f"{words}, and every metric is asked for."
        return (
            f"{words}; {many(len(self.unused), 'metric')}, {measured(part, 'ratio')} of the samples, nobody asks for."
        )

    def _do(self) -> str:
        first = next(self._todo(), "")
        return f"To do first: {first}." if first else "Nothing to do."

    def _todo(self) -> Iterator[str]:
        days, _ = self.full
        if days is not None and days < 365:
            worst = max(self.rates, key=lambda name: self.rates[name])
            yield f"keep {worst} for fewer days (PITCHEY_RETENTION) or give it a larger disk"
        late = self.own[3]
        if late is not None and late > 60:
            yield "rules are evaluated late: make them fewer or cheaper"
        wide = [m for m in self.metrics if m.widest and m.widest[1] > 1_000]
        if wide:
            yield f"take the label {wide[0].widest[0] if wide[0].widest else ''} from {wide[0].name}"
        if self.waste > max(self.bytes, 1_000 * _MB):
            yield "vacuum the lake: older versions take more than the rows"
        if self.unused:
            yield f"decide whether {self.unused[0].name} is still wanted; nobody asks for it"


def overhead(wb: Workbench, *, window: str = "30d", end: Moment = None, now: datetime | None = None) -> Cost:
    """Gather it: `window` up to `end` (None: the minute after the newest row). Sizes are those of now."""
    from pitchey_slo.workbench import parse_time, step_ms

    last = parse_time(end, "end") or wb.newest_minute("requests", "samples")
    start = last - timedelta(milliseconds=step_ms(window))
    asked = asked_for(wb)
    held = footprint(wb.reader)
    free, hot = room(wb.settings.home)
    events = wb.reader.query(ask.by_event(wb.reader.source("business_events", start, last))).to_pylist()
    return Cost(
        start=start,
        end=last,
        held=held,
        free=free,
        hot=hot,
        keep={h.table: wb.settings.keep_days(h.table) for h in held},
        metrics=_metrics(wb, start, last, asked),
        events=tuple((e["event"], int(e["rows"]), asked.event(e["event"])) for e in events),
        asked=asked,
        own=tuple(_number(wb, expr.replace("$", window), last) for _, expr, _, _ in _OWN),
        about=about(wb, NOTEBOOK, start=start, end=last, tables=_TABLES,
                    parameters={"window": window, "end": end}, now=now or datetime.now(UTC)),
    )  # fmt: skip


def _metrics(wb: Workbench, start: datetime, end: datetime, asked: Asked) -> tuple[Metric, ...]:
    found = wb.reader.query(ask.by_metric(wb.reader.source("samples", start, end))).to_pylist()
    made = []
    for i, row in enumerate(found):
        widest = _widest(wb, row["name"]) if i < _MOST or row["series"] > 1_000 else None
        made.append(
            Metric(row["name"], int(row["series"]), int(row["live"]), int(row["samples"]), row["newest"], widest,
                   _asked(asked, row["name"]))
        )  # fmt: skip
    return tuple(made)


def _asked(asked: Asked, name: str) -> tuple[str, ...]:
    mine = ("this report",) if any(name in expr for _, expr, _, _ in _OWN) else ()
    return _HOUSE.get(name, ()) + mine + asked.of(name)


def _widest(wb: Workbench, name: str) -> tuple[str, int] | None:
    values: dict[str, set[str]] = defaultdict(set)
    for text in wb.reader.query(ask.LABELS, [name])["labels"].to_pylist():
        for label, value in json.loads(text).items():
            values[label].add(value)
    counts = {label: len(v) for label, v in values.items() if label != "__name__"}
    return max(counts.items(), key=lambda kv: kv[1]) if counts else None


def _number(wb: Workbench, expr: str, at: datetime) -> float | None:
    frame = wb.promql(expr, end=at)
    value = float(frame.to_numpy(dtype=float)[-1, 0]) if frame.size else None
    return None if value is None or value != value else value


def _last_days(end: datetime) -> Sequence[date]:
    """The last whole days before `end`, UTC."""
    return [end.astimezone(UTC).date() - timedelta(days=i) for i in range(1, RATE_DAYS + 1)]


def _size(value: float) -> str:
    """Bytes in the unit people would take.

    >>> _size(1_234), _size(97_499_474), _size(58_286_448_436)
    ('1 kB', '97 MB', '58.3 GB')
    """
    if value >= 1e9:
        return f"{value / 1e9:,.1f} GB"
    if value >= 1e5:
        return f"{value / 1e6:,.{0 if value >= 1e7 else 1}f} MB"
    return f"{value / 1e3:,.0f} kB"


def _who(asked: Sequence[str]) -> str:
    return f"{', '.join(asked[:3])}{f' and {len(asked) - 3} more' if len(asked) > 3 else ''}" if asked else "nobody"
