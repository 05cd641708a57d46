"""Agents at the three locations of the demo's history, so that its tests go on being looked at from there.

They are the real agents in one thread of this process: they pull their tests, deliver their results, keep them on disk
while the server is away. A location that is `out` reaches nothing at all of what it looks at: the address it is given
is one where nobody listens.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from pitchey_slo.client import ServerInfo
from pitchey_slo.demo.looks import SPOTS
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic import Definition, run
from pitchey_slo.probe.synthetic.agent import Agent, Api
from pitchey_slo.probe.synthetic.reader import read
from pitchey_slo.probe.synthetic.spool import Spool

#: Seconds the last results may take to be delivered at the end.
PATIENCE: Final = 10.0


class Agents:
    """A context manager; `base` is the platform's address."""

    def __init__(self, server: ServerInfo, folder: Path, base: str) -> None:
        self.out: set[str] = set()
        self._server, self._folder, self._base = server, folder, base
        self._dead = socket.socket()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="demo-agents", daemon=True)

    def __enter__(self) -> Agents:
        self._dead.bind(("127.0.0.1", 0))  # taken, and nobody listens
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        self._dead.close()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        agents = [self._agent(spot.name) for spot in SPOTS]
        self._loop.run_until_complete(asyncio.gather(*(agent.work(self._stop) for agent in agents)))
        self._loop.close()

    def _agent(self, location: str) -> Agent:
        async def look(definition: Definition, base: str | None) -> Sequence[Result]:
            dead = f"http://127.0.0.1:{self._dead.getsockname()[1]}"
            where = dead if location in self.out else base or self._base
            return await run(definition, base=where, location=location, clock=lambda: datetime.now(UTC))

        api = Api(self._server.url, self._server.token, location)
        return Agent(location, api, Spool(self._folder / location), look, read, base=self._base)
