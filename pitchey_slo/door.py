"""One door into the store: through the server when one runs on this home, else by opening the store itself.

Commands and notebooks append rows without knowing which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from pitchey_slo.analyse.review.decisions import Verdict
    from pitchey_slo.series import SampleBatch
    from pitchey_slo.slo.model import Correction
    from pitchey_slo.store import Receipt, SampleReceipt, Store


class Door(Protocol):
    """What both ways offer."""

    def append(self, table: str, rows: pa.Table) -> Receipt:
        """Store rows that conform to the table's schema; returns when they are durable."""
        ...

    def samples(self, batch: SampleBatch, *, backfill: bool = False) -> Future[SampleReceipt]:
        """Store time series samples; the future resolves when they are durable."""
        ...


class Register(Protocol):
    """Corrections of SLOs and decisions about rules: what both ways offer."""

    def correct(self, correction: Correction) -> dict[str, Any]:
        """Write a checked correction down; returns it as `slo.register.told` does."""
        ...

    def withdraw_correction(self, correction_id: str, by: str) -> dict[str, Any]:
        """Take one back; returns it. Raises NotFound."""
        ...

    def decide(self, verdict: Verdict) -> dict[str, Any]:
        """Write a decision about a rule down; returns it as `analyse.review.decisions.told` does."""
        ...

    def apply_decision(self, decision_id: str, by: str) -> dict[str, Any]:
        """Change the rule file as it was decided; returns the decision. Raises DecisionError, NotFound."""
        ...

    def revert_decision(self, decision_id: str, by: str) -> dict[str, Any]:
        """Take an applied change back; returns the decision. Raises DecisionError, NotFound."""
        ...


@contextmanager
def open_door(settings: Settings) -> Iterator[Door]:
    """Open the door of `settings.home`. Without a server the home belongs to this process until the end of the block;
    what was appended is in the lake when the block ends.

    Raises StoreLocked when another process has the home open without serving it.
    """
    from pitchey_slo.client import HttpDoor, find_server  # here, since they bring httpx, pyarrow and the database

    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            yield door
            door.flush()
        return
    from pitchey_slo.store import Store

    with Store.open(settings) as store:
        yield store


@contextmanager
def open_register(settings: Settings) -> Iterator[Register]:
    """The registers of `settings.home`, the same two ways; readers of the lake see the change when the block ends. With
    a server it is the server's own rule files that decisions change. Raises StoreLocked as `open_door`."""
    from pitchey_slo.client import HttpDoor, find_server

    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            yield door
        return
    from pitchey_slo.store import Store

    with Store.open(settings, background=False) as store:
        yield StoreRegister(store, settings)


class StoreRegister:
    """The registers of a store that this process has open."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._rules = settings.config / "rules"

    def correct(self, correction: Correction) -> dict[str, Any]:
        from pitchey_slo.slo import register

        now = datetime.now(UTC)
        return register.told(register.add(self._store, correction, now), now)

    def withdraw_correction(self, correction_id: str, by: str) -> dict[str, Any]:
        from pitchey_slo.slo import register

        now = datetime.now(UTC)
        return register.told(register.withdraw(self._store, correction_id, by, now), now)

    def decide(self, verdict: Verdict) -> dict[str, Any]:
        from pitchey_slo.analyse.review import decisions

        now = datetime.now(UTC)
        return decisions.told(decisions.decide(self._store, verdict, self._rules, now), now)

    def apply_decision(self, decision_id: str, by: str) -> dict[str, Any]:
        from pitchey_slo.analyse.review import decisions

        now = datetime.now(UTC)
        return decisions.told(decisions.apply(self._store, decision_id, by, self._rules, now), now)

    def revert_decision(self, decision_id: str, by: str) -> dict[str, Any]:
        from pitchey_slo.analyse.review import decisions

        now = datetime.now(UTC)
        return decisions.told(decisions.revert(self._store, decision_id, by, self._rules, now), now)
