"""Brings what the platform answered to the workbench: rows of `requests`, once a second, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pitchey_slo.demo.platform.database import Row
from pitchey_slo.errors import PitcheyError
from pitchey_slo.tables import REQUESTS

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

EVERY: Final = 1.0
#: Rows that may wait; the oldest are dropped, and counted.
MOST: Final = 20_000

#: Takes rows of a table: (table, rows).
Sink = Callable[[str, "pa.Table"], object]


class Sender:
    """`note` rows from any thread; `close` sends the last of them."""

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink
        self._rows: deque[Row] = deque(maxlen=MOST)
        self._stop = threading.Event()
        self._sending = threading.Lock()
        self.sent = self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="demo-sender", daemon=True)
        if sink is not None:
            self._thread.start()

    def note(self, row: Row) -> None:
        if self._sink is not None:
            self.dropped += len(self._rows) == MOST
            self._rows.append(row)

    def flush(self) -> None:
        """Send what waits, now."""
        self._send()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            self._send()
        self._send()

    def _send(self) -> None:
        with self._sending:
            rows = [self._rows.popleft() for _ in range(len(self._rows))]
            if rows:
                self._deliver(rows)

    def _deliver(self, rows: list[Row]) -> None:
        if self._sink is None:
            return
        try:
            self._sink("requests", REQUESTS.of(rows))
            self.sent += len(rows)
        except (PitcheyError, OSError) as error:
            self.dropped += len(rows)
            level = logging.INFO if self._stop.is_set() else logging.WARNING  # at the end the server may be gone
            log.log(level, "%d requests of the platform were not stored: %s", len(rows), error)
