"""What another setting would change, firing by firing: gained, lost, moved; each tied to its incident or to none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pitchey_slo.analyse.backtest.incidents import Incident, incidents_of
from pitchey_slo.analyse.backtest.model import Firing, RuleHistory
from pitchey_slo.analyse.backtest.score import GRACE, touches

_FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Change:
    """One firing in one or both. `before` None: gained, `after` None: lost. `incident` None: it belongs to none."""

    kind: Literal["gained", "lost", "moved", "same"]
    before: Firing | None
    after: Firing | None
    incident: Incident | None

    @property
    def moved_seconds(self) -> float | None:
        """How much later it fires; negative is earlier; None when it is in one of both only."""
        if self.before is None or self.after is None:
            return None
        return (_fired(self.after) - _fired(self.before)).total_seconds()

    def sentence(self) -> str:
        """In words."""
        firing = self.after or self.before
        assert firing is not None
        labels = ", ".join(f"{k}={v}" for k, v in sorted(firing.labels.items()) if k != "alertname")
        what: str = self.kind
        if self.kind == "moved":
            seconds = self.moved_seconds or 0.0
            what = f"{abs(seconds) / 60:.3g} min {'later' if seconds > 0 else 'earlier'}" if seconds else "other end"
        about = f"incident {self.incident.title!r}" if self.incident else "no incident"
        return f"{what}: {_fired(firing):%Y-%m-%d %H:%M:%S} {firing.alertname} ({labels or 'no labels'}), {about}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "before": _told(self.before),
            "after": _told(self.after),
            "moved_seconds": self.moved_seconds,
            "incident": self.incident.id if self.incident else None,
        }


@dataclass(frozen=True)
class Changes:
    """All firings of both, in order of time. `before_pages` and `after_pages` are what people would have been told
    (`analyse.backtest.through_routing`), None when no routes were given."""

    changes: tuple[Change, ...]
    newly_caught: tuple[Incident, ...]
    newly_missed: tuple[Incident, ...]
    before_pages: Any = None
    after_pages: Any = None

    def of(self, kind: str) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.kind == kind)

    @property
    def gained(self) -> tuple[Change, ...]:
        return self.of("gained")

    @property
    def lost(self) -> tuple[Change, ...]:
        return self.of("lost")

    @property
    def moved(self) -> tuple[Change, ...]:
        return self.of("moved")

    def sentence(self) -> str:
        """All of it in one."""
        parts = [f"{self._count(kind)} {kind}" for kind in ("gained", "lost", "moved", "same") if self.of(kind)]
        caught = f"; now caught: {', '.join(i.title for i in self.newly_caught)}" if self.newly_caught else ""
        missed = f"; no longer caught: {', '.join(i.title for i in self.newly_missed)}" if self.newly_missed else ""
        return (", ".join(parts) or "nothing fires with either") + caught + missed

    def _count(self, kind: str) -> str:
        found = self.of(kind)
        none = sum(c.incident is None for c in found)
        return f"{len(found)}" + (f" ({none} without incident)" if none else "")

    def as_dict(self) -> dict[str, Any]:
        return {
            "sentence": self.sentence(),
            "changes": [c.as_dict() for c in self.changes if c.kind != "same"],
            "same": len(self.of("same")),
            "newly_caught": [i.id for i in self.newly_caught],
            "newly_missed": [i.id for i in self.newly_missed],
        }


def compare(
    current: RuleHistory | Iterable[Firing],
    proposed: RuleHistory | Iterable[Firing],
    incidents: Any = (),
    *,
    grace: timedelta = GRACE,
    before_pages: Any = None,
    after_pages: Any = None,
) -> Changes:
    """Firings of one rule as it is and as it might be. Two firings of the same alert that overlap are one that moved.

    `before_pages` and `after_pages` are what routing made of both, when it was asked.
    """
    before, after = _those_that_fired(current), _those_that_fired(proposed)
    known = incidents_of(incidents)
    found = sorted(
        (Change(_kind(old, new), old, new, _incident(old, new, known, grace)) for old, new in _pairs(before, after)),
        key=lambda c: _fired(c.after or c.before),
    )
    caught_before = {i.id for i in known if any(_touches(f, i, grace) for f in before)}
    caught_after = {i.id for i in known if any(_touches(f, i, grace) for f in after)}
    return Changes(
        tuple(found),
        tuple(i for i in known if i.id in caught_after - caught_before),
        tuple(i for i in known if i.id in caught_before - caught_after),
        before_pages,
        after_pages,
    )


def _those_that_fired(given: RuleHistory | Iterable[Firing]) -> list[Firing]:
    firings = given.firings if isinstance(given, RuleHistory) else given
    return sorted((f for f in firings if f.fired_at is not None), key=lambda f: (_fired(f), sorted(f.labels.items())))


def _pairs(before: Sequence[Firing], after: Sequence[Firing]) -> Iterator[tuple[Firing | None, Firing | None]]:
    """Each firing once: with the first one of the other side, of the same labels, that overlaps it."""
    left: dict[tuple[tuple[str, str], ...], list[Firing]] = {}
    for new in after:
        left.setdefault(_labels(new), []).append(new)
    for old in before:
        others = left.get(_labels(old), [])
        match = next((n for n in others if _fired(n) <= _ended(old) and _fired(old) <= _ended(n)), None)
        if match is not None:
            others.remove(match)
        yield old, match
    yield from ((None, new) for others in left.values() for new in others)


def _kind(old: Firing | None, new: Firing | None) -> Literal["gained", "lost", "moved", "same"]:
    if old is None:
        return "gained"
    if new is None:
        return "lost"
    return "same" if (old.fired_at, old.resolved_at) == (new.fired_at, new.resolved_at) else "moved"


def _incident(old: Firing | None, new: Firing | None, known: Sequence[Incident], grace: timedelta) -> Incident | None:
    for firing in (new, old):
        found = next((i for i in known if firing is not None and _touches(firing, i, grace)), None)
        if found is not None:
            return found
    return None


def _touches(firing: Firing, incident: Incident, grace: timedelta) -> bool:
    return touches(firing, incident, _FOREVER, grace)


def _labels(firing: Firing) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(firing.labels.items()))


def _fired(firing: Firing | None) -> datetime:
    assert firing is not None
    assert firing.fired_at is not None
    return firing.fired_at


def _ended(firing: Firing) -> datetime:
    return firing.resolved_at or _FOREVER


def _told(firing: Firing | None) -> dict[str, Any] | None:
    if firing is None:
        return None
    ended = firing.resolved_at.isoformat() if firing.resolved_at else None
    return {"labels": dict(firing.labels), "fired_at": _fired(firing).isoformat(), "resolved_at": ended}
