"""Run the API until it is asked to stop, then close the store.

hypercorn rather than uvicorn, which keeps stalled connections for ever. Its own `read_timeout` also counts while an
answer is being worked on and would cut a long backup, so stalled bodies are timed where they are read
(`limits.read_body`), and stalled headers by hypercorn's idle timer, which starts with the connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, cast

import pyarrow as pa
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from pitchey_slo.client import ServerInfo
from pitchey_slo.errors import ConfigError, PitcheyError, StoreError
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store, utc_now
from pitchey_slo.web.alerting import Alerting
from pitchey_slo.web.app import create_app
from pitchey_slo.web.limits import Limits
from pitchey_slo.web.series import scrape_jobs


class Helper(Protocol):
    """Something that runs as long as alerting does, such as investigations, which live in a room after this one."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class Screens(Protocol):
    """The dashboards: a process of their own, which the room `show` after this one starts and keeps alive."""

    @property
    def url(self) -> str: ...

    @property
    def up(self) -> bool: ...

    @property
    def pid(self) -> int | None: ...

    def viewers(self) -> int | None: ...

    def start(self, info: ServerInfo) -> None: ...

    def close(self) -> None: ...


Beside = Callable[[Alerting], Helper]

#: Seconds that requests in progress have when the server is asked to stop.
GRACE = 10.0


def serve(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    limits: Limits | None = None,
    on_ready: Callable[[ServerInfo], None] = lambda _: None,
    beside: Sequence[Beside] = (),
    screens: Screens | None = None,
) -> None:
    """Serve `settings.home` on `settings.host` and `.port` until SIGTERM or Ctrl-C; requests in progress are finished.

    `on_ready` is called once the store is open; what `beside` makes runs as long as alerting does. Raises ConfigError
    when the port is taken, StoreLocked when another
    process owns the home, StoreDamaged when it does not open.
    """
    with listen(settings.host, settings.port) as listener:
        asyncio.run(_until_signal(settings, listener, clock, limits or Limits(), on_ready, beside, screens))


async def _until_signal(
    settings: Settings,
    listener: socket.socket,
    clock: Callable[[], datetime],
    limits: Limits,
    on_ready: Callable[[ServerInfo], None],
    beside: Sequence[Beside],
    screens: Screens | None,
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, listener, stop, clock=clock, limits=limits, on_ready=on_ready, beside=beside, screens=screens)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises ConfigError that says what is wrong with the address."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise ConfigError(f"no such address {host!r}: {error.strerror}", key="host") from None
    except OSError as error:
        hint = "stop what listens there, or choose another with --port (0 takes a free one)"
        raise ConfigError(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}", key="port", hint=hint
        ) from None


async def run(
    settings: Settings,
    listener: socket.socket,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    limits: Limits,
    on_ready: Callable[[ServerInfo], None],
    beside: Sequence[Beside] = (),
    screens: Screens | None = None,
) -> None:
    """`serve` inside a running event loop, until `stop` is set."""
    jobs = scrape_jobs(settings)
    helpers: list[Helper] = []
    app = create_app(None, settings, clock=clock, limits=limits)
    house, series = app.state.house, app.state.series
    server = asyncio.create_task(hypercorn_serve(cast(Any, app), _config(listener, limits), shutdown_trigger=stop.wait))
    app.state.screens = screens
    address = screens.url if screens is not None else None
    info = ServerInfo(url_of(listener), os.getpid(), house.guard.make_local(), house.started_at, address)
    try:
        # alive but not ready meanwhile: opening replays what an unclean stop left
        house.store, _ = await asyncio.gather(
            asyncio.to_thread(Store.open, settings, clock=clock), asyncio.to_thread(warm_up)
        )
        series.start(jobs)
        engine = app.state.analytics_engine
        schedules = app.state.schedules
        app.state.alerting.start(series.scan, info.url, lambda: {**series.down(), **engine.down()}, schedules.watched)
        app.state.anomalies.start()
        await asyncio.to_thread(app.state.synthetic.start)
        app.state.health.start()
        app.state.status.start()
        app.state.publisher.start()
        engine.start()
        await asyncio.to_thread(schedules.start)
        app.state.overhead.start()
        helpers += [make(app.state.alerting) for make in beside]
        for helper in helpers:
            helper.start()
        info.write(settings.home)
        if screens is not None:
            screens.start(info)
        on_ready(info)
        await asyncio.shield(server)
    finally:
        stop.set()
        if screens is not None:
            await asyncio.to_thread(screens.close)
        await server
        for helper in helpers:
            helper.close()
        await asyncio.to_thread(app.state.overhead.close)
        await asyncio.to_thread(app.state.schedules.close)
        await asyncio.to_thread(app.state.health.close)
        await asyncio.to_thread(app.state.anomalies.close)
        app.state.publisher.close()
        await asyncio.to_thread(app.state.analytics_engine.close)
        await asyncio.to_thread(app.state.status.close)
        await asyncio.to_thread(app.state.synthetic.close)
        await asyncio.to_thread(app.state.alerting.close)
        await asyncio.to_thread(series.close)
        await asyncio.to_thread(app.state.slos.close)
        house.decoders.shutdown()
        if house.store is not None:
            info.remove(settings.home)
            await asyncio.to_thread(close, house.store)


def close(store: Store) -> None:
    """Close `store`. Raises StoreError when the lake took nothing more: hot is closed and complete all the same."""
    try:
        store.close()
    except PitcheyError:
        raise
    except Exception as error:
        raise StoreError(
            f"stopped; all rows are safe in {store.settings.home}, but the lake {store.settings.lake_uri} "
            f"did not take the newest: {error}; the next start brings them there"
        ) from error


def warm_up() -> None:
    """pyarrow imports pandas when it first makes an array of Python values: no delivery should wait that second."""
    pa.array([0])


def _config(listener: socket.socket, limits: Limits) -> Config:
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.backlog = 512
    config.keep_alive_timeout = limits.idle
    config.keep_alive_max_requests = 1_000_000  # a collector keeps its connection for days
    config.graceful_timeout = GRACE
    config.include_server_header = False
    quiet = logging.getLogger("hypercorn.error")
    quiet.setLevel(logging.WARNING)  # where it listens is told by whoever called us
    config.errorlog = quiet
    return config


def url_of(listener: socket.socket) -> str:
    """The address a client on this machine reaches: a server on all addresses is reached on the loopback one."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
