"""From a request to its answer: who asks, which route it is, what is broken now, and what is written down of it."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pitchey_slo.demo.platform import accounts, pages, pitches
from pitchey_slo.demo.platform.cache import Cache
from pitchey_slo.demo.platform.call import Call, Handle, Refused
from pitchey_slo.demo.platform.database import Database, DatabaseGone, Row
from pitchey_slo.demo.platform.faults import Faults
from pitchey_slo.demo.platform.http import Answer, Request, refused
from pitchey_slo.demo.platform.passwords import digest
from pitchey_slo.demo.platform.sockets import echo

SOURCE: Final = "platform"
ROUTES: Final[tuple[tuple[str, str, Handle], ...]] = (
    ("GET", "/", pages.front),
    ("GET", "/static/:file", pages.style),
    ("GET", "/api/health", pages.health),
    ("GET", "/api/health/database", pages.database),
    ("POST", "/api/auth/signup", accounts.sign_up),
    ("POST", "/api/auth/login", accounts.log_in),
    ("POST", "/api/auth/logout", accounts.log_out),
    ("DELETE", "/api/users/me", accounts.leave),
    ("GET", "/api/dashboard", accounts.dashboard),
    ("GET", "/api/notifications", accounts.notifications),
    ("GET", "/api/search", pitches.search),
    ("GET", "/api/pitches", pitches.listed),
    ("POST", "/api/pitches", pitches.create),
    ("GET", "/api/pitches/:id", pitches.read),
    ("PUT", "/api/pitches/:id", pitches.change),
    ("DELETE", "/api/pitches/:id", pitches.delete),
    ("POST", "/api/pitches/:id/nda", pitches.sign),
    ("POST", "/api/pitches/:id/investments", pitches.invest),
    ("GET", "/api/investments", pitches.investments),
    ("DELETE", "/api/investments/:id", pitches.withdraw),
)
#: Route of what is none of them: one name, so that strangers who knock make no new series.
NO_ROUTE: Final = "/:unknown"

#: Takes rows of the table `requests` as they are made.
Note = Callable[[Row], None]


class App:
    """`note` is told of every answer."""

    def __init__(
        self, database: Database, cache: Cache, faults: Faults, note: Note, location: str,
        clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database, self._cache, self._faults = database, cache, faults
        self._note, self._location, self._clock = note, location, clock
        self._chance = random.Random(7)
        self._routes = [(method, pattern.split("/"), pattern, handle) for method, pattern, handle in ROUTES]

    async def answer(self, request: Request) -> Answer:
        began, at = time.perf_counter(), self._clock()
        route, user = NO_ROUTE, None
        try:
            found = self._find(request)
            if isinstance(found, Answer):
                answer = found
            else:
                route, handle, values = found
                answer, user = await self._handle(request, handle, values)
        except Refused as error:
            answer = refused(error.status, error.message)
        except DatabaseGone as error:
            answer = refused(504 if error.late else 503, f"the database does not answer: {error}")
        answer = await self._broken(request, route, answer)
        took = (time.perf_counter() - began) * 1_000
        self._note(self._row(request, answer, route, user, at, took))
        return answer

    async def talk(self, request: Request, already: bytes, reader: Any, writer: Any) -> None:
        """The WebSocket; other paths have none."""
        began, at = time.perf_counter(), self._clock()
        broken = await self._broken(request, "/ws", Answer(101))
        if request.path != "/ws" or broken.status != 101:
            status = 404 if request.path != "/ws" else broken.status
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        else:
            status, _ = await echo(request, already, reader, writer)
        route = "/ws" if request.path == "/ws" else NO_ROUTE
        row = self._row(request, Answer(status), route, None, at, (time.perf_counter() - began) * 1_000)
        self._note(row | {"duration_ms": None})  # a conversation has no response time

    def _find(self, request: Request) -> tuple[str, Handle, dict[str, str]] | Answer:
        if "\0" in request.path or any("\0" in value for value in request.query.values()):
            return refused(400, "a NUL in the address")  # PostgreSQL's texts cannot hold it
        parts = request.path.split("/")
        method = "GET" if request.method == "HEAD" else request.method
        others = []
        for known, wanted, pattern, handle in self._routes:
            if len(wanted) != len(parts):
                continue
            values = {w[1:]: p for w, p in zip(wanted, parts, strict=True) if w.startswith(":")}
            if all(w.startswith(":") or w == p for w, p in zip(wanted, parts, strict=True)) and all(values.values()):
                if known == method:
                    return pattern, handle, values
                others.append(known)
        if others:
            return Answer(405, headers=(("Allow", ", ".join(sorted(others))),))
        return refused(404, f"no {request.path} here")

    async def _handle(self, request: Request, handle: Handle, values: Mapping[str, str]) -> tuple[Answer, Row | None]:
        user = await accounts.user_of(request, self._database)
        return await handle(Call(request, values, user, self._database, self._cache)), user

    async def _broken(self, request: Request, route: str, answer: Answer) -> Answer:
        """What faults make of an answer."""
        asked = request.method, request.path, route
        slow = self._faults.of("slow", *asked)
        if slow is not None:
            await asyncio.sleep(slow.seconds)
        errors = self._faults.of("errors", *asked)
        if errors is not None and self._chance.random() < errors.share:
            return refused(errors.status, "broken on purpose")
        if self._faults.of("wrong_body", *asked):
            return Answer(200, pages.SORRY, "text/html")
        if self._faults.of("cut_body", *asked):
            body = answer.body or b'{"cut": true}'
            return Answer(answer.status if answer.status != 204 else 200, body, answer.kind, cut=len(body) // 2)
        return answer

    def _row(
        self, request: Request, answer: Answer, route: str, user: Row | None, at: datetime, took: float
    ) -> dict[str, Any]:
        return {
            "ts": at,
            "route": route,
            "method": request.method,
            "status": answer.status,
            "duration_ms": round(took, 3),
            "location": self._location,
            "user_hash": digest(user["id"])[:16] if user else None,
            "trace_id": _trace(request.headers.get("traceparent", "")),
            "cache_status": answer.notes.get("cache", "DYNAMIC"),
            "bytes": len(answer.body),
            "sample_interval": 1.0,
            "source": SOURCE,
            "event_id": uuid.uuid4().hex,
        }


def _trace(parent: str) -> str | None:
    """Trace id of a W3C traceparent header."""
    parts = parent.split("-")
    good = len(parts) >= 4 and len(parts[1]) == 32 and all(c in "0123456789abcdef" for c in parts[1])
    return parts[1] if good else None
