"""The loop: what is due is evaluated, what follows is decided and written in one transaction, and the outbox is woken.

    clock -> schedule -> run_group (in two threads) -> table.after_run -> router.plan -> Store.append_all -> outbox

Everything between the evaluation and the transaction is pure and runs under one lock. When the transaction fails
(disk full, too much waits), nothing of it happened: the next evaluation decides again from what was. All other changes
(alerts that are pushed, acknowledged, resolved by hand) go the same way and are durable when the call returns.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa

from pitchey_slo.alert import pushed as pushing
from pitchey_slo.alert import rows
from pitchey_slo.alert.evaluate import Place, Reach, TickScan, reach_of
from pitchey_slo.alert.model import Alert, fingerprint
from pitchey_slo.alert.news import News, changed_rules
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.recording import batch_of
from pitchey_slo.alert.restore import restore
from pitchey_slo.alert.router import NoRouter, Planned, Planner
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.rules import RuleGroup
from pitchey_slo.alert.running import GroupRun, data_ms, run_group
from pitchey_slo.alert.schedule import Due, Schedule
from pitchey_slo.alert.state import ended
from pitchey_slo.alert.table import Change, Table, after_run, without_rules
from pitchey_slo.alert.told import Health, Status
from pitchey_slo.errors import NotFound
from pitchey_slo.promql import Scan
from pitchey_slo.series import Labels, SampleBatch
from pitchey_slo.settings import Settings
from pitchey_slo.store import SampleReceipt, Store, utc_now

log = logging.getLogger(__name__)

#: Evaluations that run at once.
WORKERS: Final = 2
#: Seconds between looks at the rule files, and the longest the loop sleeps: a clock that is set is noticed by then.
LOOK: Final = 5.0
NAP: Final = 0.5
#: Seconds `close` waits for what is being evaluated.
GRACE: Final = 15.0
#: How long ended alerts stay in memory, at least.
LINGER: Final = timedelta(minutes=1)


class Engine:
    """One per store. Any thread may call any method.

    scan   answers queries from live data (`StoreScan`)
    book   the rules; those of `settings.config` when it is not given
    router decides who is told (`router.Router`); without one nobody is
    wake   called after messages were written to the outbox
    url    where this server is reached, for links
    """

    def __init__(
        self,
        store: Store,
        scan: Scan,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = utc_now,
        book: RuleBook | None = None,
        router: Planner | None = None,
        wake: Callable[[], None] = lambda: None,
        url: str = "",
        workers: int = WORKERS,
    ) -> None:
        self._store, self._scan, self._clock, self._wake = store, scan, clock, wake
        self._book = book or RuleBook(settings.config / "rules", settings.config / "slos")
        self._router: Planner = router or NoRouter()
        self._place = Place(url, {})
        self._lock = threading.RLock()
        self._table = Table()
        self._seen: Mapping[str, datetime] = {}
        self._groups: tuple[RuleGroup, ...] = ()
        self._reach: Reach = {}
        self._schedule = Schedule(clock())
        self._news = News()
        self._health: dict[str, Health] = {}
        self._runs: dict[str, GroupRun] = {}
        self._lateness: deque[float] = deque(maxlen=20_000)
        self._ticks: dict[int, TickScan] = {}
        self._plan_at: datetime | None = None
        self._refused: dict[str, int] = {}
        self._written: Future[SampleReceipt] | None = None
        self._loaded = False
        self._changed = True
        self._looked_at: datetime | None = None
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="rules")
        self._done: queue.SimpleQueue[GroupRun | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: str | None = None

    # life

    def start(self) -> None:
        """Begin to evaluate, in a thread. Idempotent."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Evaluate no more; what runs is waited for, bounded. Its result may be lost: the next start evaluates anew."""
        self._stop.set()
        self._done.put(None)
        if self._thread is not None:
            self._thread.join(GRACE)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def load(self) -> None:
        """Read rules, routes and what was remembered; `start` and `run_due` do it."""
        with self._lock:
            if self._loaded:
                return
            now = self._clock()
            self._router.refresh()
            self._router.load(self._store, now)
            restored = restore(self._store, self._scan, self._router.wanted(), now, self._router.resolve_timeout)
            self._table, self._seen = restored.table, restored.seen
            if restored.stretched:
                self._store.append_all({"alerts": rows.alert_rows(restored.stretched)})
            self._news.begin(self._store, now)
            self._loaded = True
            self._refresh(now)

    # work

    def run_due(self, now: datetime | None = None) -> int:
        """Everything that is due, in this thread: for tests and tools. Returns how many groups were evaluated."""
        self.load()
        now = now or self._clock()
        self._refresh(now)
        runs = [self._run(due) for due in self._schedule.due(self._groups, now)]
        self._settle(runs, now)
        if self._written is not None:
            self._written.exception(GRACE)
        return len(runs)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self.load()
                now = self._clock()
                if self._looked_at is None or abs((now - self._looked_at).total_seconds()) >= LOOK:
                    self._refresh(now)
                for due in self._schedule.due(self._groups, now):
                    self._pool.submit(lambda due=due: self._done.put(self._run(due)))  # type: ignore[misc]
                self._settle(self._collect(now))
                self._failed = None
            except Exception as error:
                # whatever it is, the loop goes on: the next turn decides again from what was committed
                text = f"{type(error).__name__}: {error}"
                if text != self._failed:
                    log.exception("alerting failed, and tries again")
                self._failed = text
                self._stop.wait(1.0)

    def _collect(self, now: datetime) -> list[GroupRun]:
        """The evaluations that are done, waiting for one until the next is due."""
        next_at = self._schedule.next_at(self._groups, now)
        nap = NAP if next_at is None else min(NAP, max(0.0, (next_at - now).total_seconds()))
        runs: list[GroupRun] = []
        try:
            first = self._done.get(timeout=nap)
            while True:
                if first is not None:
                    runs.append(first)
                first = self._done.get_nowait()
        except queue.Empty:
            return runs

    def _run(self, due: Due) -> GroupRun:
        try:
            return run_group(due, self._tick(due), self._place, self._record)
        finally:
            self._schedule.done(due.group)

    def _tick(self, due: Due) -> TickScan:
        """The scan shared by all groups that look at the same time."""
        at = data_ms(due.group, due.at)
        with self._lock:
            if at not in self._ticks:
                for old in sorted(self._ticks)[:-3]:
                    del self._ticks[old]
                self._ticks[at] = TickScan(self._scan, at, self._reach)
            return self._ticks[at]

    def _record(self, at_ms: int, series: Mapping[Labels, float]) -> None:
        batch = batch_of([(at_ms, series)])
        if batch is not None:
            self._store.samples(batch).result(10)

    def _refresh(self, now: datetime) -> None:
        """Take the rules and routes that are in the files now."""
        self._looked_at = now
        changed = self._book.refresh()
        self._changed = self._router.refresh() or changed or self._changed
        if not self._changed:
            return
        with self._lock:
            before, self._groups = self._groups, self._book.groups
            self._reach = reach_of(self._groups)
            self._schedule.forget(self._groups)
            change = Change()
            at_ms = round(now.timestamp() * 1000)
            table = without_rules(self._table, self._groups, now, at_ms, change, keep=self._book.problems)
            news = changed_rules(before, self._groups) if before else []
            # a decision that was applied says more about the same change
            news = [each for each in news if fingerprint(each.labels) not in table.pushed]
            self._commit(table, change, now, news, plan=True)
            self._changed = False  # only now: what could not be written is tried again

    def _settle(self, runs: Sequence[GroupRun], now: datetime | None = None) -> None:
        """What follows from some evaluations, from time passing, and from news. The time is taken under the lock: while
        it was waited for something may have begun, and before that is no time to decide about it."""
        with self._lock:
            now = now or self._clock()
            change = Change()
            table = self._table
            known = {group.key for group in self._groups}
            for run in runs:
                if run.group.key in known:
                    table = after_run(table, run, self._seen, change)
            expired, events = pushing.expire(table.pushed, now)
            for alert in expired.values():
                table = table.without(alert)
            change.put(expired.values())
            change.events += events
            due = self._plan_at is not None and now >= self._plan_at
            self._commit(table, change, now, self._news.look(self._store, now), plan=due)
            self._note(runs)

    def _commit(
        self, table: Table, change: Change, now: datetime, news: Iterable[Pushed] = (), *, plan: bool = False
    ) -> None:
        """Write a change and what follows from it, then take it as what is. Under the lock."""
        table = self._with_pushed(table, [pushing.check(each) for each in news], now, change)
        # asked first: a silence that was written a moment ago holds for what is decided now
        moved = self._router.moved(self._store, now) or bool(change.alerts or change.events) or plan
        planned = self._router.plan(table.told(), now) if moved else Planned()
        written: dict[str, pa.Table] = dict(planned.rows)
        events = [*change.events, *planned.events]
        if change.alerts:
            written["alerts"] = rows.alert_rows(change.alerts.values())
        if events:
            written["alert_events"] = rows.event_rows(events)
        if written:
            self._store.append_all(written)
        if moved:
            self._router.accept(planned)
            self._plan_at = planned.next_at
            wanted = self._router.wanted()
            table = replace(table, over={k: a for k, a in table.over.items() if k in wanted or _fresh(a, now)})
        self._table = table
        batch = batch_of(change.series)
        if batch is not None:
            self._store_samples(batch)
        if "notifications" in written:
            self._wake()

    def _store_samples(self, batch: SampleBatch) -> None:
        def done(future: Future[SampleReceipt]) -> None:
            error = future.exception()
            if error is not None:
                log.warning("series of rules were not stored: %s", error)
            else:
                for reason, count in future.result().counts.items():
                    self._refused[reason] = self._refused.get(reason, 0) + count

        self._written = self._store.samples(batch)
        self._written.add_done_callback(done)

    def _with_pushed(self, table: Table, sent: Sequence[Pushed], now: datetime, change: Change) -> Table:
        after, events = pushing.take(table.pushed, sent, now, self._router.resolve_timeout)
        change.put(after.values())
        change.events += events
        for key, alert in after.items():
            if alert.state == "resolved":
                table = table.without(alert)
            else:
                table = replace(table, pushed={**table.pushed, key: alert})
        return table

    def _note(self, runs: Sequence[GroupRun]) -> None:
        now = self._clock()
        for run in runs:
            due = run.due.at + timedelta(seconds=self._schedule.delay(run.group))
            late = (now - due).total_seconds()
            self._lateness.append(late)
            self._runs[run.group.key] = run
            for each in run.rules:
                self._health[each.rule.key] = Health(each.error, run.due.at, each.seconds)

    # from outside

    def push(self, alerts: Iterable[Pushed]) -> list[str]:
        """Take alerts that others send; durable when it returns. Returns their fingerprints.

        Raises RequestError when one of them is none (then nothing is taken), or what `Store.append_all` raises.
        """
        sent = [pushing.check(pushing.scrubbed(each, self._store.scrubber)) for each in alerts]
        self.load()
        with self._lock:
            now, change = self._clock(), Change()
            table = self._with_pushed(self._table, sent, now, change)
            self._commit(table, change, now)
        return [fingerprint(each.labels) for each in sent]

    def resolve(self, alert_id: str, by: str, reason: str = "") -> Alert:
        """End an alert by hand. A rule whose condition holds begins it anew. Raises NotFound."""
        self.load()
        with self._lock:
            now, change = self._clock(), Change()
            alert = self._known(alert_id)
            if alert.state == "resolved":
                return alert
            reason = self._store.scrubber.text(reason, source="people")
            why = f"{by} resolved it by hand" + (f" ({reason})" if reason else "")
            done, change.events = ended(alert, now, why)
            change.put([done])
            self._commit(self._table.without(done), change, now)
        return done

    def acknowledge(self, alert_id: str, by: str, comment: str = "") -> Alert:
        """Take an alert on: escalation stops. Raises NotFound."""
        self.load()
        with self._lock:
            now, change = self._clock(), Change()
            alert = self._known(alert_id)
            comment = self._store.scrubber.text(comment, source="people")
            taken, events = self._router.acknowledge([alert], by, now, comment)
            table = self._table
            for each in taken:
                table = table.with_alert(each)
            change.put(taken)
            change.events += events
            self._commit(table, change, now)
        return taken[0] if taken else alert

    def wake(self) -> None:
        """Look at once: a silence was written, a file changed."""
        with self._lock:
            self._looked_at = None
            self._plan_at = self._clock()
        self._done.put(None)

    # to look at

    def alerts(self) -> list[Alert]:
        """Pending and firing alerts, and those that ended and are still being told."""
        self.load()
        with self._lock:
            return [*self._table.active(), *self._table.over.values()]

    def find(self, alert_id: str) -> Alert | None:
        with self._lock:
            return self._table.find(alert_id)

    @property
    def router(self) -> Planner:
        return self._router

    def status(self) -> Status:
        """Everything about groups and rules, for /api/v1/rules, `rules list` and the watchdog."""
        with self._lock:
            return Status(
                groups=self._groups,
                table=self._table,
                health=dict(self._health),
                runs=dict(self._runs),
                turns={key: replace(turn) for key, turn in self._schedule.turns.items()},
                problems={**self._book.problems, **self._router.problems},
                lateness=tuple(self._lateness),
                refused=dict(self._refused),
                error=self._failed,
            )

    def _known(self, alert_id: str) -> Alert:
        alert = self._table.find(alert_id)
        if alert is None:
            raise NotFound(f"no alert {alert_id!r} is pending or firing; the history lists those that ended")
        return alert


def _fresh(alert: Alert, now: datetime) -> bool:
    return alert.resolved_at is not None and abs(now - alert.resolved_at) < LINGER
