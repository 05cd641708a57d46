"""What people look at: alerts with what became of them (silenced, inhibited, muted, told to whom), and silences.

`views` answers for one moment from the routes and silences of that moment, by the same functions as dispatch; the rest
are questions to the store. Registers are always in the hot file; what is older than their retention is in no place.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pitchey_slo.alert import rows
from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.inhibit import Inhibitor
from pitchey_slo.alert.matchers import Matchers, matches
from pitchey_slo.alert.model import SEVERITIES, Alert
from pitchey_slo.alert.silences import Silence, check, silence_from, silence_rows, silencing
from pitchey_slo.alert.time_intervals import holding
from pitchey_slo.errors import NotFound, RequestError
from pitchey_slo.store import Store

#: Alerts one question gives at most.
MOST = 1_000
_LIVE = ("pending", "firing")
_RANK = {name: i for i, name in enumerate(reversed(SEVERITIES))}


@dataclass(frozen=True)
class View:
    """One alert and what dispatch makes of it now.

    receivers     who is told of it, by the route tree
    silenced_by   ids of silences; inhibited_by: fingerprints of alerts; muted_by: names of time intervals
    """

    alert: Alert
    receivers: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()

    @property
    def state(self) -> Literal["active", "suppressed"]:
        return "suppressed" if self.silenced_by or self.inhibited_by or self.muted_by else "active"


def views(
    config: RoutesConfig | None, alerts: Iterable[Alert], silences: Sequence[Silence], now: datetime
) -> list[View]:
    """Each alert with who is told and what keeps it from being told; without routes nobody is."""
    known = list(alerts)
    inhibitor = Inhibitor(config.inhibit_rules if config else (), known)
    return [_view(config, alert, inhibitor, silences, now) for alert in known]


def _view(
    config: RoutesConfig | None, alert: Alert, inhibitor: Inhibitor, silences: Sequence[Silence], now: datetime
) -> View:
    routes = list(config.route.match(alert.labels)) if config else []
    inhibited = inhibitor.inhibited(alert.labels)
    muted = {name for route in routes for name in holding(route.mute, now)}
    quiet = [route for route in routes if route.active and not holding(route.active, now)]
    muted |= {f"outside {', '.join(i.name for i in route.active)}" for route in quiet}
    return View(
        alert,
        tuple(dict.fromkeys(route.receiver for route in routes)),
        tuple(s.id for s in silencing(silences, alert.labels, now)),
        (inhibited[1].fingerprint,) if inhibited else (),
        tuple(sorted(muted)),
    )


def by_urgency(view: View) -> tuple[bool, bool, int, datetime]:
    """Firing before pending before resolved ones, what nobody took on first, the most severe first, then the oldest."""
    alert = view.alert
    order = {"firing": 0, "pending": 1, "resolved": 2}[alert.state]
    return order > 0, alert.acked_at is not None, _RANK.get(alert.severity, len(_RANK)) + 10 * order, alert.active_at


def history(
    store: Store,
    *,
    state: str = "all",
    severity: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    matchers: Matchers = (),
    limit: int = 100,
) -> list[Alert]:
    """Alerts that were active between `since` and `until`, the newest first. `state`: pending, firing, resolved, active
    (the first two) or all."""
    states = {"active": _LIVE, "all": (*_LIVE, "resolved")}.get(state, (state,))
    if not set(states) <= {*_LIVE, "resolved"}:
        raise RequestError(f"state {state!r} is none; active, pending, firing, resolved and all are")
    conditions = [f"state IN ({', '.join('?' * len(states))})"]
    given: list[Any] = [*states]
    for condition, value in (
        ("severity = ?", severity or None),
        ("coalesce(resolved_at, updated_at) >= ?", since),
        ("active_at < ?", until),
    ):
        if value is not None:
            conditions.append(condition)
            given.append(value)
    fetched = MOST if matchers else min(limit, MOST)
    found = store.query(
        f"SELECT * FROM alerts WHERE {' AND '.join(conditions)} ORDER BY active_at DESC, id LIMIT {fetched}", given
    )
    alerts = [rows.alert_from(row) for row in found.to_pylist()]
    return [a for a in alerts if matches(matchers, a.labels)][:limit]


def find(store: Store, alert_id: str) -> Alert:
    """The alert of an id, or the newest one of a fingerprint. Raises NotFound."""
    found = store.query(
        "SELECT * FROM alerts WHERE id = ? OR fingerprint = ? ORDER BY active_at DESC LIMIT 1", [alert_id, alert_id]
    ).to_pylist()
    if not found:
        raise NotFound(f"no alert {alert_id[:128]!r}; GET /api/monitoring/alerts lists them")
    return rows.alert_from(found[0])


# silences


def silences(store: Store) -> list[Silence]:
    """All there are, expired ones too, the newest first."""
    found = store.query("SELECT * FROM silences ORDER BY starts_at DESC, id")
    return [silence_from(row) for row in found.to_pylist()]


def silence(store: Store, silence_id: str) -> Silence:
    """Raises NotFound."""
    found = store.query("SELECT * FROM silences WHERE id = ?", [silence_id]).to_pylist()
    if not found:
        raise NotFound(f"no silence {silence_id[:128]!r}; GET /api/monitoring/silences lists them")
    return silence_from(found[0])


def write_silence(store: Store, given: Silence, now: datetime) -> Silence:
    """Check and store a silence; with the id of a known one it replaces that one, as Alertmanager does: one that began
    already is expired and followed by a new one if its matchers change. Raises RequestError, NotFound."""
    known = silence(store, given.id) if given.id else None
    starts_at = given.starts_at
    if known is None or known.end <= now:
        starts_at = max(given.starts_at, now) if given.rrule is None else given.starts_at
    # labels are stored scrubbed, so what is to match them is, too
    matchers = tuple(
        replace(m, value=store.scrubber.labels({m.name: m.value}).get(m.name, m.value)) for m in given.matchers
    )
    made = replace(given, id=given.id or str(uuid.uuid4()), matchers=matchers, starts_at=starts_at, updated_at=now)
    if made.rrule is None and made.ends_at <= now:
        raise RequestError(f"ends_at: {made.ends_at} is over; a silence ends in the future")
    try:
        check(made)
    except ValueError as error:
        raise RequestError(str(error)) from None
    changed = [made]
    if known is not None:
        if known.end <= now or known.matchers != made.matchers:
            if known.end > now:
                changed.append(replace(known, expired_at=now, updated_at=now))
            changed[0] = made = replace(made, id=str(uuid.uuid4()))
        else:
            changed[0] = made = replace(made, starts_at=min(known.starts_at, made.starts_at))
    store.append("silences", silence_rows(changed))
    return made


def expire_silence(store: Store, silence_id: str, now: datetime) -> Silence:
    """End it now. Raises NotFound; RequestError when it is over."""
    known = silence(store, silence_id)
    if known.end <= now:
        raise RequestError(f"silence {silence_id} is over since {known.end}")
    ended = replace(known, expired_at=now, updated_at=now)
    store.append("silences", silence_rows([ended]))
    return ended
