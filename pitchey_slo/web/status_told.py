"""What the public is told, as values: components with 90 days behind them, and incidents with what was said of them.

These classes are the allow-list: what is no field here is on no page. Pure; nothing here asks anybody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np

from pitchey_slo.alert.words import iso
from pitchey_slo.analyse.synthetic.uptime import History
from pitchey_slo.probe.synthetic.uptime import timeline
from pitchey_slo.web.status_config import Shown

DAYS: Final = 90
State = Literal["operational", "degraded", "outage", "maintenance", "unknown"]
#: From what is told last to what is told first.
ORDER: Final[tuple[State, ...]] = ("operational", "unknown", "maintenance", "degraded", "outage")
OVERALL: Final[dict[State, str]] = {
    "operational": "All systems work",
    "degraded": "Some systems are slow",
    "outage": "Some systems are down",
    "maintenance": "Maintenance is going on",
    "unknown": "Not everything is known right now",
}
STATUSES: Final[dict[str, str]] = {
    "investigating": "we know of it and look for the cause",
    "identified": "the cause is known and being mended",
    "monitoring": "it is mended; we watch whether it holds",
    "resolved": "it is over",
}
#: Words of `probe.synthetic.uptime.Line`.
_UP, _DOWN, _MAINTENANCE = 1, 2, 3


@dataclass(frozen=True)
class Day:
    """Seconds of one UTC day; what is neither up nor down nor maintenance is not known."""

    date: date
    up: float
    down: float
    maintenance: float = 0.0

    @property
    def uptime(self) -> float | None:
        """Share of the known time; None when nothing is known."""
        known = self.up + self.down
        return self.up / known if known else None


@dataclass(frozen=True)
class Component:
    name: str
    description: str
    state: State
    days: tuple[Day, ...]

    @property
    def uptime(self) -> float | None:
        """Share of the known time of all days; None when nothing is known."""
        up, down = sum(d.up for d in self.days), sum(d.down for d in self.days)
        return up / (up + down) if up + down else None

    @property
    def known_days(self) -> int:
        """Days of which anything is known."""
        return sum(d.uptime is not None for d in self.days)


@dataclass(frozen=True)
class Update:
    status: str
    message: str
    at: datetime


@dataclass(frozen=True)
class Incident:
    """`updates` newest first. `ended_at` None: it is not over."""

    title: str
    started_at: datetime
    ended_at: datetime | None
    components: tuple[str, ...]
    updates: tuple[Update, ...]

    @property
    def open(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True)
class Page:
    """Everything on it. `at`: when it was made."""

    title: str
    contact: tuple[str, str] | None
    at: datetime
    components: tuple[Component, ...]
    incidents: tuple[Incident, ...]

    @property
    def state(self) -> State:
        return max((c.state for c in self.components), key=ORDER.index, default="unknown")

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "updated_at": iso(self.at),
            "status": self.state,
            "summary": OVERALL[self.state],
            "components": [
                {
                    "name": c.name,
                    "description": c.description,
                    "status": c.state,
                    "uptime_90d": c.uptime,
                    "days": [
                        {
                            "date": d.date.isoformat(),
                            "uptime": d.uptime,
                            "down_minutes": round(d.down / 60, 1),
                            "maintenance_minutes": round(d.maintenance / 60, 1),
                        }
                        for d in c.days
                    ],
                }
                for c in self.components
            ],
            "incidents": [
                {
                    "title": i.title,
                    "status": i.updates[0].status,
                    "started_at": iso(i.started_at),
                    "ended_at": iso(i.ended_at),
                    "components": list(i.components),
                    "updates": [{"status": u.status, "message": u.message, "at": iso(u.at)} for u in i.updates],
                }
                for i in self.incidents
            ],
        }


@dataclass(frozen=True)
class Counted:
    """Days by public name, the word of the last moment (as in `Line`), and the tests each rests on."""

    days: Mapping[str, tuple[Day, ...]]
    now: Mapping[str, int]
    tests: Mapping[str, tuple[str, ...]]


def counted(history: History, shown: Sequence[Shown]) -> Counted:
    """Whole UTC days of a history, which begins and (but for today) ends at midnight. A component is down while any of
    its tests is (by quorum, where several locations look), up while one is up and none is down."""
    lines = timeline(history.stretches, history.targets, history.policy)
    edges = _midnights(history.start, history.end)
    days: dict[str, tuple[Day, ...]] = {}
    now: dict[str, int] = {}
    tests: dict[str, tuple[str, ...]] = {}
    for one in shown:
        mine = [t for t in lines if t in one.tests or (_component(history, t) in one.components)]
        tests[one.name] = tuple(mine)
        if not mine:
            days[one.name] = tuple(Day(date_of(us), 0.0, 0.0) for us in edges[:-1])
            continue
        pieces = lines[mine[0]].edges  # the same for all of them
        words = np.stack([lines[t].words for t in mine])
        word = np.where(
            (words == _DOWN).any(axis=0), _DOWN,
            np.where((words == _MAINTENANCE).any(axis=0), _MAINTENANCE, np.where((words == _UP).any(axis=0), _UP, 0)),
        )  # fmt: skip
        spent = {w: _per_day(pieces, word == w, edges) for w in (_UP, _DOWN, _MAINTENANCE)}
        each = zip(edges[:-1], spent[_UP], spent[_DOWN], spent[_MAINTENANCE], strict=True)
        days[one.name] = tuple(Day(date_of(us), float(up), float(down), float(kept)) for us, up, down, kept in each)
        at = int(np.searchsorted(pieces, _us(history.end), side="left")) - 1
        now[one.name] = int(word[at]) if 0 <= at < len(word) else 0
    return Counted(days, now, tests)


def state_of(word: int, degraded: bool) -> State:
    """What a component is now."""
    if word == _DOWN:
        return "outage"
    if word == _MAINTENANCE:
        return "maintenance"
    if word == _UP:
        return "degraded" if degraded else "operational"
    return "unknown"


def percent(share: float | None) -> str:
    """Never rounded up: 100 % is said when nothing was down.

    >>> percent(0.999996), percent(1.0), percent(0.98765), percent(None)
    ('99.99 %', '100 %', '98.76 %', 'no data')
    """
    if share is None:
        return "no data"
    return "100 %" if share >= 1 else f"{math.floor(share * 1e4) / 1e2:.2f} %"


def _component(history: History, test: str) -> str | None:
    target = history.targets.get(test)
    return target.component if target is not None else None


def _per_day(pieces: Any, chosen: Any, edges: Sequence[int]) -> Any:
    """Seconds of the chosen pieces in each day."""
    spent = np.concatenate([[0.0], np.cumsum(np.where(chosen, np.diff(pieces), 0.0))])
    return np.diff(np.interp(np.array(edges, dtype=np.float64), pieces.astype(np.float64), spent)) / 1e6


def _midnights(start: datetime, end: datetime) -> list[int]:
    """Edges of the days in microseconds; the last is `end`."""
    found, at = [], start
    while at < end:
        found.append(_us(at))
        at += timedelta(days=1)
    return [*found, _us(end)]


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def date_of(us: int) -> date:
    """The UTC date of a moment in microseconds."""
    return date(1970, 1, 1) + timedelta(days=us // 86_400_000_000)
