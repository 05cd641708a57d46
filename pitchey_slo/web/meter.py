"""The workbench's own metrics: what came in, what was refused and why, what was asked, how the store is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pitchey_slo.series import Labels, Metadata, SampleBatch, labels_of
from pitchey_slo.store import Receipt, SampleReceipt, StoreStatus

PREFIX: Final = "pitchey_slo_"


class Meter:
    """Counters since this process began; any thread may add."""

    descriptions: Final = {
        f"{PREFIX}rows_total": Metadata("counter", "rows of deliveries, by table and what became of them"),
        f"{PREFIX}rows_refused_total": Metadata("counter", "rows refused, by table and reason"),
        f"{PREFIX}samples_total": Metadata("counter", "samples, by way in and what became of them"),
        f"{PREFIX}samples_refused_total": Metadata("counter", "samples refused, by way in and reason"),
        f"{PREFIX}otlp_spans_not_kept_total": Metadata("counter", "spans that came by OTLP and are no HTTP request"),
        f"{PREFIX}http_requests_total": Metadata("counter", "requests answered, by method, path and status"),
        f"{PREFIX}http_request_seconds": Metadata("summary", "time until the answer was sent, by method and path"),
        f"{PREFIX}status_published_total": Metadata("counter", "times the status page was published to Cloudflare KV"),
        f"{PREFIX}status_publish_errors_total": Metadata("counter", "times publishing it failed"),
        f"{PREFIX}analytics_engine_pulls_total": Metadata("counter", "pulls of Analytics Engine, by how they ended"),
        f"{PREFIX}analytics_engine_rows_total": Metadata(
            "counter", "data points pulled, by table and what became of them"
        ),
        f"{PREFIX}analytics_engine_up": Metadata("gauge", "1 when the last pull of Analytics Engine got through"),
        f"{PREFIX}analytics_engine_behind_seconds": Metadata(
            "gauge", "time since the newest moment that was pulled from Analytics Engine"
        ),
        f"{PREFIX}queue_bytes": Metadata("gauge", "bytes that wait to be written"),
        f"{PREFIX}free_bytes": Metadata("gauge", "free bytes on the disk of the store"),
        f"{PREFIX}commit_sequence": Metadata("gauge", "number of the newest durable commit"),
        f"{PREFIX}flushed_sequence": Metadata("gauge", "number of the newest commit that the lake holds whole"),
        f"{PREFIX}lake_lag_seconds": Metadata("gauge", "time since the last flush to the lake that worked"),
        f"{PREFIX}ready": Metadata("gauge", "1 when deliveries are taken"),
        f"{PREFIX}queries": Metadata("gauge", "queries that run or wait"),
    }

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Labels] = Counter()
        self._gauges: dict[str, Callable[[], float | None]] = {}

    def add(self, name: str, value: float, **labels: str) -> None:
        key = labels_of({"__name__": PREFIX + name, **labels})
        with self._lock:
            self._counts[key] += value  # type: ignore[assignment]  # Counter holds floats as well

    def gauge(self, name: str, value: Callable[[], float | None]) -> None:
        """A number that is asked for when the metrics are; None leaves it out."""
        self._gauges[name] = value

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
        found: dict[Labels, float] = {**counts, **now}
        count = len(found)
        return SampleBatch(
            list(found),
            np.arange(count, dtype=np.int64),
            np.full(count, now_ms, np.int64),
            np.array(list(found.values()), np.float64),
            dict(self.descriptions),
        )


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
            path = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            meter.add("http_requests_total", 1, method=method, path=path, status=str(status[0]))
            meter.add("http_request_seconds_count", 1, method=method, path=path)
            meter.add("http_request_seconds_sum", time.perf_counter() - begun, method=method, path=path)


_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
