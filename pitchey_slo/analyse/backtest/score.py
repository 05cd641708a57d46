"""A rule's firings against what people say was really wrong.

An incident is *caught* when an alert that can be meant for it (routes and location must not disagree) fires between its
start and `grace` after its end: rates look back, so a fault of two minutes may fire a minute after it. A firing is
*true* when it caught some incident, else *false*. So precision is of firings, recall of incidents. Both have a 95 %
interval (Wilson); with five incidents it is half as wide as the scale, and `words` says so.

The time to detect counts from the incident's start, 0 when the alert fired already; the reset time from its end to the
end of the last alert about it, 0 when that was over before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from pitchey_slo.analyse.backtest.incidents import Incident, incidents_of
from pitchey_slo.analyse.backtest.model import Firing, RuleHistory
from pitchey_slo.slo.interval import wilson

GRACE: Final = timedelta(minutes=5)
#: Fewer incidents than this say little.
FEW: Final = 10

Interval = tuple[float, float]
#: (name of an SLO or "", its objective or "", from, to) -> (bad events, share of the error budget or None)
Lost = Callable[[str, str, datetime, datetime], tuple[float | None, float | None]]


@dataclass(frozen=True)
class Catch:
    """One incident and the alert that told of it first. `bad_events` and `budget` (share of the error budget, 1 is all
    of it) are what was lost before it fired; None when not known."""

    incident: Incident
    firing: Firing
    detect_seconds: float
    reset_seconds: float | None
    bad_events: float | None = None
    budget: float | None = None


@dataclass(frozen=True)
class Score:
    """One rule (or several, as if they were one) against the incidents of the time.

    precision, recall   None without firings, without incidents; with their intervals
    detect_seconds, reset_seconds, budget_lost_before_page, bad_events_before_page   medians, None without any
    """

    name: str
    incidents: int
    caught: tuple[Catch, ...]
    missed: tuple[Incident, ...]
    true_firings: tuple[Firing, ...]
    false_firings: tuple[Firing, ...]
    weeks: float
    evaluated: float | None

    @property
    def firings(self) -> int:
        return len(self.true_firings) + len(self.false_firings)

    @property
    def precision(self) -> float | None:
        return len(self.true_firings) / self.firings if self.firings else None

    @property
    def precision_interval(self) -> Interval | None:
        return wilson(len(self.true_firings) / self.firings, self.firings) if self.firings else None

    @property
    def recall(self) -> float | None:
        return len(self.caught) / self.incidents if self.incidents else None

    @property
    def recall_interval(self) -> Interval | None:
        return wilson(len(self.caught) / self.incidents, self.incidents) if self.incidents else None

    @property
    def alerts_per_week(self) -> float:
        return self.firings / self.weeks

    @property
    def detect_seconds(self) -> float | None:
        return _median(c.detect_seconds for c in self.caught)

    @property
    def reset_seconds(self) -> float | None:
        return _median(c.reset_seconds for c in self.caught)

    @property
    def budget_lost_before_page(self) -> float | None:
        return _median(c.budget for c in self.caught)

    @property
    def bad_events_before_page(self) -> float | None:
        return _median(c.bad_events for c in self.caught)

    def words(self) -> str:
        """The score in sentences."""
        found = []
        if self.incidents:
            low, high = self.recall_interval or (0.0, 1.0)
            found.append(
                f"caught {len(self.caught)} of {_count(self.incidents, 'incident')} ({low:.0%} to {high:.0%} of such)"
            )
        if self.firings:
            low, high = self.precision_interval or (0.0, 1.0)
            found.append(
                f"{len(self.true_firings)} of {_count(self.firings, 'firing')} had an incident "
                f"({low:.0%} to {high:.0%})"
            )
        else:
            found.append("never fired")
        if self.detect_seconds is not None:
            found.append(f"the median incident was {self.detect_seconds / 60:.3g} min old")
        text = "; ".join(found)
        if self.evaluated == 0:
            text += ". It never had any data"
        elif self.evaluated is not None and self.evaluated < 1.0:
            text += f". Evaluated on {self.evaluated:.1%} of the time, no data on the rest"
        if 0 < self.incidents < FEW:
            text += f". {_count(self.incidents, 'incident')} are few: read the ranges, not the shares"
        return text[:1].upper() + text[1:] + "."

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe, unrounded."""
        return {
            "name": self.name,
            "incidents": self.incidents,
            "caught": [
                {"incident": c.incident.id, "fired_at": _iso(c.firing.fired_at), "detect_seconds": c.detect_seconds,
                 "reset_seconds": c.reset_seconds, "bad_events": c.bad_events, "budget": c.budget}
                for c in self.caught
            ],
            "missed": [i.id for i in self.missed],
            "firings": self.firings,
            "false_firings": len(self.false_firings),
            "precision": self.precision,
            "precision_interval": self.precision_interval,
            "recall": self.recall,
            "recall_interval": self.recall_interval,
            "detect_seconds": self.detect_seconds,
            "reset_seconds": self.reset_seconds,
            "budget_lost_before_page": self.budget_lost_before_page,
            "bad_events_before_page": self.bad_events_before_page,
            "alerts_per_week": self.alerts_per_week,
            "evaluated": self.evaluated,
            "words": self.words(),
        }  # fmt: skip


def score(
    history: RuleHistory | Sequence[RuleHistory],
    incidents: Any,
    start: datetime,
    end: datetime,
    *,
    grace: timedelta = GRACE,
    lost: Lost | None = None,
) -> Score:
    """The score of one rule over start <= t < end, or of several together.

    incidents  of that time: objects, rows or a frame; those that began before `start` or at `end` are left out, with
               the firings that only they explain counted as true
    lost       says what was lost in a span (`losses.Losses`); None: not asked
    """
    several = [history] if isinstance(history, RuleHistory) else list(history)
    name = several[0].rule.name if len(several) == 1 else f"{len(several)} rules together"
    known = [i for i in incidents_of(incidents) if i.started_at < end]
    fired = sorted((f for h in several for f in h.fired), key=lambda f: f.fired_at or f.pending_at)
    rules = {h.rule.key: h.rule for h in several}
    true: set[int] = set()
    caught: list[Catch] = []
    missed: list[Incident] = []
    for incident in known:
        about = [i for i, f in enumerate(fired) if touches(f, incident, end, grace)]
        true.update(about)
        if not start <= incident.started_at:
            continue
        if not about:
            missed.append(incident)
            continue
        first = fired[about[0]]
        labels = rules[first.rule_key].labels
        caught.append(_catch(incident, first, [fired[i] for i in about], labels, lost))
    shares = [h.evaluated for h in several if h.evaluated is not None]
    return Score(
        name,
        len(caught) + len(missed),
        tuple(caught),
        tuple(missed),
        tuple(f for i, f in enumerate(fired) if i in true),
        tuple(f for i, f in enumerate(fired) if i not in true),
        (end - start) / timedelta(weeks=1),
        max(shares, default=None),
    )


def touches(firing: Firing, incident: Incident, end: datetime, grace: timedelta = GRACE) -> bool:
    """Whether a firing tells of an incident."""
    if firing.fired_at is None or not incident.concerns(firing.labels):
        return False
    over = incident.ended_at + grace if incident.ended_at is not None else end
    return firing.fired_at < over and (firing.resolved_at or end) > incident.started_at


def _catch(incident: Incident, first: Firing, every: Sequence[Firing], labels: Any, lost: Lost | None) -> Catch:
    fired = first.fired_at or first.pending_at
    reset = None
    if incident.ended_at is not None and all(f.resolved_at for f in every):
        last = max(f.resolved_at or fired for f in every)
        reset = max(0.0, (last - incident.ended_at).total_seconds())
    bad = budget = None
    if lost is not None:
        name, objective = (first.labels.get(k) or labels.get(k, "") for k in ("slo", "objective"))
        bad, budget = lost(name, objective, incident.started_at, max(fired, incident.started_at))
    return Catch(incident, first, max(0.0, (fired - incident.started_at).total_seconds()), reset, bad, budget)


def _median(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
