"""The WebSocket at `/ws`: says back what it is told. The protocol is that of the library `websockets`, without its own
input and output, since the connection began as a request of ours."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from pitchey_slo.demo.platform.http import Request

LARGEST: Final = 1 << 16
#: Seconds of silence after which a connection is ended.
IDLE: Final = 120.0


async def echo(
    request: Request, already: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[int, int]:
    """Talk until the other side leaves; status of the handshake and messages that came."""
    protocol = ServerProtocol(max_size=LARGEST)
    head = f"{request.method} {request.target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in request.raw)
    protocol.receive_data(head.encode("latin-1") + b"\r\n" + already)
    status, messages = 400, 0
    while True:
        for event in protocol.events_received():
            if isinstance(event, Handshake):
                response = protocol.accept(event)
                protocol.send_response(response)
                status = response.status_code
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                messages += event.opcode is not Opcode.CONT
                _repeat(protocol, event)
        for data in protocol.data_to_send():
            if data:
                writer.write(data)
        await writer.drain()
        if protocol.close_expected() or status != 101:
            break
        try:
            async with asyncio.timeout(IDLE):
                data = await reader.read(1 << 16)
        except TimeoutError:
            break
        if not data:  # gone without a word
            break
        protocol.receive_data(data)
    with contextlib.suppress(OSError):
        await writer.drain()
    return status, messages


def _repeat(protocol: ServerProtocol, frame: Frame) -> None:
    if frame.opcode is Opcode.TEXT:
        protocol.send_text(frame.data, fin=frame.fin)
    elif frame.opcode is Opcode.BINARY:
        protocol.send_binary(frame.data, fin=frame.fin)
    else:
        protocol.send_continuation(frame.data, fin=frame.fin)
