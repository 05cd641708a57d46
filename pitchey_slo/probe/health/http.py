"""HTTP: an API or a Worker answers in time, with a good status, and says what it should.

Every look is a connection of its own, so that name, handshake and certificate are looked at too. Redirects are not
followed: an answer that sends people elsewhere is what the check has to judge.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from pitchey_slo.probe.health.model import CheckKind, Context, Key, Measure, Seen, Trouble

#: Bytes of a body that are read; a health answer is small.
MOST: Final = 256 * 1024
#: Events of httpcore that begin and end a phase.
_BEGINS: Final = {
    "connection.connect_tcp.started": "connect",
    "connection.start_tls.started": "tls",
    "http11.send_request_headers.started": "first_byte",
}


@dataclass(frozen=True)
class Http:
    """`status` are codes or classes such as "2xx"; `contains` must be in the body."""

    url: str
    path: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: tuple[str, ...] = ("2xx",)
    contains: str | None = None
    ca_file: str | None = None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else _usual_tls()

    async def look(self, context: Context) -> Seen:
        import httpx

        timer = _Timer(context)
        verify: Any = self._tls if self.url.startswith("https://") else False
        headers = {"user-agent": "pitchey-slo health", "accept-encoding": "identity", **self.headers}
        begin = time.perf_counter()
        async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=None) as client:
            request = client.build_request(
                self.method, self.url.rstrip("/") + self.path, headers=headers, extensions={"trace": timer}
            )
            try:
                answer = await client.send(request, stream=True)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise Trouble("probe_error", f"{error}; write http:// or https://") from error
            except httpx.RemoteProtocolError as error:
                raise Trouble("body", f"the answer is no HTTP: {error}", phase="first_byte") from error
            try:
                body = await _read(answer, context)
            except httpx.RemoteProtocolError as error:
                raise Trouble("body", f"the answer broke off: {error}", phase="transfer", answered=True,
                              status=answer.status_code) from error  # fmt: skip
            finally:
                certificate = _certificate_days(answer, context)
                await answer.aclose()
        values = {"latency_seconds": time.perf_counter() - begin}
        if certificate is not None:
            values["cert_days"] = certificate
        self._judge(answer.status_code, body, values)
        return Seen(values, answer.status_code, len(body), certificate)

    def _judge(self, status: int, body: bytes, values: Mapping[str, float]) -> None:
        if not any(wanted in (str(status), f"{status // 100}xx") for wanted in self.status):
            reason = f"status {status} where {' or '.join(self.status)} was hoped for"
            raise Trouble("http_status", reason, phase="first_byte", answered=status < 500, status=status,
                          values=values)  # fmt: skip
        if self.contains is not None and self.contains.encode() not in body:
            reason = f"the answer ({len(body):,} bytes) does not say {self.contains!r}"
            raise Trouble("assertion", reason, phase="transfer", answered=True, status=status, values=values)


async def _read(answer: Any, context: Context) -> bytes:
    """The body, as far as it is read."""
    body: bytes = b""
    with context.phase("transfer"):
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > MOST:
                return body[:MOST]
    return body


def _certificate_days(answer: Any, context: Context) -> float | None:
    """Days until the certificate of this connection ends; None without TLS."""
    stream = answer.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate:
        return None
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return (ends - context.clock().timestamp()) / 86_400


class _Timer:
    """Turns httpcore's events into phases."""

    def __init__(self, context: Context) -> None:
        self._context, self._open, self._begin = context, "", 0.0

    async def __call__(self, event: str, _: Mapping[str, Any]) -> None:
        if event in _BEGINS:
            self._open, self._begin = _BEGINS[event], self._context.monotonic()
            self._context.now_in = self._open
        elif self._open and event.endswith(
            ("connect_tcp.complete", "start_tls.complete", "receive_response_headers.complete")
        ):
            self._context.phases[self._open] = (self._context.monotonic() - self._begin) * 1000
            self._open, self._context.now_in = "", None


def _usual_tls() -> ssl.SSLContext:
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


HTTP: Final = CheckKind(
    "http",
    Http,
    "an HTTP API, a Worker or a page answers with a good status in time",
    "api",
    keys={
        "url": Key("url", "address to ask", required=True),
        "path": Key("text", "put behind the address", ""),
        "method": Key("text", "GET, HEAD or another", "GET"),
        "headers": Key("secrets", "headers to send, such as Authorization", {}),
        "status": Key("statuses", "statuses that are good: codes, or classes such as 2xx", ("2xx",)),
        "contains": Key("text", "what the body must say"),
        "ca_file": Key("text", "certificates to trust instead of the usual ones"),
    },
    measures={
        "latency_seconds": Measure("s", "the whole answer", 1.0, 5.0),
        "cert_days": Measure("days", "the time its certificate still holds", 14.0, None, low=True),
    },
    needs=("httpx", "certifi"),
    up={
        "api": ("pitchey_worker_up", "worker"),
        "worker": ("pitchey_worker_up", "worker"),
        "database": ("pitchey_db_up", "instance"),  # a database that is asked by way of a page about it
    },
)
