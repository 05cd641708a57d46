"""The only way out of a browser: a proxy of our own that dials judged addresses.

Interception in the browser is not enough: it does not see the later hops of a redirect, and the browser asks the name
server itself, a second time. Through the proxy every connection of the page (documents, scripts, fetches, WebSockets,
redirects) is resolved once here, judged by the guard, and goes to the judged address. It listens on loopback, for one
run, and wants a password that only its own browser has.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets as chance
import time
from typing import Final

from pitchey_slo.guard import Guard
from pitchey_slo.probe.synthetic.dial import connect
from pitchey_slo.probe.synthetic.phases import Fault, Phases
from pitchey_slo.probe.synthetic.url import BadUrl, Url, parse

MOST_HEAD: Final = 64 << 10
#: Bytes that a page may load in one run.
MOST_BYTES: Final = 64 << 20
CONNECT_SECONDS: Final = 10.0
#: Requests without the password that are answered on one line; the browser's first is one.
MOST_STRANGERS: Final = 3
#: Says in our own refusals that they are ours.
MARK: Final = "x-pitchey-refused"


class Proxy:
    """`faults` and `phases` by (host, port): why the last connection failed, how long the first one took."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.password = chance.token_urlsafe(16)
        self.faults: dict[tuple[str, int], Fault] = {}
        self.phases: dict[tuple[str, int], Phases] = {}
        self.received = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0, limit=MOST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._one(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a browser that went away, or that does not speak HTTP
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, headers = await _asked(reader)
        for _ in range(MOST_STRANGERS):
            if self._known(headers):
                break
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                         b'Proxy-Authenticate: Basic realm="probe"\r\nContent-Length: 0\r\n\r\n')  # fmt: skip
            await writer.drain()
            method, target, headers = await _asked(reader)
        else:
            return
        try:
            url = parse(f"https://{target}/" if method == "CONNECT" else target)
            there, back = await self._dialled(url)
        except (Fault, BadUrl) as error:
            text = str(error).encode()
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n%s: 1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                         % (MARK.encode(), len(text), text))  # fmt: skip
            await writer.drain()
            return
        left = None
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                back.write(_forwarded(method, url, headers))
                length = next((value for name, value in headers if name.lower() == "content-length"), "0")
                left = int(length)
            await self._both(reader, writer, there, back, left)
        finally:
            back.transport.abort()

    def _known(self, headers: list[tuple[str, str]]) -> bool:
        wanted = "Basic " + base64.b64encode(f"probe:{self.password}".encode()).decode()
        given = [value.strip() for name, value in headers if name.lower() == "proxy-authorization"]
        return len(given) == 1 and chance.compare_digest(given[0].encode(), wanted.encode())

    async def _dialled(self, url: Url) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises Fault, and remembers it."""
        key, phases, end = (url.host, url.port), Phases(), time.perf_counter() + CONNECT_SECONDS
        try:
            held, _ = await connect(url, self.guard, phases, lambda: end - time.perf_counter())
        except Fault as fault:
            self.faults[key] = fault
            raise
        self.phases.setdefault(key, phases)
        return await asyncio.open_connection(sock=held)

    async def _both(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader,
        back: asyncio.StreamWriter, left: int | None,
    ) -> None:  # fmt: skip
        sending = asyncio.create_task(_pour(reader, back, left))
        try:
            if left is not None:
                head = await there.readuntil(b"\r\n\r\n")
                self.received += len(head)
                writer.write(_closing(head))
            while self.received <= MOST_BYTES and (data := await there.read(65_536)):
                self.received += len(data)
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(OSError):
                writer.write_eof()
        finally:
            sending.cancel()


async def _asked(reader: asyncio.StreamReader) -> tuple[str, str, list[tuple[str, str]]]:
    """Method, target and headers of the next request. Raises what `Proxy._serve` takes for a browser that went away."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    method, target, _ = first.split(" ", 2)
    found = (line.partition(":") for line in lines)
    return method, target, [(name, value) for name, _, value in found]


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter, left: int | None) -> None:
    """Pass on `left` bytes, all that come when it is None: a second plain request on the line is not passed on."""
    with contextlib.suppress(OSError):
        while left is None or left > 0:
            data = await source.read(65_536 if left is None else min(left, 65_536))
            if not data:
                return
            left = left if left is None else left - len(data)
            sink.write(data)
            await sink.drain()


def _closing(head: bytes) -> bytes:
    """The head of an answer that tells the browser not to use the line again."""
    first, *lines = head[:-4].split(b"\r\n")
    if b" 1" in first[:10]:  # a hint, with the answer still to come
        return head
    own = (b"connection", b"keep-alive", b"proxy-connection", MARK.encode())
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in own]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _forwarded(method: str, url: Url, headers: list[tuple[str, str]]) -> bytes:
    """The head of a request as the server itself gets it; one request per connection, so that the next is judged
    anew."""
    own = ("proxy-authorization", "proxy-connection", "connection", "keep-alive", "host")
    kept = [f"{name}:{value}" for name, value in headers if name.lower() not in own]
    kept += [f"Host: {url.netloc}", "Connection: close"]
    return (f"{method} {url.target} HTTP/1.1\r\n" + "\r\n".join(kept) + "\r\n\r\n").encode("latin-1")
