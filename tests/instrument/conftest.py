"""Applications on a real ASGI server in a thread, and one workbench that all tests of a file send to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.web.conftest import Running, running


@contextmanager
def serving(app: Any) -> Iterator[httpx.Client]:
    """A client of `app` behind hypercorn on a random port."""
    box: dict[str, Any] = {}
    ready = threading.Event()

    async def main() -> None:
        config = Config()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            box["port"] = listener.getsockname()[1]
            config.bind = [f"fd://{listener.detach()}"]
        config.errorlog = config.accesslog = None
        config.graceful_timeout = 1
        box["loop"], stop = asyncio.get_running_loop(), asyncio.Event()
        box["stop"] = stop.set
        ready.set()
        await serve(app, config, shutdown_trigger=stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(20)
    try:
        url = f"http://127.0.0.1:{box['port']}"
        with httpx.Client(base_url=url, trust_env=False, verify=False, timeout=20) as client:
            yield client
    finally:
        box["loop"].call_soon_threadsafe(box["stop"])
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="module")
def token(workbench: Running) -> str:
    return workbench.token("ingest")


def rows_of(workbench: Running, table: str, source: str) -> list[dict[str, Any]]:
    """What the workbench stored of one service, as a notebook reads it; in order of time."""
    from pitchey_slo import connect
    from pitchey_slo.client import HttpDoor

    with HttpDoor(workbench.info) as door:
        door.flush()
    found = connect(settings=workbench.settings).sql(f"FROM {table} WHERE source = '{source}' ORDER BY ts")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
