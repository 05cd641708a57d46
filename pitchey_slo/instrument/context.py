"""What the work at hand is: the request that is being answered or the job that runs, for every line written meanwhile.

One context variable holds it; tasks and threads that asyncio starts inherit it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from typing import Final

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import trace
from pitchey_slo.instrument.trace import Trace


class Work:
    """One piece of work. `route` may be learnt late (after routing), so it is asked for when it is needed."""

    __slots__ = ("_route", "request_id", "sampled", "span_id", "trace_id", "user_hash")

    def __init__(
        self, at: Trace, *, request_id: str | None = None, route: Callable[[], str | None] | str | None = None
    ):
        self.trace_id, self.span_id, self.sampled = at
        self.request_id = request_id
        self.user_hash: str | None = None
        self._route = route

    @property
    def route(self) -> str | None:
        return self._route() if callable(self._route) else self._route

    @property
    def trace(self) -> Trace:
        return Trace(self.trace_id, self.span_id, self.sampled)


CURRENT: Final[ContextVar[Work | None]] = ContextVar("pitchey_work", default=None)


def current() -> Work | None:
    """The work at hand; None outside of any."""
    return CURRENT.get()


def traceparent() -> dict[str, str]:
    """The header that hands the trace on to another service: `httpx.get(url, headers=traceparent())`. Empty outside of
    any work."""
    at = trace.of_opentelemetry()
    if at is None:
        work = CURRENT.get()
        at = work.trace if work else None
    return {"traceparent": at.header} if at else {}


@contextlib.contextmanager
def work(name: str | None = None, *, traceparent: str | None = None, request_id: str | None = None) -> Iterator[Work]:
    """A piece of work that no middleware sees: a message from a queue, a job. Lines written inside carry its ids.

    `name` stands in the lines as their route; `traceparent` is what the sender of the message handed on. Without it the
    work is a part of the work around it, or a trace of its own.
    """
    around = CURRENT.get()
    parent = trace.parse(traceparent) if traceparent else None
    if parent is None:
        parent = trace.of_opentelemetry() or (around.trace if around else None)
    piece = Work(trace.child(parent) if parent else trace.made(), request_id=request_id, route=name)
    if around is not None:
        piece.user_hash = around.user_hash
        piece.request_id = request_id or around.request_id
    token: Token[Work | None] = CURRENT.set(piece)
    try:
        yield piece
    finally:
        CURRENT.reset(token)


_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


class UserHash:
    """Users as keyed hashes: HMAC-SHA-256, its first 32 hex digits; a key of 64 hex digits is taken as its 32 bytes.
    The Worker module (`deploy/worker`) makes the same of the same key, so that rows of both join.

    Raises ConfigError for a key of less than 16 characters: a short one can be guessed.
    """

    def __init__(self, key: str) -> None:
        if len(key) < 16:
            raise ConfigError(
                f"a key of {len(key)} characters can be guessed; take 64 hex digits (`openssl rand -hex 32`)",
                key="PITCHEY_SLO_USER_KEY",
            )
        self._key = bytes.fromhex(key) if _HEX_KEY.fullmatch(key) else key.encode()

    def __call__(self, user: str | int) -> str:
        return hmac.digest(self._key, str(user).encode("utf-8", "replace"), hashlib.sha256).hex()[:32]
