"""A TCP proxy in front of a database or a cache: passes everything on, listens to nobody, or takes connections and
says nothing. So a part can be dead or hang while it is well."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Mode = Literal["pass", "dead", "hang"]


class Proxy:
    """On loopback, on one port for all of its life. Connections that are open suffer what new ones do."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self.mode: Mode = "pass"
        self.port = 0

    async def open(self) -> None:
        self._flowing.set()
        await self._listen()

    async def close(self) -> None:
        await self._refuse()

    async def use(self, mode: Mode) -> None:
        """Be like that from now on."""
        if mode == self.mode:
            return
        self.mode = mode
        if mode == "hang":
            self._flowing.clear()
        else:
            self._flowing.set()
        if mode == "dead":
            await self._refuse()
        else:
            await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port, reuse_address=True)
            self.port = int(self._server.sockets[0].getsockname()[1])

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in tuple(self._pairs):
            task.cancel()
        if self._pairs:
            await asyncio.wait(tuple(self._pairs), timeout=2)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        other: asyncio.StreamWriter | None = None
        pumps: list[asyncio.Task[None]] = []
        try:
            await self._flowing.wait()
            far, other = await asyncio.open_connection(*self._target)
            pumps = [asyncio.create_task(self._pump(a, b)) for a, b in ((reader, other), (far, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pairs.discard(task)
            for pump in pumps:
                pump.cancel()
            for end in (writer, other):
                if end is not None:
                    end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
