"""What the routes share: settings, clock, the store once it is open, tokens, limits, and the two decoding threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from fastapi import Request

from pitchey_slo.errors import StoreUnavailable
from pitchey_slo.settings import Settings
from pitchey_slo.slo.spec.shelf import Shelf
from pitchey_slo.store import Store
from pitchey_slo.web.auth import Guard
from pitchey_slo.web.limits import Budget, Limits, Rates

#: Decoding is Arrow's own C++ for the most part; more threads than cores would only take memory.
DECODERS = 2


class House:
    """`store` is None while it is being opened."""

    def __init__(self, store: Store | None, settings: Settings, clock: Callable[[], datetime], limits: Limits) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.limits = limits
        self.guard = Guard(clock)
        self.slos = Shelf(settings)
        self.rates = Rates(settings.rate_limit)
        self.bodies = Budget(max(settings.queue_limit, settings.body_limit))
        self.decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self.started_at = clock()

    def opened(self) -> Store:
        """The store. Raises StoreUnavailable while it is being opened."""
        if self.store is None:
            raise StoreUnavailable("the store is being opened; try again in a moment")
        return self.store


def house_of(request: Request) -> House:
    house = request.app.state.house
    assert isinstance(house, House)
    return house
