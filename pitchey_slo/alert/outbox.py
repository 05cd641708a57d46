"""The outbox: rows of `notifications` that wait, sent by one thread per channel, at least once.

    read what waits -> choose (lane.py) -> send -> write down what the channel answered -> ...

A message is sent first and marked afterwards, so a crash in between sends it again, with the same id and the same dedup
key, and never loses it. Each channel has its own thread, its own order and its own budget: one that hangs delays no
other. What a channel refuses for good becomes a dead letter: state `dead`, a loud line in the log, an event for each of
its alerts, and a new message to the fallback receiver that says why.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pitchey_slo.alert.channels.base import Channel
from pitchey_slo.alert.desk import DEFAULT_RETRY, Desk
from pitchey_slo.alert.retry import Retry
from pitchey_slo.store import Store

log = logging.getLogger(__name__)

#: Seconds between looks at the table; new rows wake the outbox at once (`wake`).
POLL: Final = 1.0
#: Seconds a row may wait for a channel that no receiver has, before it is given up: a reload may bring it.
UNKNOWN: Final = 60.0
#: Seconds `close` waits for what is being sent.
GRACE: Final = 20.0

Channels = Mapping[str, Mapping[str, Channel]]


class Outbox:
    """Sends what waits in `store` through `channels` (receiver -> "slack/0" -> channel, of `channels_of`).

    fallbacks    receiver -> the receiver that is told what one of its channels refused (`Receiver.fallback`)
    probe        called with the name of each step; tests stop there
    """

    def __init__(
        self,
        store: Store,
        channels: Channels,
        clock: Callable[[], datetime],
        *,
        fallbacks: Mapping[str, str] | None = None,
        retry: Retry = DEFAULT_RETRY,
        rng: random.Random | None = None,
        poll: float = POLL,
        probe: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._retry = retry
        self._rng = rng or random.Random()  # jitter
        self._poll = poll
        self._probe = probe
        self._lock = threading.Lock()
        self._channels: Channels = channels
        self._fallbacks = dict(fallbacks or {})
        self._desks: dict[tuple[str, str], Desk] = {}
        self._threads: dict[tuple[str, str], threading.Thread] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._looking: threading.Thread | None = None

    def use(self, channels: Channels, *, fallbacks: Mapping[str, str] | None = None) -> None:
        """Take other channels, after the routing file changed; what waits goes through the new ones."""
        with self._lock:
            self._channels, self._fallbacks = channels, dict(fallbacks or {})
            for (receiver, name), desk in self._desks.items():
                desk.use(channels.get(receiver, {}).get(name), self._fallback_channels(receiver))
        self.wake()

    def wake(self) -> None:
        """Say that rows were added, so that they do not wait for the next look."""
        self._wake.set()

    def start(self) -> None:
        """Begin to send, with what waited when the server stopped. Idempotent."""
        if self._looking is None:
            self._looking = threading.Thread(target=self._look_on, name="outbox", daemon=True)
            self._looking.start()

    def close(self, grace: float = GRACE) -> None:
        """Send no more; wait up to `grace` seconds for what is being sent. What it could not say stays in the table."""
        self._stop.set()
        self._wake.set()
        for desk in list(self._desks.values()):
            desk.stop()
        for thread in [t for t in (self._looking, *self._threads.values()) if t]:
            thread.join(grace)
            if thread.is_alive():
                log.warning("%s still sends; its message will go again with the same id", thread.name)

    def run_due(self, now: datetime) -> int:
        """Everything that is due at `now`, in this thread; returns how many attempts were made. For tests and tools:
        the clock given to the outbox is not asked."""
        attempts = 0
        for key in self._lanes(now):
            attempts += self._desk(key).run_due(now)
        return attempts

    def status(self) -> dict[str, Mapping[str, Any]]:
        """Per channel ("receiver slack/0"): waiting, sent, failed, dead, last_error, last_ok_at, paused_until."""
        with self._lock:
            return {f"{receiver} {name}": desk.status() for (receiver, name), desk in self._desks.items()}

    def _look_on(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                for key in self._lanes(self._clock()):
                    self._desk(key).wake()
                    self._thread_of(key)
            except Exception as error:  # noqa: BLE001  # the store may be reopening: look again
                log.error("outbox: the table cannot be read: %s", error)
            self._wake.wait(self._poll)

    def _lanes(self, now: datetime) -> list[tuple[str, str]]:
        """(receiver, channel) with something waiting; those nobody has are given time to appear."""
        found = self._store.query(
            "SELECT receiver, channel, min(created_at) AS oldest FROM notifications WHERE state = 'waiting' "
            "GROUP BY ALL ORDER BY ALL"
        ).to_pylist()
        keys = []
        for row in found:
            known = row["channel"] in self._channels.get(row["receiver"], {})
            if known or (now - row["oldest"]).total_seconds() >= UNKNOWN:
                keys.append((row["receiver"], row["channel"]))
        return keys

    def _desk(self, key: tuple[str, str]) -> Desk:
        with self._lock:
            if key not in self._desks:
                receiver, name = key
                desk = Desk(self._store, receiver, name, self._clock, self._retry, self._rng, self._probe, self.wake)
                desk.use(self._channels.get(receiver, {}).get(name), self._fallback_channels(receiver))
                self._desks[key] = desk
            return self._desks[key]

    def _thread_of(self, key: tuple[str, str]) -> None:
        if key not in self._threads and not self._stop.is_set():
            thread = threading.Thread(target=self._desk(key).work, name=f"{key[0]} {key[1]}", daemon=True)
            self._threads[key] = thread
            thread.start()

    def _fallback_channels(self, receiver: str) -> tuple[tuple[str, str], ...]:
        spare = self._fallbacks.get(receiver)
        return tuple((spare, name) for name in self._channels.get(spare, {})) if spare else ()
