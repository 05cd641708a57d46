"""Firings through routing: who would have been told, when, and what would have waited.

The alerts of a backtest go through `alert.simulate.replay`, that is `dispatch.plan` itself: groups, waits, repeats,
cooldowns, silences, time intervals, inhibition, escalation. A *page* is one message that asks for attention to one
receiver, over however many channels (it is told, it still fires, the next level is asked); the end of an alert is
counted apart. Nobody acknowledges, so escalations run to their end, unless `acked_after` says how soon somebody does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pitchey_slo.alert.model import Alert, Notification
from pitchey_slo.analyse.backtest.model import Backtest, Firing

if TYPE_CHECKING:
    from pitchey_slo.alert.config import RoutesConfig
    from pitchey_slo.alert.silences import Silence

NIGHT: Final = (time(22), time(7))
_ASKING: Final = ("firing", "escalation", "digest")


@dataclass(frozen=True)
class Page:
    """One message to one receiver. `people` are who that is."""

    at: datetime
    receiver: str
    people: tuple[str, ...]
    action: str
    title: str
    severity: str
    level: int
    channels: tuple[str, ...]
    alerts: tuple[str, ...]
    night: bool


@dataclass(frozen=True)
class Waited:
    """An alert that was kept from somebody for a time. `kind`: held, muted, silenced, inhibited, cooldown, ..."""

    at: datetime
    alertname: str
    kind: str
    text: str
    until: datetime | None


@dataclass(frozen=True)
class Pages:
    """All of it. `zone` is whose nights count (22 to 7 o'clock)."""

    start: datetime
    end: datetime
    zone: str
    pages: tuple[Page, ...]
    resolved: int
    waited: tuple[Waited, ...]

    @property
    def per_week(self) -> float:
        return len(self.pages) / ((self.end - self.start) / timedelta(weeks=1))

    @property
    def at_night(self) -> tuple[Page, ...]:
        return tuple(p for p in self.pages if p.night)

    @property
    def nights(self) -> int:
        """Nights in which anybody was paged."""
        zone = ZoneInfo(self.zone)
        return len({(p.at.astimezone(zone) - timedelta(hours=12)).date() for p in self.at_night})

    @property
    def per_night(self) -> float:
        """Pages of an average night."""
        return len(self.at_night) / max(1.0, (self.end - self.start) / timedelta(days=1))

    @property
    def until_morning(self) -> tuple[Waited, ...]:
        """What was held for business hours."""
        return tuple(w for w in self.waited if w.kind == "held")

    def by_receiver(self) -> dict[str, int]:
        return dict(Counter(p.receiver for p in self.pages).most_common())

    def by_person(self) -> dict[str, int]:
        return dict(Counter(name for p in self.pages for name in p.people).most_common())

    def by_alert(self) -> dict[str, int]:
        return dict(Counter(name for p in self.pages for name in p.alerts).most_common())

    def words(self) -> str:
        if not self.pages:
            return "Nobody would have been paged."
        who = ", ".join(f"{name} {count}" for name, count in self.by_person().items())
        text = f"{len(self.pages)} pages, {self.per_week:.3g} a week ({who}); {len(self.at_night)} of them at night"
        text += f", in {self.nights} nights" if self.at_night else ""
        if self.until_morning:
            many = len(self.until_morning)
            text += f"; {many} alert{'' if many == 1 else 's'} waited until morning"
        return text + "."

    def as_dict(self) -> dict[str, Any]:
        return {
            "pages": len(self.pages),
            "per_week": self.per_week,
            "at_night": len(self.at_night),
            "per_night": self.per_night,
            "nights": self.nights,
            "zone": self.zone,
            "by_receiver": self.by_receiver(),
            "by_person": self.by_person(),
            "by_alert": self.by_alert(),
            "resolved_messages": self.resolved,
            "waited_until_morning": len(self.until_morning),
            "kept_back": dict(Counter(w.kind for w in self.waited)),
        }


def through_routing(
    backtest: Backtest | Iterable[Firing],
    routes: RoutesConfig,
    silences: Sequence[Silence] = (),
    people: Mapping[str, Sequence[str]] | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    zone: str = "UTC",
    acked_after: timedelta | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Pages:
    """Who would have been told of the firings of a backtest (or of some of them: then `start` and `end` are needed).

    people       receiver -> the persons behind it; a receiver that is not in it stands for itself
    zone         whose nights count
    acked_after  how long after an alert began to fire somebody takes it on; None: never
    """
    from pitchey_slo.alert.simulate import replay

    if isinstance(backtest, Backtest):
        start, end = start or backtest.start, end or backtest.end
        firings: Iterable[Firing] = backtest.firings()
    else:
        firings = backtest
    if start is None or end is None:
        raise ValueError("start and end are needed beside firings")
    words: Mapping[str, str] = annotations or {}
    alerts = [alert_of(f, acked_after, words) for f in firings if f.fired_at is not None]
    found = replay(routes, alerts, silences, start, end)
    resolved = len({(n.created_at, n.receiver, n.group_key) for n in found.notifications if n.action == "resolved"})
    names = {a.id: a.name for a in alerts}
    waited = tuple(
        Waited(e.ts, names.get(e.alert_id, ""), e.kind, e.text, e.detail.get("until"))
        for e in found.events
        if e.kind in ("held", "muted", "silenced", "inhibited", "cooldown", "not_permitted")
    )
    return Pages(start, end, zone, _pages(found.notifications, people or {}, zone), resolved, waited)


def alert_of(firing: Firing, acked_after: timedelta | None, annotations: Mapping[str, str]) -> Alert:
    """The alert as dispatch takes it, with its whole life."""
    fired = firing.fired_at or firing.pending_at
    acked = fired + acked_after if acked_after is not None else None
    if acked is not None and firing.resolved_at is not None and acked >= firing.resolved_at:
        acked = None
    return Alert(
        dict(firing.labels), "firing", firing.pending_at, fired, annotations, firing.peak_value, firing.fired_at,
        resolved_at=firing.resolved_at, acked_at=acked, acked_by=None if acked is None else "somebody",
        rule={"key": firing.rule_key, "name": firing.alertname},
    )  # fmt: skip


def _pages(told: Iterable[Notification], people: Mapping[str, Sequence[str]], zone: str) -> tuple[Page, ...]:
    """One page for all channels of a receiver."""
    together: dict[tuple[datetime, str, str, str, int], list[Notification]] = {}
    for note in told:
        if note.action in _ASKING:
            key = (note.created_at, note.receiver, note.group_key, note.action, note.message.level)
            together.setdefault(key, []).append(note)
    local = ZoneInfo(zone)
    found = []
    for (at, receiver, _, action, level), notes in sorted(together.items(), key=lambda item: item[0]):
        first = notes[0].message
        clock = at.astimezone(local).time()
        found.append(
            Page(
                at, receiver, tuple(people.get(receiver, (receiver,))), action, first.title, first.severity, level,
                tuple(n.channel for n in notes),
                tuple(dict.fromkeys(a.name for n in notes for a in n.message.alerts)),
                clock >= NIGHT[0] or clock < NIGHT[1],
            )
        )  # fmt: skip
    return tuple(found)
