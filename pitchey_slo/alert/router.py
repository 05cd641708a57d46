"""Between the engine and `dispatch.plan`: the routes file, read again when it changes, and what dispatch remembers.

`plan` is asked under the engine's lock and changes nothing; `accept` takes its answer once it was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa

from pitchey_slo.alert.model import Alert, AlertEvent
from pitchey_slo.store import Store

RESOLVE_TIMEOUT = timedelta(minutes=5)


@dataclass(frozen=True)
class Planned:
    """What is to be written: rows by table, and events. `next_at`: when to plan again though nothing happens."""

    rows: Mapping[str, pa.Table] = field(default_factory=dict)
    events: Sequence[AlertEvent] = ()
    next_at: datetime | None = None
    memory: Any = None


class Planner(Protocol):
    @property
    def resolve_timeout(self) -> timedelta: ...

    @property
    def problems(self) -> Mapping[str, str]:
        """Why the newest routes file does not run, by file."""
        ...

    def refresh(self) -> bool:
        """Read the routes file if it changed; True when other routes hold now."""
        ...

    def load(self, store: Store, now: datetime) -> None:
        """Read what was remembered."""
        ...

    def moved(self, store: Store, now: datetime) -> bool:
        """Whether something besides alerts asks for a new plan, such as a silence."""
        ...

    def plan(self, alerts: Sequence[Alert], now: datetime) -> Planned: ...

    def accept(self, planned: Planned) -> None: ...

    def acknowledge(
        self, alerts: Sequence[Alert], by: str, now: datetime, comment: str = ""
    ) -> tuple[Sequence[Alert], Sequence[AlertEvent]]:
        """The alerts taken on, and what is to be said of it. Changes nothing."""
        ...

    def wanted(self) -> frozenset[str]:
        """Ids of alerts that may be over and still have to be told."""
        ...


def taken_on(event: AlertEvent, comment: str) -> AlertEvent:
    """The event with what the person said."""
    if not comment:
        return event
    text = f"{event.text} They say: {comment}"
    return replace(event, text=text[:4_000], detail={**event.detail, "comment": comment})


class NoRouter:
    """Nobody is told: without a routes file, and in tests."""

    resolve_timeout = RESOLVE_TIMEOUT
    problems: Mapping[str, str] = {}  # never changed

    def refresh(self) -> bool:
        return False

    def load(self, store: Store, now: datetime) -> None:
        pass

    def moved(self, store: Store, now: datetime) -> bool:  # noqa: ARG002
        return False

    def plan(self, alerts: Sequence[Alert], now: datetime) -> Planned:  # noqa: ARG002
        return Planned()

    def accept(self, planned: Planned) -> None:
        pass

    def acknowledge(
        self, alerts: Sequence[Alert], by: str, now: datetime, comment: str = ""
    ) -> tuple[Sequence[Alert], Sequence[AlertEvent]]:
        taken = [replace(a, acked_at=now, acked_by=by, updated_at=now) for a in alerts if a.state != "resolved"]
        events = [AlertEvent(now, a.id, a.fingerprint, "acked", f"{by} took it on.", {"by": by}) for a in taken]
        return taken, [taken_on(event, comment) for event in events]

    def wanted(self) -> frozenset[str]:
        return frozenset()
