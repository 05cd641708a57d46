"""Asking for it: two reads of the requests, and one PromQL expression for each thing a part of the platform says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pitchey_slo.analyse.trends.compare import WEEK, Scale, Trend, settle, trend
from pitchey_slo.errors import QueryError
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.store.trend_questions import by_day, by_day_and_route

DAY: Final = timedelta(days=1)
#: quantile -> measured rows a day needs for it: five beyond it, and a few at least
QUANTILES: Final = {0.5: 20, 0.95: 100, 0.99: 500}
_NAMES: Final = {"p50": 20, "p95": 100, "p99": 500}
#: A stream whose oldest row is this late has the day all the same: nobody came at that hour.
_GRACE: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Signal:
    """What a part of the platform says of itself: an expression that gives one number for the day that ends. `better`:
    which way is good; None when neither is."""

    name: str
    expr: str
    unit: str
    better: Literal["up", "down"] | None = "down"
    scale: Scale = "log"
    digits: int | None = None


def _per_day(metric: str) -> str:
    return f"sum(increase({metric}[1d]))"


SIGNALS: Final = (
    Signal("time of a database query", "1000 * avg(avg_over_time(pitchey_db_query_seconds[1d]))", "ms", digits=1),
    Signal(
        "database connections, busy hours", "max(quantile_over_time(0.95, pitchey_db_connections_active[1d]))", ""
    ),
    Signal("queries waiting for a lock", "avg(avg_over_time(pitchey_db_locks_waiting[1d]))", "", digits=2),
    Signal(
        "replicas behind", "max(avg_over_time(pitchey_db_replication_lag_seconds[1d]))", "seconds", digits=2
    ),
    Signal(
        "reads the cache answered",
        f"{_per_day('pitchey_cache_hits_total')} / "
        f"({_per_day('pitchey_cache_hits_total')} + {_per_day('pitchey_cache_misses_total')})",
        "ratio", "up", "linear",
    ),
    Signal("cache entries thrown out a day", _per_day("pitchey_cache_evicted_total"), "count"),
    Signal(
        "memory in use, fullest process",
        "max(quantile_over_time(0.95, pitchey_memory_used_bytes[1d]) / avg_over_time(pitchey_memory_limit_bytes[1d]))",
        "ratio", "down", "linear",
    ),
    Signal("open WebSocket connections", "sum(avg_over_time(pitchey_websocket_connections[1d]))", "count", None),
    Signal("storage operation", "1000 * avg(avg_over_time(pitchey_storage_seconds[1d]))", "ms"),
)  # fmt: skip


@dataclass(frozen=True)
class Route:
    """One method and route; `requests` are those of the last week, each trend is over days."""

    method: str
    route: str
    requests: float
    traffic: Trend
    errors: Trend
    speed: Mapping[str, Trend]

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}".strip()


@dataclass(frozen=True)
class Trends:
    """`weeks` before the last one that are wholly in the data. `speed` has p50, p95 and p99 of all requests; routes
    stand by their traffic, most first."""

    start: datetime
    end: datetime
    weeks: int
    traffic: Trend
    errors: Trend
    speed: Mapping[str, Trend]
    routes: tuple[Route, ...]
    signals: tuple[tuple[Signal, Trend], ...]

    @property
    def begin(self) -> datetime:
        """Where the last week begins."""
        return self.end - WEEK * DAY

    def moved(self, name: str = "p95") -> tuple[Route, ...]:
        """Routes whose quantile moved, the largest change first."""
        mine = [r for r in self.routes if r.speed[name].moved]
        return tuple(sorted(mine, key=lambda r: -abs(math.log1p(r.speed[name].change or 0.0))))


Ask = Callable[[str, datetime, datetime], Mapping[datetime, float]]


def trends(reader: LakeReader, ask: Ask, end: datetime, *, weeks: int = 4, least: float = 100.0) -> Trends:
    """The seven days up to `end` against up to `weeks` weeks before, as far as they are wholly in the data. `ask`
    evaluates PromQL once a day: (expression, first, last) -> time -> value. Routes with fewer than `least` requests in
    the last week are left out."""
    if weeks < 1:
        raise QueryError(f"weeks: {weeks}; give 1 or more weeks to compare with")
    oldest = reader.earliest("requests")
    there = 0 if oldest is None else int((end - oldest + _GRACE) / (WEEK * DAY))
    past = max(0, min(weeks, there - 1))
    start, days = end - WEEK * (past + 1) * DAY, WEEK * (past + 1)
    with reader.pinned():
        all_ = _days(by_day(reader, start, end, list(QUANTILES)).to_pylist(), days)
        split: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in by_day_and_route(reader, start, end, list(QUANTILES)).to_pylist():
            split.setdefault((row["method"], row["route"]), []).append(row)
        signals = [(s, _signal(ask, s, end, days)) for s in SIGNALS]
    made = [_route(*name, _days(rows, days), least) for name, rows in split.items()]
    routes = sorted((r for r in made if r is not None), key=lambda r: (-r.requests, r.name))
    traffic, errors, speed = _of(all_)
    overall = settle([traffic, errors, *speed.values()])
    return Trends(
        start=start,
        end=end,
        weeks=past,
        traffic=overall[0],
        errors=overall[1],
        speed=dict(zip(speed, overall[2:], strict=True)),
        routes=_settled(routes),
        signals=tuple(
            (s, t)
            for (s, _), t in zip(signals, settle([t for _, t in signals]), strict=True)
            if any(v is not None for v in t.days)
        ),
    )


def _days(rows: Sequence[Mapping[str, Any]], days: int) -> list[Mapping[str, Any] | None]:
    found = {int(row["day"]): row for row in rows}
    return [found.get(day) for day in range(days)]


def _route(method: str, route: str, days: Sequence[Mapping[str, Any] | None], least: float) -> Route | None:
    requests = sum(float(row["requests"]) for row in days[:WEEK] if row)
    if requests < least:
        return None
    return Route(method, route, requests, *_of(days))


def _of(days: Sequence[Mapping[str, Any] | None]) -> tuple[Trend, Trend, dict[str, Trend]]:
    """Traffic (requests a day), errors (their share) and speed."""
    traffic = trend([float(row["requests"]) if row else None for row in days])
    errors = trend([_share(row) for row in days], "linear")
    speed = {n: trend([_quantile(row, n, least) for row in days]) for n, least in _NAMES.items()}
    return traffic, errors, speed


def _share(row: Mapping[str, Any] | None) -> float | None:
    return float(row["errors"]) / float(row["requests"]) if row and row["requests"] else None


def _quantile(row: Mapping[str, Any] | None, name: str, least: int) -> float | None:
    return float(row[name]) if row and row["measured"] >= least and row[name] is not None else None


def _signal(ask: Ask, signal: Signal, end: datetime, days: int) -> Trend:
    values = ask(signal.expr, end - (days - 1) * DAY, end)
    return trend([values.get(end - i * DAY) for i in range(days)], signal.scale)


def _settled(routes: Sequence[Route]) -> tuple[Route, ...]:
    """All routes' trends judged together, kind by kind."""
    traffic = settle([r.traffic for r in routes])
    errors = settle([r.errors for r in routes])
    speed = settle([t for r in routes for t in r.speed.values()])
    wide = len(_NAMES)
    return tuple(
        replace(
            r,
            traffic=traffic[i],
            errors=errors[i],
            speed=dict(zip(r.speed, speed[i * wide : (i + 1) * wide], strict=True)),
        )
        for i, r in enumerate(routes)
    )
