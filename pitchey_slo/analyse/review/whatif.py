"""What if: one rule with every threshold and `for`, as a page with two sliders needs it.

The grid is that of `tune`: a point is what a backtest of the rule with these numbers finds. `runs` are the stretches
for which the condition holds at a threshold; those as long as `for` fire, so a page draws the firings of any pair by
itself. Pages come from routing, point by point from the rule as it is outward, as far as the time given lets it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from pitchey_slo.alert.config import RoutesConfig
from pitchey_slo.alert.silences import Silence
from pitchey_slo.analyse.backtest.model import Firing
from pitchey_slo.analyse.backtest.pages import through_routing
from pitchey_slo.analyse.tune.model import Tuning
from pitchey_slo.analyse.tune.sweep import firings

#: Stretches that are sent for one threshold; one that holds more often than that is drawn by nobody.
MOST_RUNS: Final = 3_000
#: Firings that are sent through routing for one point: more would be a page every few minutes, whatever routing does.
MOST_FIRINGS: Final = 400
#: Seconds for the pages of all points.
SECONDS: Final = 12.0

Grid = list[list[Any]]


@dataclass(frozen=True)
class Routing:
    """What firings go through. `zone`: whose nights count."""

    routes: RoutesConfig
    silences: Sequence[Silence] = ()
    zone: str = "UTC"
    annotations: Mapping[str, str] | None = None


def whatif(tuning: Tuning, routing: Routing | None, *, seconds: float = SECONDS) -> dict[str, Any]:
    """JSON-safe. Grids are thresholds by fors; times are ms; missing is null: no threshold, nothing caught, pages that
    were not counted."""
    turn, rule = tuning.turns[0], tuning.rule
    points = [[tuning.point(0, i, j) for j in range(len(tuning.fors))] for i in range(len(turn.thresholds))]
    return {
        "rule": rule.key,
        "name": rule.name,
        "severity": rule.labels.get("severity", ""),
        "start": _ms(tuning.start),
        "end": _ms(tuning.end),
        "step_ms": round(tuning.step_seconds * 1000),
        "keep_firing_seconds": rule.keep_firing_seconds,
        "thresholds": [_known(t) for t in turn.thresholds.tolist()],
        "fors": list(tuning.fors),
        "current": list(tuning.current.place[1:]),
        "recommended": list(tuning.recommended.place[1:]) if tuning.recommended.place[0] == 0 else None,
        "sure": tuning.sure,
        "reasons": list(tuning.reasons),
        "notes": list(tuning.notes),
        "weeks": tuning.weeks,
        "incidents": [
            {"id": i.id, "title": i.title, "at": _ms(i.started_at), "until": i.ended_at and _ms(i.ended_at)}
            for i in tuning.incidents
        ],
        "series": [_words(dict(labels)) for labels in turn.labels],
        "caught": _grid(points, lambda p: p.caught),
        "fired": _grid(points, lambda p: p.fired),
        "false": _grid(points, lambda p: p.false),
        "detect_seconds": _grid(points, lambda p: _known(p.detect_seconds)),
        "idle_seconds": _grid(points, lambda p: p.idle_seconds),
        "missed": [[_missed(tuning, i, j) for j in range(len(tuning.fors))] for i in range(len(turn.thresholds))],
        "runs": [_runs(tuning, i) for i in range(len(turn.thresholds))],
        **_pages(tuning, routing, seconds),
    }  # fmt: skip


def _grid(points: Sequence[Sequence[Any]], what: Any) -> Grid:
    return [[what(point) for point in row] for row in points]


def _missed(tuning: Tuning, i: int, j: int) -> list[int]:
    """Places of the incidents that no firing touches."""
    return np.flatnonzero(np.isnan(tuning.turns[0].swept.late[i, j])).tolist()


def _runs(tuning: Tuning, i: int) -> list[list[int]] | None:
    """[series, first, last, end] in ms of each stretch; `last` is the last step at which it holds, `end` the first at
    which it does not. None when there are too many to draw."""
    turn = tuning.turns[0]
    runs, times = turn.swept.runs[i], turn.times
    if len(runs) > MOST_RUNS:
        return None
    ends = np.append(times, _ms(tuning.end))
    found = np.stack([runs.series, times[runs.first], times[runs.end - 1], ends[runs.end]], axis=1) if len(runs) else ()
    listed: list[list[int]] = np.asarray(found, np.int64).tolist()
    return listed


def _pages(tuning: Tuning, routing: Routing | None, seconds: float) -> dict[str, Any]:
    """`pages` and `night_pages` a week per point; None where they were not counted."""
    rows, columns = len(tuning.turns[0].thresholds), len(tuning.fors)
    pages: Grid = [[None] * columns for _ in range(rows)]
    nights: Grid = [[None] * columns for _ in range(rows)]
    if routing is not None:
        until = time.monotonic() + seconds
        known: dict[tuple[tuple[int, int, int], ...], tuple[float, float]] = {}
        centre = tuning.current.place[1:]
        places = sorted(np.ndindex(rows, columns), key=lambda p: abs(p[0] - centre[0]) + abs(p[1] - centre[1]))
        for i, j in places:
            if time.monotonic() > until:
                break
            fired = _fired(tuning, i, j)
            if len(fired) > MOST_FIRINGS:
                continue
            if fired not in known:
                known[fired] = _paged(tuning, routing, fired)
            pages[i][j], nights[i][j] = known[fired]
    return {"pages": pages, "night_pages": nights}


def _fired(tuning: Tuning, i: int, j: int) -> tuple[tuple[int, int, int], ...]:
    """(series, fired at, resolved at) of each firing of a point."""
    turn = tuning.turns[0]
    keep = tuning.rule.keep_firing_seconds
    [(series, begin, end)] = firings(turn.swept.runs[i], turn.times, [tuning.fors[j]], keep, _ms(tuning.end))
    return tuple(zip(series.tolist(), begin.tolist(), end.tolist(), strict=True))


def _paged(tuning: Tuning, routing: Routing, fired: Sequence[tuple[int, int, int]]) -> tuple[float, float]:
    """Pages a week, and those at night."""
    rule, labels = tuning.rule, tuning.turns[0].labels
    lasting = [
        Firing(rule.key, rule.name, dict(labels[s]), _at(a), _at(a), None if b >= _ms(tuning.end) else _at(b), np.nan)
        for s, a, b in fired
    ]
    found = through_routing(
        lasting, routing.routes, routing.silences, start=tuning.start, end=tuning.end, zone=routing.zone,
        annotations=routing.annotations or rule.annotations,
    )  # fmt: skip
    return len(found.pages) / tuning.weeks, len(found.at_night) / tuning.weeks


def _words(labels: Mapping[str, str]) -> str:
    shown = [f"{k}={v}" for k, v in sorted(labels.items()) if k not in ("alertname", "severity", "service", "__name__")]
    return ", ".join(shown) or "all"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
