"""One channel's desk: takes what waits for its channel, one message at a time, and writes down what became of it."""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_slo.alert import rows
from pitchey_slo.alert.budget import Bucket
from pitchey_slo.alert.channels.base import Channel
from pitchey_slo.alert.clean import clean
from pitchey_slo.alert.lane import Merge, Send, Step, Supersede, Wait, Waiting, choose
from pitchey_slo.alert.letters import digest_of, events_of, fallbacks_of
from pitchey_slo.alert.model import AlertEvent, Message, Notification
from pitchey_slo.alert.retry import Retry
from pitchey_slo.errors import ChannelError, StoreError
from pitchey_slo.store import Store

log = logging.getLogger(__name__)

DEFAULT_RETRY: Final = Retry()
#: Rows looked at in one go; the most severe and oldest come first.
LOOK: Final = 2_000
#: Failures in a row after which an event is written only now and then: a day of retries is not a day of events.
TOLD_FAILURES: Final = 3
#: A channel that failed several times in a row is left alone for up to this many seconds, so that not each of a hundred
#: messages waits for the same dead server.
PAUSE: Final = 30.0

_LOOK_SQL: Final = """
    SELECT id, dedup_key, action, coalesce(severity, '') AS severity, created_at, next_attempt_at, updated_at, attempts,
           commit_seq
    FROM notifications WHERE state = 'waiting' AND receiver = ? AND channel = ?
    ORDER BY max(CASE severity WHEN 'critical' THEN 1 ELSE 0 END) OVER (PARTITION BY dedup_key) DESC,
             attempts = 0, commit_seq, created_at, id
    LIMIT ?
"""


class Desk:
    """`run_due` and `work` must not run at once. `channel` None means that nobody has it any more."""

    def __init__(
        self,
        store: Store,
        receiver: str,
        name: str,
        clock: Callable[[], datetime],
        retry: Retry,
        rng: random.Random,
        probe: Callable[[str], None],
        on_new: Callable[[], None],
    ) -> None:
        self._store = store
        self._receiver, self._name = receiver, name
        self._clock, self._retry, self._rng = clock, retry, rng
        self._probe, self._on_new = probe, on_new
        self._channel: Channel | None = None
        self._fallbacks: tuple[tuple[str, str], ...] = ()
        self._bucket = Bucket(None)
        self._costs: dict[str, float] = {}
        self._paused_at = clock()
        self._paused_until: datetime | None = None
        self._failures = 0
        self._stop, self._wake = threading.Event(), threading.Event()
        self._counts: Counter[str] = Counter()
        self._last: dict[str, Any] = {"last_error": None, "last_ok_at": None}
        self._waiting: list[Waiting] = []

    def use(self, channel: Channel | None, fallbacks: tuple[tuple[str, str], ...]) -> None:
        """Send through `channel` from now on; `fallbacks` are (receiver, channel) that hear of what it refuses."""
        if channel is None or self._channel is None or channel.rate != self._channel.rate:
            self._bucket = Bucket(channel.rate if channel else None)
        if channel is not self._channel:
            self._paused_until, self._failures = None, 0
            self._costs.clear()
        self._channel, self._fallbacks = channel, fallbacks

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def status(self) -> Mapping[str, Any]:
        counts = {name: self._counts[name] for name in ("sent", "failed", "dead", "merged", "dropped")}
        return {"waiting": len(self._waiting), **counts, **self._last, "paused_until": self._paused_until}

    def work(self) -> None:
        """Send until stopped."""
        while not self._stop.is_set():
            self._wake.clear()
            until: datetime | None = None
            try:
                self._waiting = self._look()
                while not self._stop.is_set() and not self._wake.is_set():
                    step = self._choose(self._clock())
                    if isinstance(step, Wait):
                        until = step.until
                        break
                    self._do(step, self._clock)
            except Exception as error:  # noqa: BLE001  # the thread must live: the row still waits and is read again
                log.error("%s %s: %s: %s", self._receiver, self._name, type(error).__name__, self._safe(str(error)))
                self._stop.wait(1.0)
            seconds = (until - self._clock()).total_seconds() if until else None
            # never long: a clock that is turned forward must not be slept through
            self._wake.wait(None if seconds is None else min(max(0.0, seconds), 5.0))

    def run_due(self, now: datetime) -> int:
        """Everything due at `now`; returns the attempts made."""
        attempts = 0
        self._waiting = self._look()
        while not isinstance(step := self._choose(now), Wait):
            attempts += isinstance(step, Send)
            self._do(step, lambda: now)
        return attempts

    def _look(self) -> list[Waiting]:
        found = self._store.query(_LOOK_SQL, [self._receiver, self._name, LOOK]).to_pylist()
        return [Waiting(**row) for row in found]

    def _choose(self, now: datetime) -> Step:
        channel, rate = self._channel, self._bucket.rate
        return choose(
            self._waiting,
            now,
            budget=self._bucket.level(now),
            per_second=rate.per_second if rate else float("inf"),
            paused_until=self._paused_until if self._still_paused(now) else None,
            mergeable=channel.mergeable if channel else False,
            cost=self._cost,
        )

    def _still_paused(self, now: datetime) -> bool:
        """A pause that has not begun yet is from before the clock was turned back."""
        return self._paused_until is not None and now >= self._paused_at - timedelta(seconds=5)

    def _cost(self, row: Waiting) -> float:
        """What a message takes of the budget; computed once."""
        if self._channel is None:
            return 1.0
        if row.id not in self._costs:
            self._costs[row.id] = self._channel.cost(self._read(row.id))
        return self._costs[row.id]

    def _do(self, step: Step, clock: Callable[[], datetime]) -> None:
        if isinstance(step, Supersede):
            self._drop(step, clock())
        elif isinstance(step, Merge):
            self._merge(step, clock())
        elif isinstance(step, Send):
            self._send(step.row, clock)

    def _send(self, row: Waiting, clock: Callable[[], datetime]) -> None:
        notification = self._read(row.id)
        if self._channel is None:
            gone = ChannelError(f"receiver {self._receiver} has no channel {self._name} any more", permanent=True)
            self._dead(notification, gone, clock())
            return
        self._bucket.take(self._cost(row), clock())
        self._probe("before_send")
        try:
            answer = self._channel.send(notification)
        except ChannelError as error:
            self._failed(notification, error, clock())
            return
        self._probe("after_send")
        now = clock()
        self._failures, self._paused_until = 0, None
        self._last |= {"last_ok_at": now}
        self._commit(
            [_marked(notification, now, state="sent", sent_at=now, answer=answer.text)],
            events_of(notification, now, "sent", f"sent to {self._name} of {self._receiver}: {answer.text}"),
        )
        self._counts["sent"] += 1
        self._forget(row)
        self._probe("after_commit")

    def _failed(self, notification: Notification, error: ChannelError, now: datetime) -> None:
        self._counts["failed"] += 1
        self._failures += 1
        self._last |= {"last_error": error.message}
        if error.permanent or self._retry.over(notification.due_at, now):
            self._dead(notification, error, now)
            return
        attempts = notification.attempts + 1
        wait = self._retry.wait(attempts, error, self._rng)
        pause = min(wait, PAUSE, 2.0 ** min(self._failures - 1, 10)) if error.retry_after is None else wait
        self._paused_at, self._paused_until = now, now + timedelta(seconds=pause)
        again = now + timedelta(seconds=wait)
        text = f"{self._name} of {self._receiver} failed: {error.message}; again at {again:%H:%M:%S} UTC"
        log.warning("%s (message %s, attempt %d)", text, notification.id, attempts)
        told = attempts <= TOLD_FAILURES or notification.answer != error.message
        events = events_of(notification, now, "failed", text, attempt=attempts) if told else []
        marked = _marked(notification, now, next_attempt_at=again, answer=error.message)
        self._commit([marked], events)
        self._replace(marked)
        self._probe("retry_wait")

    def _dead(self, notification: Notification, error: ChannelError, now: datetime) -> None:
        """Give `notification` up, and tell the fallback."""
        why = error.message if error.permanent else f"no attempt worked until {now:%d %b %H:%M} UTC: {error.message}"
        text = f"given up by {self._name} of {self._receiver}: {why}"
        new = fallbacks_of(notification, why, self._fallbacks, now)
        instead = ", ".join(f"{n.receiver} {n.channel}" for n in new) or "NOBODY"
        log.error("%s (message %s); told instead: %s", text, notification.id, instead)
        self._probe("dead_letter")
        self._commit(
            [_marked(notification, now, state="dead", answer=why), *new],
            events_of(notification, now, "dead", text, instead=[n.id for n in new]),
        )
        self._counts["dead"] += 1
        self._forget_id(notification.id)
        if new:
            self._on_new()
        self._probe("after_dead_letter")

    def _drop(self, step: Supersede, now: datetime) -> None:
        old = self._read(step.old.id)
        answer = f"superseded by {step.by.id}, a newer message about the same group ({step.by.action})"
        marked = dataclasses.replace(old, state="dropped", answer=answer, updated_at=now)
        text = f"not sent to {self._name} of {self._receiver}: {answer}"
        self._commit([marked], events_of(old, now, "superseded", text))
        self._counts["dropped"] += 1
        self._forget(step.old)

    def _merge(self, step: Merge, now: datetime) -> None:
        merged = [self._read(row.id) for row in step.rows]
        digest = digest_of(merged, now)
        self._probe("digest")
        text = f"merged into digest {digest.id}: more waited than {self._name} takes"
        marked = [dataclasses.replace(n, state="merged", answer=text, updated_at=now) for n in merged]
        self._commit([*marked, digest], [e for n in merged for e in events_of(n, now, "merged", text)])
        self._counts["merged"] += len(merged)
        self._waiting = self._look()
        self._probe("after_digest")

    def _commit(self, changed: list[Notification], events: list[AlertEvent]) -> None:
        """Write it down; while the store cannot take it, again: a message that went out must not go again for that."""
        told = {"notifications": rows.notification_rows(changed), "alert_events": rows.event_rows(events)}
        while True:
            try:
                self._store.append_all(told)
                return
            except StoreError as error:
                if not error.transient:
                    raise
                log.error("outbox: the store does not take the answer of %s: %s", self._name, error)
                if self._stop.wait(1.0):
                    raise

    def _read(self, notification_id: str) -> Notification:
        row = self._store.query("SELECT * FROM notifications WHERE id = ?", [notification_id]).to_pylist()[0]
        try:
            return rows.notification_from(row)
        except (ValueError, KeyError, TypeError) as error:  # say so rather than block those behind it
            title = f"message {notification_id} is damaged: {type(error).__name__}: {error}"
            damaged = Message("message", row["receiver"], title, severity=row["severity"] or "")
            return rows.notification_from(row | {"payload": rows.message_text(damaged)})

    def _replace(self, changed: Notification) -> None:
        self._waiting = [
            dataclasses.replace(
                row, next_attempt_at=changed.next_attempt_at, updated_at=changed.updated_at, attempts=changed.attempts
            )
            if row.id == changed.id
            else row
            for row in self._waiting
        ]

    def _forget(self, row: Waiting) -> None:
        self._forget_id(row.id)

    def _forget_id(self, notification_id: str) -> None:
        self._costs.pop(notification_id, None)
        self._waiting = [row for row in self._waiting if row.id != notification_id]

    def _safe(self, text: str) -> str:
        return self._channel.given.hide(text) if self._channel else text


def _marked(notification: Notification, now: datetime, **changes: Any) -> Notification:
    """`notification` after one more attempt."""
    answer = changes.pop("answer", None)
    return dataclasses.replace(
        notification,
        attempts=notification.attempts + 1,
        updated_at=now,
        answer=clean(answer, 1_000) if answer else None,
        **changes,
    )
