"""Is an SLO's alerting any good? For each burn condition: can it fire, when, what is lost until then, and how many bad
requests it takes at the traffic this service really has.

    slo -> conditions (burn.py) -> arithmetic (detect.py) + its own data of four weeks -> checks -> LintReport

The arithmetic is exact for errors that begin at once and stay. The data say the rest: the traffic of each of the 168
hours of a week, and how often the condition held. Nothing here is about one alert that fired; it is what to expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pitchey_slo.promql import Scan
from pitchey_slo.slo.alerts.burn import Condition, conditions, minutes_of, period_minutes
from pitchey_slo.slo.alerts.detect import ERROR_RATIOS, HOURS, WEEKS, Detection, Traffic, detection, needed, traffic
from pitchey_slo.slo.alerts.lint_checks import check_condition, check_subject
from pitchey_slo.slo.alerts.lint_subject import LEVELS, Finding, Level, Subject, Tried
from pitchey_slo.slo.budget import budget_part
from pitchey_slo.slo.corrections import spans, without
from pitchey_slo.slo.findings import AsDict, Floats
from pitchey_slo.slo.ledger import ledger, method_of, minute_of
from pitchey_slo.slo.measure import Measured, measure, newest
from pitchey_slo.slo.model import Correction, Objective, Raw, Slo
from pitchey_slo.slo.sli import Asked, Minutes, Reader
from pitchey_slo.slo.windows import MINUTE, floor_minute

#: Minutes over which it is told how often a condition held.
LOOKED = WEEKS * HOURS * 60


@dataclass(frozen=True, eq=False)
class ConditionLint(AsDict):
    """One burn condition.

    windows, factor, severity, hold, source   what it is and where it stands; hold in minutes
    limit       the share of bad units above which it holds: factor x (1 - target)
    highest     the burn rate when everything fails: 1 / (1 - target)
    lost        fraction of the budget that is gone when it fires, however fast (without `hold`)
    detections  per error ratio (1, 5, 10, 50, 100 %): time to fire, time to end, budget lost
    needed      bad units it takes, by the hour of the week at which the long window ends (168, Monday 00:00 UTC first);
                NaN where unknown, or where all there are would not do
    held, fired how much of the time it held in the data, and how often it would have fired; None without data
    """

    windows: str
    factor: float
    severity: str
    hold: float
    source: str
    limit: float
    highest: float
    lost: float
    detections: tuple[Detection, ...]
    needed: Floats
    held: float | None
    fired: int | None


@dataclass(frozen=True, eq=False)
class LintReport(AsDict):
    """One objective. `allowed`: bad units that its budget is at this traffic; `outage`: minutes of total outage that
    spend it all; `traffic` is None without data. Findings are about the whole first, then condition by condition."""

    slo: str
    display_name: str
    service: str
    objective: str
    target: float
    method: str
    window: str
    period_minutes: int
    unit: str
    end: datetime | None
    allowed: float | None
    outage: float
    traffic: Traffic | None
    conditions: tuple[ConditionLint, ...]
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level | None:
        """The worst level found; None when there is nothing to say."""
        return next((level for level in LEVELS if any(f.level == level for f in self.findings)), None)


def lint(
    slos: Sequence[Slo],
    reader: Reader | None = None,
    *,
    end: datetime | None = None,
    now: datetime,
    corrections: Sequence[Correction] = (),
    scan: Scan | None = None,
) -> tuple[LintReport, ...]:
    """One report per objective, in the order of `slos`. Without a reader, what the specs alone say.

    `end`: the data before it are looked at; None: up to the newest row, but not after `now`. Raises what `evaluate`
    raises for what cannot be counted.
    """
    asked = [Asked(slo, objective) for slo in slos for objective in slo.objectives]
    if reader is None or not asked:
        return tuple(_report(a.slo, a.objective, None, None, None) for a in asked)
    watermarks = newest(asked, reader)
    known = [t for t in watermarks.values() if t is not None]
    stop = (
        floor_minute(end) if end else min([floor_minute(now), *([floor_minute(max(known)) + MINUTE] if known else [])])
    )
    # the longest window is full from the first minute that is looked at
    longest = max((minutes_of(c.long) for a in asked for c in conditions(a.slo)), default=0)
    start = stop - timedelta(minutes=LOOKED + longest)
    found = measure(asked, reader, scan, start, stop, watermarks)
    return tuple(_report(a.slo, a.objective, m, stop, corrections) for a, m in zip(asked, found, strict=True))


def _report(
    slo: Slo,
    objective: Objective,
    measured: Measured | None,
    end: datetime | None,
    corrections: Sequence[Correction] | None,
) -> LintReport:
    stop = minute_of(end) if end else 0
    counted = _counted(slo, measured, stop, corrections or ())
    subject = _subject(slo, objective, measured, counted, stop)
    held = _Held.of(slo, objective, counted, stop)
    tried = [(c, *_tried(subject, c, held)) for c in conditions(slo)]
    findings = check_subject(subject, [t for _, t, _ in tried])
    for _, one, _ in tried:
        findings += check_condition(subject, one)
    per_minute = subject.per_minute
    return LintReport(
        slo=slo.name,
        display_name=slo.display_name or slo.name,
        service=slo.service,
        objective=objective.title,
        target=objective.target,
        method=slo.method,
        window=slo.windows[0].text,
        period_minutes=subject.period,
        unit=subject.unit,
        end=end,
        allowed=None if per_minute is None else per_minute * subject.period * subject.part,
        outage=subject.part * subject.period,
        traffic=subject.traffic,
        conditions=tuple(_shown(subject, c, t, fired) for c, t, fired in tried),
        findings=tuple(findings),
    )


def _counted(slo: Slo, measured: Measured | None, end: int, corrections: Sequence[Correction]) -> Minutes | None:
    """The minutes an alert sees: what is corrected is not there."""
    if measured is None or not len(measured.minutes.at):
        return None
    spared = spans((*slo.corrections, *corrections), slo.name, int(measured.minutes.at[0]), end)
    return without(measured.minutes, spared)


def _subject(slo: Slo, objective: Objective, measured: Measured | None, minutes: Minutes | None, end: int) -> Subject:
    method, width = method_of(slo, objective)
    indicator = objective.indicator or slo.indicator
    first = int(measured.minutes.at[0]) if measured and len(measured.minutes.at) else None
    seen = traffic(minutes, end) if minutes is not None else None
    noun = slo.annotations.get("pitchey.com/noun") or (measured.noun if measured else "events")
    return Subject(
        slo=slo,
        objective=objective,
        part=budget_part(objective.target),
        period=period_minutes(slo.windows[0]),
        width=0 if method == "Occurrences" else width,
        traffic=seen,
        data_minutes=None if first is None else end - first,
        counted=indicator is None or not isinstance(indicator.metric, Raw),
        noun=noun,
    )


def _tried(subject: Subject, condition: Condition, held: _Held | None) -> tuple[Tried, int | None]:
    long, limit = minutes_of(condition.long), condition.factor * subject.part
    found = tuple(
        detection(condition, subject.part, subject.period, e, per_minute=subject.per_minute) for e in ERROR_RATIOS
    )
    if subject.width:
        seen = np.full(HOURS, float(-(-long // subject.width)))
    else:
        seen = subject.traffic.over(long) if subject.traffic else np.full(HOURS, np.nan)
    least = subject.slo.minimum_bad if subject.counted and not subject.width else 0.0
    share, fired = held.of_condition(condition, limit, subject.slo.minimum_bad) if held else (None, None)
    lost = condition.factor * long / subject.period
    return Tried(condition, limit, lost, found, seen, needed(condition, subject.part, seen, least), share), fired


def _shown(subject: Subject, condition: Condition, tried: Tried, fired: int | None) -> ConditionLint:
    return ConditionLint(
        windows=condition.windows,
        factor=condition.factor,
        severity=condition.severity,
        hold=float(minutes_of(condition.hold)) if condition.hold else 0.0,
        source=condition.source,
        limit=tried.limit,
        highest=1 / subject.part,
        lost=tried.lost,
        detections=tried.detections,
        needed=tried.needed,
        held=tried.held,
        fired=fired,
    )


@dataclass(frozen=True, eq=False)
class _Held:
    """Running sums at the end of each minute from `first` to `end`: bad and all units, and bad events for floors.

    `all` counts the valid events, or for slices every slice that has passed."""

    bad: Floats
    all: Floats
    events: Floats

    @classmethod
    def of(cls, slo: Slo, objective: Objective, minutes: Minutes | None, end: int) -> _Held | None:
        if minutes is None or not len(minutes.at) or end <= int(minutes.at[0]):
            return None
        method, width = method_of(slo, objective)
        first = int(minutes.at[0]) // width * width
        units = ledger(minutes, method, objective, width, 0).between(first, end)
        size = end - first
        place = units.at + width - 1 - first  # a slice is known at its end
        everything = np.bincount(place, weights=units.good + units.bad, minlength=size)
        if units.sliced:
            everything = ((np.arange(size) + first + 1) % width == 0).astype(np.float64)
        inside = minutes.between(first, end)
        return cls(
            _running(np.bincount(place, weights=units.bad, minlength=size)),
            _running(everything),
            _running(np.bincount(inside.at - first, weights=inside.bad, minlength=size)),
        )

    def of_condition(self, condition: Condition, limit: float, floor: float) -> tuple[float, int]:
        """(share of the minutes in which it held, how often it fired)."""
        long = minutes_of(condition.long)
        held = self._above(long, limit)
        if condition.short is not None:
            held &= self._above(minutes_of(condition.short), limit)
        if floor > 0:
            held &= _over(self.events, long) >= floor
        held = held[-LOOKED:]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]])))
        runs = edges[1::2] - edges[::2]
        wait = minutes_of(condition.hold) if condition.hold else 0
        return float(held.mean()), int((runs > wait).sum())

    def _above(self, minutes: int, limit: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        everything = _over(self.all, minutes)
        return np.asarray((everything > 0) & (_over(self.bad, minutes) > limit * everything))


def _running(values: Any) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])


def _over(running: Floats, minutes: int) -> Floats:
    """Sums over so many minutes up to the end of each minute; fewer where the data begin."""
    before = np.maximum(np.arange(1, len(running)) - minutes, 0)
    return np.asarray(running[1:] - running[before])
