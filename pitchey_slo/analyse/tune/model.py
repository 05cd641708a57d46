"""What tuning finds, as values: points (threshold, for, window) with what each would have done, and a choice."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.backtest.episodes import Floats, Ints
from pitchey_slo.analyse.backtest.incidents import Incident
from pitchey_slo.analyse.backtest.model import Firing
from pitchey_slo.analyse.tune.knob import Knob, with_window
from pitchey_slo.analyse.tune.sweep import Swept, episodes_at
from pitchey_slo.series import Labels

WEEK_SECONDS = 7 * 86_400.0


@dataclass(frozen=True)
class Cost:
    """What things cost, in false firings: how one point is better than another.

    What the false firings of a point would catch of the same incidents at other times, it catches by chance, since it
    fires so often; so much of what it catches counts as missed.

    missed   an incident that nobody was told of: none fired, or what fired had fired for long when it began
    false    a firing without an incident
    minute   a minute from the beginning of an incident to its firing; at most as much as missing it
    hour     an hour of firing outside incidents: a rule that always fires tells nothing
    """

    missed: float = 10.0
    false: float = 1.0
    minute: float = 0.1
    hour: float = 0.5

    def of(self, swept: Swept, fold_of: Ints, folds: int) -> Floats:
        """Limits by fors by folds."""
        cost = self.false * swept.false + self.hour / 3600 * swept.idle
        late = np.where(np.isnan(swept.told), self.missed, np.minimum(self.missed, self.minute / 60 * swept.told))
        late += swept.chance[:, :, None] * (self.missed - late)
        for fold in range(folds):
            cost[:, :, fold] += late[:, :, fold_of == fold].sum(axis=2)
        found: Floats = cost
        return found


@dataclass(frozen=True)
class Point:
    """One (threshold, for, window) over the whole time.

    threshold   None: the rule has no number to turn; `window` None: the ranges as written
    told        of the `caught` incidents: a firing began with them; in the others one fired already
    by_chance   incidents that the false firings would tell of if they had been at other times of the same history
    detect_seconds   median over caught incidents, NaN when none is caught
    idle_seconds     fired outside incidents
    place       of window, threshold and `for` in the sweep
    """

    threshold: float | None
    for_seconds: float
    window: str | None
    incidents: int
    caught: int
    told: int
    by_chance: float
    fired: int
    false: int
    weeks: float
    detect_seconds: float
    idle_seconds: float
    cost: float
    place: tuple[int, int, int]

    @property
    def missed(self) -> int:
        return self.incidents - self.caught

    @property
    def recall(self) -> float:
        """NaN without incidents."""
        return self.caught / self.incidents if self.incidents else math.nan

    @property
    def precision(self) -> float:
        """Share of the firings that touch an incident; NaN when nothing fired."""
        return (self.fired - self.false) / self.fired if self.fired else math.nan

    @property
    def false_per_week(self) -> float:
        return self.false / self.weeks

    @property
    def alerts_per_week(self) -> float:
        return self.fired / self.weeks

    def as_dict(self) -> dict[str, Any]:
        """Plain values; missing is None."""
        return {
            "threshold": self.threshold,
            "for_seconds": self.for_seconds,
            "window": self.window,
            "incidents": self.incidents,
            "caught": self.caught,
            "told": self.told,
            "by_chance": self.by_chance,
            "missed": self.missed,
            "fired": self.fired,
            "false": self.false,
            "precision": _known(self.precision),
            "recall": _known(self.recall),
            "false_per_week": self.false_per_week,
            "alerts_per_week": self.alerts_per_week,
            "detect_seconds": _known(self.detect_seconds),
            "idle_hours": self.idle_seconds / 3600,
            "cost": self.cost,
        }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass(frozen=True)
class Turn:
    """One window: its thresholds and what was swept. `cost` is thresholds by fors by folds."""

    window: str | None
    thresholds: Floats
    times: Ints
    labels: tuple[Labels, ...]
    swept: Swept
    cost: Floats
    covered: float | None
    failed: int = 0
    problem: str | None = None

    @cached_property
    def caught(self) -> Ints:
        found: Ints = (~np.isnan(self.swept.late)).sum(axis=2)
        return found

    @cached_property
    def told(self) -> Ints:
        found: Ints = (~np.isnan(self.swept.told)).sum(axis=2)
        return found

    @cached_property
    def detect(self) -> Floats:
        late = self.swept.late.astype(np.float64)
        found = np.full(late.shape[:2], np.nan)
        some = self.caught > 0
        if some.any():
            found[some] = np.nanmedian(late[some], axis=1)
        return found

    @cached_property
    def false(self) -> Ints:
        found: Ints = self.swept.false.sum(axis=2)
        return found

    @cached_property
    def fired(self) -> Ints:
        found: Ints = self.swept.fired.sum(axis=2)
        return found

    @cached_property
    def idle(self) -> Floats:
        found: Floats = self.swept.idle.sum(axis=2)
        return found

    @cached_property
    def total(self) -> Floats:
        found: Floats = self.cost.sum(axis=2)
        return found

    @cached_property
    def _sorted(self) -> list[float]:
        return [float(t) for t in self.thresholds]


@dataclass(frozen=True)
class Fold:
    """One block that was left out: what the other blocks chose, what that cost here, and what the current rule cost."""

    start: datetime
    end: datetime
    incidents: int
    chosen: Point
    cost: float
    current_cost: float


@dataclass(frozen=True)
class Tuning:
    """All that was tried for one rule.

    front        points that no other beats in incidents nobody was told of, false firings and detection at once; those
                 that miss least first
    best         the cheapest in hindsight; `recommended` is what may be proposed (`current` when nothing held up)
    held_out     per block the price of choosing without it; `fold_name` what a block is
    reasons      why, in words; `sure` is "not", "weakly", "fairly" or "well"
    """

    rule: Rule
    knob: Knob
    start: datetime
    end: datetime
    step_seconds: float
    fors: tuple[float, ...]
    turns: tuple[Turn, ...]
    incidents: tuple[Incident, ...]
    cost: Cost
    current: Point
    best: Point
    recommended: Point
    front: tuple[Point, ...]
    held_out: tuple[Fold, ...]
    fold_name: str
    sure: str
    reasons: tuple[str, ...]
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> bool:
        """Whether the recommended point differs from the rule as it is."""
        return self.recommended.place != self.current.place

    @property
    def weeks(self) -> float:
        return (self.end - self.start).total_seconds() / WEEK_SECONDS

    def at(self, threshold: float | None = None, for_: float | None = None, window: str | None = None) -> Point:
        """What the nearest point of the sweep would have done, in microseconds: for a slider. What is left out is as
        the rule has it."""
        w = next((i for i, turn in enumerate(self.turns) if turn.window == window), 0)
        turn = self.turns[w]
        i = 0 if self.knob.current is None else _nearest(turn._sorted, self._current(threshold))
        j = _nearest(self.fors, self.rule.for_seconds if for_ is None else for_)
        return self.point(w, i, j)

    def _current(self, threshold: float | None) -> float:
        found = self.knob.current if threshold is None else threshold
        assert found is not None
        return found

    def point(self, w: int, i: int, j: int) -> Point:
        """By place: window, threshold, for."""
        return point_of(self.turns[w], self.fors[j], self.weeks, (w, i, j))

    def points(self) -> Iterator[Point]:
        """Every point of the sweep."""
        for w, turn in enumerate(self.turns):
            for i in range(len(turn.thresholds)):
                for j in range(len(self.fors)):
                    yield self.point(w, i, j)

    def missed(self, point: Point) -> tuple[Incident, ...]:
        late = self.late(point)
        return tuple(incident for incident, seconds in zip(self.incidents, late, strict=True) if math.isnan(seconds))

    def late(self, point: Point) -> tuple[float, ...]:
        """Seconds until each incident was found, NaN for those that were missed."""
        w, i, j = point.place
        return tuple(float(x) for x in self.turns[w].swept.late[i, j])

    def firings(self, point: Point) -> tuple[Firing, ...]:
        """What would have fired, in order of time; without peak values."""
        w, i, j = point.place
        turn = self.turns[w]
        found = episodes_at(turn.swept, turn.times, i, self.fors[j], self.rule.keep_firing_seconds)
        labels = [dict(each) for each in turn.labels]
        made = [
            Firing(
                self.rule.key,
                self.rule.name,
                labels[found.series[k]],
                _moment(turn.times[found.pending[k]]),
                _moment(turn.times[found.fired[k]]),
                _moment(turn.times[found.resolved[k]]) if found.resolved[k] < len(turn.times) else None,
                math.nan,
            )
            for k in np.flatnonzero(found.fired >= 0).tolist()
        ]
        return tuple(sorted(made, key=lambda f: (f.pending_at, sorted(f.labels.items()))))

    def proposed(self, point: Point | None = None) -> Rule:
        """The rule as it would be written with this point (the recommended one). ConfigError when its text cannot be
        changed without guessing."""
        from pitchey_slo.analyse.review.numbers import with_threshold

        chosen = point or self.recommended
        expr = self.rule.expr
        if chosen.window is not None:
            expr = with_window(expr, chosen.window)
        if chosen.threshold is not None and self.knob.current is not None and chosen.threshold != self.knob.current:
            expr = with_threshold(expr, self.knob.current, chosen.threshold)
        return replace(self.rule, expr=expr, for_seconds=chosen.for_seconds)

    def as_dict(self) -> dict[str, Any]:
        """For machines: no arrays."""
        return {
            "rule": self.rule.told(),
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "incidents": [i.id for i in self.incidents],
            "tried": sum(t.total.size for t in self.turns),
            "current": self.current.as_dict(),
            "recommended": self.recommended.as_dict(),
            "best_in_hindsight": self.best.as_dict(),
            "changes": self.changes,
            "front": [p.as_dict() for p in self.front],
            "missed": [i.id for i in self.missed(self.recommended)],
            "held_out": {
                "fold": self.fold_name,
                "cost": sum(f.cost for f in self.held_out),
                "current_cost": sum(f.current_cost for f in self.held_out),
                "folds": [
                    {
                        "start": f.start.isoformat(), "end": f.end.isoformat(), "incidents": f.incidents,
                        "threshold": f.chosen.threshold, "for_seconds": f.chosen.for_seconds,
                        "window": f.chosen.window, "cost": f.cost, "current_cost": f.current_cost,
                    }
                    for f in self.held_out
                ],
            },
            "sure": self.sure,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }  # fmt: skip


def point_of(turn: Turn, for_seconds: float, weeks: float, place: tuple[int, int, int]) -> Point:
    _, i, j = place
    threshold = turn._sorted[i]
    return Point(
        None if threshold != threshold else threshold,
        for_seconds,
        turn.window,
        turn.swept.late.shape[2],
        int(turn.caught[i, j]),
        int(turn.told[i, j]),
        float(turn.swept.chance[i, j]) * turn.swept.late.shape[2],
        int(turn.fired[i, j]),
        int(turn.false[i, j]),
        weeks,
        float(turn.detect[i, j]),
        float(turn.idle[i, j]),
        float(turn.total[i, j]),
        place,
    )


def _nearest(values: list[float] | tuple[float, ...], wanted: float) -> int:
    """Of sorted values."""
    i = bisect.bisect_left(values, wanted)
    if i == 0 or i == len(values):
        return min(i, len(values) - 1)
    return i if values[i] - wanted < wanted - values[i - 1] else i - 1


def _moment(ms: int | np.int64) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
