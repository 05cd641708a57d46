"""Runs what is due, tells who is to be told, and keeps the receipt; every step is a row before it is a deed.

    look: times that are due -> rows (waiting or skipped) -> work: running -> the run -> its end and the messages about
    it in one commit -> settle: what became of the messages -> the receipt, here and with the run

A process that is killed leaves a row that says `running`; at the next start the run is adopted when it had ended, else
begun again, three times at most. So no time is lost, and none is told twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pitchey_slo.alert.model import Message
from pitchey_slo.errors import NotFound, PitcheyError, did_you_mean
from pitchey_slo.report.catalogue import find
from pitchey_slo.report.parameters import from_text
from pitchey_slo.report.record import Run, find_run, runs
from pitchey_slo.report.run import Asked, Outcome, Told, run_notebook, utc_now
from pitchey_slo.report.schedule import book as kept
from pitchey_slo.report.schedule import messages, plan, times
from pitchey_slo.report.schedule.book import Book
from pitchey_slo.report.schedule.messages import Kind
from pitchey_slo.report.schedule.model import Due, Schedule, due_id
from pitchey_slo.report.schedule.telling import Outlet, Telling
from pitchey_slo.report.worker import Limits
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store

log = logging.getLogger(__name__)

#: Seconds between looks; runs at a time; how often one time is begun before it is given up.
EVERY: Final = 5.0
WORKERS: Final = 2
ATTEMPTS: Final = 3
#: Seconds that a stop waits for runs to be given up.
GRACE: Final = 15.0


class Scheduler:
    """One per store. `run` is what runs a notebook, `where` the folder of notebooks; with `built_in` False nothing is
    due by itself (systemd timers ask for it), and all else works."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        outlet: Outlet,
        clock: Callable[[], datetime] = utc_now,
        *,
        run: Callable[..., Outcome] = run_notebook,
        where: Path | None = None,
        built_in: bool = True,
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._run, self._where, self.built_in = run, where, built_in
        self.book = Book(settings.config)
        self._followed = kept.followed(self._query)
        self._last = kept.last_dues(self._query)
        self._telling = Telling(store, settings, outlet, clock, self.book)
        self._busy: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stop, self._wake = threading.Event(), threading.Event()
        self._recovered = False
        self._idle = False  # nothing waits and nothing is unsettled: without schedules there is nothing to look at

    # by itself

    def start(self) -> None:
        """Look and work in threads of its own. Idempotent."""
        if not self._threads:
            names = ["schedules", *(f"reports {n}" for n in range(WORKERS))]
            works = [self._look_on, *[self._work_on] * WORKERS]
            self._threads = [threading.Thread(target=w, name=n, daemon=True) for n, w in zip(names, works, strict=True)]
            for thread in self._threads:
                thread.start()

    def close(self) -> None:
        """Give up what runs; it is begun again at the next start."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(GRACE)

    def _look_on(self) -> None:
        while not self._stop.is_set():
            try:
                if self.book.current() or not self._idle:
                    self.look()
                    self.settle()
                    waiting = kept.open_dues(self._query)
                    self._idle = not waiting and not kept.unsettled(self._query)
                    if waiting:
                        self._wake.set()
            except Exception:
                log.exception("schedules could not be looked at; again in %g s", EVERY)
            self._stop.wait(EVERY)

    def _work_on(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                while not self._stop.is_set() and (due := self._take()) is not None:
                    try:
                        self.work(due)
                    finally:
                        self._give_back(due)
            except Exception:
                log.exception("a due report could not be worked on, and is taken up again")
            if not self._stop.is_set():  # asked after the clearing above: a stop in between is not slept through
                self._wake.wait()

    # step by step

    def run_due(self) -> list[Due]:
        """Everything due now, in this thread; returns what came of it. For tests and for `report schedule run`."""
        self.look()
        done = []
        while (due := self._take()) is not None:
            try:
                done.append(self.work(due))
            finally:
                self._give_back(due)
        self.settle()
        return done

    def look(self) -> list[Due]:
        """Take down the times that are due now, and tell of those that nobody runs any more."""
        if not self._recovered:
            self._recover()
        now, schedules = self._clock(), self.book.current()
        self._telling.offer(schedules)
        found: list[Due] = []
        for schedule in schedules.values():
            since = self._followed.get(schedule.name)
            if since is None or since.rule != schedule.rule:
                # a new rule: times before now were nobody's
                self._followed[schedule.name] = since = plan.followed(schedule, now)
                self._telling.write([since])
            if schedule.enabled and self.built_in:
                last = max(since.due_at, self._last.get(schedule.name, since.due_at))
                found += self._take_down(schedule, plan.due_now(schedule, last, now), now)
        if found:
            self._wake.set()
        return found

    def ask(self, name: str, now: datetime | None = None) -> Due:
        """A run of a schedule now, because somebody asks. Raises NotFound."""
        schedules = self.book.current()
        if name not in schedules:
            hint = did_you_mean(name, schedules) or f"there are: {', '.join(schedules) or 'none'}"
            raise NotFound(f"no schedule {name!r} in {self.book.path}; {hint}")
        self._telling.offer(schedules)
        now = now or self._clock()
        due = Due(f"{due_id(name, now)}+manual", name, now, "waiting", now, trigger="manual", rule=schedules[name].rule)
        self._telling.write([due])
        self._wake.set()
        return due

    def work(self, due: Due) -> Due:
        """Run what is due and tell of it; answers how it ended. One that is interrupted by a stop stays as it is."""
        now = self._clock()
        schedule = self.book.current().get(due.schedule)
        if schedule is None:
            gone = due.now(now, state="skipped", ended_at=now, reason=f"{self.book.path} has no such schedule any more")
            log.error("report %s is not run: %s", due.id, gone.reason)
            self._telling.write([gone])
            return gone
        self._telling.offer(self.book.current())
        due = due.now(now, state="running", started_at=now, attempts=due.attempts + 1)
        self._telling.write([due])
        try:
            return self._end(schedule, due, self._made(due) or self._made_now(schedule, due), None)
        except InterruptedError:
            return due
        except PitcheyError as error:
            return self._end(schedule, due, self._failing(error), error.message)
        except Exception as error:
            log.exception("report %s could not be run", due.id)
            return self._end(schedule, due, None, f"{type(error).__name__}: {error}")

    def settle(self) -> list[Due]:
        """Keep the receipt of messages that arrived, or did not, with the due time and its run."""
        return self._telling.settle()

    @property
    def switched_off(self) -> Mapping[str, Sequence[str]]:
        """Schedule -> channels of its own that are switched off, and why."""
        return self._telling.switched_off

    # inside

    def _made_now(self, schedule: Schedule, due: Due) -> Run:
        notebook = find(schedule.notebook, self._where)
        texts = times.resolve(schedule.parameters, due.due_at, schedule.zone)
        given = from_text(texts, notebook.parameters, notebook=notebook.name)
        asked = Asked(
            trigger=due.trigger,
            schedule=schedule.name,
            due_at=due.due_at,
            attempts=due.attempts,
            again=True,
            needs=schedule.data,
            require_fresh=schedule.require_fresh,
        )
        outcome = self._run(
            notebook,
            given,
            self._settings,
            asked=asked,
            clock=self._clock,
            limits=Limits(schedule.seconds),
            told=Told(stop=self._stop.is_set),
            keep=self._keep,
        )
        for warning in outcome.warnings:
            log.warning("report %s: %s", due.id, warning)
        return outcome.run

    def _made(self, due: Due) -> Run | None:
        """The run of an earlier attempt that had ended well before its end was written down."""
        if due.attempts < 2:
            return None
        made = (r for r in runs(self._reports) if r.schedule == due.schedule and r.due_at == due.due_at)
        return next((r for r in made if r.status == "succeeded"), None)

    def _failing(self, error: PitcheyError) -> Run | None:
        detail = error.detail if isinstance(error.detail, dict) else {}
        try:
            return find_run(self._reports, str(detail["id"])) if "id" in detail else None
        except PitcheyError:
            return None

    def _end(self, schedule: Schedule, due: Due, run: Run | None, why: str | None) -> Due:
        """Write the end and the messages about it, in one commit."""
        now = self._clock()
        told: list[tuple[Kind, Message]] = []
        if why is not None or run is None:
            log.error("report %s failed: %s", due.id, why)
            told.append(("failed", messages.failed(schedule, due, why or "it made no report", run)))
        else:
            told.append(("report", messages.report(schedule, due, run)))
            if run.verdict != "fresh":
                told.append(("not_fresh", messages.not_fresh(schedule, run)))
        ended = due.now(
            now, state="failed" if why else "succeeded", ended_at=now, reason=why or due.reason,
            run_id=run.id if run is not None else None,
        )  # fmt: skip
        return self._telling.tell(schedule, ended, told, now)

    def _take_down(self, schedule: Schedule, dues: list[Due], now: datetime) -> list[Due]:
        if not dues:
            return []
        self._last[schedule.name] = dues[-1].due_at
        skipped = [d for d in dues if d.state == "skipped"]
        # the newest of those skipped carries the message about all
        rest = [d.now(now, receipt=()) if d in skipped else d for d in dues if d not in skipped[-1:]]
        self._telling.write(rest)
        if skipped:
            log.warning("%s: %d due times were missed and are not run", schedule.name, len(skipped))
            self._telling.tell(schedule, skipped[-1], [("missed", messages.missed(schedule, skipped))], now)
        return dues

    def _recover(self) -> None:
        """What a process that is gone left running: adopted, begun again, or given up."""
        self._recovered = True
        now, schedules = self._clock(), self.book.current()
        for due in kept.open_dues(self._query):
            if due.state != "running":
                continue
            schedule = schedules.get(due.schedule)
            if due.attempts >= ATTEMPTS and schedule is not None and self._made(due) is None:
                self._telling.offer(schedules)
                self._end(schedule, due, None, f"begun {due.attempts} times, and never ended")
            else:
                log.warning("report %s was interrupted and is begun again", due.id)
                self._telling.write([due.now(now, state="waiting")])

    def _keep(self, run: Run, settings: Settings) -> str | None:  # noqa: ARG002  # as `record.register`
        try:
            self._store.append("report_runs", run.row())
            if run.status == "running":
                self._store.flush()  # the worker reads the lake
        except PitcheyError as error:
            return f"run {run.id} is not in the table report_runs: {error.message}"
        return None

    def _take(self) -> Due | None:
        with self._lock:
            for due in kept.open_dues(self._query):
                if due.state == "waiting" and due.id not in self._busy:
                    self._busy.add(due.id)
                    return due
        return None

    def _give_back(self, due: Due) -> None:
        with self._lock:
            self._busy.discard(due.id)

    def _query(self, sql: str, params: Sequence[Any]) -> pa.Table:
        return self._store.query(sql, params)

    @property
    def _reports(self) -> Path:
        return self._settings.reports.absolute()
