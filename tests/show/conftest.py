"""A real server with real dashboards: the process that `serve` starts, on random ports."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pitchey_slo.settings import Settings
from pitchey_slo.show import Dashboards
from pitchey_slo.web.serve import listen
from tests.web.conftest import Running, running


@dataclass
class Place:
    """A server and its dashboards."""

    server: Running
    screens: Dashboards

    @property
    def url(self) -> str:
        return self.screens.url

    def browse(self, **given: Any) -> httpx.Client:
        """A browser without scripts: keeps cookies, follows nothing."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=30, **given)

    @contextmanager
    def sign_in(self, *scopes: str, name: str = "sam") -> Iterator[httpx.Client]:
        with self.browse(headers={"Origin": self.url}) as browser:
            answer = browser.post("/signin", data={"token": self.server.token(*scopes, name=name), "next": "/"})
            assert answer.status_code == 303, answer.text
            yield browser


def until(found: Callable[[], Any], seconds: float = 40.0) -> Any:
    """What `found` gives once it is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)
    return value


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/alive", trust_env=False, timeout=10).status_code == 200
    return False


@contextmanager
def shown(folder: Path, *, anonymous: str = "public", **given: Any) -> Iterator[Place]:
    """A server on `folder`/home with dashboards; `given` are settings."""
    more = {"dashboards_anonymous": anonymous, "dashboards_port": 0, "home": folder / "home"}
    with running(folder / "home", reports=folder / "reports", **given) as server:
        settings = Settings.load(env_file=None, **more)
        screens = Dashboards(settings, listen("127.0.0.1", 0))
        screens.start(server.info)
        try:
            until(lambda: answers(screens.url))
            yield Place(server, screens)
        finally:
            screens.close()
