"""An Analytics Engine of its own per test, a store, and a puller between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pitchey_slo.collect.analytics_engine import Puller, SqlApi, load
from pitchey_slo.store import Store
from pitchey_slo.testing import FixedClock
from pitchey_slo.web.analytics_engine_keep import StoreKeep
from tests.collect.analytics_engine.engine import ACCOUNT, TOKEN, Engine, engine

SHIPPED = Path(__file__).parents[3] / "config" / "analytics_engine.yml"

Made = Callable[..., Puller]


@pytest.fixture
def local(clock: FixedClock) -> Iterator[Engine]:
    with engine(clock) as running:
        yield running


def api_of(local: Engine, **given: Any) -> SqlApi:
    usual = {"limit": 64 << 20, "clock": local.clock}
    return SqlApi(local.url, ACCOUNT, SecretStr(TOKEN), **{**usual, **given})


class Waits:
    """Does not wait, and notes for how long it would have; ends a pull when told to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.stop = False

    def __call__(self, seconds: float) -> bool:
        if seconds:
            self.seconds.append(seconds)
        return self.stop


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def puller(local: Engine, store: Store, clock: FixedClock, waits: Waits) -> Iterator[Made]:
    """`puller(window=60, most_rows=100)`: a puller with these differences from the shipped file."""
    apis: list[SqlApi] = []

    def make(*, most_rows: int = 50_000, api: dict[str, Any] | None = None, **config: Any) -> Puller:
        apis.append(api_of(local, **(api or {})))
        given = replace(load(SHIPPED), **{"first": 3_600, **config})
        return Puller(given, apis[-1], StoreKeep(store, clock), clock=clock, wait=waits, most_rows=most_rows)

    yield make
    for each in apis:
        each.close()
