"""How soon a burn condition notices, how soon it lets go, and what is lost until then: arithmetic, no data needed.

Errors jump from `base` to `error_ratio` and stay there, at even traffic. After t minutes the share of bad ones in a
window of w minutes is base + (error_ratio - base) x min(t, w) / w. The condition holds once that is above

    limit = factor x (1 - target)

in the long and in the short window, which takes, for the longer of the two,

    t = w x (limit - base) / (error_ratio - base)

(with base 0 that is the workbook's (1 - SLO) / error ratio x window x burn rate), and `hold` longer until it fires.
Once errors fall back to `base`, after a time longer than its windows, it ends when the first window is at the limit:
w x (error_ratio - limit) / (error_ratio - base). Without a short window that is most of the long one.

>>> from pitchey_slo.slo.model import Duration
>>> page = Condition(Duration(1, "h"), Duration(5, "m"), 14.4, "page", None, "")
>>> found = detection(page, 0.001, 43_200, 1.0)
>>> round(found.minutes, 3), round(found.reset_minutes, 3), round(found.budget_lost, 4)
(0.864, 4.928, 0.02)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.slo.alerts.burn import Condition, minutes_of
from pitchey_slo.slo.findings import AsDict, Floats
from pitchey_slo.slo.sli import Minutes

#: Error ratios that a condition is tried with.
ERROR_RATIOS: Final = (0.01, 0.05, 0.1, 0.5, 1.0)
HOURS: Final = 168
#: So many of the newest weeks make the traffic of an hour of the week.
WEEKS: Final = 4
#: 1970-01-01 was a Thursday: its first hour is number 72 of a week that begins on Monday.
_THURSDAY = 72


@dataclass(frozen=True)
class Detection(AsDict):
    """What becomes of errors at `error_ratio`.

    minutes        from the first error until the alert fires, `for` included; None: it never does
    reset_minutes  from the end of the errors until the condition ends; None when it never held, or never ends
    budget_lost    fraction of the SLO window's budget that is gone when it fires, from those minutes alone
    bad            the same as a number of bad units, where the traffic is known
    """

    error_ratio: float
    minutes: float | None
    reset_minutes: float | None
    budget_lost: float | None
    bad: float | None = None


def detection(
    condition: Condition,
    part: float,
    period: int,
    error_ratio: float,
    *,
    base: float = 0.0,
    per_minute: float | None = None,
) -> Detection:
    """`part` is 1 - target, `period` the minutes of the SLO window, `per_minute` the valid units of a minute."""
    limit = condition.factor * part
    windows = [minutes_of(w) for w in (condition.long, condition.short) if w is not None]
    if error_ratio <= limit or limit < 0:
        return Detection(error_ratio, None, None, None)
    rise = error_ratio - base
    waited = max(max(0.0, w * (limit - base) / rise) for w in windows) if rise > 0 else 0.0
    waited += minutes_of(condition.hold) if condition.hold else 0.0
    reset = min(w * (error_ratio - limit) / rise for w in windows) if base <= limit and rise > 0 else None
    lost = error_ratio * waited / (part * period)
    bad = None if per_minute is None else error_ratio * waited * per_minute
    return Detection(error_ratio, waited, reset, lost, bad)


@dataclass(frozen=True, eq=False)
class Traffic(AsDict):
    """The valid events of each hour of the week, Monday 00:00 UTC first: the median of up to four weeks.

    `weeks` is how many weeks the data have (a part of one counts as its fraction); `bad` is the bad share of them all.
    Hours of the week that the data do not reach are NaN.
    """

    valid: Floats
    weeks: float
    bad: float | None

    @property
    def per_minute(self) -> float | None:
        """Mean over the week; None when not one hour is known."""
        return float(np.nanmean(self.valid)) / 60 if np.isfinite(self.valid).any() else None

    def over(self, minutes: int) -> Floats:
        """Events of a window of so many minutes that ends with each of the 168 hours."""
        whole, rest = divmod(minutes, 60)
        weeks, hours = divmod(whole, HOURS)
        found = np.zeros(HOURS) if not weeks else np.full(HOURS, float(np.nansum(self.valid)) * weeks)
        for back in range(hours):
            found = found + np.roll(self.valid, back)
        return np.asarray(found + np.roll(self.valid, hours) * rest / 60) if rest else found


def traffic(minutes: Minutes, end: int) -> Traffic:
    """From the counts of whole minutes up to `end` (minutes since 1970)."""
    if not len(minutes.at):
        return Traffic(np.full(HOURS, np.nan), 0.0, None)
    first = -(-int(minutes.at[0]) // 60)
    last = end // 60
    start = max(first, last - WEEKS * HOURS)
    if last <= start:
        return Traffic(np.full(HOURS, np.nan), 0.0, None)
    inside = minutes.between(start * 60, last * 60)
    sums = np.bincount(inside.at // 60 - start, weights=inside.valid, minlength=last - start)
    offset = (start + _THURSDAY) % HOURS
    table = np.full((-(-(offset + len(sums)) // HOURS), HOURS), np.nan)
    table.reshape(-1)[offset : offset + len(sums)] = sums
    known = np.isfinite(table).any(axis=0)
    medians = np.full(HOURS, np.nan)
    medians[known] = np.nanmedian(table[:, known], axis=0)
    total = float(inside.valid.sum())
    bad = float(np.clip(inside.bad.sum() / total, 0.0, 1.0)) if total > 0 else None
    return Traffic(medians, (last - start) / HOURS, bad)


def needed(condition: Condition, part: float, seen: Floats, floor: float) -> Floats:
    """How many bad units it takes, at each hour, until the long window is above its limit and the floor is reached.

    `seen` are the valid units of the long window; NaN where they are unknown or where even all of them would not do.
    """
    limit = condition.factor * part
    with np.errstate(invalid="ignore"):
        least = np.maximum(np.floor(seen * limit * (1 + 1e-12)) + 1, np.ceil(floor))
        return np.where(least <= seen, least, np.nan)
