"""The outermost layer: an exception nobody foresaw, and a refusal given before the body was read.

A client that is still sending when it is refused would see a reset connection instead of the answer, and hypercorn's
queue between socket and application (ten messages) would fill up and hold the connection for ever. So: answer, read on
for a moment and throw away (nginx calls it lingering close), then close.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pitchey_slo.web.errors import unexpected

#: How long an unread body is thrown away, in seconds, before the connection is closed.
LINGER_SECONDS = 2.0

HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Edge:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  # the promise: no 500, whatever happens
            response = unexpected(error)
            if not exchange.started:
                await response(scope, exchange.receive, exchange.send)


class Exchange:
    """One request and its answer; knows whether the body was read to its end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._unread = announces_body(scope)
        self.started = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = list(message.get("headers", []))
            told = {name.lower() for name, _ in given}  # a page that may be kept says so itself
            headers = [*given, *(header for header in HEADERS if header[0] not in told)]
            if self._unread:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self._unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
            if self._unread:
                await self._send_while_throwing_away(message)
                return
        await self._send(message)

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self._unread:
                    await self.receive()

    async def _send_while_throwing_away(self, last: Message) -> None:
        # hypercorn puts "disconnect" into the same bounded queue as the body: someone must keep emptying it
        drain = asyncio.create_task(self._throw_away())
        try:
            await self._send(last)
        finally:
            drain.cancel()

    async def _throw_away(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def announces_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip() != b"0"
