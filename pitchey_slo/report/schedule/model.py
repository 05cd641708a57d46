"""What a schedule is, and what became of each time it was due."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pyarrow as pa

from pitchey_slo.tables import REPORT_DUES

Missed = Literal["skip", "once", "backfill"]
State = Literal["followed", "waiting", "running", "succeeded", "failed", "skipped"]
OVER: Final = frozenset({"succeeded", "failed", "skipped"})


@dataclass(frozen=True)
class Target:
    """Who is sent something: receivers of the routes file, a Slack channel ("" for the webhook's own), addresses.

    `attach`: e-mail carries the page itself, not only a link to it."""

    receivers: tuple[str, ...] = ()
    slack: str | None = None
    email: tuple[str, ...] = ()
    attach: bool = False

    def __bool__(self) -> bool:
        return bool(self.receivers or self.slack is not None or self.email)


@dataclass(frozen=True)
class Schedule:
    """One schedule. Durations in seconds.

    cron          five fields, read in the clock of `zone`
    jitter        it runs up to so much later, always by the same
    missed        times that passed while nobody ran: none is run, the newest, or each of the newest `backfill`
    parameters    as texts, by the notebook's own types; words such as `yesterday` are worked out at the due time
    max_age       without a success for so long it is dead; None for twice its longest pause
    data          table -> how old its newest row may be
    """

    name: str
    notebook: str
    cron: str
    zone: str = "UTC"
    jitter: float = 600.0
    missed: Missed = "once"
    backfill: int = 7
    parameters: Mapping[str, str] = field(default_factory=dict)
    deliver: Target = Target()
    on_failure: Target = Target()
    max_age: float | None = None
    data: Mapping[str, float] = field(default_factory=dict)
    require_fresh: bool = False
    seconds: float = 600.0
    enabled: bool = True
    line: int = 0

    @property
    def rule(self) -> str:
        """What its times follow from; when it changes, times before that are nobody's."""
        return f"{self.cron} {self.zone}" if self.enabled else "off"


@dataclass(frozen=True)
class Due:
    """One time a schedule was due: a row of `report_dues`.

    told      messages about it: {id, kind, receiver, channel}
    receipt   what became of them: {receiver, channel, kind, state, at, answer}; None until all are settled
    """

    id: str
    schedule: str
    due_at: datetime
    state: State
    updated_at: datetime
    reason: str | None = None
    trigger: str = "schedule"
    rule: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    run_id: str | None = None
    attempts: int = 0
    told: tuple[Mapping[str, Any], ...] = ()
    receipt: tuple[Mapping[str, Any], ...] | None = None

    @property
    def over(self) -> bool:
        return self.state in OVER

    def now(self, at: datetime, **changes: Any) -> Due:
        """The same, changed at that time."""
        return replace(self, updated_at=at, **changes)

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values |= {"told": list(self.told), "receipt": None if self.receipt is None else list(self.receipt)}
        return {k: _iso(v) if isinstance(v, datetime) else v for k, v in values.items()}


def due_id(schedule: str, due_at: datetime) -> str:
    """
    >>> due_id("daily", datetime(2026, 11, 23, 5, 23, tzinfo=UTC))
    'daily@2026-11-23T05:23:00Z'
    """
    return f"{schedule}@{_iso(due_at)}"


def rows_of(dues: list[Due]) -> pa.Table:
    """Rows of report_dues."""
    told = []
    for due in dues:
        values = {name: getattr(due, name) for name in REPORT_DUES.names}
        values["told"] = json.dumps(list(due.told)) if due.told else None
        values["receipt"] = None if due.receipt is None else json.dumps(list(due.receipt))
        values["reason"] = due.reason[:4_096] if due.reason else None
        told.append(values)
    return REPORT_DUES.of(told)


def due_from(row: Mapping[str, Any]) -> Due:
    """The due of a row."""
    known = {name: row[name] for name in Due.__dataclass_fields__}
    known |= {
        "told": tuple(json.loads(row["told"] or "[]")),
        "receipt": None if row["receipt"] is None else tuple(json.loads(row["receipt"])),
        "attempts": row["attempts"] or 0,
        "trigger": row["trigger"] or "schedule",
    }
    return Due(**known)


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
