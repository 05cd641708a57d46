"""Where Pitchey is served from, and when people there are awake."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Place:
    """One edge location (named by airport, as Cloudflare does) with its share of the week's traffic; `away_ms` is
    added to every request that must go to the database."""

    code: str
    country: str
    zone: str
    currency: str
    share: float
    away_ms: float


PLACES: Final = (
    Place("LHR", "GB", "Europe/London", "GBP", 0.20, 4),
    Place("FRA", "DE", "Europe/Berlin", "EUR", 0.10, 12),
    Place("CDG", "FR", "Europe/Paris", "EUR", 0.06, 10),
    Place("IAD", "US", "America/New_York", "USD", 0.17, 38),
    Place("SJC", "US", "America/Los_Angeles", "USD", 0.18, 66),
    Place("YYZ", "CA", "America/Toronto", "CAD", 0.05, 42),
    Place("GRU", "BR", "America/Sao_Paulo", "BRL", 0.05, 95),
    Place("BOM", "IN", "Asia/Kolkata", "INR", 0.06, 60),
    Place("SIN", "SG", "Asia/Singapore", "SGD", 0.05, 85),
    Place("NRT", "JP", "Asia/Tokyo", "JPY", 0.04, 105),
    Place("SYD", "AU", "Australia/Sydney", "AUD", 0.04, 125),
)

#: Traffic by local hour, 0 to 23: quiet nights, a lunch dip, and an evening hump - people read scripts after work.
_HOURS = np.array(
    [24, 15, 10, 8, 8, 12, 24, 45, 72, 92, 100, 98, 86, 90, 97, 98, 94, 88, 84, 86, 88, 78, 58, 38], dtype=float
)
#: Monday to Sunday.
_DAYS = np.array([1.0, 1.05, 1.05, 1.02, 0.92, 0.56, 0.62])


@functools.cache  # ZoneInfo's own cache holds eight, and there are more places
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def rhythm(place: Place, start: datetime, minutes: int) -> NDArray[np.float64]:
    """Traffic weight of each UTC minute from `start` at one place, mean about its share, following its wall clock
    (daylight saving included)."""
    zone = _zone(place.zone)
    hours = minutes // 60 + 2
    first = start.replace(minute=0, second=0, microsecond=0)
    # an offset changes at a whole UTC hour or half hour at most: one look per half hour is exact
    looks = [(first + timedelta(minutes=30 * i)).astimezone(zone) for i in range(2 * hours)]
    local = np.repeat([t.hour * 60 + t.minute for t in looks], 30) + np.tile(np.arange(30), len(looks))
    weekday = np.repeat([t.weekday() for t in looks], 30)
    skip = (start.hour * 60 + start.minute) - first.hour * 60
    local, weekday = local[skip : skip + minutes], weekday[skip : skip + minutes]
    curve = np.interp(local / 60.0, np.arange(25), np.append(_HOURS, _HOURS[0]))
    weight: NDArray[np.float64] = curve / _HOURS.mean() * _DAYS[weekday] / _DAYS.mean() * place.share
    return weight
