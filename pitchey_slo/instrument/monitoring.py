"""What a service tells the workbench: requests, business events and errors, each table by a queue of its own."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pitchey_slo.instrument import clean, trace, trouble
from pitchey_slo.instrument.clean import Scrubs
from pitchey_slo.instrument.context import UserHash, Work, current
from pitchey_slo.instrument.delivery import Sink
from pitchey_slo.instrument.encode import line, plain, text
from pitchey_slo.instrument.pace import Pace, Stats
from pitchey_slo.instrument.routes import Routes, Scope
from pitchey_slo.instrument.shipper import Shipper
from pitchey_slo.instrument.workbench import Workbench

log = logging.getLogger("pitchey_slo.instrument")
request_lines = logging.getLogger("pitchey_slo.requests")

#: Another method is anybody's text; as a label it would have no end.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
#: The method of a plain function or job, so that rules can leave them out: `{method!="JOB"}`.
JOB: Final = "JOB"
#: Status of work whose caller went away before it was done.
GONE: Final = 0

_LONGEST_NAME: Final = 128


@dataclass(frozen=True)
class Plan:
    """What is told, and how. `sample`: share of answered requests; failed ones, those whose client went away and those
    slower than `slow_ms` always are. `user`: who asks, told by the scope; only the keyed hash of it leaves."""

    service: str = "service"
    location: str | Callable[[Scope], str | None] | None = None
    sample: float = 1.0
    slow_ms: float | None = None
    user: Callable[[Scope], str | int | None] | None = None
    user_key: str | None = None
    route: Callable[[Scope], str | None] | None = None
    ignore: frozenset[str] = frozenset()
    errors: bool = True
    lines: bool = False
    answer_header: str | None = "traceparent"
    chance: Callable[[], float] = random.random


@dataclass
class Monitoring:
    """Tells a workbench what happens here; made by `add_monitoring` and `monitor`.

    `app` is the application to serve (the one that was given, where the framework lets itself be extended).
    """

    plan: Plan
    sink: Callable[[str], Sink] | None
    scrubs: Scrubs
    pace: Pace = field(default_factory=Pace)
    app: Any = None

    def __post_init__(self) -> None:
        self.routes = Routes()
        self.hashed = UserHash(self.plan.user_key) if self.plan.user_key else None
        self._shippers: dict[str, Shipper] = {}
        self._broken = (-math.inf, 0)
        if self.sink is not None:
            for table in ("requests", "business_events", "logs"):
                self._shippers[table] = Shipper(f"{self.plan.service}/{table}", self.sink(table), self.pace)

    @classmethod
    def of(cls, plan: Plan, url: str | None, token: str | None, scrubs: Scrubs | None, pace: Pace | None) -> Monitoring:
        """To the workbench at `url`; to nobody, which is told once, when there is none."""
        if url is None and not plan.lines:
            log.warning("%s: PITCHEY_SLO_URL is not set, so nothing is sent to a workbench", plan.service)
        key = plan.user_key.encode() if plan.user_key else None
        sink = (lambda table: Workbench(url, token, table)) if url else None
        return cls(plan, sink, scrubs or clean.default(key), pace or Pace())

    @property
    def telling(self) -> bool:
        """Whether anything leaves."""
        return bool(self._shippers)

    # what happened

    def event(
        self,
        name: str,
        *,
        user: str | int | None = None,
        value: float | None = None,
        currency: str | None = None,
        location: str | None = None,
        **properties: Any,
    ) -> None:
        """A thing a user did that the business counts: `event("nda_signed", user=42, pitch=7)`.

        `user` leaves as its keyed hash, or not at all without a key; without `user` it is the one of the request at
        hand. Everything else is scrubbed. Never raises.
        """
        if not self._shippers:
            return
        try:
            self._put("business_events", self._event(name, user, value, currency, location, properties))
        except Exception:  # noqa: BLE001  # the promise: the service never sees an error of ours
            self.broke("a business event could not be told")

    def error(self, error: BaseException, work: Work | None, **columns: Any) -> None:
        """An exception as a row of `logs`, with the trace it belongs to. Never raises."""
        if not self._shippers or not self.plan.errors:
            return
        try:
            self._put("logs", self._error(error, work, columns))
        except Exception:  # noqa: BLE001
            self.broke("an error could not be told")

    def weight(self, status: int, duration_ms: float) -> float:
        """For how many requests one stands that ended so; 0: it is not told."""
        plan = self.plan
        if plan.sample >= 1 or status >= 500 or status == GONE:
            return 1.0
        if plan.slow_ms is not None and duration_ms >= plan.slow_ms:
            return 1.0
        return 1 / plan.sample if plan.chance() < plan.sample else 0.0

    def request(
        self, work: Work, route: str, method: str, status: int, ms: float, sent: int | None, weight: float, **more: Any
    ) -> None:
        """One request or job that ended now."""
        shipper = self._shippers.get("requests")
        if shipper is not None:
            row = {
                "ts": time.time_ns() // 1_000,
                "route": route,
                "method": method,
                "status": status,
                "duration_ms": ms,
                "location": more.get("location"),
                "user_hash": work.user_hash,
                "trace_id": work.trace_id,
                "bytes": sent,
                "sample_interval": weight,
                "source": self.plan.service,
                "event_id": work.trace_id + work.span_id,
            }
            shipper.put(line(row))

    def tell_line(self, route: str, method: str, status: int, ms: float, sent: int | None) -> None:
        """One log line per request, by the standard library's logging; `pitchey_slo.logs` makes columns of it."""
        if self.plan.lines:
            request_lines.log(
                logging.ERROR if status >= 500 else logging.INFO,
                "%s %s %s",
                method,
                route,
                status if status != GONE else "client went away",
                extra={"route": route, "status": status, "duration_ms": round(ms, 3), "method": method, "bytes": sent},
            )

    def hash_of(self, user: str | int | None) -> str | None:
        return self.hashed(user) if user not in (None, "") and self.hashed is not None else None

    # what became of it

    def stats(self) -> dict[str, Stats]:
        """Per table: lines put, sent, waiting and dropped."""
        return {table: shipper.stats() for table, shipper in self._shippers.items()}

    @property
    def internal_errors(self) -> int:
        """How often our own code failed; the service did not notice."""
        return self._broken[1]

    def flush(self, seconds: float = 10.0) -> bool:
        """Send what waits now; whether all of it left within `seconds`. Blocks: not for an event loop."""
        deadline = time.monotonic() + seconds
        left = [s for s in self._shippers.values() if not s.flush(max(deadline - time.monotonic(), 0))]
        return not left

    def close(self, seconds: float | None = None) -> dict[str, Stats]:
        """Send what waits and stop; the end of the process does so by itself."""
        for shipper in self._shippers.values():
            shipper.hurry(seconds)
        return {table: shipper.close() for table, shipper in self._shippers.items()}

    def broke(self, what: str) -> None:
        """Our own code failed: counted, and told once a minute with its traceback."""
        then, count = self._broken
        now = time.monotonic()
        if now - then >= self.pace.tell:
            then = now
            log.exception("%s: %s", self.plan.service, what)
        self._broken = (then, count + 1)

    def _put(self, table: str, row: Mapping[str, Any]) -> None:
        self._shippers[table].put(line(row))

    def _event(
        self,
        name: str,
        user: str | int | None,
        value: float | None,
        currency: str | None,
        location: str | None,
        properties: Mapping[str, Any],
    ) -> dict[str, Any]:
        work, service = current(), self.plan.service
        told = clean.value(self.scrubs, plain({"event": name, "properties": properties}), service)
        if not isinstance(told, dict):
            told = {"event": clean.FAILED, "properties": {}}
        amount = float(value) if value is not None else None
        return {
            "ts": time.time_ns() // 1_000,
            "event": text(str(told["event"]), _LONGEST_NAME),
            "user_hash": self.hash_of(user) if user is not None else work.user_hash if work else None,
            "location": location,
            "value": amount if amount is not None and math.isfinite(amount) else None,
            "currency": text(currency, 8) if currency else None,
            "trace_id": work.trace_id if work else None,
            "properties": _short(told["properties"]),
            "sample_interval": 1.0,
            "source": service,
            "event_id": "".join(trace.made()[:2]),
        }

    def _error(self, error: BaseException, work: Work | None, columns: Mapping[str, Any]) -> dict[str, Any]:
        found = trouble.described(error)
        service = self.plan.service
        told = clean.value(self.scrubs, {"message": found["message"], "error": found}, service)
        if not isinstance(told, dict):
            told = {"message": clean.FAILED, "error": {"type": found["type"], "stack": found["stack"]}}
        said = f"{found['type']}: {told['message']}" if told["message"] else found["type"]
        return {
            "ts": time.time_ns() // 1_000,
            "level": "error",
            "service": service,
            "message": text(said, 4_000),
            "logger": "pitchey_slo.instrument",
            "trace_id": work.trace_id if work else None,
            "span_id": work.span_id if work else None,
            "user_hash": work.user_hash if work else None,
            "error_type": text(found["type"], 256),
            "attributes": {"error": told["error"]},
            "source": service,
            "event_id": "".join(trace.made()[:2]),
            **columns,
        }


def _short(properties: Any) -> dict[str, Any]:
    """Properties of a business event as an object that its column can hold."""
    found = properties if isinstance(properties, dict) else {"value": properties}
    if len(line(found)) <= 16_000:
        return found
    short = {key: text(value, 200) for key, value in found.items() if isinstance(value, str)}
    return short if len(line(short)) <= 16_000 else {"(cut)": f"{len(found)} properties were too long"}
