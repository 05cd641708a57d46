"""What was different while something was wrong: the window against a quiet one of the same length before it.

For each value of each dimension (route, status, location, ...) the *excess* is what happened beyond what its own
traffic would have brought at the rate of before:

    excess errors = errors now - requests now x (errors before / requests before)

and its share of the sum over the values of that dimension says how much of the change it explains. A value that is new
has no rate of before: the rate of all takes its place. Slow requests are those above the p95 of before; 5 % are then
expected. A stored series has moved by (now - before) / spread, with the spread of before (at least 2 % of its level, so
that a constant one does not move by infinity).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from pitchey_slo.store.change_questions import DIMENSIONS, by_value, series_levels
from pitchey_slo.store.questions import latency_quantiles, marks
from pitchey_slo.store.reader import LakeReader

Kind = Literal["errors", "slow"]
#: Deployments so long before the window may be its cause.
BEFORE_DEPLOYMENT = timedelta(hours=6)
#: Dimensions that say where to look; the others only say what it looked like.
_PLACES = ("endpoint", "location", "source")
#: Values are gathered until they explain so much.
_MOST = 0.8
#: A change must be so many standard deviations of chance; more where the largest of many is looked at.
_SIGMAS, _SIGMAS_OF_MANY = 3.0, 5.0
#: A series' spread counts as at least this part of its level.
LEAST_SPREAD = 0.02


@dataclass(frozen=True)
class Totals:
    """Weighted counts of requests, and the sum of squared weights; ratios are None without requests, the p95 (ms)
    without a measured one."""

    requests: float
    errors: float
    slow: float
    measured: float
    squares: float
    p95_ms: float | None = None

    @property
    def error_ratio(self) -> float | None:
        return self.errors / self.requests if self.requests else None

    @property
    def slow_ratio(self) -> float | None:
        return self.slow / self.measured if self.measured else None


@dataclass(frozen=True)
class Cause:
    """One value of one dimension and how much of the change it explains.

    excess   errors (or slow requests) beyond what its traffic would have brought at the rate of before
    share    of the excess of all values of the dimension that have any; in [0, 1]
    """

    kind: Kind
    dimension: str
    value: str | None
    now: Totals
    before: Totals
    excess: float
    share: float


@dataclass(frozen=True)
class Explanation:
    """Some values of one dimension that explain `share` of the change with `traffic`, their part of all requests."""

    kind: Kind
    dimension: str
    values: tuple[str | None, ...]
    share: float
    traffic: float


@dataclass(frozen=True)
class Moved:
    """One stored series: mean level (rate per second for counters) now and before, and by how many spreads it moved."""

    name: str
    labels: Mapping[str, str]
    kind: Literal["gauge", "counter"]
    now: float
    before: float
    spreads: float


@dataclass(frozen=True)
class Investigation:
    """What was found for start <= t < end against baseline_start <= t < baseline_end.

    `causes` by kind and dimension, the most excess first; `moved` by the distance it moved, farthest first.
    `deployments` and `incidents` are rows of their tables: those up to six hours before, those that touch the window.
    """

    start: datetime
    end: datetime
    baseline_start: datetime
    baseline_end: datetime
    where: str | None
    slow_ms: float | None
    now: Totals
    before: Totals
    causes: tuple[Cause, ...]
    moved: tuple[Moved, ...]
    deployments: tuple[Mapping[str, Any], ...]
    incidents: tuple[Mapping[str, Any], ...]

    def where_from(self, kind: Kind) -> Explanation | None:
        """The few values of one dimension that the change came from, if it came from some more than from others.

        Per dimension the values with the most excess are taken until they explain four fifths; the dimension whose
        values have the least of the traffic wins. None when no choice has less than half of the share it explains."""
        found = [e for name in _PLACES if (e := self._explained(kind, name)) is not None]
        best = min(found, key=lambda e: e.traffic / e.share, default=None)
        return best if best is not None and best.traffic <= best.share / 2 else None

    def rose(self, kind: Kind) -> bool:
        """Whether the ratio of errors or of slow requests rose, overall or at one endpoint or location: by half at
        least, and by more than chance would bring."""
        if _beyond_chance(kind, self.now, self.before, _SIGMAS):
            return True
        parts = (c for c in self.causes if c.kind == kind and c.dimension in _PLACES)
        return any(_beyond_chance(kind, c.now, c.before, _SIGMAS_OF_MANY) for c in parts)

    def _explained(self, kind: Kind, dimension: str) -> Explanation | None:
        values: list[str | None] = []
        share = requests = 0.0
        for cause in (c for c in self.causes if c.kind == kind and c.dimension == dimension):
            if share >= _MOST:
                break
            values.append(cause.value)
            share += cause.share
            requests += cause.now.requests
        whole = self.now.requests
        return Explanation(kind, dimension, tuple(values), share, requests / whole) if values and whole else None


def investigate(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    *,
    baseline: tuple[datetime, datetime] | None = None,
    where: str | None = None,
) -> Investigation:
    """Compare start <= t < end with `baseline` (None: as long, right before it, but at least an hour), for the requests
    with `where`. Raises QueryError."""
    quiet = baseline or (start - max(end - start, timedelta(hours=1)), start)
    p95_before, p95_now = _p95(reader, *quiet, where), _p95(reader, start, end, where)
    slow_ms = p95_before if p95_before is not None else p95_now
    causes: list[Cause] = []
    totals: dict[str, Totals] = {}
    for dimension in DIMENSIONS:
        sides = [
            {
                row["value"]: _totals(row)
                for row in by_value(reader, dimension, *span, slow_ms or 0.0, where=where).to_pylist()
            }
            for span in ((start, end), quiet)
        ]
        totals = {"now": _sum(sides[0].values(), p95_now), "before": _sum(sides[1].values(), p95_before)}
        if len(sides[0]) > 1:
            causes += _causes(dimension, sides[0], sides[1], totals["before"])
    incidents = marks(reader, start, end)[0].to_pylist()
    deployments = marks(reader, start - BEFORE_DEPLOYMENT, end)[1].to_pylist()
    return Investigation(
        start,
        end,
        *quiet,
        where,
        slow_ms,
        totals["now"],
        totals["before"],
        tuple(sorted(causes, key=lambda c: (c.kind, c.dimension, -c.excess))),
        _moved(series_levels(reader, start, end, *quiet)),
        tuple(deployments),
        tuple(incidents),
    )


def _causes(dimension: str, now: Mapping[Any, Totals], before: Mapping[Any, Totals], whole: Totals) -> list[Cause]:
    found = []
    nothing = Totals(0.0, 0.0, 0.0, 0.0, 0.0)
    traffic = sum(t.requests for t in now.values())
    kinds: tuple[Kind, ...] = ("errors", "slow")
    for kind in kinds:
        excess = {}
        for value, totals in now.items():
            past = before.get(value, nothing)
            hits, valid, rate = _rate(kind, totals, past, whole)
            if dimension == "status" and kind == "errors":  # its own ratio is always 0 or 1
                valid, rate = traffic, past.errors / whole.requests if whole.requests else 0.0
            excess[value] = hits - valid * rate
        whole_excess = sum(e for e in excess.values() if e > 0)
        found += [
            Cause(kind, dimension, value, now[value], before.get(value, nothing), e, e / whole_excess)
            for value, e in excess.items()
            if e > 0
        ]
    return found


def _rate(kind: Kind, now: Totals, past: Totals, whole: Totals) -> tuple[float, float, float]:
    """(hits now, of how many, ratio to expect)."""
    if kind == "errors":
        ratio = past.error_ratio if past.error_ratio is not None else whole.error_ratio
        return now.errors, now.requests, ratio or 0.0
    ratio = past.slow_ratio if past.slow_ratio is not None else whole.slow_ratio
    return now.slow, now.measured, ratio or 0.0


def _beyond_chance(kind: Kind, now: Totals, before: Totals, sigmas: float) -> bool:
    """Both counts vary, the more where a row stands for several requests."""
    errors = kind == "errors"
    hits, valid = (now.errors, now.requests) if errors else (now.slow, now.measured)
    past, seen = (before.errors, before.requests) if errors else (before.slow, before.measured)
    expected, weight = (past * valid / seen, 1 + valid / seen) if seen else (0.0, 1.0)
    weight *= now.squares / now.requests if now.requests else 1.0
    return hits > 1.5 * expected and hits - expected > sigmas * math.sqrt((expected + 1.0) * weight)


def _moved(levels: pa.Table) -> tuple[Moved, ...]:
    found = []
    for row in levels.to_pylist():
        now, before = row["now"], row["before"]
        if now is None or before is None or not (math.isfinite(now) and math.isfinite(before)):
            continue
        spread = max(row["spread"] or 0.0, abs(before) * LEAST_SPREAD, abs(now) * LEAST_SPREAD)
        if spread > 0 and now != before:
            labels = {k: v for k, v in json.loads(row["labels"]).items() if k != "__name__"}
            found.append(Moved(row["name"], labels, row["kind"], now, before, (now - before) / spread))
    return tuple(sorted(found, key=lambda m: -abs(m.spreads)))


def _p95(reader: LakeReader, start: datetime, end: datetime, where: str | None) -> float | None:
    rows = latency_quantiles(reader, start, end, [0.95], where=where).to_pylist()
    return rows[0]["p95"] if rows else None


def _totals(row: Mapping[str, Any]) -> Totals:
    return Totals(row["requests"] or 0.0, row["errors"], row["slow"], row["measured"], row["squares"] or 0.0)


def _sum(parts: Any, p95: float | None) -> Totals:
    every: Sequence[Totals] = list(parts)
    return Totals(
        sum(t.requests for t in every),
        sum(t.errors for t in every),
        sum(t.slow for t in every),
        sum(t.measured for t in every),
        sum(t.squares for t in every),
        p95,
    )
