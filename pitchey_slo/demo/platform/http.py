"""HTTP/1.1 on asyncio streams: requests in, answers out, one task per connection, and WebSockets handed on.

h11 reads and writes the protocol. Bodies are at most a mebibyte, a request must be complete within fifteen seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import orjson

LARGEST: Final = 1 << 20
#: Seconds a request may take to arrive, and a connection to stay idle.
PATIENCE: Final = 15.0
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """Header names are in lower case; `raw` are they as they came, for the WebSocket handshake."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    target: str = "/"
    raw: Headers = ()

    def json(self) -> Any:
        """Raises ValueError when the body is none."""
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """`cut`: break off after so many bytes of the body."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: Headers = ()
    cut: int | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def said(status: int, value: Any = None, *headers: tuple[str, str], **notes: Any) -> Answer:
    """A JSON answer; no body without a value."""
    return Answer(status, b"" if value is None else orjson.dumps(value), headers=headers, notes=notes)


def refused(status: int, message: str) -> Answer:
    return said(status, {"error": message})


Handler = Callable[[Request], Awaitable[Answer]]
#: Talks on after a WebSocket handshake was asked for: (request, bytes that came already, reader, writer).
Talk = Callable[[Request, bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """One address. `open` and `close` may be called again and again: the port stays the same."""

    def __init__(self, handler: Handler, *, talk: Talk | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._handler, self._talk, self._tls = handler, talk, tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.host, self.port = "127.0.0.1", 0
        #: while set, connections are taken and nothing is read or answered
        self.hanging = False

    async def open(self, host: str | None = None, port: int | None = None) -> None:
        """Listen, where it listened before unless told. Raises OSError when the port is taken."""
        if self._server is None:
            self.host, self.port = host or self.host, self.port if port is None else port
            self._server = await asyncio.start_server(
                self._meet, self.host, self.port, reuse_address=True, ssl=self._tls
            )
            self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more; connections are dropped."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in tuple(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(tuple(self._open), timeout=2)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError, asyncio.IncompleteReadError, h11.ProtocolError):
            pass  # whoever is gone is told nothing
        finally:
            self._open.discard(task)
            writer.transport.abort() if _unsent(writer) else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=64 << 10)
        while True:
            while self.hanging:
                await asyncio.sleep(0.05)
            try:
                async with asyncio.timeout(PATIENCE):
                    request = await _read(connection, reader)
            except h11.RemoteProtocolError as error:
                answer = said(error.error_status_hint, {"error": str(error)}, ("Connection", "close"))
                await _write(connection, writer, answer, "GET")
                await _linger(reader, writer)
                return
            if request is None:
                return
            if self._talk is not None and request.headers.get("upgrade", "").lower() == "websocket":
                await self._talk(request, connection.trailing_data[0], reader, writer)
                return
            answer = await self._handler(request)
            while self.hanging:
                await asyncio.sleep(0.05)
            await _write(connection, writer, answer, request.method)
            if answer.cut is not None or connection.our_state is not h11.DONE:
                return
            if connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()


def _unsent(writer: asyncio.StreamWriter) -> bool:
    with contextlib.suppress(AttributeError, OSError):
        return writer.transport.get_write_buffer_size() > 0
    return False


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on for a second: closing over unread bytes would take the answer away from its reader."""
    if writer.can_write_eof():
        writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while await reader.read(1 << 16):
                pass


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The next request, whole; None when there is none. Raises h11.RemoteProtocolError."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(1 << 16))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LARGEST:
                raise h11.RemoteProtocolError(f"more than {LARGEST} bytes", 413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, bytes(body))
        else:  # closed, or paused for a protocol we did not switch to
            return None


def _request(head: h11.Request, body: bytes) -> Request:
    target = head.target.decode("ascii", "replace")
    parts = urlsplit(target)
    return Request(
        head.method.decode("ascii"),
        unquote(parts.path) or "/",
        dict(parse_qsl(parts.query)),
        {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers},
        body,
        target,
        tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items()),
    )


async def _write(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer, method: str) -> None:
    headers = [("Server", "pitchey"), ("Content-Length", str(len(answer.body)))]
    headers += [("Content-Type", answer.kind)] if answer.body else []
    data = connection.send(h11.Response(status_code=answer.status, headers=[*headers, *answer.headers])) or b""
    bodyless = method == "HEAD" or answer.status in (204, 304)
    if answer.cut is not None:
        writer.write(data + answer.body[: answer.cut])
        await writer.drain()
        return
    if answer.body and not bodyless:
        data += connection.send(h11.Data(answer.body)) or b""
    data += (connection.send(h11.EndOfMessage()) or b"") if not (bodyless and answer.body) else b""
    writer.write(data)
    await writer.drain()


def loopback_port() -> int:
    """A port of this machine that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
