"""Asking the lake for it: about a dozen questions, each answered once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pitchey_slo.analyse.business.amounts import Amount, Interval, Versus, total
from pitchey_slo.analyse.business.model import Business, Feature, People, Place, Step, Wait, Week, steps_of
from pitchey_slo.errors import QueryError
from pitchey_slo.promql.derived_metrics import METRICS, Counter
from pitchey_slo.slo.interval import Z95
from pitchey_slo.store import board_questions as shared
from pitchey_slo.store import business_questions as ask
from pitchey_slo.store.reader import LakeReader

DAY: Final = timedelta(days=1)
QUANTILES: Final = (0.5, 0.75, 0.9, 0.95)
#: What counts as what; the same conditions as the series of the same meaning.
_COUNTED: Final = {
    "views": "pitchey_pitch_views_total",
    "created": "pitchey_pitches_created_total",
    "signups": "pitchey_signups_total",
    "nda_requests": "pitchey_nda_requests_total",
    "signatures": "pitchey_nda_signatures_total",
    "investments": "pitchey_investments_total",
    "payments": "pitchey_payments_total",
    "paid": "pitchey_revenue_total",
}
#: A pitch was changed: as the business dashboard counts it.
UPDATED: Final = "route = '/api/pitches/:id' AND method = 'PUT' AND status >= 200 AND status < 300"
#: Days of actives that a month and the chart need.
_MONTH: Final = 28
#: A stream whose oldest row is this late has the day all the same: nobody came at that hour.
_GRACE: Final = timedelta(hours=1)


def business(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    *,
    steps: Sequence[str],
    below: str = "/api/",
    features: int = 15,
) -> Business:
    """Gather it over whole days, start <= t < end. `steps` are the events of the funnel; `below` begins the routes that
    count as features. Raises QueryError for a time that is not whole days."""
    days = round((end - start) / DAY)
    if days < 1 or start + days * DAY != end:
        raise QueryError(f"{start} to {end}: the business report takes whole days, such as window 7d")
    before = start - days * DAY
    oldest = min((t for t in (reader.earliest("requests"), reader.earliest("business_events")) if t), default=None)
    compared = _reaches(reader, "business_events", before) and _reaches(reader, "requests", before)
    with reader.pinned():
        active, by_day = _active(reader, end, days)
        now, past = (reader.source("business_events", a, b) for a, b in ((start, end), (before, start)))
        both = reader.source("business_events", before, end)
        daily = _daily(reader, both, before, end, days)
        return Business(
            start=start,
            end=end,
            before=before,
            oldest=oldest,
            compared=compared,
            active=active,
            by_day=by_day,
            daily={name: tuple(a.total for a in amounts) for name, amounts in daily.items()},
            counted={name: _versus(amounts, days, compared) for name, amounts in daily.items()},
            funnel=_funnel(reader, now, steps),
            funnel_before=_funnel(reader, past, steps) if compared else (),
            weeks=_weeks(reader, end, steps),
            wait=_wait(reader, now),
            wait_before=_wait(reader, past) if compared else None,
            money=_by_name(reader, ask.money(both, start, _condition("paid")), "currency", compared),
            events=_by_name(reader, ask.by_event(both, start, "starts_with(event, 'subscription')"), "name", compared),
            features=_features(reader, before, start, end, below, features, compared),
            places=_places(reader, both, start, compared),
        )


def _condition(name: str) -> str:
    metric = METRICS[_COUNTED[name]]
    assert isinstance(metric, Counter)
    return metric.condition


def _reaches(reader: LakeReader, table: str, moment: datetime) -> bool:
    """Whether the data goes back to that moment."""
    oldest = reader.earliest(table)
    return oldest is not None and oldest <= moment + _GRACE


def _active(reader: LakeReader, end: datetime, days: int) -> tuple[dict[str, People], tuple[int | None, ...]]:
    back = _MONTH + days
    rows = reader.source("requests", end - back * DAY, end)
    lengths = {"day": 1, "week": 7, "month": _MONTH}
    spans = [(first, first + n) for n in lengths.values() for first in (0, days)]
    found = reader.query(ask.active_people(rows, end, spans, back)).to_pylist()
    people = {row["kind"]: int(row["people"]) for row in found if row["kind"] >= 0}
    by_day = {row["day"]: int(row["people"]) for row in found if row["kind"] < 0}
    known = [_reaches(reader, "requests", end - (d + 1) * DAY) for d in range(back)]

    def of(position: int, last: int) -> int | None:
        return people[position] if known[last - 1] else None

    active = {name: People(of(2 * i, n), of(2 * i + 1, days + n)) for i, (name, n) in enumerate(lengths.items())}
    hour = timedelta(hours=1)
    last = (end, end - days * DAY)
    now, past = (
        int(reader.query(ask.people(reader.source("requests", t - hour, t)))["people"][0].as_py()) for t in last
    )
    active["hour"] = People(now, past if _reaches(reader, "requests", last[1] - hour) else None)
    return active, tuple(by_day.get(d, 0) if known[d] else None for d in range(back))


def _daily(reader: LakeReader, events: str, before: datetime, end: datetime, days: int) -> dict[str, list[Amount]]:
    """Amounts of each day, the newest first, by name."""
    found = reader.query(ask.counts_by_day(events, end, {name: _condition(name) for name in _COUNTED})).to_pylist()
    requests = reader.source("requests", before, end)
    found += reader.query(ask.counts_by_day(requests, end, {"updated": UPDATED})).to_pylist()
    made = {name: [Amount()] * (2 * days) for name in (*_COUNTED, "updated")}
    for row in found:
        made[row["name"]][row["day"]] = _amount(row)
    return made


def _versus(amounts: Sequence[Amount], days: int, compared: bool) -> Versus:
    return Versus(total(amounts[:days]), total(amounts[days:]) if compared else None)


def _amount(row: Mapping[str, Any], name: str = "") -> Amount:
    return Amount(float(row[f"{name}total"]), float(row[f"{name}squares"]), int(row[f"{name}rows"]))


def _funnel(reader: LakeReader, events: str, steps: Sequence[str]) -> tuple[Step, ...]:
    people = reader.query(shared.funnel(events, steps))["people"].to_pylist()
    return steps_of(tuple(steps), tuple(int(p) for p in people))


def _weeks(reader: LakeReader, end: datetime, steps: Sequence[str], most: int = 4) -> tuple[Week, ...]:
    """The last weeks that are wholly in the data, the oldest first."""
    ends = [end - i * 7 * DAY for i in range(most)]
    return tuple(
        Week(e - 7 * DAY, e, _funnel(reader, reader.source("business_events", e - 7 * DAY, e), steps))
        for e in reversed(ends)
        if _reaches(reader, "business_events", e - 7 * DAY)
    )


def _wait(reader: LakeReader, events: str, first: str = "nda_requested", then: str = "nda_signed") -> Wait:
    pairs = int(reader.query(ask.waits(events, first, then, [0.5]))["pairs"][0].as_py())
    if not pairs:
        return Wait(0, {})
    asked = [rank for q in QUANTILES for rank in (q, *_doubt(q, pairs))]
    seconds = reader.query(ask.waits(events, first, then, asked))["seconds"][0].as_py()
    return Wait(pairs, {q: Interval(*seconds[3 * i : 3 * i + 3]) for i, q in enumerate(QUANTILES)})


def _doubt(quantile: float, size: int) -> tuple[float, float]:
    """The ranks between which the true quantile lies in 95 of 100 cases: q +- z sqrt(q (1 - q) / n)."""
    half = Z95 * math.sqrt(quantile * (1 - quantile) / size)
    return max(0.0, quantile - half), min(1.0, quantile + half)


def _by_name(reader: LakeReader, sql: str, column: str, compared: bool) -> dict[str, Versus]:
    found: dict[str, dict[int, Amount]] = {}
    for row in reader.query(sql).to_pylist():
        found.setdefault(row[column] or "", {})[row["period"]] = _amount(row)
    ordered = sorted(found.items(), key=lambda pair: (-total(pair[1].values()).rows, pair[0]))
    return {n: Versus(p.get(0, Amount()), p.get(1, Amount()) if compared else None) for n, p in ordered}


def _features(
    reader: LakeReader, before: datetime, start: datetime, end: datetime, below: str, most: int, compared: bool
) -> tuple[Feature, ...]:
    condition = f"starts_with(route, {shared.quoted(below)})" if below else "true"

    def used(first: datetime, last: datetime, limit: int) -> list[dict[str, Any]]:
        rows = reader.source("requests", first, last)
        found: list[dict[str, Any]] = reader.query(shared.feature_use(rows, condition, limit)).to_pylist()
        return found

    past = {row["feature"]: row for row in used(before, start, 10_000)} if compared else {}
    return tuple(
        Feature(
            row["feature"], int(row["people"]), row["share"], float(row["requests"]), row["error_ratio"],
            int(past.get(row["feature"], {}).get("people", 0)) if compared else None,
            past.get(row["feature"], {}).get("share", 0.0) if compared else None,
        )
        for row in used(start, end, most)
    )  # fmt: skip


def _places(reader: LakeReader, events: str, middle: datetime, compared: bool) -> tuple[Place, ...]:
    conditions = {name: _condition(name) for name in ("views", "investments")}
    periods: dict[str | None, dict[int, Mapping[str, Any]]] = {}
    for row in reader.query(ask.by_place(events, middle, conditions)).to_pylist():
        periods.setdefault(row["location"], {})[row["period"]] = row
    made = [_place(location, found, compared) for location, found in periods.items()]
    return tuple(sorted(made, key=lambda p: (-p.people, p.location or "")))


def _place(location: str | None, found: Mapping[int, Mapping[str, Any]], compared: bool) -> Place:
    def versus(name: str) -> Versus:
        now, past = (_amount(found[i], f"{name}_") if i in found else Amount() for i in (0, 1))
        return Versus(now, past if compared else None)

    people = [int(found[i]["people"]) if i in found else 0 for i in (0, 1)]
    return Place(location, people[0], people[1] if compared else None, versus("views"), versus("investments"))
