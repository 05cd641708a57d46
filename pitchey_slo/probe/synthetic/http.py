"""One HTTP exchange on a connection of its own, so that every phase is measured, and nothing a server does can hurt.

HTTP/1.1 by h11. 1 MiB of a body is read and 64 KiB of it kept, after decompression; heads are at most 64 KiB. A server
that drips, lies about lengths, sends heads for ever or redirects in circles ends in a Fault within the time given.
Redirects are followed here, each hop dialled and judged anew; another host gets neither credentials nor bodies.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import h11

from pitchey_slo.probe.synthetic.definition import MOST_REDIRECTS
from pitchey_slo.probe.synthetic.dial import Dialler, Line
from pitchey_slo.probe.synthetic.phases import WAITED_FOR, Fault, Phases, span
from pitchey_slo.probe.synthetic.url import BadUrl, Url, joined

if TYPE_CHECKING:
    from pitchey_slo.probe.synthetic.cookies import Cookies

MOST_READ: Final = 1 << 20
MOST_KEPT: Final = 64 << 10
MOST_HEAD: Final = 64 << 10
#: "Wait, there is more" answers (1xx) before the real one.
MOST_HINTS: Final = 8
AGENT: Final = "pitchey-slo-synthetic"
#: What another host may see of our headers after a redirect.
_HARMLESS: Final = frozenset({"accept", "accept-language", "user-agent", "traceparent"})


@dataclass(frozen=True)
class Ask:
    """What is sent. `headers` as given; Host, length and the like are added."""

    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    follow: bool = True


@dataclass(frozen=True)
class Answer:
    """What came back, of the last hop. `body` is the first 64 KiB, decompressed; `read` the bytes that came over the
    line; `whole`: nothing is missing from `body`."""

    url: Url
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    read: int
    whole: bool
    address: str
    cert_days: float | None
    hops: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """Its value; several of one name are joined by commas, as HTTP says; None when it is not there."""
        found = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(found) if found else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")


async def fetch(ask: Ask, dialler: Dialler, cookies: Cookies, phases: Phases, seconds: float) -> Answer:
    """The answer to `ask` within `seconds`, redirects followed. Raises Fault."""
    end = time.perf_counter() + seconds
    hops: list[str] = []
    while True:
        answer = await _once(ask, dialler, cookies, phases, lambda: end - time.perf_counter(), seconds)
        cookies.take(answer)
        location = answer.header("location")
        if not ask.follow or answer.status not in (301, 302, 303, 307, 308) or location is None:
            return replace(answer, hops=tuple(hops))
        hops.append(answer.url.shown)
        ask = _next(ask, answer, location, hops)


def _next(ask: Ask, answer: Answer, location: str, hops: list[str]) -> Ask:
    """The request a redirect asks for. Raises Fault when it must not be made."""

    def refused(reason: str) -> Fault:
        return Fault("http_status", reason, phase="first_byte", status=answer.status, cert_days=answer.cert_days)

    try:
        url = joined(ask.url, location)
    except BadUrl as error:
        raise refused(f"{answer.status} to an address that is not followed: {error}") from None
    if len(hops) > MOST_REDIRECTS:
        raise refused(f"more than {MOST_REDIRECTS} redirects, the last to {url.shown}")
    method, body = ask.method, ask.body
    if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
        method, body = ("HEAD" if method == "HEAD" else "GET"), b""
    headers = dict(ask.headers) if body else {k: v for k, v in ask.headers.items() if k.lower() != "content-type"}
    if url.origin != ask.url.origin:
        if body:
            raise refused(f"{answer.status} sends what was posted on to {url.shown}; another host does not get it")
        headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
    return Ask(method, url, headers, body)


async def _once(
    ask: Ask, dialler: Dialler, cookies: Cookies, phases: Phases, left: Callable[[], float], seconds: float
) -> Answer:
    line = await dialler.dial(ask.url, phases, left)
    try:
        async with asyncio.timeout(left()):
            return await _exchange(ask, line, cookies, phases)
    except TimeoutError:
        reason = f"{WAITED_FOR[phases.now]} did not come within {span(seconds)}"
        raise Fault("timeout", reason, phase=phases.now, cert_days=line.cert_days) from None
    except Fault as fault:
        fault.cert_days = line.cert_days
        raise
    finally:
        line.close()


async def _exchange(ask: Ask, line: Line, cookies: Cookies, phases: Phases) -> Answer:
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
    with phases.of("first_byte"):
        await _send(ask, line, talk, cookies)
        first = await _some(line, talk)
        if not first:
            raise Fault("connect", "the connection was closed before an answer", phase="first_byte")
    with phases.of("transfer"):
        where = "first_byte"
        try:
            head = await _head(line, talk)
            where = "transfer"
            return await _body(ask, line, talk, head)
        except h11.RemoteProtocolError as error:
            raise Fault("body", f"the answer cannot be read: {error}", phase=where) from None


async def _send(ask: Ask, line: Line, talk: h11.Connection, cookies: Cookies) -> None:
    headers = {"host": ask.url.netloc, "user-agent": AGENT, "accept": "*/*", "accept-encoding": "gzip"}
    if jar := cookies.header(ask.url):
        headers["cookie"] = jar
    headers |= {name.lower(): value for name, value in ask.headers.items()}
    headers["connection"] = "close"
    if ask.body or ask.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(ask.body))
    try:
        sent = talk.send(
            h11.Request(
                method=ask.method,
                target=ask.url.target,
                headers=[(name.encode("utf-8"), value.encode("utf-8")) for name, value in headers.items()],
            )
        )
        sent = (sent or b"") + (talk.send(h11.Data(ask.body)) or b"" if ask.body else b"")
        sent += talk.send(h11.EndOfMessage()) or b""
    except h11.LocalProtocolError as error:
        raise Fault("probe_error", f"the request is not HTTP: {error}") from None
    line.writer.write(sent)
    try:
        await line.writer.drain()
    except OSError:
        return  # it may have answered before it closed: an early 413, say


async def _some(line: Line, talk: h11.Connection) -> bytes:
    """The next bytes of the server, handed to h11; empty at the end, and when the connection broke."""
    try:
        data = await line.reader.read(65_536)
    except OSError:
        data = b""
    talk.receive_data(data)
    return data


async def _head(line: Line, talk: h11.Connection) -> h11.Response:
    hints = 0
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            await _some(line, talk)
        elif isinstance(event, h11.Response):
            return event
        elif isinstance(event, h11.InformationalResponse):
            hints += 1
            if hints > MOST_HINTS or event.status_code == 101:
                raise Fault("body", f"{hints} answers of status {event.status_code}, and no real one", phase="transfer")
        else:
            raise Fault("connect", "the connection was closed before an answer", phase="first_byte")


async def _body(ask: Ask, line: Line, talk: h11.Connection, head: h11.Response) -> Answer:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    kept, read, ended = Kept(_coding(headers)), 0, False
    while read <= MOST_READ:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            await _some(line, talk)
        elif isinstance(event, h11.Data):
            read += len(event.data)
            kept.add(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            ended = True
            break
        else:
            break
    kept.end(ended)
    return Answer(
        ask.url, head.status_code, headers, bytes(kept.body), min(read, MOST_READ), ended and not kept.cut,
        line.address, line.cert_days,
    )  # fmt: skip


class Kept:
    """The first 64 KiB of a body, decompressed as it comes: a small answer that swells is cut, never held."""

    def __init__(self, coding: str) -> None:
        self.body = bytearray()
        self.cut = False
        self._swollen = zlib.decompressobj(wbits=47) if coding in ("gzip", "x-gzip", "deflate") else None
        self._nothing = True
        if self._swollen is None and coding not in ("", "identity"):
            raise Fault("body", f"content-encoding {coding!r}, which was not asked for", phase="transfer")

    def add(self, data: bytes) -> None:
        if self.cut or not data:
            return
        self._nothing = False
        room = MOST_KEPT - len(self.body)
        if self._swollen is not None:
            try:
                data = self._swollen.decompress(data, room + 1)
            except zlib.error as error:
                raise Fault("body", f"the body is not gzip: {error}", phase="transfer") from None
        self.cut = len(data) > room
        self.body += data[:room]

    def end(self, ended: bool) -> None:
        """Raises Fault when the body stops in the middle of its compression."""
        if ended and self._swollen is not None and not (self.cut or self._nothing or self._swollen.eof):
            raise Fault("body", "the compressed body breaks off", phase="transfer")


def _coding(headers: tuple[tuple[str, str], ...]) -> str:
    return next((value.strip().lower() for name, value in headers if name == "content-encoding"), "")
