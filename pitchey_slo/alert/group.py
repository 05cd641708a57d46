"""What a group remembers, and the pure questions about it: when it is looked at, what is new, what may be told.

`Group.detail` holds, JSON-safe:

    n           messages made so far, for their ids
    looked      True after the first look (before it `group_wait` counts, after it `group_interval`)
    hidden      fingerprints that were told firing, and were silenced or muted at the last look
    cool        alert name -> [when it was told of a new group last, its severity, until when], for `cooldown`
    escalation  id of the escalation that goes on for it
    asleep      True while only a cooldown keeps it: it has no alerts
    ended       True in its last row
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_slo.alert.model import SEVERITIES, Alert, Group
from pitchey_slo.alert.route import Route

_RANK: Final = {name: i for i, name in enumerate(SEVERITIES)}


@dataclass(frozen=True)
class Place:
    """Where an alert belongs: the node that keeps it, and the group there."""

    route: Route
    key: str
    id: str
    labels: Mapping[str, str]


def rank(severity: str) -> int:
    """Severities in order; any other text is the lowest."""
    return _RANK.get(severity, -1)


def begin(place: Place, alert: Alert, before: Group | None, now: datetime) -> Group:
    """A group for its first alert. `before` is what a cooldown kept of the last one."""
    kept = {k: v for k, v in before.detail.items() if k in ("n", "cool")} if before is not None else {}
    return Group(
        id=place.id,
        group_key=place.key,
        receiver=place.route.receiver,
        labels=place.labels,
        created_at=now,
        next_at=first_look(place.route, alert, now),
        updated_at=now,
        detail=kept,
    )


def first_look(route: Route, alert: Alert, now: datetime) -> datetime:
    """When a group that was not told yet is looked at for this alert: `group_wait` after it began to fire, which may
    be over after an outage."""
    wait = timedelta(seconds=route.group_wait)
    began = alert.fired_at or alert.active_at
    return min(max(began + wait, now), now + wait)


def next_look(group: Group, route: Route, now: datetime) -> datetime:
    """The first look after `now` on the grid of the looks before. Looks in which nothing changes write no row, so after
    a restart a group is looked at a little early, once, and then on its grid again."""
    interval = timedelta(seconds=route.group_interval)
    return group.next_at + interval * ((now - group.next_at) // interval + 1)


def too_far(group: Group, route: Route, now: datetime) -> datetime | None:
    """A nearer look when the planned one is further than it can be: the clock was turned back."""
    longest = timedelta(seconds=route.group_interval if group.detail.get("looked") else route.group_wait)
    return now + longest if group.next_at > now + longest else None


def repeats(group: Group, route: Route, now: datetime) -> bool:
    """True when `repeat_interval`, rounded up to looks, is over. A clock that was turned back repeats nothing."""
    if group.sent_at is None:
        return False
    looks = -(-route.repeat_interval // route.group_interval)
    passed = (now - group.sent_at).total_seconds()
    # looks are a little early or late; half of one tells them apart
    return passed >= (looks - 0.5) * route.group_interval


def told_firing(group: Group) -> set[str]:
    """Fingerprints that the receiver believes to be firing."""
    return {fingerprint for fingerprint, state in group.told.items() if state == "firing"}


def cooling(entry: Sequence[Any] | None, route: Route, alert: Alert, now: datetime) -> datetime | None:
    """Until when this alert of a new group waits, because its rule told the receiver lately; None: it does not.

    `entry` is of `detail["cool"]`; a higher severity breaks through. A clock that was turned back makes nobody wait
    for longer than the cooldown.
    """
    if entry is None or not route.cooldown or rank(alert.severity) > rank(entry[1]):
        return None
    until = min(datetime.fromisoformat(entry[2]), now + timedelta(seconds=route.cooldown))
    return until if until > now else None


def cooled(group: Group, alerts: Iterable[Alert], route: Route, now: datetime) -> dict[str, Any]:
    """`detail["cool"]` after these alerts were told; what is over is left out."""
    kept = {n: entry for n, entry in group.detail.get("cool", {}).items() if datetime.fromisoformat(entry[2]) > now}
    if route.cooldown:
        until = (now + timedelta(seconds=route.cooldown)).isoformat()
        for alert in alerts:
            highest = max([alert.severity, *(kept[alert.name][1:2] if alert.name in kept else ())], key=rank)
            kept[alert.name] = [now.isoformat(), highest, until]
    return kept


def with_detail(group: Group, **changes: Any) -> Group:
    """The group with these entries of `detail`; empty ones are left out."""
    detail = {**group.detail, **changes}
    return replace(group, detail={k: v for k, v in detail.items() if v not in (None, False, [], {})})


def digest_of(*parts: str) -> str:
    """32 hex digits, the same for the same parts."""
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()


def dedup_key(group_key: str, receiver: str) -> str:
    """One for a group and receiver over its whole life."""
    return digest_of(group_key, receiver)
