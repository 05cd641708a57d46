"""`pitchey-slo demo --platform`: Pitchey as a service on this machine; and what a server must know to look at it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pitchey_slo.client import HttpDoor, find_server
from pitchey_slo.errors import StoreUnavailable
from pitchey_slo.settings import Settings, shipped

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from pitchey_slo.demo.platform import Platform

FOLDER: Final = "platform"
CONFIG: Final = "live-config"
#: Files of a configuration that the live demo has its own of.
OWN: Final = ("health.yml", "anomalies.yml")
#: Seconds from one run of a test to the next while a person watches.
INTERVAL: Final = "30s"


class ToServer:
    """Takes rows for the server of a home, once there is one. Belongs to the thread that calls it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._door: HttpDoor | None = None

    def __call__(self, table: str, rows: pa.Table) -> None:
        if self._door is None:
            info = find_server(self._home)
            if info is None:
                raise StoreUnavailable(f"no server runs on {self._home}")
            self._door = HttpDoor(info, patience=5)
        try:
            self._door.append(table, rows)
        except StoreUnavailable:
            door, self._door = self._door, None  # it may come back on another port
            door.close()
            raise


@contextmanager
def platform_of(
    settings: Settings, port: int, database: str | None = None, redis: str | None = None, *, counted: bool = True
) -> Iterator[Platform]:
    """The platform of this home, on `port` of this machine (0: a free one). Unless `counted`, what it answers is no
    traffic: beside simulated people it is only asked by probes, which would be most of all requests."""
    from pitchey_slo.demo.platform import Platform

    folder, sink = settings.home / FOLDER, ToServer(settings.home) if counted else None
    with Platform(folder, port=port, database=database, redis=redis, sink=sink) as found:
        yield found


def run_platform(
    settings: Settings, console: Console, *, port: int | None, database: str | None, redis: str | None,
    seconds: float | None, stop: threading.Event,
) -> dict[str, Any]:  # fmt: skip
    """Until `stop`, or `seconds` are over. Without `port` it is where API_BASE_URL says."""
    wanted = port if port is not None else urlsplit(settings.api_base_url).port or 8787
    settings.home.mkdir(parents=True, exist_ok=True)
    with platform_of(settings, wanted, database, redis) as found:
        tell(console, found)
        console.print("Ctrl-C stops")
        until = time.monotonic() + (seconds if seconds is not None else float("inf"))
        while time.monotonic() < until and not stop.wait(min(0.5, max(0.0, until - time.monotonic()))):
            pass
        return {"url": found.url, "control": found.control, "sent": found.sent}


def tell(console: Console, platform: Platform) -> None:
    console.print(f"Pitchey runs on {platform.url}", soft_wrap=True)
    example = '-X PUT -d \'{"routes": ["/api/auth"]}\''
    console.print(f"break it: curl {example} {platform.control}/faults/errors", soft_wrap=True, highlight=False)
    console.print(f"mend it:  curl -X DELETE {platform.control}/faults", soft_wrap=True, highlight=False)


def config_of(settings: Settings) -> Path:
    """The configuration that the demo's server uses: the one asked for, else the copy in the home, with its two planted
    rules, so that what is decided in a demo changes the demo and not the files one was given."""
    own = settings.home / "config"
    if settings.config == Settings.model_fields["config"].default and (own / "rules" / "demo.yml").is_file():
        return own
    return settings.config if settings.config.is_dir() else shipped("config")


def live_config(settings: Settings) -> Path:
    """A folder of configurations for the server of the demo: links to what is in use, but checks of the platform,
    tests that run every half minute, and series to watch that live traffic does not disturb. Made anew each time; a
    folder that is linked is edited through it."""
    from pitchey_slo import demo

    source = config_of(settings).resolve()
    folder = settings.home / CONFIG
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name not in (*OWN, "synthetics"):
            (folder / entry.name).symlink_to(entry)
    for name in OWN:
        shutil.copy(Path(demo.__file__).with_name(name), folder / name)
    tests = folder / "synthetics"
    tests.mkdir()
    for one in (source / "synthetics", Path(demo.__file__).with_name("synthetics")):
        for file in sorted(one.glob("*.yaml")) if one.is_dir() else ():
            text = file.read_text(encoding="utf-8")
            if "\nenabled: false\n" in text:
                continue
            for usual in ("interval: 1m", "interval: 5m"):
                text = text.replace(f"\n{usual}\n", f"\ninterval: {INTERVAL}\n")
            (tests / file.name).write_text(text, encoding="utf-8")
    return folder


def environment(platform: Platform) -> dict[str, str]:
    """What the server must know of the platform."""
    found = {
        "API_BASE_URL": platform.url,
        "PITCHEY_DEMO_WEBSOCKET": platform.url.replace("http", "ws", 1) + "/ws",
        "PITCHEY_DEMO_DATABASE": platform.database_url or "",
        "PITCHEY_DEMO_REDIS": platform.redis_url or "",
    }
    page = "" if platform.database_url else f"{platform.url}/api/health/database"
    return found | {"PITCHEY_DEMO_DATABASE_PAGE": page}
