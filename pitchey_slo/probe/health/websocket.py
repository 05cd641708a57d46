"""WebSocket: the handshake works, a message comes back, and many messages come back fast."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from pitchey_slo.probe.health.model import CheckKind, Context, Key, Measure, Seen, Trouble

#: Messages about other things that are skipped while an echo is awaited.
MOST_OTHERS: Final = 1_000
_LARGEST: Final = 1 << 20


@dataclass(frozen=True)
class WebSocket:
    """`send` is the message; `{id}` in it becomes a text that the echo must hold. `echo` False measures with the
    protocol's own ping, for servers that repeat nothing. `messages` are sent at once for the throughput."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    send: str = "pitchey-slo {id}"
    echo: bool = True
    messages: int = 50
    ca_file: str | None = None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    async def look(self, context: Context) -> Seen:
        from websockets import exceptions
        from websockets.asyncio.client import connect

        options: dict[str, Any] = {"ssl": self._tls} if self.url.startswith("wss://") else {}
        socket = None
        try:
            with context.phase("connect"):
                begin = context.monotonic()
                socket = await connect(
                    self.url, additional_headers=dict(self.headers), proxy=None, open_timeout=None, close_timeout=1,
                    ping_interval=None, max_size=_LARGEST, user_agent_header="pitchey-slo health", **options,
                )  # fmt: skip
                connected = context.monotonic() - begin
            return await self._talk(socket, context, connected)
        except exceptions.InvalidURI as error:
            raise Trouble("probe_error", f"{error}; write ws:// or wss://") from error
        except exceptions.InvalidStatus as error:
            status = error.response.status_code
            reason = f"the handshake was answered with status {status}, not 101"
            raise Trouble("http_status", reason, phase="first_byte", answered=status < 500, status=status) from error
        except exceptions.InvalidHandshake as error:
            raise Trouble("body", f"the handshake was answered with something else: {error}",
                          phase="first_byte") from error  # fmt: skip
        except exceptions.ConnectionClosed as error:
            raise Trouble("body", f"the connection was closed: {error}", phase=context.now_in, answered=True) from error
        finally:
            if socket is not None:
                socket.transport.abort()  # a server that hangs would never say goodbye

    async def _talk(self, socket: Any, context: Context, connected: float) -> Seen:
        values = {"connect_seconds": connected}
        with context.phase("first_byte"):
            begin = context.monotonic()
            await (self._echoed(socket, 1) if self.echo else _pong(socket))
            values["echo_seconds"] = context.monotonic() - begin
        if self.messages:
            with context.phase("transfer"):
                begin = context.monotonic()
                await (self._echoed(socket, self.messages) if self.echo else _pongs(socket, self.messages))
                values["messages_per_second"] = self.messages / max(1e-6, context.monotonic() - begin)
        return Seen(values, 101)

    async def _echoed(self, socket: Any, count: int) -> None:
        """Send so many messages and wait until each came back; messages about other things are skipped."""
        waiting = {secrets.token_hex(8) for _ in range(count)}
        sending = asyncio.ensure_future(self._send(socket, list(waiting)))
        try:
            others = 0
            while waiting:
                said = await socket.recv()
                text = said if isinstance(said, str) else said.decode("utf-8", "replace")
                found = {one for one in waiting if one in text}
                waiting -= found
                others += not found
                if others > MOST_OTHERS:
                    raise Trouble("assertion", f"{others:,} messages came and no echo", phase="first_byte",
                                  answered=True)  # fmt: skip
            await sending
        finally:
            sending.cancel()

    async def _send(self, socket: Any, ids: list[str]) -> None:
        for one in ids:
            await socket.send(self.send.replace("{id}", one))


async def _pong(socket: Any) -> None:
    await (await socket.ping())


async def _pongs(socket: Any, count: int) -> None:
    await asyncio.gather(*[await socket.ping() for _ in range(count)])


WEBSOCKET: Final = CheckKind(
    "websocket",
    WebSocket,
    "a WebSocket endpoint takes a connection and answers messages",
    "websocket",
    keys={
        "url": Key("url", "ws:// or wss:// address", required=True),
        "headers": Key("secrets", "headers of the handshake, such as Authorization or Origin", {}),
        "send": Key("text", "the message; {id} is what the echo must hold", "pitchey-slo {id}"),
        "echo": Key("flag", "whether messages come back; with false the protocol's ping is measured", True),
        "messages": Key("integer", "messages sent at once for the throughput; 0 leaves it out", 50, low=0, high=10_000),
        "ca_file": Key("text", "certificates to trust instead of the usual ones"),
    },
    needs=("websockets.asyncio.client",),
    measures={
        "connect_seconds": Measure("s", "the handshake", 1.0, 5.0),
        "echo_seconds": Measure("s", "the echo of a message", 0.5, 5.0, series="pitchey_websocket_echo_seconds"),
        "messages_per_second": Measure("/s", "the throughput", 50.0, None, low=True,
                                       series="pitchey_websocket_messages_per_second"),
    },
)  # fmt: skip
