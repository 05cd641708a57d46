"""The workbench's own metrics: what came in, what was refused and why, what was asked, how the store is."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pitchey_slo.names import OWN_SERIES
from pitchey_slo.series import Labels, Metadata, SampleBatch, labels_of
from pitchey_slo.store import Receipt, SampleReceipt, StoreStatus
from pitchey_slo.web.auth import scope_of

log = logging.getLogger(__name__)

PREFIX: Final = "pitchey_slo_"
#: Upper bounds of the histogram of acknowledgements, seconds; above the last one is +Inf.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: Sources that are counted by name: senders name themselves, and names must not become series without end.
MOST_SOURCES: Final = 50
OTHERS: Final = "(other)"

#: The whole name of a series, its labels, its value now.
Fact = tuple[str, dict[str, str], float]


class Meter:
    """Counters since this process began; any thread may add."""

    descriptions: Final = {name: Metadata(*map(str.strip, told.split(":", 1))) for name, told in OWN_SERIES.items()}

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Labels] = Counter()
        self._gauges: dict[str, Callable[[], float | None]] = {}
        self._asked: list[Callable[[], Iterable[Fact]]] = []
        self._sources: set[str] = set()

    def add(self, name: str, value: float, **labels: str) -> None:
        key = labels_of({"__name__": PREFIX + name, **labels})
        with self._lock:
            self._counts[key] += value  # type: ignore[assignment]  # Counter holds floats as well

    def gauge(self, name: str, value: Callable[[], float | None]) -> None:
        """A number that is asked for when the metrics are; None leaves it out."""
        self._gauges[name] = value

    def ask(self, facts: Callable[[], Iterable[Fact]]) -> None:
        """Series that others count, asked for when the metrics are; one who cannot answer is left out."""
        self._asked.append(facts)

    def took(self, name: str, seconds: float, **labels: str) -> None:
        """One more of a summary without quantiles: `_count` and `_sum`."""
        self.add(f"{name}_count", 1, **labels)
        self.add(f"{name}_sum", seconds, **labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One more of a histogram with `BOUNDS`."""
        for bound in BOUNDS:
            self.add(f"{name}_bucket", float(seconds <= bound), **labels, le=f"{bound:g}")
        self.add(f"{name}_bucket", 1, **labels, le="+Inf")
        self.took(name, seconds, **labels)

    def sources(self, table: str, found: Mapping[str | None, int]) -> None:
        """Rows of a delivery by who sent them."""
        for source, count in found.items():
            name = source or "nobody"
            with self._lock:
                if name not in self._sources and len(self._sources) >= MOST_SOURCES:
                    name = OTHERS
                self._sources.add(name)
            self.add("source_rows_total", count, table=table, source=name)

    def rows(self, table: str, receipt: Receipt | None, reasons: Mapping[str, int]) -> None:
        """One delivery of rows."""
        self.add("rows_total", receipt.stored if receipt else 0, table=table, outcome="stored")
        self.add("rows_total", receipt.duplicates if receipt else 0, table=table, outcome="duplicate")
        for reason, count in reasons.items():
            self.add("rows_refused_total", count, table=table, reason=reason)

    def samples(self, way: str, receipt: SampleReceipt) -> None:
        """One delivery of samples that came by remote_write, push or scrape."""
        self.add("samples_total", receipt.stored, way=way, outcome="stored")
        self.add("samples_total", receipt.duplicates, way=way, outcome="duplicate")
        for reason, count in receipt.counts.items():
            self.add("samples_refused_total", count, way=way, reason=reason)

    def newest(self, now_ms: int, status: StoreStatus, queries: int) -> SampleBatch:
        """All own metrics as they are now."""
        gauges: dict[str, float | None] = {
            "queue_bytes": status.queue_bytes,
            "free_bytes": status.free_bytes,
            "commit_sequence": status.commit_seq,
            "flushed_sequence": status.flushed_seq,
            "lake_lag_seconds": status.lake_lag_seconds,
            "ready": status.ready,
            "queries": queries,
            **{name: value() for name, value in list(self._gauges.items())},
        }
        with self._lock:
            counts = dict(self._counts)
        now = {labels_of({"__name__": PREFIX + name}): float(v) for name, v in gauges.items() if v is not None}
        found: dict[Labels, float] = {**counts, **now, **self._answers()}
        count = len(found)
        return SampleBatch(
            list(found),
            np.arange(count, dtype=np.int64),
            np.full(count, now_ms, np.int64),
            np.array(list(found.values()), np.float64),
            dict(self.descriptions),
        )

    def _answers(self) -> dict[Labels, float]:
        found: dict[Labels, float] = {}
        for facts in self._asked:
            try:
                found |= {labels_of({"__name__": name, **labels}): float(value) for name, labels, value in facts()}
            except Exception as error:  # noqa: BLE001  # a part that is starting or stopping has nothing to say
                log.debug("own metrics: %s: %s", type(error).__name__, error)
        return found


class Metered:
    """The layer that counts requests and their seconds, by the path as it is declared, never as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), [0]

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            meter: Any = scope["app"].state.series.meter
            route = scope.get("route")
            path = getattr(route, "path", "none")
            seconds = time.perf_counter() - begun
            method = scope["method"] if scope["method"] in _METHODS else "other"
            meter.add("http_requests_total", 1, method=method, path=path, status=str(status[0]))
            meter.took("http_request_seconds", seconds, method=method, path=path)
            need = scope_of(route)
            if method == "POST" and 200 <= status[0] < 300 and need is not None and need.scope == "ingest":
                meter.observe("ack_seconds", seconds, path=path)


_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
