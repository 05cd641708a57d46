"""`pitchey-slo demo --live`: traffic as it happens, with incidents; --serve: and a server whose alerts come here."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_slo.cli.demo_platform import config_of, environment, live_config, tell
from pitchey_slo.cli.demo_tour import Reports, steps_of, token_for, told_of
from pitchey_slo.client import ServerInfo, find_server
from pitchey_slo.errors import ConfigError, StoreUnavailable
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from pitchey_slo.demo.agents import Agents
    from pitchey_slo.demo.collector import Arrived, Collector
    from pitchey_slo.demo.platform import Platform
    from pitchey_slo.demo.unrest import Unrest

#: Seconds between deliveries.
PAUSE = 0.5
#: Seconds the server may take to start, and to stop.
PATIENCE = 90.0
SERVER_LOG = "demo-server.log"
_COLOURS = {"critical": "red", "warning": "yellow", "resolved": "green"}


@dataclass(frozen=True)
class Beside:
    """The platform that runs beside the server: its port (0: a free one), PostgreSQL and Redis if there are any."""

    port: int = 0
    database: str | None = None
    redis: str | None = None


def send_live(
    settings: Settings,
    console: Console,
    *,
    rate: float,
    seed: int,
    seconds: float | None,
    calm: bool = False,
    serve: bool = False,
    first: float | None = None,
    platform: Beside | None = None,
) -> dict[str, Any]:
    """Send until `seconds` are over or Ctrl-C; what was sent is stored either way. `first` is when the first incident
    begins. `platform`: run it beside the server, and let the incidents happen to it too."""
    from pitchey_slo.demo import upcoming
    from pitchey_slo.demo.trouble import FIRST
    from pitchey_slo.demo.unrest import Unrest

    start = datetime.now(UTC)
    troubles = () if calm else upcoming(seed, start, FIRST if first is None else first)
    if not serve:
        return _send(settings, console, rate, seed, seconds, start, troubles)
    with ExitStack() as stack:
        service = stack.enter_context(_platform(settings, platform)) if platform else None
        told = stack.enter_context(serving(settings, console, service))
        traffic, faults = itertools.tee(troubles)
        agents = _agents(settings, service, stack) if service else None
        unrest = Unrest(service.faults, faults, agents.out if agents else None) if service else None
        found = _send(settings, console, rate, seed, seconds, start, traffic, unrest)
        _closing(console, settings)
        return found | {"told": [_plain(m) for m in told]}


@contextmanager
def _platform(settings: Settings, given: Beside) -> Iterator[Platform | None]:
    """The platform beside a server of our own; None when another server runs, which knows its own platform."""
    from pitchey_slo.cli.demo_platform import platform_of

    if find_server(settings.home) is not None:
        yield None
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    with platform_of(settings, given.port, given.database, given.redis, counted=False) as found:
        yield found


def _agents(settings: Settings, platform: Platform, stack: ExitStack) -> Agents | None:
    """The agents of the demo's locations, until the stack ends."""
    from pitchey_slo.demo.agents import Agents

    server = find_server(settings.home)
    if server is None:
        return None
    return stack.enter_context(Agents(server, settings.home / "spool", platform.url))


@contextmanager
def serving(settings: Settings, console: Console, platform: Platform | None = None) -> Iterator[list[Arrived]]:
    """A server on this home whose alerts arrive here; gives what arrived. A server that runs already is left alone.
    With `platform` it checks and tests that one."""
    from pitchey_slo.demo.collector import Collector

    running = find_server(settings.home)
    if running is not None:
        console.print(f"a server runs on {running.url}: its own routes say who is told", soft_wrap=True)
        yield []
        return
    # whoever stops us by SIGTERM must not leave the server behind
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        Collector(lambda message: console.print(*_words(message), sep="\n", soft_wrap=True)) as collector,
        _server(settings, collector.url, platform) as info,
    ):
        collector.steps = steps_of(
            info, settings, config_of(settings), settings.home / SERVER_LOG, token_for(info, settings)
        )
        _opening(console, info, collector)
        if platform is not None:
            tell(console, platform)
            console.print("health checks and tests look at it, and the incidents happen to it too", soft_wrap=True)
        with Reports(settings, config_of(settings), console):
            yield collector.messages


@contextmanager
def _server(settings: Settings, collector: str, platform: Platform | None) -> Iterator[ServerInfo]:
    from pitchey_slo import demo

    routes = Path(demo.__file__).with_name("alert_routes.yml")
    env = {**os.environ, "PITCHEY_ROUTES": str(routes), "PITCHEY_DEMO_COLLECTOR": collector}
    env |= {"PITCHEY_HOME": str(settings.home.resolve()), "PITCHEY_CONFIG": str(config_of(settings).resolve())}
    env |= {"PITCHEY_HOST": settings.host, "PITCHEY_PORT": str(settings.port)}
    if settings.host in ("127.0.0.1", "localhost", "::1"):  # whoever is on this machine may try everything
        env.setdefault("PITCHEY_DASHBOARDS_ANONYMOUS", "operator")
    settings.home.mkdir(parents=True, exist_ok=True)
    for port, name in ((settings.port, "PITCHEY_PORT"), (settings.dashboards_port, "PITCHEY_DASHBOARDS_PORT")):
        if name == "PITCHEY_PORT" or settings.dashboards != "off":
            check_port(settings.host, port, name)
    if platform is not None:
        env |= environment(platform) | {"PITCHEY_CONFIG": str(live_config(settings).resolve())}
    path = settings.home / SERVER_LOG
    with path.open("wb") as log:
        # a session of its own: Ctrl-C ends the traffic first, and then the server is asked to stop
        process = subprocess.Popen(
            [sys.executable, "-m", "pitchey_slo", "serve"], stdout=log, stderr=log, env=env, start_new_session=True
        )
    try:
        yield _ready(process, settings.home, path)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check_port(host: str, port: int, name: str) -> None:
    """Raises ConfigError that says which setting chooses another, when somebody listens there."""
    if not port:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        hint = f"stop what listens there, or take a free one: {name}=0 make demo"
        raise ConfigError(f"port {port} of {host}: {error.strerror}", key=name, hint=hint) from None


def _ready(process: subprocess.Popen[bytes], home: Path, log: Path) -> ServerInfo:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        info = find_server(home)
        if info is not None and info.pid == process.pid:
            return info
        time.sleep(0.05)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    raise StoreUnavailable(f"the server did not start; {log} says: " + " ".join(last))


def _send(
    settings: Settings,
    console: Console,
    rate: float,
    seed: int,
    seconds: float | None,
    start: datetime,
    troubles: Iterable[Any],
    unrest: Unrest | None = None,
) -> dict[str, Any]:
    from pitchey_slo.demo import LiveGauges, live
    from pitchey_slo.door import open_door

    def clock() -> datetime:
        return datetime.now(UTC)

    sent: Counter[str] = Counter()
    traffic, parts = itertools.tee(troubles)
    batches = live(seed=seed, rate=rate, start=start, clock=clock, troubles=traffic)
    gauges = LiveGauges(seed, start, parts)
    until = time.monotonic() + (seconds if seconds is not None else float("inf"))
    with open_door(settings) as door, console.status("sending") as status, asked_to_stop() as stop:
        while (left := until - time.monotonic()) > 0 and not stop.wait(min(PAUSE, left)):
            if unrest is not None:
                unrest.at(clock())
            _deliver(door.append, next(batches), sent, console)
            if (samples := gauges.since(clock())) is not None:
                sent["samples"] += len(samples)
                door.samples(samples)
            status.update(f"{sent['requests']:,} requests sent; Ctrl-C stops")
    console.print(f"{sent['requests']:,} requests and {sent['business_events']:,} business events sent")
    return {"home": str(settings.home), "rows": dict(sent)}


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM. An exception in the middle of anything could be lost on the way, a flag cannot; the
    second Ctrl-C is an exception again."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deliver(
    append: Callable[[str, pa.Table], Any], batch: dict[str, pa.Table], sent: Counter[str], console: Console
) -> None:
    for name, rows in batch.items():
        if len(rows):
            append(name, rows)
            sent[name] += len(rows)
    for row in batch["incidents"].to_pylist() if "incidents" in batch else ():
        at, what = (row["ended_at"], "is over") if row["ended_at"] else (row["started_at"], "begins")
        where = f" at {row['location']}" if row["location"] else ""
        console.print(f"{at:%H:%M:%S}  the incident {what}: {row['title']} ({row['kind']}{where})", style="bold")


def _words(message: Arrived) -> list[Any]:
    """A message as the console shows it."""
    from rich.text import Text

    head = Text(f"{message.at:%H:%M:%S}  ")
    head.append(f"{message.to:<20}", style="cyan").append(message.title, style=_COLOURS.get(message.mood, ""))
    return [head, *(Text(" " * 30 + line, style="dim") for line in message.lines[:3])]


def _plain(message: Arrived) -> dict[str, Any]:
    return {
        "at": message.at.isoformat(),
        "to": message.to,
        "action": message.action,
        "title": message.title,
        "alerts": list(message.alerts),
    }


def _opening(console: Console, info: ServerInfo, collector: Collector) -> None:
    console.print(f"\nWho is told of alerts, and what to look at: {collector.url}/", style="bold", soft_wrap=True)
    for line in told_of(collector.steps):
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"\nthe API on {info.url}; Ctrl-C ends everything", soft_wrap=True)


def _closing(console: Console, settings: Settings) -> None:
    console.print("What to look at now, also without a server:", highlight=False)
    _look(console, _option(settings))


def _option(settings: Settings) -> str:
    return "" if settings.home == Settings.model_fields["home"].default else f" --home {settings.home}"


def _look(console: Console, option: str) -> None:
    for command, why in (
        ("alerts list --all", "what fired, and what fires"),
        ("alerts why ID", "who was told of it, when and why (the beginning of an ID is enough)"),
        ("alerts ack ID", "take it on: nobody else is told (while the server runs)"),
        ("rules list", "every rule, its state and its last value (while the server runs)"),
    ):
        console.print(f"  {f'pitchey-slo {command}{option}':<44} {why}", highlight=False, soft_wrap=True)
