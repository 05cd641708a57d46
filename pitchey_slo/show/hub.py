"""Shared looking: one question to the API per (board, range, variables, tick), the same bytes for everyone who looks.

A `View` is what somebody looks at. All who look at the same view share a `Channel`: its first viewer starts it, it ends
when the last one leaves. A channel asks for everything once, and then every few seconds for what came after its
watermark; viewers put the two together by time, so that receiving a point twice does no harm. Messages are made once,
as bytes: `{"kind": "all" | "more" | "trouble", "view": KEY, "answer": <what the API said, unread>}`, with everything
also `"definition"`: how the board is laid out, asked for once per version.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from pitchey_slo.errors import PitcheyError, RateLimited
from pitchey_slo.show.api import Api

log = logging.getLogger(__name__)

#: Views asked for at the same time, at most: each costs the server an evaluation per tick.
MOST = 200
#: A range of so many seconds at most is asked for so often; a point of a long range stands for minutes.
TICKS = ((3_600, 5.0), (6 * 3_600, 10.0), (86_400, 15.0), (float("inf"), 60.0))
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Viewer(Protocol):
    """Somebody who looks. `take` gets a message as bytes and must not wait."""

    def take(self, message: bytes) -> None: ...


@dataclass(frozen=True)
class View:
    """What is looked at: a board over the last `span` (such as 1h), or from `start` to `end` (ISO 8601)."""

    board: str
    span: str = ""
    start: str = ""
    end: str = ""
    compare: str = ""
    variables: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def given(self) -> list[tuple[str, str | int | float | bool | None]]:
        """The parameters of the question."""
        found: list[tuple[str, str | int | float | bool | None]] = (
            [("start", self.start), ("end", self.end)] if self.start else [("range", self.span)] if self.span else []
        )
        if self.compare:
            found.append(("compare", self.compare))
        return found + [(f"var-{name}", value) for name, values in self.variables for value in values]

    @property
    def key(self) -> str:
        """Short, the same for the same view."""
        return hashlib.sha256(orjson.dumps([self.board, *self.given])).hexdigest()[:16]

    @property
    def tick(self) -> float:
        """Seconds between two questions."""
        seconds = seconds_of(self.span) if self.span else 3_600 if not self.start else float("inf")
        return next(tick for most, tick in TICKS if seconds <= most)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> View:
        """What a browser asks for. Raises ValueError: it is text from outside."""
        texts = {name: str(said.get(name) or "")[:64] for name in ("board", "span", "start", "end", "compare")}
        chosen = said.get("variables") or {}
        if not texts["board"] or not isinstance(chosen, dict) or len(chosen) > 20:
            raise ValueError("not a view")
        variables = []
        for name, values in sorted(chosen.items()):
            listed = values if isinstance(values, list) else [values]
            variables.append((str(name)[:64], tuple(str(value)[:500] for value in listed[:50])))
        return cls(**texts, variables=tuple(variables))


def seconds_of(span: str) -> float:
    """
    >>> seconds_of("15m"), seconds_of("7d"), seconds_of("?")
    (900.0, 604800.0, 3600.0)
    """
    number, unit = span[:-1], span[-1:]
    return float(number) * UNITS[unit] if number.isdigit() and unit in UNITS else 3_600.0


class Hub:
    """All channels. One per process, used from its event loop only."""

    def __init__(self, api: Api, *, clock: Callable[[], float] = time.time, hurry: float = 1.0) -> None:
        """`hurry` divides every tick: tests do not wait."""
        self.api, self.clock, self.hurry = api, clock, hurry
        self.channels: dict[str, Channel] = {}
        self._where: dict[Viewer, Channel] = {}
        self._layouts: dict[str, tuple[Any, bytes]] = {}  # board -> version, definition

    async def layout(self, board: str, version: Any) -> bytes:
        """The definition of `board` as JSON, with its text; kept until the version changes."""
        known, text = self._layouts.get(board, (None, b""))
        if known != version or not text:
            text = await self.api.read(f"/api/monitoring/dashboards/{quote(board, safe='')}/definition")
            self._layouts[board] = (orjson.loads(text).get("version"), text)
        return text

    async def look(self, viewer: Viewer, view: View) -> None:
        """Show `view` to `viewer` from now on, everything at once. Raises PitcheyError."""
        self.leave(viewer)
        channel = self.channel(view)
        self._where[viewer] = channel
        try:
            await self._first(viewer, channel)
            message = await channel.everything()
        except PitcheyError:
            self.leave(viewer)
            raise
        if self._where.get(viewer) is channel:  # it may have gone on meanwhile
            viewer.take(message)
            channel.join(viewer)

    async def _first(self, viewer: Viewer, channel: Channel) -> None:
        """The layout alone, when its numbers are not at hand yet: the page stands while they are counted."""
        if channel.ready:
            return
        _, text = self._layouts.get(channel.view.board, (None, b""))
        text = text or await self.layout(channel.view.board, None)
        if self._where.get(viewer) is channel:
            viewer.take(b'{"kind":"layout","layout":' + text + b"}")

    def channel(self, view: View) -> Channel:
        """The channel of `view`, made when there is none. Raises RateLimited when there are too many."""
        if view.key not in self.channels:
            if len(self.channels) >= MOST:
                raise RateLimited(f"{MOST} different views are open; choose one of them, or wait", retry_after=5)
            self.channels[view.key] = Channel(self, view)
        return self.channels[view.key]

    def warm(self, view: View) -> None:
        """Ask for `view` now: somebody is about to look at it."""
        if view.key not in self.channels and len(self.channels) < MOST:
            asyncio.get_running_loop().create_task(self.channel(view).warm_up())

    def leave(self, viewer: Viewer) -> None:
        """Show nothing more to `viewer`."""
        channel = self._where.pop(viewer, None)
        if channel is not None:
            channel.part(viewer)

    def again(self, board: str) -> None:
        """Ask anew for everything that shows `board`: it was edited."""
        for channel in self.channels.values():
            if channel.view.board == board:
                channel.forget()

    async def close(self) -> None:
        for channel in list(self.channels.values()):
            channel.stop()


class Channel:
    """One view, and all who look at it."""

    def __init__(self, hub: Hub, view: View) -> None:
        self.view = view
        self._hub = hub
        self._viewers: set[Viewer] = set()
        self._lock = asyncio.Lock()
        self._full: tuple[bytes, float, int] | None = None  # message, asked at, watermark
        self._watermark = 0
        self._version: Any = None
        self._task: asyncio.Task[None] | None = None
        self.asked = 0

    def join(self, viewer: Viewer) -> None:
        self._viewers.add(viewer)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def part(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    def stop(self) -> None:
        self._hub.channels.pop(self.view.key, None)
        if self._task is not None:
            self._task.cancel()

    def forget(self) -> None:
        """What is held is no longer so: the next tick asks for everything."""
        self._full, self._watermark = None, 0

    @property
    def ready(self) -> bool:
        """Whether `everything` is at hand."""
        held = self._full
        return bool(held) and self._hub.clock() - held[1] < self.view.tick and held[2] >= self._watermark  # type: ignore[index]

    async def everything(self) -> bytes:
        """The message with everything, not older than a tick and not behind what others were sent."""
        async with self._lock:
            if self.ready and self._full:
                return self._full[0]
            answer, watermark, version = await self._ask(None)
            message = await self._all(answer, version)
            self._full = (message, self._hub.clock(), watermark)
            if not self._watermark:
                self._watermark, self._version = watermark, version
            return message

    async def warm_up(self) -> None:
        try:
            await self.everything()
        except PitcheyError as error:
            log.debug("%s: %s", self.view.board, error.message)
        if not self._viewers and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Tick as long as somebody looks, and one tick longer: whoever changes ranges comes back."""
        alone = 0
        try:
            while alone < 2:
                tick = self.view.tick / self._hub.hurry
                await asyncio.sleep(tick - self._hub.clock() % tick)
                alone = 0 if self._viewers else alone + 1
                if self._viewers:
                    await self._tick()
        finally:
            if self._hub.channels.get(self.view.key) is self:
                del self._hub.channels[self.view.key]

    async def _tick(self) -> None:
        try:
            since = self._watermark or None
            answer, watermark, version = await self._ask(since)
            if since is not None and version != self._version:  # edited meanwhile: what viewers hold has other widgets
                since = None
                answer, watermark, version = await self._ask(None)
            if since is None:
                self._full = None
                message = await self._all(answer, version)
            else:
                message = self._message(b"more", answer)
            self._watermark, self._version = watermark, version
            self._tell(message)
        except PitcheyError as error:
            self._tell(self._message(b"trouble", orjson.dumps({"reason": error.reason, "message": error.message})))
        except Exception:
            log.exception("a tick of %s", self.view.board)

    async def _ask(self, since: int | None) -> tuple[bytes, int, Any]:
        """(the answer, its watermark, version of the definition)."""
        self.asked += 1
        given = self.view.given + ([("since", str(since))] if since else [])
        answer = await self._hub.api.read(f"/api/monitoring/dashboards/{quote(self.view.board, safe='')}", given)
        told = orjson.loads(answer)
        return answer, int(told.get("watermark") or 0), told.get("version")

    async def _all(self, answer: bytes, version: Any) -> bytes:
        layout = await self._hub.layout(self.view.board, version)
        head = b'{"kind":"all","view":"%b","layout":' % self.view.key.encode()
        return head + layout + b',"answer":' + answer + b"}"

    def _message(self, kind: bytes, answer: bytes) -> bytes:
        return b'{"kind":"%b","view":"%b","answer":%b}' % (kind, self.view.key.encode(), answer)

    def _tell(self, message: bytes) -> None:
        for viewer in list(self._viewers):
            try:
                viewer.take(message)
            except Exception:  # one who is gone must not keep it from the others
                log.debug("a viewer is gone", exc_info=True)
                self._hub.leave(viewer)
