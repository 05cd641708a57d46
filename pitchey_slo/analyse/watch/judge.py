"""Detectors against labelled incidents, at a rate of false alerts that people would bear.

    scores of watched series -> a rule `pitchey_anomaly_score{detector="mad"} > T` -> tune -> the point of at most so
    many false alerts a week that catches most incidents, then tells of them soonest

The rule is swept by the very code that tunes any other rule, so a figure here is what the live rule would have done.
It is chosen on the same history it is judged on: with few incidents it flatters, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from pitchey_slo.alert.rules import Rule, parse_rules
from pitchey_slo.analyse.anomaly import DETECTORS
from pitchey_slo.analyse.backtest.score import GRACE, Score
from pitchey_slo.analyse.tune.model import Point, Tuning
from pitchey_slo.analyse.tune.tuning import tune
from pitchey_slo.analyse.watch.config import Watched
from pitchey_slo.analyse.watch.track import Track
from pitchey_slo.names import ANOMALY_SCORE
from pitchey_slo.promql import Scan
from pitchey_slo.promql.scan import MemoryScan

#: Thresholds tried: rarities from one in a hundred to one in a million samples.
THRESHOLDS: Final = tuple(1 - 10 ** -(exponent / 8) for exponent in range(16, 49))
FORS: Final = (0.0, 60.0, 120.0, 180.0, 300.0, 600.0)
#: Share of the time that a quiet rule may fire for nothing.
IDLE: Final = 0.05
#: History is scored in slices of so long: each asks the series anew, so days take half as long again as weeks.
_SLICE: Final = timedelta(days=7)


@dataclass(frozen=True)
class Judged:
    """One detector (or one rule) at its best point within the rate of false alerts.

    threshold, for_seconds   of `pitchey_anomaly_score > threshold`; NaN for a rule that is judged as it is
    caught                   of `incidents`: an alert began with them. One that fired already told nobody of anything.
    detect_seconds           median age of those when it did
    caught_ids               which
    """

    name: str
    threshold: float
    for_seconds: float
    incidents: int
    caught: int
    false_per_week: float
    precision: float
    detect_seconds: float
    caught_ids: tuple[str, ...] = ()
    within: bool = True

    @property
    def recall(self) -> float:
        """NaN without incidents."""
        return self.caught / self.incidents if self.incidents else math.nan


def scores_of(
    watched: Sequence[Watched],
    detectors: Sequence[str],
    scan: Scan,
    start: datetime,
    end: datetime,
    *,
    warm_up: timedelta = timedelta(days=7),
    progress: Callable[[float, str], None] | None = None,
) -> MemoryScan:
    """Scores of the watched series by each detector from `start` to `end`, after a `warm_up` before, as series in
    memory. Raises QueryError as `Track.advance`."""
    memory = MemoryScan()
    for n, each in enumerate(watched):
        track = Track(Watched(each.name, each.expr, tuple(detectors), each.every, each.history, each.timezone))
        at, last = _step(start - warm_up, each.every), _step(end, each.every)
        kept: dict[Any, list[tuple[Any, Any]]] = {}
        while at <= last:
            if progress is not None:
                progress(n / len(watched), f"scoring {each.name}")
            until = min(last, at + int(_SLICE / timedelta(milliseconds=1)))
            batch = track.advance(scan, at, until)
            for i, labels in enumerate(batch.labels):
                mine = (batch.series == i) & (batch.ts >= _step(start, each.every))
                kept.setdefault(labels, []).append((batch.ts[mine], batch.value[mine]))
            at = until + each.every
        for labels, parts in kept.items():
            memory.add(labels, np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
    return memory


def judge(
    scores: MemoryScan,
    start: datetime,
    end: datetime,
    incidents: Any,
    *,
    detectors: Sequence[str] = tuple(DETECTORS),
    series: str | None = None,
    false_per_week: float = 2.0,
    thresholds: Sequence[float] = THRESHOLDS,
    fors: Sequence[float] = FORS,
    interval: float = 60.0,
) -> tuple[Judged, ...]:
    """Each detector at the threshold and `for` that give at most `false_per_week` firings without an incident and catch
    most; among equals the soonest, then the quietest. `series`: the name of one watched entry, None for all together.
    A detector that cannot be that quiet is judged at its quietest point (`within` False)."""
    found = []
    for name in detectors:
        rule = score_rule(name, series, thresholds[0])
        tuning = tune(
            rule, scores, start, end, incidents, thresholds=thresholds, fors=fors, interval_seconds=interval,
            query_offset=0.0,
        )  # fmt: skip
        every = list(tuning.points())
        quiet = quiet_ones(every, false_per_week)
        found.append(best_of(tuning, quiet or every, name, within=bool(quiet)))
    return tuple(found)


def quiet_ones(points: Sequence[Point], false_per_week: float) -> list[Point]:
    """Points that fire so seldom, and so briefly, without an incident: one that always fires fires once."""
    most = IDLE * 7 * 86_400
    return [p for p in points if p.false_per_week <= false_per_week and p.idle_seconds <= most * p.weeks]


def best_of(tuning: Tuning, points: Sequence[Point], name: str, *, within: bool = True) -> Judged:
    """The point that tells of most incidents, of those the soonest; without `within` the quietest."""
    told = {point.place: _told(tuning, point) for point in points}
    best = min(
        points,
        key=lambda p: (0.0 if within else p.false_per_week, -len(told[p.place]), _median(told[p.place].values()),
                       p.false, -(p.threshold or 0.0)),
    )  # fmt: skip
    return Judged(
        name, math.nan if best.threshold is None else best.threshold, best.for_seconds, best.incidents,
        len(told[best.place]), best.false_per_week, best.precision, _median(told[best.place].values(), math.nan),
        tuple(told[best.place]), within,
    )  # fmt: skip


def as_judged(score: Score) -> Judged:
    """A backtested rule as it stands, in the same words: the threshold that people wrote."""
    began = [
        catch
        for catch in score.caught
        if catch.firing.fired_at is not None and catch.firing.fired_at >= catch.incident.started_at - GRACE
    ]
    return Judged(
        score.name, math.nan, math.nan, score.incidents, len(began), len(score.false_firings) / score.weeks,
        math.nan if score.precision is None else score.precision,
        _median([catch.detect_seconds for catch in began], math.nan),
        tuple(catch.incident.id for catch in began),
    )  # fmt: skip


def score_rule(detector: str, series: str | None, threshold: float) -> Rule:
    """`pitchey_anomaly_score{detector="...", series="..."} > threshold` as a rule of a rule file."""
    matchers = f'detector="{detector}"' + (f', series="{series}"' if series else "")
    text = (
        "groups:\n- name: anomalies\n  rules:\n  - alert: Anomaly\n"
        f"    expr: {ANOMALY_SCORE}{{{matchers}}} > {threshold!r}\n"
    )
    return parse_rules(text, file="anomaly.yml")[0].rules[0]


def _told(tuning: Tuning, point: Point) -> dict[str, float]:
    """Incidents with which an alert began, and their age in seconds when it did."""
    window, threshold, hold = point.place
    told = tuning.turns[window].swept.told[threshold, hold]
    pairs = zip(tuning.incidents, told.tolist(), strict=True)
    return {each.id: seconds for each, seconds in pairs if not math.isnan(seconds)}


def _median(values: Iterable[float], otherwise: float = math.inf) -> float:
    listed = list(values)
    return float(np.median(listed)) if listed else otherwise


def _step(at: datetime, every: int) -> int:
    return round(at.timestamp() * 1000) // every * every
