"""Schedules of reports inside the server: run beside alerting, sent through its outbox, watched by its watchdog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import Request

from pitchey_slo.alert.config import Receiver, RoutesConfig
from pitchey_slo.alert.watchdog import Scheduled
from pitchey_slo.errors import StoreUnavailable
from pitchey_slo.report.schedule import Scheduler, Standing, standings
from pitchey_slo.web.alerting import Alerting
from pitchey_slo.web.house import House


class Outlet:
    """The channels of alerting, as schedules need them."""

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    def routes(self) -> RoutesConfig | None:
        return self._alerting.routes_now()

    def offer(self, receivers: Sequence[Receiver]) -> None:
        self._alerting.offer(receivers)

    def channel_names(self) -> Mapping[str, Sequence[str]]:
        return self._alerting.channel_names()

    def wake(self) -> None:
        self._alerting.outbox.wake()


class Schedules:
    """One per application; nothing runs before `start`."""

    def __init__(self, house: House, alerting: Alerting) -> None:
        self._house, self._alerting = house, alerting
        self._scheduler: Scheduler | None = None

    def start(self) -> None:
        """Begin to run what is due, once alerting runs."""
        settings = self._house.settings
        outlet = Outlet(self._alerting)
        built_in = settings.schedules == "on"
        self._scheduler = Scheduler(self._house.opened(), settings, outlet, self._house.clock, built_in=built_in)
        self._scheduler.start()

    @property
    def scheduler(self) -> Scheduler:
        """Raises StoreUnavailable before `start`."""
        if self._scheduler is None:
            raise StoreUnavailable("schedules have not started yet; try again in a moment")
        return self._scheduler

    def standings(self) -> list[Standing]:
        """How each schedule stands now."""
        scheduler, store = self.scheduler, self._house.opened()
        schedules = scheduler.book.current()
        return standings(schedules, store.query, self._house.clock(), built_in=scheduler.built_in)

    def watched(self) -> list[Scheduled]:
        """The same for the watchdog."""
        if self._scheduler is None:
            return []
        found = []
        for each in self.standings():
            alive = max((t for t in (each.last_success, each.since) if t is not None), default=None)
            if each.schedule.enabled and alive is not None:
                found.append(Scheduled(each.schedule.name, alive, each.max_age, each.trouble))
        return found

    def close(self) -> None:
        if self._scheduler is not None:
            self._scheduler.close()


def schedules_of(request: Request) -> Schedules:
    found = request.app.state.schedules
    assert isinstance(found, Schedules)
    return found
