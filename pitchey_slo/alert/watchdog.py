"""The watchdog: this house says when it is blind or mute, by alerts of its own that need no rule to be evaluated.

Facts are gathered every half minute and judged by pure functions, one per question: does every source still send, are
rules evaluated in time and without error, do channels take what they are sent, is there room on the disk, does the lake
take what the store has, is the clock right, do reports come when they are due. What is wrong is pushed as an alert
(`WorkbenchNoData`, ...) that ends by itself once it is right again, and is routed like any other. When alerting itself
cannot take it, the log has it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.outbox import Outbox
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.told import Status
from pitchey_slo.alert.words import length
from pitchey_slo.store import Store, StoreStatus

log = logging.getLogger(__name__)

#: Seconds between looks; an alert ends when it was not said again for three of them.
EVERY: Final = 30.0
#: A source is silent when nothing came for ten minutes and for thirty times its usual pause. Sources with fewer
#: deliveries in the last day have no rhythm to miss: a file was loaded, and that was it.
SILENT: Final = timedelta(minutes=10)
PAUSES: Final = 30
LEAST_DELIVERIES: Final = 50
#: Seconds an evaluation may be late, and a message may wait.
LATE: Final = 5.0
WAITING: Final = 300.0
#: Seconds the lake may lag, and wall clock and elapsed time may differ between two looks.
LAG: Final = 120.0
CLOCK: Final = 30.0
SOURCE: Final = "watchdog"


@dataclass(frozen=True)
class Source:
    """What one sender of one table sent in the last day: deliveries (commits), the first and newest row."""

    table: str
    name: str
    deliveries: int
    first: datetime
    newest: datetime


@dataclass(frozen=True)
class Scheduled:
    """A report that runs by itself: since when it had no success (its last one, or since it is followed), how long that
    may be (seconds), and what was wrong with the last time."""

    name: str
    alive_at: datetime
    max_age: float
    trouble: str | None = None


@dataclass(frozen=True)
class Facts:
    """What is known at one look.

    sources    senders of events with rows in the last day
    targets    scraped targets: name -> why it is down, None when it is up
    rules      of the engine; None while it does not run
    channels   as `Outbox.status` tells
    oldest     channel -> when the oldest message that waits was due
    drift      seconds the wall clock moved more than time passed since the last look
    ahead      seconds the newest commit lies in the future
    schedules  reports that run by themselves
    """

    now: datetime
    sources: Sequence[Source] = ()
    targets: Mapping[str, str | None] = field(default_factory=dict)
    rules: Status | None = None
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    oldest: Mapping[str, datetime] = field(default_factory=dict)
    store: StoreStatus | None = None
    drift: float = 0.0
    ahead: float = 0.0
    schedules: Sequence[Scheduled] = ()


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: the alert's name, its severity, what it is about, and one plain sentence."""

    name: str
    severity: str
    about: str
    text: str


def silent_sources(facts: Facts) -> Iterable[Finding]:
    """Senders that usually send and do not."""
    for source in facts.sources:
        span = (source.newest - source.first).total_seconds()
        if source.deliveries < LEAST_DELIVERIES or span <= 0:
            continue
        pause, silence = span / (source.deliveries - 1), (facts.now - source.newest).total_seconds()
        if silence > max(SILENT.total_seconds(), PAUSES * pause):
            yield Finding(
                "WorkbenchNoData",
                "critical",
                f"{source.table} of {source.name}",
                f"Nothing came from {source.name} into {source.table} for {length(silence)}; "
                f"usually something comes every {length(max(pause, 0.001))}.",
            )


def down_targets(facts: Facts) -> Iterable[Finding]:
    for name, why in facts.targets.items():
        if why is not None:
            yield Finding("WorkbenchTargetDown", "warning", name, f"{name} cannot be scraped: {why}")


def rules_in_trouble(facts: Facts) -> Iterable[Finding]:
    """Files that are refused, rules that fail, evaluations that are late or do not take place."""
    status = facts.rules
    if status is None:
        yield Finding("WorkbenchRulesStopped", "critical", "engine", "Alert rules are not evaluated: not started.")
        return
    if status.error is not None:
        yield Finding("WorkbenchRulesStopped", "critical", "engine", f"Alerting cannot work: {status.error}")
    for file, problem in status.problems.items():
        first = problem.strip().splitlines()[0] if problem.strip() else "it cannot be read"
        yield Finding(
            "WorkbenchConfigRefused", "warning", file, f"{file} is refused, what held before holds on: {first}"
        )
    failing = {rule.name: health.error for group in status.groups for rule in group.rules
               if (health := status.health.get(rule.key)) is not None and health.error is not None}  # fmt: skip
    for name, error in failing.items():
        yield Finding("WorkbenchRuleFails", "warning", name, f"The rule {name} cannot be evaluated: {error}")
    recent = sorted(status.lateness[-2_000:])
    if recent and (late := recent[min(len(recent) - 1, int(len(recent) * 0.99))]) > LATE:
        yield Finding("WorkbenchRulesLate", "warning", "engine", f"One evaluation in a hundred is {length(late)} late.")


def channels_in_trouble(facts: Facts) -> Iterable[Finding]:
    for name, status in facts.channels.items():
        due = facts.oldest.get(name)
        waits = (facts.now - due).total_seconds() if due is not None else 0.0
        error = f": {status['last_error']}" if status.get("last_error") else ""
        if waits > WAITING:
            text = f"{name} takes nothing; the oldest message waits for {length(waits)}{error}"
            yield Finding("WorkbenchChannelFails", "critical", name, text)
        elif status.get("dead"):
            text = f"{name} refused {status['dead']} messages for good since the start{error}"
            yield Finding("WorkbenchChannelFails", "warning", name, text)


def store_in_trouble(facts: Facts) -> Iterable[Finding]:
    status = facts.store
    if status is None:
        return
    if not status.ready:
        yield Finding("WorkbenchStoreDown", "critical", "store", f"The store takes nothing: {status.reason}")
    free, floor = status.free_bytes / 2**20, status.floor_bytes / 2**20
    if free < 2 * floor:
        severity = "critical" if free < 1.2 * floor else "warning"
        text = f"{free:,.0f} MiB are free on the disk; below {floor:,.0f} MiB nothing is taken any more."
        yield Finding("WorkbenchDiskLow", severity, "disk", text)
    if (status.lake_lag_seconds or 0.0) > LAG:
        why = f": {status.lake_error}" if status.lake_error else ""
        text = f"The lake lags {length(status.lake_lag_seconds or 0.0)}; notebooks and reports see old data{why}"
        yield Finding("WorkbenchLakeLags", "warning", "lake", text)
    for first, last in status.gaps:
        text = f"Commits {first} to {last} were acknowledged and are missing; `pitchey-slo repair` says more."
        yield Finding("WorkbenchCommitsMissing", "critical", f"commits {first} to {last}", text)


def wrong_clock(facts: Facts) -> Iterable[Finding]:
    if abs(facts.drift) > CLOCK:
        way = "forward" if facts.drift > 0 else "back"
        text = f"The clock of this machine was turned {way} by {length(abs(facts.drift))}."
        yield Finding("WorkbenchClockOff", "warning", "clock", text)
    if facts.ahead > CLOCK:
        text = f"The clock of this machine is behind what was stored by {length(facts.ahead)}."
        yield Finding("WorkbenchClockOff", "warning", "clock", text)


def schedules_in_trouble(facts: Facts) -> Iterable[Finding]:
    """Reports that do not come any more, failed, or did not arrive."""
    for each in facts.schedules:
        silence = (facts.now - each.alive_at).total_seconds()
        if silence > each.max_age:
            text = (
                f"The report {each.name} has not succeeded for {length(silence)}; at most {length(each.max_age)} pass."
            )
            why = f" Last: {each.trouble}." if each.trouble else ""
            yield Finding("WorkbenchScheduleDead", "critical", each.name, text + why)
        elif each.trouble is not None:
            yield Finding("WorkbenchScheduleFails", "warning", each.name, f"The report {each.name}: {each.trouble}")


QUESTIONS: Final[tuple[Callable[[Facts], Iterable[Finding]], ...]] = (
    silent_sources,
    down_targets,
    rules_in_trouble,
    channels_in_trouble,
    store_in_trouble,
    wrong_clock,
    schedules_in_trouble,
)


def judge(facts: Facts) -> list[Finding]:
    """Everything that is wrong. Pure."""
    return [finding for question in QUESTIONS for finding in question(facts)]


def as_alert(finding: Finding, now: datetime) -> Pushed:
    return Pushed(
        labels={"alertname": finding.name, "severity": finding.severity, "about": finding.about[:200]},
        annotations={
            "summary": finding.text,
            "description": "The workbench watches itself; while this fires, other alerts may be missing or late.",
            "runbook_url": "/docs/runbooks/workbench-blind.md",
            "dashboard_url": "/show/workbench",
        },
        ends_at=now + timedelta(seconds=3 * EVERY),
        source=SOURCE,
    )


class Watchdog:
    """Gathers the facts and says what it finds; in a thread of its own, so that a loop that hangs does not hang it.

    `targets` gives the scraped targets, `schedules` the reports that run by themselves, `monotonic` the time that
    passed whatever the clock says.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        outbox: Outbox,
        clock: Callable[[], datetime],
        *,
        targets: Callable[[], Mapping[str, str | None]] = dict,
        schedules: Callable[[], Sequence[Scheduled]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._engine, self._outbox, self._clock = store, engine, outbox, clock
        self._targets, self._schedules, self._monotonic = targets, schedules, monotonic
        self._last: tuple[datetime, float] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.findings: tuple[Finding, ...] = ()
        self.looked_at: datetime | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="watchdog", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def look(self) -> tuple[Finding, ...]:
        """One look, in this thread; what is wrong is pushed."""
        facts = self.facts()
        found = tuple(judge(facts))
        for finding in found:
            if finding not in self.findings:
                log.warning("%s: %s", finding.name, finding.text)
        self.findings, self.looked_at = found, facts.now
        if found:
            self._engine.push([as_alert(finding, facts.now) for finding in found])
        return found

    def facts(self) -> Facts:
        now, passed = self._clock(), self._monotonic()
        drift = 0.0
        if self._last is not None:
            drift = (now - self._last[0]).total_seconds() - (passed - self._last[1])
        self._last = now, passed
        oldest = self._store.query(
            "SELECT receiver || ' ' || channel AS name, min(due_at) AS due FROM notifications "
            "WHERE state = 'waiting' GROUP BY ALL"
        ).to_pylist()
        newest = self._store.query("SELECT max(committed_at) AS at FROM commits")["at"][0].as_py()
        return Facts(
            now=now,
            sources=self._sources(now),
            targets=self._targets(),
            rules=self._engine.status(),
            channels=self._outbox.status(),
            oldest={row["name"]: row["due"] for row in oldest},
            store=self._store.status(),
            drift=drift,
            ahead=(newest - now).total_seconds() if newest is not None else 0.0,
            schedules=self._schedules(),
        )

    def _sources(self, now: datetime) -> list[Source]:
        found = []
        for table in ("requests", "business_events"):
            rows = self._store.query(
                f"SELECT source, count(DISTINCT commit_seq) AS n, min(ts) AS first, max(ts) AS newest FROM {table} "
                "WHERE ts >= ? GROUP BY source ORDER BY n DESC LIMIT 100",
                [now - timedelta(days=1)],
            ).to_pylist()
            found += [Source(table, r["source"] or "nobody", r["n"], r["first"], r["newest"]) for r in rows]
        return found

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.look()
            except Exception:
                log.exception("the watchdog could not look, and tries again")
