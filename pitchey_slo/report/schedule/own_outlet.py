"""The way out where no server runs: the channels of the routes file, sent by an outbox of this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pitchey_slo.alert.channels import House, channels_of, templates_in
from pitchey_slo.alert.config import Receiver, RoutesConfig, load_routes
from pitchey_slo.alert.outbox import Outbox
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store


class OwnOutlet:
    """As `telling.Outlet`. Raises ConfigError when the routes file is wrong."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self.outbox = Outbox(store, {}, clock)
        there = settings.routes_file.is_file()
        self._routes = load_routes(settings.routes_file, settings=settings) if there else None
        self._names: dict[str, tuple[str, ...]] = {}
        self.offer(())

    def routes(self) -> RoutesConfig | None:
        return self._routes

    def offer(self, receivers: Sequence[Receiver]) -> None:
        known = {**{r.name: r for r in receivers}, **(self._routes.receivers if self._routes else {})}
        templates = templates_in(self._routes.templates) if self._routes else ()
        channels = channels_of(known.values(), House(self._settings.public_url, self._clock, templates))
        spare = {name: self._routes.fallback_of(name) for name in known} if self._routes else {}
        self.outbox.use(channels, fallbacks={k: v for k, v in spare.items() if v is not None})
        self._names = {name: tuple(found) for name, found in channels.items()}

    def channel_names(self) -> Mapping[str, Sequence[str]]:
        return self._names

    def wake(self) -> None:
        self.outbox.wake()

    def send(self, seconds: float) -> int:
        """Send what waits, for at most so long; answers how many messages still wait."""
        deadline = time.monotonic() + seconds
        while True:
            self.outbox.run_due(self._clock())
            left = self._store.query("SELECT count(*) AS n FROM notifications WHERE state = 'waiting'")["n"][0].as_py()
            if not left or time.monotonic() > deadline:
                return int(left)
            time.sleep(0.5)
