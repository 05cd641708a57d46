"""Corrections: time that does not count against a budget, with a reason and somebody who agreed.

A correction is one time or a rule (`rrule.py`), for some SLOs or all. Here it is read, checked and turned into minutes;
what those minutes change in the numbers is decided in `report.py`. Seconds are rounded outwards: a minute that is
touched is out. A correction is never deleted, only withdrawn, and then it is as if it had never been, for every window.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, get_args
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from pitchey_slo.errors import SloError, did_you_mean
from pitchey_slo.rrule import MOST, Rule
from pitchey_slo.slo.model import Category, Correction, check_zone
from pitchey_slo.slo.sli import Ints, Minutes, Reader
from pitchey_slo.tables import TIME

CATEGORIES: tuple[str, ...] = get_args(Category)
#: Length of one time, in seconds.
SHORTEST, LONGEST = 60.0, 366 * 86_400.0
#: A rule is tried over this long after its start: whatever report is asked for reads no more of it at once.
_TRIED = timedelta(days=3 * 366)
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Occurrence:
    """One time of a correction: start <= t < end."""

    correction: Correction
    start: datetime
    end: datetime


def spans(corrections: Sequence[Correction], slo_name: str, start_minute: int, end_minute: int) -> Ints:
    """Minutes that are corrected for this SLO: shape (n, 2), ascending half-open [from, to) in minutes since 1970,
    within [start_minute, end_minute); what overlaps or touches is one.

    Raises SloError for a rule that cannot be read, or that has more than 100,000 times in between.
    """
    low, high = (_moment(m) for m in (start_minute, end_minute))
    found = [
        ((each.start - _EPOCH) // _MINUTE, -((_EPOCH - each.end) // _MINUTE))
        for correction in corrections
        if not correction.slos or slo_name in correction.slos
        for each in _bounded(correction, low, high)
    ]
    return _merged(np.array(found, dtype=np.int64).reshape(-1, 2), start_minute, end_minute)


def without(minutes: Minutes, spans: Ints) -> Minutes:
    """`minutes` without those inside `spans` (as `spans()` gives them): as if nothing had happened then."""
    outside = ~inside(minutes.at, spans)
    parts = (minutes.good, minutes.valid, minutes.squares, minutes.rows, minutes.unmeasured)
    return Minutes(minutes.at[outside], *(p[outside] for p in parts))


def inside(at: Ints, spans: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the minutes `at` lie in `spans`."""
    place = np.searchsorted(spans[:, 0], at, side="right") - 1
    if not len(spans):
        return np.zeros(len(at), dtype=np.bool_)
    found: np.ndarray[Any, np.dtype[np.bool_]] = (place >= 0) & (at < spans[place, 1])
    return found


def occurrences(correction: Correction, start: datetime, end: datetime) -> Iterator[Occurrence]:
    """Times of one correction that touch start <= t < end, in order. SloError for a rule that cannot be read."""
    length = timedelta(seconds=correction.seconds)
    first = correction.starts_at.astimezone(UTC)
    if correction.rrule is None:
        if first < end and first + length > start:
            yield Occurrence(correction, first, first + length)
        return
    try:
        for moment in Rule.parse(correction.rrule).starts(first, correction.zone, start - length, end):
            if moment + length > start:
                yield Occurrence(correction, moment, moment + length)
    except ValueError as error:
        raise SloError(f"correction {correction.id}: rrule: {error}") from None


def upcoming(corrections: Sequence[Correction], now: datetime, count: int) -> tuple[Occurrence, ...]:
    """The next `count` times of all, in order of their start; those going on at `now` come first."""
    streams = [occurrences(c, now, _LAST) for c in corrections]
    return tuple(islice(heapq.merge(*streams, key=lambda o: (o.start, o.correction.id)), count))


def stored(reader: Reader) -> tuple[Correction, ...]:
    """The store's corrections that hold (not withdrawn), by id."""
    found = reader.query("SELECT * FROM corrections WHERE withdrawn_at IS NULL ORDER BY id")
    return tuple(of_row(row) for row in plain_rows(found))


def plain_rows(found: pa.Table) -> list[dict[str, Any]]:
    """Rows as dictionaries, times in UTC. By way of integers: Arrow's own to_pylist() imports pandas for a time, a
    second and more of every command."""
    times = [i for i, each in enumerate(found.schema) if pa.types.is_timestamp(each.type)]
    plain = found
    for i in times:
        plain = plain.set_column(i, found.schema.names[i], found.column(i).cast(TIME).cast(pa.int64()))
    rows: list[dict[str, Any]] = plain.to_pylist()
    for row in rows:
        for i in times:
            ticks = row[found.schema.names[i]]
            row[found.schema.names[i]] = None if ticks is None else _EPOCH + timedelta(microseconds=ticks)
    return rows


def of_row(row: Mapping[str, Any]) -> Correction:
    """A row of the table `corrections`, as it was checked before it was stored."""
    return Correction(
        id=row["id"],
        category=row["category"],
        reason=row["reason"],
        approver=row["approver"],
        starts_at=row["starts_at"],
        seconds=row["seconds"],
        slos=tuple(name for name in (row["slos"] or "").split(",") if name),
        rrule=row["rrule"],
        zone=row["zone"] or "UTC",
        source=row["source"] or "api",
    )


def row_of(correction: Correction, created_at: datetime) -> dict[str, Any]:
    """The row of the table `corrections` for it."""
    plain = {n: getattr(correction, n) for n in ("id", "category", "reason", "approver", "seconds", "rrule", "zone")}
    slos = ",".join(correction.slos) or None
    times = {"starts_at": correction.starts_at, "created_at": created_at}
    return plain | times | {"slos": slos, "source": correction.source}


def check(row: Mapping[str, Any], names: Collection[str] | None = None) -> Correction:
    """The correction that `row` describes, checked. SloError says which field is wrong and what would work.

    row     id, category, reason, approver, starts_at (a time; without a zone of its own it is on the clock of `zone`),
            seconds or ends_at; slos (names, or one text with commas; none for all SLOs), rrule, zone, source
    names   the SLOs there are; None: names are not compared
    """
    zone = _zone(row.get("zone") or "UTC")
    starts_at = _time("start", row.get("starts_at"), zone)
    if row.get("rrule"):
        starts_at = starts_at.replace(microsecond=0)  # rules know whole seconds
    found = Correction(
        id=_id(row),
        category=_category(row.get("category")),
        reason=_text(row, "reason", 4_096),
        approver=_text(row, "approver", 128),
        starts_at=starts_at,
        seconds=_seconds(row, starts_at, zone),
        slos=_slos(row.get("slos"), names),
        rrule=str(row["rrule"]).strip() if row.get("rrule") else None,
        zone=zone,
        source=str(row.get("source") or "api")[:512],
    )
    _try_rule(found)
    return found


def _try_rule(correction: Correction) -> None:
    """The rule is readable, begins where the correction says, and is not too often."""
    if correction.rrule is None:
        return
    if len(correction.rrule) > 1_024:
        raise SloError("rrule: longer than 1,024 characters")
    begin = correction.starts_at
    found = list(islice(occurrences(correction, begin - _MINUTE, _LAST), 1))
    if not found:
        raise SloError(f"rrule: {correction.rrule!r} gives no time at or after {begin:%Y-%m-%d %H:%M} UTC")
    if found[0].start != begin:
        # RFC 5545, 3.8.5.3 leaves open what a start off the rule means; everybody expects something else
        there = found[0].start.astimezone(ZoneInfo(correction.zone))
        raise SloError(
            f"start: {begin.astimezone(there.tzinfo):%a %Y-%m-%d %H:%M} is not a time of {correction.rrule!r}; "
            f"its first is {there:%a %Y-%m-%d %H:%M} {correction.zone}: begin there, or change the rule"
        )
    for _ in _bounded(correction, begin, begin + _TRIED):
        pass


def _bounded(correction: Correction, start: datetime, end: datetime) -> Iterator[Occurrence]:
    for number, each in enumerate(occurrences(correction, start, end)):
        if number >= MOST:
            raise SloError(
                f"correction {correction.id}: more than {MOST:,} times of {correction.rrule!r} from {start:%Y-%m-%d} "
                f"to {end:%Y-%m-%d}; use fewer and longer times, such as FREQ=HOURLY or FREQ=DAILY with more minutes"
            )
        yield each


def _moment(minute: int) -> datetime:
    """A minute as a time that can still be moved by a day and a zone."""
    low, high = (int((t - _EPOCH) // _MINUTE) for t in (_FIRST, _LAST))
    return _EPOCH + min(max(int(minute), low), high) * _MINUTE


def _merged(found: Ints, start: int, end: int) -> Ints:
    cut = np.clip(found, start, max(start, end))
    cut = cut[cut[:, 0] < cut[:, 1]]
    if not len(cut):
        return cut
    cut = cut[np.argsort(cut[:, 0], kind="stable")]
    reach = np.maximum.accumulate(cut[:, 1])
    heads = np.flatnonzero(np.append(True, cut[1:, 0] > reach[:-1]))
    return np.column_stack([cut[heads, 0], np.append(reach[heads[1:] - 1], reach[-1])])


def _zone(name: Any) -> str:
    try:
        return check_zone(str(name))
    except ValueError as error:
        raise SloError(f"zone: {error}") from None


def _time(field: str, value: Any, zone: str) -> datetime:
    """An instant in UTC. A wall-clock time that exists twice is the first; one that does not exist is refused."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise SloError(
                f"{field}: {value!r} is no time; write it as 2026-03-01T02:00, or 2026-03-01T02:00Z"
            ) from None
    if not isinstance(value, datetime):
        raise SloError(f"{field}: a time is needed, such as 2026-03-01T02:00; this is {value!r}")
    place = ZoneInfo(zone)
    try:
        moment = (value if value.tzinfo else value.replace(tzinfo=place)).astimezone(UTC)
        there = moment.astimezone(place).replace(tzinfo=None)
    except OverflowError:
        raise SloError(f"{field}: {value} is outside the calendar") from None
    if value.tzinfo is None and there != value:
        raise SloError(
            f"{field}: {value:%Y-%m-%d %H:%M} does not exist in {zone}, clocks go forward then; say {there:%H:%M}"
        )
    if not _EPOCH <= moment < _LAST - 400 * timedelta(days=366):
        raise SloError(f"{field}: {value} is before 1970 or too far ahead")
    return moment


def _seconds(row: Mapping[str, Any], start: datetime, zone: str) -> float:
    given, end = row.get("seconds"), row.get("ends_at")
    if (given is None) == (end is None):
        raise SloError("say how long it lasts: either an end, or a length (minutes)")
    if given is None:
        given = (_time("end", end, zone) - start).total_seconds()
    elif isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise SloError(f"length: {given!r} is no number of seconds")
    if not SHORTEST <= given <= LONGEST:
        raise SloError(f"length: {given / 60:,.10g} minutes; it may last 1 minute to 366 days (527,040 minutes)")
    return float(given)


def _slos(value: Any, names: Collection[str] | None) -> tuple[str, ...]:
    listed = value.split(",") if isinstance(value, str) else list(value or ())
    found = tuple(dict.fromkeys(str(name).strip() for name in listed if str(name).strip()))
    if listed and not found:
        raise SloError("slo: no name is given; leave it out for all SLOs")
    for name in found:
        if "," in name:
            raise SloError(f"slo: {name!r} has a comma; give several names as several")
        if names is not None and name not in names:
            hint = did_you_mean(name, names) or "there are: " + (", ".join(sorted(names)) or "none")
            raise SloError(f"slo: no SLO named {name!r}; {hint}")
    if len(",".join(found)) > 16_384:
        raise SloError("slo: too many names; leave them out for all SLOs")
    return found


def _category(value: Any) -> Category:
    if value not in CATEGORIES:
        near = did_you_mean(str(value), CATEGORIES)
        raise SloError(f"category: {value!r} is none of {', '.join(CATEGORIES)}" + (f"; {near}" if near else ""))
    found: Category = value
    return found


def _id(row: Mapping[str, Any]) -> str:
    found = _text(row, "id", 128)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", found):
        raise SloError(f"id: {found!r}; letters, digits and . _ : - make an id, such as db-move-2026-03")
    return found


def _text(row: Mapping[str, Any], name: str, longest: int) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise SloError(
            f"{name}: a text is needed" + {"reason": ": why, in plain words", "approver": ": who agreed"}.get(name, "")
        )
    if len(value) > longest or "\0" in value:
        raise SloError(f"{name}: at most {longest:,} characters, without NUL")
    return value.strip()
