"""Alerting inside the server: rules, routes and outbox, put together and run while the store is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi import Request

from pitchey_slo.alert.channels import House as ChannelHouse
from pitchey_slo.alert.channels import channels_of, templates_in
from pitchey_slo.alert.config import Receiver, RoutesConfig
from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.outbox import Outbox
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.routing import Routes
from pitchey_slo.alert.watchdog import Scheduled, Watchdog
from pitchey_slo.errors import StoreUnavailable
from pitchey_slo.promql import Scan
from pitchey_slo.web.house import House


class Alerting:
    """One per application; nothing runs before `start`."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._engine: Engine | None = None
        self._outbox: Outbox | None = None
        self._routes: Routes | None = None
        self.watchdog: Watchdog | None = None
        self._url = house.settings.public_url
        self._beside: tuple[Receiver, ...] = ()
        self._names: dict[str, tuple[str, ...]] = {}

    def start(
        self,
        scan: Callable[[], Scan],
        url: str,
        targets: Callable[[], Mapping[str, str | None]] = dict,
        schedules: Callable[[], Sequence[Scheduled]] = tuple,
    ) -> None:
        """Begin to evaluate and to send, once the store is open. `url` is where this server is reached, `targets` what
        is scraped and why it is down, `schedules` how the reports that run by themselves stand."""
        store, settings, clock = self.house.opened(), self.house.settings, self.house.clock
        self._url = (settings.url or url).rstrip("/")
        self._outbox = Outbox(store, {}, clock)
        self._routes = Routes(settings, self._use)
        self._engine = Engine(
            store, scan(), settings, clock=clock, router=self._routes, wake=self._outbox.wake, url=self._url
        )
        self._engine.start()
        self.watchdog = Watchdog(store, self._engine, self._outbox, clock, targets=targets, schedules=schedules)
        self.watchdog.start()

    def _use(self, config: RoutesConfig) -> None:
        """Send through the channels of these routes from now on. Raises ConfigError."""
        assert self._outbox is not None
        house = ChannelHouse(self._url, self.house.clock, templates_in(config.templates))
        receivers = {**{r.name: r for r in self._beside}, **config.receivers}
        fallbacks = {name: config.fallback_of(name) for name in receivers}
        channels = channels_of(receivers.values(), house)
        self._outbox.use(channels, fallbacks={name: other for name, other in fallbacks.items() if other is not None})
        self._names = {name: tuple(found) for name, found in channels.items()}
        self._outbox.start()

    def routes_now(self) -> RoutesConfig | None:
        """What the routes file says; None when there is none."""
        return self._routes.config if self._routes is not None else None

    def offer(self, receivers: Sequence[Receiver]) -> None:
        """Send for these receivers too, which no routes file names; in the place of those offered before."""
        self._beside = tuple(receivers)
        self._use(self.routes_now() or RoutesConfig(Route("")))

    def channel_names(self) -> Mapping[str, Sequence[str]]:
        """Receiver -> its channels that are switched on."""
        return self._names

    @property
    def running(self) -> bool:
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """Raises StoreUnavailable before `start`."""
        if self._engine is None:
            raise StoreUnavailable("alerting has not started yet; try again in a moment")
        return self._engine

    @property
    def outbox(self) -> Outbox:
        if self._outbox is None:
            raise StoreUnavailable("alerting has not started yet; try again in a moment")
        return self._outbox

    @property
    def routes(self) -> Routes:
        if self._routes is None:
            raise StoreUnavailable("alerting has not started yet; try again in a moment")
        return self._routes

    def close(self) -> None:
        """Evaluate and send no more; the store is still open. What is not sent yet goes at the next start."""
        if self.watchdog is not None:
            self.watchdog.close()
        if self._engine is not None:
            self._engine.close()
        if self._outbox is not None:
            self._outbox.close()


def alerting_of(request: Request) -> Alerting:
    found = request.app.state.alerting
    assert isinstance(found, Alerting)
    return found
