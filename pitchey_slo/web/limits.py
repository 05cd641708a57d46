"""What bounds a delivery: bytes, seconds, bytes of all bodies together, rows per second of one token."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fastapi import Request

from pitchey_slo.errors import BodyTimeout, BodyTooLarge, RateLimited, RequestError, StoreBusy


@dataclass(frozen=True)
class Limits:
    """Seconds. `stall`: silence inside a body; `body`: a whole body; `idle`: silence between requests, and the time a
    client has for its headers."""

    stall: float = 10.0
    body: float = 60.0
    idle: float = 12.0


@dataclass
class Budget:
    """Bytes of all bodies that are being read or decoded, so that many senders together stay within memory."""

    limit: int
    used: int = 0

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        share = Share(self)
        try:
            yield share
        finally:
            share.give_back()


@dataclass
class Share:
    budget: Budget
    taken: int = 0

    def take(self, count: int) -> None:
        """Raises StoreBusy when all bodies together would pass the limit."""
        if self.budget.used + count > self.budget.limit:
            raise StoreBusy(f"deliveries of {self.budget.limit} bytes are already being read; send again in a moment")
        self.budget.used += count
        self.taken += count

    def give_back(self) -> None:
        self.budget.used -= self.taken
        self.taken = 0


async def read_body(request: Request, limit: int, limits: Limits, share: Share) -> list[bytes]:
    """The body in the pieces it came in. Raises BodyTooLarge before reading all, and BodyTimeout when it stops
    arriving.

    Content-Length is believed only when it promises too much.
    """
    check_length(request.headers.get("content-length"), limit)
    pieces: list[bytes] = []
    size = 0
    stream = request.stream()
    try:
        async with asyncio.timeout(limits.body):
            while True:
                async with asyncio.timeout(limits.stall):
                    piece = await anext(stream, None)
                if piece is None:
                    return pieces
                size += len(piece)
                if size > limit:
                    raise too_large(limit)
                share.take(len(piece))
                pieces.append(piece)
    except TimeoutError:
        raise BodyTimeout(
            f"{size} bytes came, then nothing for {limits.stall:g} s, or the whole took over {limits.body:g} s; "
            "send it again"
        ) from None


def check_length(text: str | None, limit: int) -> None:
    if text is None:
        return
    if not (text.isascii() and text.isdigit()):
        raise RequestError(f"Content-Length {text[:40]!r} is not a number of bytes")
    if int(text[:30]) > limit:
        raise too_large(limit)


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body is larger than {limit} bytes; send smaller batches, or raise PITCHEY_BODY_LIMIT",
        detail={"limit": limit},
    )


@dataclass
class Rates:
    """Rows per second of each token. A bucket may go into debt: a batch larger than one second's rows passes once and
    is paid for by waiting."""

    rows_per_second: int
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def check(self, token: str) -> None:
        """Raises RateLimited while `token` is in debt."""
        left = self._left(token)
        if left < 0:
            wait = math.ceil(-left / self.rows_per_second)
            raise RateLimited(
                f"this token may send {self.rows_per_second} rows per second; wait {wait} s", retry_after=wait
            )

    def charge(self, token: str, rows: int) -> None:
        if self.rows_per_second:
            self._buckets[token] = (self._left(token) - rows, self.now())

    def _left(self, token: str) -> float:
        if not self.rows_per_second:
            return math.inf
        full = float(self.rows_per_second)
        left, at = self._buckets.get(token, (full, self.now()))
        return min(full, left + (self.now() - at) * self.rows_per_second)
