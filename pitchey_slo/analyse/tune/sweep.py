"""Every (limit, for) at once: what each would have fired, which incidents it would have caught and how late.

    scores -> per limit its runs -> per `for` its firings -> caught incidents, false firings, time fired for nothing

Limits are sorted, so a cell is described by how many of them its score exceeds; only the steps at which that number
changes matter, and there are few. A firing that touches no incident is false. What is counted is kept by fold (blocks
of time), so that any choice can be judged on a block it was not made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from pitchey_slo.analyse.backtest.episodes import Episodes, Floats, Ints, Runs, episodes_of
from pitchey_slo.analyse.backtest.incidents import Incident
from pitchey_slo.analyse.tune.scores import Scored
from pitchey_slo.series import Labels

#: By which parts of the history incidents are moved to see what is caught by chance.
_SHIFTS: Final = (0.13, 0.29, 0.43, 0.57, 0.71, 0.87)
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Wanted:
    """Incidents as intervals of ms, grace included. The first `counted` are to be caught; the others, which began
    before the time looked at, only explain firings. `lead`: how long before its beginning a firing may begin and still
    tell of it. `concerns`: incidents by alerts, which can be meant for which."""

    starts: Ints
    ends: Ints
    counted: int
    lead: int
    concerns: np.ndarray[tuple[int, int], np.dtype[np.bool_]]

    @classmethod
    def of(
        cls,
        counted: Sequence[Incident],
        others: Sequence[Incident],
        alerts: Sequence[Labels],
        end_ms: int,
        grace_ms: int,
    ) -> Wanted:
        """For alerts with these labels; what still lasts, lasts until `end_ms`."""
        every = [*counted, *others]
        starts = np.array([_ms(i.started_at) for i in every], np.int64)
        ends = [end_ms if i.ended_at is None else _ms(i.ended_at) + grace_ms for i in every]
        plain = [dict(labels) for labels in alerts]
        match = np.array([[i.concerns(labels) for labels in plain] for i in every], np.bool_)
        high = np.maximum(np.array(ends, np.int64), starts)
        return cls(starts, high, len(counted), grace_ms, match.reshape(len(every), len(alerts)))


@dataclass(frozen=True)
class Swept:
    """Arrays over limits (in the order given), fors, and then incidents or folds.

    late    per counted incident: seconds from its beginning to the first firing that touches it (0: it fired already),
            NaN: missed
    told    the same to the first firing that begins with it (at most `lead` before): one that fired already told nobody
    chance  share of the incidents that the false firings would tell of if they were at other times
    fired   firings that begin in a fold; `false` those that touch no incident
    idle    seconds fired outside all incidents
    runs    per limit, from which `firings` are made
    """

    late: np.ndarray[tuple[int, int, int], np.dtype[np.float32]]
    told: np.ndarray[tuple[int, int, int], np.dtype[np.float32]]
    chance: Floats
    fired: Ints
    false: Ints
    idle: Floats
    runs: tuple[Runs, ...]


def sweep(
    found: Scored,
    limits: Floats,
    fors: Sequence[float],
    keep_seconds: float,
    wanted: Wanted,
    folds: Ints,
    end_ms: int,
    check: Callable[[float], None],
) -> Swept:
    """`limits` as scores (`Scored.limits`), `fors` in seconds, `folds` the borders in ms (one more than folds),
    `end_ms` when firings that still go on are cut off."""
    levels = _Levels(found, limits)
    count = len(folds) - 1
    shape = len(limits), len(fors)
    late = np.full((*shape, wanted.counted), np.nan, np.float32)
    told, chance = late.copy(), np.zeros(shape)
    fired, false = np.zeros((*shape, count), np.int64), np.zeros((*shape, count), np.int64)
    idle = np.zeros((*shape, count))
    judge = _Judge(found.times, wanted, folds, end_ms)
    moved = [_Judge(found.times, w, folds, end_ms) for w in _moved(wanted, int(folds[0]), int(folds[-1]))]
    every = []
    for i in range(len(limits)):
        check(i / len(limits))
        runs = levels.runs(i)
        every.append(runs)
        for j, (series, begin, end) in enumerate(firings(runs, found.times, fors, keep_seconds, end_ms)):
            if len(series):
                late[i, j], told[i, j], fired[i, j], false[i, j], idle[i, j], no = judge(series, begin, end)
                chance[i, j] = np.mean([other.share(series[no], begin[no], end[no]) for other in moved] or [0.0])
    return Swept(late, told, chance, fired, false, idle, tuple(every))


def _moved(wanted: Wanted, start: int, end: int) -> list[Wanted]:
    """The counted incidents at other times: all moved by the same, what leaves at the end comes in at the beginning."""
    if not wanted.counted or end <= start:
        return []
    found = []
    for share in _SHIFTS:
        starts = start + (wanted.starts[: wanted.counted] - start + round(share * (end - start))) % (end - start)
        lengths = (wanted.ends - wanted.starts)[: wanted.counted]
        concerns = wanted.concerns[: wanted.counted]
        found.append(Wanted(starts, np.minimum(starts + lengths, end), wanted.counted, wanted.lead, concerns))
    return found


class _Levels:
    """How many of the sorted limits the score of each cell exceeds, kept where it changes."""

    def __init__(self, found: Scored, limits: Floats) -> None:
        rows, steps = found.score.shape
        order = np.argsort(limits, kind="stable")
        self.rank = np.empty(len(limits), np.int64)
        self.rank[order] = np.arange(len(limits))
        sorted_ = limits[order]
        strict = found.knob.strict or found.knob.current is None
        padded = np.zeros((rows, steps + 2), np.int16)
        if rows and steps:
            some = found.score >= sorted_[0]  # most cells are below all of them
            padded[:, 1:-1][some] = np.searchsorted(sorted_, found.score[some], "left" if strict else "right")
        flat = padded.ravel()
        at = np.flatnonzero(flat[1:] != flat[:-1])
        self.row, self.step = np.divmod(at, steps + 2)
        self.before, self.after = flat[at], flat[at + 1]

    def runs(self, i: int) -> Runs:
        """Where the condition holds with limit `i`."""
        rank = self.rank[i]
        up = (self.before <= rank) & (self.after > rank)
        down = (self.before > rank) & (self.after <= rank)
        return Runs(self.row[up], self.step[up], self.step[down], np.full(int(up.sum()), np.nan))


def firings(
    runs: Runs, times: Ints, fors: Sequence[float], keep_seconds: float, end_ms: int
) -> list[tuple[Ints, Ints, Ints]]:
    """Per `for`: (alert, fired at, resolved at) in ms, those that fired, sorted by alert and time."""
    found = []
    ends = np.append(times, end_ms)
    if keep_seconds > 0 or not len(runs):
        for seconds in fors:
            each = episodes_of(runs, times, seconds, keep_seconds)
            on = each.fired >= 0
            found.append((each.series[on], times[each.fired[on]], ends[each.resolved[on]]))
        return found
    began, length = times[runs.first], times[runs.end - 1] - times[runs.first]
    resolved = ends[runs.end]
    even = len(times) < 2 or bool((np.diff(times) == times[1] - times[0]).all())
    step = int(times[1] - times[0]) if len(times) > 1 else 1
    for seconds in fors:
        need = round(seconds * 1000)
        on = length >= need
        late = began[on] + need
        at = began[on] + -(-need // step) * step if even else times[np.searchsorted(times, late)]
        found.append((runs.series[on], at, resolved[on]))
    return found


class _Judge:
    """Counts one list of firings against the incidents. Places are alert * span + time, so that one sorted search
    answers for all alerts."""

    def __init__(self, times: Ints, wanted: Wanted, folds: Ints, end_ms: int) -> None:
        self.wanted, self.folds = wanted, folds
        lows = [int(folds[0]), *wanted.starts.tolist(), *times[:1].tolist()]
        highs = [int(folds[-1]), end_ms, *wanted.ends.tolist(), *times[-1:].tolist()]
        self.zero = min(lows) - 1
        self.span = max(highs) - self.zero + 2
        incident, alert = np.nonzero(wanted.concerns)
        low = alert * self.span + wanted.starts[incident] - self.zero
        high = alert * self.span + wanted.ends[incident] - self.zero
        self.begin, self.end = _merged(low, high)
        count = int(np.searchsorted(incident, wanted.counted))
        self.incident, self.low, self.high = incident[:count], low[:count], high[:count]
        self.heads = np.flatnonzero(np.diff(self.incident, prepend=-1))
        self.total = np.append(0, np.cumsum(self.end - self.begin))

    def __call__(self, series: Ints, begin: Ints, end: Ints) -> tuple[Any, Any, Any, Any, Any, Any]:
        """(late and told per incident; fired, false, idle per fold; which are false) of firings, by alert and time."""
        fired, resolved = series * self.span + begin - self.zero, series * self.span + end - self.zero
        late, told = self._caught(fired, resolved, begin)
        touches = np.searchsorted(self.begin, resolved) - np.searchsorted(self.end, fired, "right") > 0
        inside = self._inside(resolved) - self._inside(fired)
        fold = np.clip(np.searchsorted(self.folds, begin, "right") - 1, 0, len(self.folds) - 2)
        count = len(self.folds) - 1
        return (
            late,
            told,
            np.bincount(fold, minlength=count),
            np.bincount(fold[~touches], minlength=count),
            np.bincount(fold, (end - begin - inside) / 1000, minlength=count),
            ~touches,
        )

    def share(self, series: Ints, begin: Ints, end: Ints) -> float:
        """Of the counted incidents that are told of."""
        fired, resolved = series * self.span + begin - self.zero, series * self.span + end - self.zero
        _, told = self._first(fired, resolved, begin)
        hit = np.logical_or.reduceat(told < _NEVER, self.heads) if len(told) else told
        return float(np.count_nonzero(hit) / self.wanted.counted)

    def _caught(self, fired: Ints, resolved: Ints, begin: Ints) -> tuple[Any, Any]:
        """Per counted incident, seconds to the first firing that touches it, and to the first that begins with it."""
        touching, told = self._first(fired, resolved, begin)
        return self._seconds(touching), self._seconds(told)

    def _first(self, fired: Ints, resolved: Ints, begin: Ints) -> tuple[Ints, Ints]:
        """Per incident and alert that concern each other: when the first firing that touches it begins, and the first
        that begins with it; `_NEVER` where there is none."""
        first = np.searchsorted(resolved, self.low, "right")
        fired, when = np.append(fired, _NEVER), np.append(begin, 0)

        def at(place: Ints) -> Ints:
            inside = np.minimum(place, len(begin))
            return np.where(fired[inside] < self.high, when[inside], _NEVER)

        touching = at(first)
        fresh = touching >= self.wanted.starts[self.incident] - self.wanted.lead
        return touching, touching if fresh.all() else np.where(fresh, touching, at(first + 1))

    def _seconds(self, found: Ints) -> Any:
        """Of the earliest per incident, from its beginning; NaN where there is none."""
        out = np.full(self.wanted.counted, np.nan, np.float32)
        if len(found):
            best, which = np.minimum.reduceat(found, self.heads), self.incident[self.heads]
            ok = best < _NEVER
            out[which[ok]] = np.maximum(0.0, (best[ok] - self.wanted.starts[which[ok]]) / 1000)
        return out

    def _inside(self, place: Ints) -> Ints:
        """Time inside incidents from the very beginning up to a place."""
        i = np.searchsorted(self.begin, place, "right")
        if not len(self.end):
            return np.zeros(len(place), np.int64)
        over = np.maximum(0, self.end[np.maximum(i - 1, 0)] - place)
        found: Ints = self.total[i] - np.where(i > 0, over, 0)
        return found


def _merged(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Intervals as ones that do not touch, sorted."""
    if not len(low):
        return low, high
    order = np.argsort(low, kind="stable")
    low, high = low[order], np.maximum.accumulate(high[order])
    new = np.append(True, low[1:] > high[:-1])
    heads = np.flatnonzero(new)
    return low[heads], high[np.append(heads[1:], len(low)) - 1]


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def episodes_at(found: Swept, times: Ints, i: int, seconds: float, keep_seconds: float) -> Episodes:
    """Every episode of one pair, those that only were pending too."""
    return episodes_of(found.runs[i], times, seconds, keep_seconds)
