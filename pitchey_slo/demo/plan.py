"""What will happen in the simulated month: deployments, incidents, and oddities that are nobody's incident.

The plan is made before any row, from the seed alone, and is the truth the rows are made from. Alert precision can be
judged by it: a page inside an incident is right; a page during an oddity is a false one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import MINUTE, RECIPES, Recipe, Trouble
from pitchey_slo.demo.places import PLACES, rhythm
from pitchey_slo.demo.routes import NUMBER, ROUTES
from pitchey_slo.demo.silent import Blind, plant
from pitchey_slo.errors import ConfigError
from pitchey_slo.tables import DEPLOYMENTS, INCIDENTS

SOURCE = "demo"
LONDON = ZoneInfo("Europe/London")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Places large enough for an outage to be felt.
_LARGE = [i for i, p in enumerate(PLACES) if 0.05 <= p.share < 0.15]


@dataclass(frozen=True)
class Surge:
    """More traffic than usual to some routes, all of it answered: `extra` times the usual traffic at its peak, fading
    to nothing."""

    start: int
    end: int
    extra: float
    routes: tuple[int, ...]
    title: str


@dataclass(frozen=True)
class Deployment:
    at: int
    version: str
    description: str
    by: str


@dataclass(frozen=True)
class Plan:
    """Everything decided before the first row. Times are microseconds since the epoch, whole minutes."""

    seed: int
    days: int
    start: int
    end: int
    weights: NDArray[np.float64]  # (minutes, places): the rhythm, surges not included
    troubles: tuple[Trouble, ...]
    batches: tuple[Trouble, ...]
    surges: tuple[Surge, ...]
    deployments: tuple[Deployment, ...]
    blind: tuple[Blind, ...] = ()

    @property
    def prefix(self) -> str:
        """Begins every event id (with the number of requests), so that two different histories never share one."""
        return f"{self.seed}-{self.days}d-{moment(self.end):%Y%m%dT%H%M}"

    @property
    def oddities(self) -> tuple[tuple[str, datetime, datetime], ...]:
        """(what, start, end) of what looks unusual and is no incident."""
        found = [("nightly batch slows the dashboard", b.start, b.end) for b in self.batches]
        found += [(s.title, s.start, s.end) for s in self.surges]
        found += [(f"the probes at {b.location} reach nothing", b.start, b.end) for b in self.blind]
        return tuple((what, moment(a), moment(b)) for what, a, b in found)


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def make(*, seed: int, days: int, end: datetime) -> Plan:
    """The plan of `days` days before `end` (cut to the whole minute). ConfigError for a naive time or no days."""
    if end.tzinfo is None:
        raise ConfigError(f"{end.isoformat()} has no time zone", key="end", hint="such as 2026-11-23T12:00:00Z")
    if days < 1:
        raise ConfigError(f"{days} days", key="days", hint="at least 1")
    rng = np.random.default_rng([seed, 1])
    last = end.astimezone(UTC).replace(second=0, microsecond=0)
    first = last - timedelta(days=days)
    minutes = days * 1_440
    weights = np.stack([rhythm(p, first, minutes) for p in PLACES], axis=1)
    weights *= _weather(rng, minutes, len(PLACES))
    start = microseconds(first)
    troubles, releases = _troubles(rng, weights, start, days)
    surges = _surges(rng, weights, start, days, troubles)
    taken = [(t.start, t.end) for t in troubles] + [(s.start, s.end) for s in surges]
    silent, blind = plant(seed, weights, start, taken)
    return Plan(
        seed,
        days,
        start,
        microseconds(last),
        weights,
        tuple(sorted((*troubles, *silent), key=lambda t: t.start)),
        _batches(first, days),
        surges,
        _deployments(rng, start, minutes, releases),
        blind,
    )


def _weather(rng: np.random.Generator, minutes: int, places: int) -> NDArray[np.float64]:
    """Slow noise: no two days are alike."""
    knots = rng.normal(0.0, 0.07, size=(minutes // 60 + 2, places))
    at = np.arange(minutes) / 60
    return np.exp(np.stack([np.interp(at, np.arange(len(knots)), knots[:, p]) for p in range(places)], axis=1))


def _troubles(
    rng: np.random.Generator, weights: NDArray[np.float64], start: int, days: int
) -> tuple[tuple[Trouble, ...], list[Deployment]]:
    """One incident in each of equal slots, so none overlap; and the deployments that belong to them."""
    count = max(3, round(days * len(RECIPES) / 30))
    slot = days * 1_440 // count
    found: list[Trouble] = []
    releases: list[Deployment] = []
    for i in range(count):
        recipe = RECIPES[i % len(RECIPES)]
        length = min(int(rng.integers(recipe.minutes[0], recipe.minutes[1] + 1)), slot * 3 // 4)
        place = int(rng.choice(_LARGE)) if recipe.regional else None
        traffic = weights[:, place] if place is not None else weights.sum(axis=1)
        begin = _busy_minute(rng, traffic, i * slot, (i + 1) * slot - length, length, start, recipe)
        version = f"v3.{i + 1}.0"
        trouble = _trouble(
            recipe, start + begin * MINUTE, length, PLACES[place].code if place is not None else None, version
        )
        found.append(trouble)
        if recipe.kind == "bad_deployment":
            releases.append(Deployment(trouble.start, version, f"Release {version}", "release train"))
            releases.append(Deployment(trouble.end, f"v3.{i}.9", f"Roll back of {version}", "on call"))
    return tuple(found), releases


def _busy_minute(
    rng: np.random.Generator, traffic: NDArray[np.float64], low: int, high: int, length: int, start: int, recipe: Recipe
) -> int:
    """A minute in [low, high) whose next `length` minutes are among the busier ones; a deployment is within
    working hours if there are any."""
    at = np.arange(low, max(high, low + 1))
    sums = np.concatenate([[0.0], np.cumsum(traffic)])
    load = sums[at + length] - sums[at]
    chance = np.where(load >= np.quantile(load, 0.6), load, 0.0)
    if recipe.kind == "bad_deployment":
        working = _working(start, at)
        chance = load * working if working.any() else chance
    return int(rng.choice(at, p=chance / chance.sum()))


def _working(start: int, minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Monday to Friday, 9 to 16 o'clock in London."""
    hours, which = np.unique(minutes // 30, return_inverse=True)
    local = [moment(start + int(h) * 30 * MINUTE).astimezone(LONDON) for h in hours]
    good = np.array([t.weekday() < 5 and 9 <= t.hour < 16 for t in local], dtype=bool)
    return good[which]


def _trouble(recipe: Recipe, begin: int, length: int, location: str | None, version: str) -> Trouble:
    words = {"location": location, "version": version}
    return Trouble(
        recipe.kind,
        begin,
        begin + length * MINUTE,
        recipe.routes,
        location,
        recipe.errors,
        recipe.codes,
        recipe.slower,
        recipe.regional,
        recipe.severity,
        recipe.title.format(**words),
        recipe.description.format(**words),
    )


def _batches(first: datetime, days: int) -> tuple[Trouble, ...]:
    """Every night at 02:30 UTC the accounts are closed and the dashboard is slow for ten minutes: known, harmless."""
    half_past_two = first.replace(hour=2, minute=30)
    nights = [half_past_two + timedelta(days=d) for d in range(days + 1)]
    last = first + timedelta(days=days)
    return tuple(
        Trouble("nightly_batch", microseconds(n), microseconds(n) + 10 * MINUTE, (NUMBER["GET /api/dashboard"],),
                None, 0.0, (), 5.0, False, "info", "Nightly batch", "")
        for n in nights if first <= n and n + timedelta(minutes=10) <= last
    )  # fmt: skip


def _surges(
    rng: np.random.Generator, weights: NDArray[np.float64], start: int, days: int, troubles: tuple[Trouble, ...]
) -> tuple[Surge, ...]:
    """A press mention brings readers, a scanner knocks on doors that do not exist; neither while something is
    broken."""
    readers = tuple(NUMBER[n] for n in ("GET /", "GET /static/:file", "GET /api/pitches", "GET /api/pitches/:id"))
    kinds = (
        (45, 3.0, readers, "a newspaper mentions Pitchey"),
        (20, 1.5, (NUMBER["GET /wp-login.php"],), "a scanner asks for pages that do not exist"),
    )
    traffic = weights.sum(axis=1)
    free = np.ones(len(traffic), dtype=bool)
    for t in troubles:
        free[max(0, (t.start - start) // MINUTE - 60) : (t.end - start) // MINUTE + 60] = False
    found = []
    for i in range(2 * max(1, round(days / 30))):
        minutes, extra, routes, title = kinds[i % 2]
        good = np.flatnonzero(free & np.append(free[minutes:], np.zeros(minutes, dtype=bool)))
        if not len(good):
            continue
        chance = traffic[good] ** 2
        begin = int(rng.choice(good, p=chance / chance.sum()))
        free[max(0, begin - 120) : begin + minutes + 120] = False
        found.append(Surge(start + begin * MINUTE, start + (begin + minutes) * MINUTE, extra, routes, title))
    return tuple(found)


def _deployments(
    rng: np.random.Generator, start: int, minutes: int, releases: list[Deployment]
) -> tuple[Deployment, ...]:
    """About twelve in thirty days in working hours, those of the incidents among them."""
    want = max(1, round(minutes / 1_440 * 0.4)) - len(releases)
    at = np.arange(minutes)
    good = np.flatnonzero(_working(start, at))
    chosen = np.sort(rng.choice(good if len(good) else at, size=max(0, want), replace=False))
    kinds = ("Faster search", "New onboarding", "Dependency updates", "Clearer NDA wording", "Dashboard filters")
    usual = [
        Deployment(start + int(m) * MINUTE, f"v2.{40 + i}.0", kinds[i % len(kinds)], "release train")
        for i, m in enumerate(chosen)
    ]
    return tuple(sorted([*usual, *releases], key=lambda d: d.at))


def incidents(plan: Plan) -> pa.Table:
    """The register of incidents: the truth about the simulated month."""
    every = set(range(len(ROUTES)))

    def routes(t: Trouble) -> str | None:
        return None if set(t.routes) == every else ",".join(dict.fromkeys(ROUTES[r].pattern for r in t.routes))

    rows = [
        {
            "id": f"demo-{moment(t.start):%Y%m%dT%H%M}-{t.kind.replace('_', '-')}",
            "title": t.title,
            "kind": t.kind,
            "severity": t.severity,
            "started_at": moment(t.start),
            "ended_at": moment(t.end),
            "routes": routes(t),
            "location": t.location,
            "description": t.description,
            "labelled_by": "the simulation",
            "updated_at": moment(t.end),
            "source": SOURCE,
        }
        for t in plan.troubles
    ]
    return pa.Table.from_pylist(rows, schema=INCIDENTS.schema)


def deployments(plan: Plan) -> pa.Table:
    """The register of deployments."""
    rows = [
        {
            "id": f"demo-{moment(d.at):%Y%m%dT%H%M}",
            "ts": moment(d.at),
            "service": "pitchey",
            "version": d.version,
            "description": d.description,
            "deployed_by": d.by,
            "source": SOURCE,
        }
        for d in plan.deployments
    ]
    return pa.Table.from_pylist(rows, schema=DEPLOYMENTS.schema)


__all__ = ["SOURCE", "Deployment", "Plan", "Surge", "deployments", "incidents", "make", "microseconds", "moment"]
