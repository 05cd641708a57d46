"""Labelled incidents, as rules are judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pitchey_slo.errors import QueryError


@dataclass(frozen=True)
class Incident:
    """A labelled incident; `ended_at` None: it lasts. `routes` and `location` None: all of them."""

    id: str
    title: str
    started_at: datetime
    ended_at: datetime | None = None
    routes: tuple[str, ...] | None = None
    location: str | None = None
    kind: str = ""

    def concerns(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels can be meant for it: what both name must agree."""
        if self.routes and labels.get("route") and labels["route"] not in self.routes:
            return False
        return not (self.location and labels.get("location") and labels["location"] != self.location)


def incidents_of(given: Any) -> tuple[Incident, ...]:
    """From incidents, rows as dicts, a frame of `wb.incidents()` or objects with the same names; oldest first."""
    if given is None:
        return ()
    rows: Iterable[Any] = given.to_dict("records") if hasattr(given, "to_dict") else given
    return tuple(sorted((_incident(row) for row in rows), key=lambda i: (i.started_at, i.id)))


def _incident(row: Any) -> Incident:
    if isinstance(row, Incident):
        return row

    def get(name: str) -> Any:
        return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)

    started = _time(get("started_at"))
    if started is None:
        raise QueryError(f"incident {get('id') or get('title')!r} has no started_at")
    routes = get("routes")
    if isinstance(routes, str):
        routes = tuple(r.strip() for r in routes.split(",") if r.strip())
    elif not isinstance(routes, Sequence):
        routes = None
    location = get("location")
    return Incident(
        str(get("id") or f"{started:%Y-%m-%dT%H:%M}"),
        str(get("title") or "incident"),
        started,
        _time(get("ended_at")),
        tuple(routes) if routes else None,
        location if isinstance(location, str) and location else None,
        str(get("kind") or ""),
    )


def _time(value: Any) -> datetime | None:
    if value is None or value != value:  # NaT is not itself
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    found: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return found


def within(incidents: Sequence[Incident], start: datetime, end: datetime) -> tuple[Incident, ...]:
    """Those that touch start <= t < end."""
    return tuple(i for i in incidents if i.started_at < end and (i.ended_at is None or i.ended_at >= start))
