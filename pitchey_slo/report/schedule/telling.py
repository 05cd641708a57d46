"""Messages about due times and their receipts, in the same commits as the times themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from pitchey_slo.alert import rows as alert_rows
from pitchey_slo.alert.config import Receiver, RoutesConfig, receiver_beside
from pitchey_slo.alert.model import Message, Notification
from pitchey_slo.errors import PitcheyError
from pitchey_slo.report import index
from pitchey_slo.report.record import find_run
from pitchey_slo.report.schedule import book as kept
from pitchey_slo.report.schedule import messages
from pitchey_slo.report.schedule.book import Book
from pitchey_slo.report.schedule.messages import Kind
from pitchey_slo.report.schedule.model import Due, Schedule, rows_of
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store

log = logging.getLogger(__name__)

_SETTLED: Final = frozenset({"sent", "merged", "dead", "dropped"})
_LOST: Final = frozenset({"dead", "dropped", "failed", "unknown"})


class Outlet(Protocol):
    """The way out: the channels of alerting, which also take receivers that schedules bring."""

    def routes(self) -> RoutesConfig | None:
        """What the routes file says; None when there is none."""
        ...

    def offer(self, receivers: Sequence[Receiver]) -> None:
        """Send for these too, instead of those that were offered before."""
        ...

    def channel_names(self) -> Mapping[str, Sequence[str]]:
        """Receiver -> its channels that are switched on."""
        ...

    def wake(self) -> None:
        """Say that messages were added."""
        ...


class Telling:
    """Writes due times with their messages, and keeps the receipts."""

    def __init__(
        self, store: Store, settings: Settings, outlet: Outlet, clock: Callable[[], datetime], book: Book
    ) -> None:
        self._store, self._settings, self._outlet, self._clock, self._book = store, settings, outlet, clock, book
        self._offered: tuple[int, RoutesConfig | None] | None = None
        self.switched_off: dict[str, tuple[str, ...]] = {}

    def offer(self, schedules: Mapping[str, Schedule]) -> None:
        """Give the receivers that schedules bring to the way out, when they or the routes changed."""
        routes = self._outlet.routes()
        if self._offered == (self._book.version, routes):
            return
        found: list[Receiver] = []
        for schedule in schedules.values():
            kinds: tuple[Kind, ...] = ("report", "failed")
            for kind, target in zip(kinds, (schedule.deliver, schedule.on_failure), strict=True):
                channels = messages.channels_of(target)
                if channels:
                    name = messages.receiver_of(schedule.name, kind)
                    receiver, off = receiver_beside(name, channels, routes, self._settings)
                    found.append(receiver)
                    self.switched_off[schedule.name] = off
        self._outlet.offer(found)
        self._offered = self._book.version, routes

    def tell(self, schedule: Schedule, due: Due, told: Sequence[tuple[Kind, Message]], now: datetime) -> Due:
        """`due` with its messages, all written at once; nobody to be told is a receipt of its own."""
        sent: list[Notification] = []
        entries: list[Mapping[str, Any]] = []
        for kind, message in told:
            if not messages.wanted(schedule, kind):
                continue
            to = messages.targets(schedule, kind, self._outlet.channel_names())
            if not to:
                answer = "; ".join(self.switched_off.get(schedule.name, ())) or "no such receiver, or it has no channel"
                entries.append({"id": None, "kind": kind, "receiver": "", "channel": "", "answer": answer})
            new = messages.notifications(message, kind, f"{due.id} {due.run_id}", to, now)
            sent += new
            entries += [{"id": n.id, "kind": kind, "receiver": n.receiver, "channel": n.channel} for n in new]
        due = due.now(now, told=tuple(entries), receipt=None if entries else ())
        self.write([due], sent)
        return due

    def write(self, dues: Sequence[Due], notices: Sequence[Notification] = ()) -> None:
        """In one commit; a message that is there already is not written again, whatever became of it."""
        tables: dict[str, pa.Table] = {}
        if dues:
            tables["report_dues"] = rows_of(list(dues))
        if notices:
            ids = [n.id for n in notices]
            marks = ", ".join("?" * len(ids))
            there = self._store.query(f"SELECT id FROM notifications WHERE id IN ({marks})", ids)["id"].to_pylist()
            new = [n for n in notices if n.id not in there]
            if new:
                tables["notifications"] = alert_rows.notification_rows(new)
        if tables:
            self._store.append_all(tables)
        if "notifications" in tables:
            self._outlet.wake()

    def settle(self) -> list[Due]:
        """Keep the receipt of messages that arrived, or did not, with the due time and its run."""
        settled = []
        for due in kept.unsettled(self._store.query):
            receipt = self._receipt(due)
            if receipt is not None:
                settled.append(self._settle(due, receipt))
        return settled

    def _receipt(self, due: Due) -> list[dict[str, Any]] | None:
        """What became of each message; None while one is under way."""
        ids = [entry["id"] for entry in due.told if entry["id"]]
        marks = ", ".join("?" * len(ids)) or "NULL"
        rows = self._store.query(f"SELECT id, state, sent_at, answer FROM notifications WHERE id IN ({marks})", ids)
        known = {row["id"]: row for row in rows.to_pylist()}
        if any(row["state"] not in _SETTLED for row in known.values()):
            return None
        found = []
        for entry in due.told:
            row = known.get(entry["id"] or "", {})
            state = row.get("state") or ("unknown" if entry["id"] else "failed")
            at = row.get("sent_at")
            answer = row.get("answer") or entry.get("answer")
            plain = {k: entry[k] for k in ("receiver", "channel", "kind")}
            found.append({**plain, "state": state, "at": at.isoformat() if at else None, "answer": answer})
        return found

    def _settle(self, due: Due, receipt: list[dict[str, Any]]) -> Due:
        now = self._clock()
        lost = [r for r in receipt if r["kind"] == "report" and r["state"] in _LOST]
        notices: list[Notification] = []
        schedule = self._book.current().get(due.schedule)
        if lost and schedule is not None:
            log.error("report %s was not delivered: %s", due.id, "; ".join(str(r["answer"]) for r in lost))
            failed = {(r["receiver"], r["channel"]) for r in lost}
            to = messages.targets(schedule, "undelivered", self._outlet.channel_names())
            message = messages.undelivered(schedule, due, lost)
            notices = messages.notifications(message, "undelivered", due.id, [t for t in to if t not in failed], now)
        due = due.now(now, receipt=tuple(receipt))
        self.write([due], notices)
        self._into_run(due, receipt)
        return due

    def _into_run(self, due: Due, receipt: list[dict[str, Any]]) -> None:
        if due.run_id is None:
            return
        try:
            run = replace(find_run(self._reports, due.run_id), delivery=receipt)
            run.write()
        except (PitcheyError, OSError) as error:
            log.warning("the receipt of run %s cannot be kept with it: %s", due.run_id, error)
            return
        self._store.append("report_runs", run.row())
        index.write(self._reports)

    @property
    def _reports(self) -> Path:
        return self._settings.reports.absolute()
