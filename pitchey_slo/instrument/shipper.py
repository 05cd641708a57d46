"""A bounded queue and one thread that sends what is in it: the caller never waits and never sees an error.

`put` costs about half a microsecond. The thread takes what has gathered every `age` seconds, or as soon as there is a
batch, and gives it to a sink. A sink says what became of each line: taken, to be sent again, or refused. What is to be
sent again is sent with growing pauses, until `patience` is over; meanwhile new lines wait, and when the queue is full
they are dropped and counted. Nothing is lost below the limit: lines sent = lines stored + lines counted in `dropped`.

At most `lines` lines and `bytes` bytes are held, what is being sent included.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import math
import os
import queue
import random
import threading
import time
import weakref
from collections.abc import Callable, Sequence

from pitchey_slo.instrument import leave
from pitchey_slo.instrument.delivery import Sent, Sink, batches
from pitchey_slo.instrument.pace import Pace, Stats

log = logging.getLogger("pitchey_slo.instrument")


class Shipper:
    """Lines to one sink. `name` stands in messages. Starts its thread with the first line, so that a process which only
    forks workers has none."""

    def __init__(self, name: str, sink: Sink, pace: Pace | None = None) -> None:
        self.name, self.sink, self.pace = name, sink, pace or Pace()
        self._begin()
        _ALL.add(self)
        leave.watch(sigterm=self.pace.sigterm)

    def _begin(self) -> None:
        # re-entrant: a signal handler may log while this thread is inside `put`
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self._lines: list[bytes] = []
        self._held = 0  # lines the thread has taken and not settled
        self._bytes = 0  # of all lines that are not settled
        # SimpleQueue.put may interrupt itself (Python's queue module says so), an Event's set() may not
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._busy = True  # nobody sleeps who would have to be woken
        self._thread: threading.Thread | None = None
        self._closing: float | None = None  # monotonic time at which all must be over
        self._over = self._ended = False
        self._puts = self._sent = self._deliveries = self._retries = 0
        self._dropped: collections.Counter[str] = collections.Counter()
        self._told = (-math.inf, 0)
        self._trouble = ""

    def put(self, line: bytes) -> bool:
        """Take `line` for sending; False when it was dropped. Never waits, never raises."""
        size, pace = len(line), self.pace
        with self._lock:
            held = len(self._lines)
            if size > pace.batch_bytes:
                self._dropped["too_long"] += 1
                return False
            if self._closing is not None:
                self._dropped["left_behind"] += 1
                return False
            if held + self._held >= pace.lines or self._bytes + size > pace.bytes:
                self._dropped["queue_full"] += 1
                return False
            self._lines.append(line)
            self._bytes += size
            self._puts += 1
            if self._thread is None:
                self._start()
            elif not self._busy and (held + 1 >= pace.batch or self._bytes >= pace.batch_bytes):
                self._busy = True
                self._wake.put(None)
        return True

    def flush(self, seconds: float = 10.0) -> bool:
        """Send all that was put before now; True when it was delivered or refused within `seconds`."""
        with self._moved:
            goal = self._puts
            self._wake.put(None)
            return self._until(lambda: self._puts - len(self._lines) - self._held >= goal, time.monotonic() + seconds)

    def close(self, seconds: float | None = None) -> Stats:
        """Send what waits, for `seconds` at most (`pace.leave`); what is left then counts as dropped. Lines put later
        are dropped."""
        deadline = self.hurry(seconds)
        with self._moved:
            if threading.current_thread() is not self._thread:
                self._until(lambda: self._ended, deadline)
            self._leave_behind()
        self._tell(at_last=True)
        return self.stats()

    def hurry(self, seconds: float | None = None) -> float:
        """Begin to close without waiting; returns the (monotonic) time at which it must be over."""
        with self._lock:
            if self._closing is None:
                self._closing = time.monotonic() + (self.pace.leave if seconds is None else seconds)
            self._wake.put(None)
            return self._closing

    @property
    def waiting(self) -> int:
        """Lines in the queue and on their way."""
        return len(self._lines) + self._held

    def stats(self) -> Stats:
        with self._lock:
            waiting = self.waiting
            dropped = dict(self._dropped)
            return Stats(self._puts, self._sent, waiting, dropped, self._deliveries, self._retries, self._trouble)

    def after_fork(self) -> None:
        """In a forked child: what waited is the parent's to send, and the lock may have been somebody's."""
        self._begin()
        self.sink.forget()

    def _until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Wait until `done`. A condition's wait gives the lock free even where a signal interrupted `put`."""
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self._thread is None:
                return False
            self._moved.wait(min(left, 1.0))
        return True

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=f"pitchey-{self.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter ends; the next line tries again
            return
        self._thread = thread
        leave.watch(sigterm=self.pace.sigterm)

    def _leave_behind(self) -> None:
        left = len(self._lines) + self._held
        if left:
            self._dropped["left_behind"] += left
        self._lines, self._held, self._bytes, self._over = [], 0, 0, True

    # what follows runs in the thread

    def _run(self) -> None:
        while True:
            self._busy = False
            self._rest(self.pace.age)
            self._busy = True
            while lines := self._take():
                for batch in batches(lines, self.pace.batch, self.pace.batch_bytes):
                    self._deliver(batch)
                    self._tell()
            with self._moved:
                if self._closing is not None and not self._lines:
                    self._ended = True
                    self._moved.notify_all()
                    return

    def _rest(self, seconds: float) -> None:
        """Until called, or `seconds` are over."""
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=max(seconds, 0.001))
            while True:
                self._wake.get_nowait()

    def _take(self) -> list[bytes]:
        with self._lock:
            lines, self._lines = self._lines, []
            self._held = len(lines)
        return lines

    def _deliver(self, batch: Sequence[bytes]) -> None:
        given_up = time.monotonic() + self.pace.patience
        pause, key = self.pace.first, _key()
        while True:
            sent = self._try(batch, key)
            self._settle(batch, sent)
            if not sent.again:
                return
            if len(sent.again) != len(batch):  # fewer lines are another delivery, and somebody is there
                key, pause, given_up = _key(), self.pace.first, time.monotonic() + self.pace.patience
            batch = sent.again
            if not self._pause(max(pause, sent.wait) * random.uniform(1.0, 1.25), given_up):
                self._give_up(batch)
                return
            pause = min(pause * 2, self.pace.most)

    def _try(self, batch: Sequence[bytes], key: str) -> Sent:
        try:
            return self.sink.send(batch, key)
        except Exception as error:  # noqa: BLE001  # the promise: whatever happens, the thread goes on
            return Sent(again=batch, trouble=f"{type(error).__name__}: {error}"[:300])

    def _settle(self, batch: Sequence[bytes], sent: Sent) -> None:
        with self._moved:
            if self._over:  # close() did not wait for it and has counted these lines
                return
            self._deliveries += 1
            self._retries += bool(sent.again)
            self._sent += sent.taken
            self._dropped.update(sent.refused)
            self._held -= len(batch) - len(sent.again)
            self._bytes -= sum(map(len, batch)) - sum(map(len, sent.again))
            self._trouble = sent.trouble
            self._moved.notify_all()

    def _pause(self, seconds: float, given_up: float) -> bool:
        """Wait before the next try; False when there is none any more."""
        begun = time.monotonic()
        while True:
            now, until = time.monotonic(), begun + seconds
            if self._closing is not None:
                # the receiver may be back by then, whatever it asked for
                until = min(until, max(begun + 0.1, self._closing - 0.5))
            if now >= (given_up if self._closing is None else self._closing):
                return False
            if now >= until:
                return True
            self._rest(min(until - now, 0.5))
            self._tell()

    def _give_up(self, batch: Sequence[bytes]) -> None:
        with self._moved:
            if self._over:
                return
            self._dropped["given_up" if self._closing is None else "left_behind"] += len(batch)
            self._held -= len(batch)
            self._bytes -= sum(map(len, batch))
            self._moved.notify_all()

    def _tell(self, *, at_last: bool = False) -> None:
        """A line about what was dropped, at most one in `pace.tell` seconds."""
        now = time.monotonic()
        with self._lock:
            then, told = self._told
            lost = sum(self._dropped.values())
            if lost <= told or (now - then < self.pace.tell and not at_last):
                return
            self._told = (now, lost)
            reasons, trouble = dict(self._dropped), self._trouble
        log.warning(
            "%s: %d lines were dropped, %d since the start (%s)%s",
            self.name,
            lost - told,
            lost,
            ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())),
            f"; the receiver: {trouble}" if trouble else "",
        )


_ALL: weakref.WeakSet[Shipper] = weakref.WeakSet()


def _key() -> str:
    return os.urandom(16).hex()


def all_shippers() -> list[Shipper]:
    """Those of this process that are still of use."""
    return list(_ALL)


leave.shippers = all_shippers
