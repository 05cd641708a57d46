"""A real server on a random port: hypercorn, DuckDB, files; in this process so that limits and clock can be given."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.client import HttpDoor, ServerInfo
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store, utc_now
from pitchey_slo.testing import lay_out
from pitchey_slo.web.limits import Limits
from pitchey_slo.web.serve import listen, run


@dataclass
class Running:
    """A server that runs until the `with` block ends."""

    settings: Settings
    info: ServerInfo

    @property
    def url(self) -> str:
        return self.info.url

    def token(self, *scopes: str, name: str = "test") -> str:
        with HttpDoor(self.info) as door:
            return door.create_token(name, list(scopes))

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # without `verify=False` each client reads all certificates there are, 20 ms of processor time
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30, verify=False)


@contextmanager
def running(
    home: Path, *, limits: Limits | None = None, clock: Callable[[], Any] = utc_now, **given: Any
) -> Iterator[Running]:
    # no rules and routes but those a test gives: the shipped ones would be evaluated beside every test
    quiet = {"home": home, "port": 0, "config": home / "no-config", "investigate": ""}
    settings = Settings.load(env_file=None, **{**quiet, **given})
    if settings.lake is None:
        lay_out(home)
    ready: list[ServerInfo] = []
    started = threading.Event()
    box: dict[str, Any] = {}

    async def main() -> None:
        box["loop"], box["stop"] = asyncio.get_running_loop(), asyncio.Event()
        with listen("127.0.0.1", 0) as listener:
            await run(
                settings,
                listener,
                box["stop"],
                clock=clock,
                limits=limits or Limits(),
                on_ready=lambda info: (ready.append(info), started.set()),
            )

    def target() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  # handed to the test below
            box["error"] = error
        finally:
            started.set()

    thread = threading.Thread(target=target)
    thread.start()
    assert started.wait(60)
    try:
        if "error" in box:
            raise box["error"]
        yield Running(settings, ready[0])
    finally:
        with contextlib.suppress(RuntimeError):  # it ended by itself
            box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(60)
    assert not thread.is_alive()
    if "error" in box:
        raise box["error"]  # of the stop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="module")
def ingest(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("ingest")) as client:
        yield client


def stored(home: Path, table: str = "requests") -> list[dict[str, Any]]:
    """All rows of a home that no server owns now."""
    with Store.open(Settings.load(env_file=None, home=home), background=False) as store:
        return store.query(f"FROM {table}").to_pylist()


def event(**more: Any) -> dict[str, Any]:
    return {"ts": "2026-01-05T10:00:00Z", "route": "/api/pitches", "status": 200, "duration_ms": 12.5, **more}
