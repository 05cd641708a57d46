"""From samples of counters to what they counted per minute: the steps between samples, resets survived and named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pitchey_slo.promql import SeriesBlock
from pitchey_slo.series import Labels
from pitchey_slo.slo.findings import Floats
from pitchey_slo.slo.notes import NoteKind, Odd
from pitchey_slo.slo.sli import Ints

MINUTE_MS = 60_000
#: Between two samples not further apart, every minute is one with data (the lookback of PromQL).
APART_MS = 5 * MINUTE_MS


@dataclass(frozen=True, eq=False)
class Steps:
    """A query per minute, for the minutes with data (ascending `at`, since 1970): `sum` of what it counted, `count` of
    samples or series behind it, what was `odd`; `part` of the sum that was good and `other` values that are no number,
    where somebody asked."""

    at: Ints
    sum: Floats
    count: Floats
    odd: tuple[Odd, ...] = ()
    good: Floats | None = None
    nan: Floats | None = None

    @property
    def part(self) -> Floats:
        return np.zeros(len(self.at)) if self.good is None else self.good

    @property
    def other(self) -> Floats:
        return np.zeros(len(self.at)) if self.nan is None else self.nan


class Walk:
    """Adds up the steps of counters in the minutes start <= t < end; blocks come one after the other in time.

    A first sample counts nothing (it may have been counting for years) unless a sample before it was given; if it is
    not the first of all, what it began with is noted. Samples that are no number are passed over.
    """

    def __init__(self, start: int, end: int) -> None:
        self._start, self._size = start, max(0, end - start)
        self._last: dict[Labels, tuple[int, float]] = {}
        self._sum, self._count, self._resets, self._new = (np.zeros(self._size) for _ in range(4))
        self._edges = np.zeros(self._size + 1)  # +1 where a stretch with data begins, -1 after its end

    def add(self, block: SeriesBlock) -> None:
        """Samples of all series, later than those before."""
        good = np.isfinite(block.values)
        kept = np.concatenate([[0], np.cumsum(good)])
        ts, values, offsets = block.ts[good], block.values[good], kept[block.offsets]
        if not len(ts):
            return
        before_ts, before = np.empty_like(ts), np.empty_like(values)
        before_ts[1:], before[1:] = ts[:-1], values[:-1]
        some = np.flatnonzero(offsets[1:] > offsets[:-1])
        for i in some.tolist():
            head, last = int(offsets[i]), int(offsets[i + 1]) - 1
            before_ts[head], before[head] = self._last.get(block.labels[i], (-1, np.nan))
            self._last[block.labels[i]] = (int(ts[last]), float(values[last]))
        self._step(ts, values, before_ts, before)

    def _step(self, ts: Ints, values: Floats, before_ts: Ints, before: Floats) -> None:
        place = (ts - 1) // MINUTE_MS - self._start
        known = before_ts >= 0
        step = np.where(values >= before, values - before, values)
        inside = (place >= 0) & (place < self._size) & (ts > before_ts)
        now, born = inside & known, inside & ~known
        self._put(self._sum, place[now], step[now])
        self._put(self._count, place[now], np.ones(int(now.sum())))
        fell = now & (values < before)
        self._put(self._resets, place[fell], np.ones(int(fell.sum())))
        self._put(self._new, place[born], np.maximum(values[born], 0.0))
        # minutes from the earlier sample to the later one; a longer way than usual only has its end
        near = now & (ts - before_ts <= APART_MS)
        first = np.where(near, before_ts // MINUTE_MS - self._start, place)[now]
        np.add.at(self._edges, np.clip(first, 0, self._size), 1.0)
        np.add.at(self._edges, place[now] + 1, -1.0)

    def _put(self, into: Floats, place: Ints, values: Floats) -> None:
        into += np.bincount(place, weights=values, minlength=self._size)

    def steps(self) -> Steps:
        """What was added up."""
        seen = np.flatnonzero(np.cumsum(self._edges)[:-1] > 0.5)
        odd = (self._odd("counter_reset", self._resets), self._odd("new_series", self._new))
        return Steps(seen + self._start, self._sum[seen], self._count[seen], odd)

    def _odd(self, kind: NoteKind, count: Floats) -> Odd:
        at = np.flatnonzero(count)
        return Odd(kind, at + self._start, count[at])


def joined(first: tuple[Odd, ...], second: tuple[Odd, ...]) -> tuple[Odd, ...]:
    """What was met in two queries, one `Odd` per kind. The same counters may be in both (good is a part of total): of
    each minute the larger number is taken, so that a reset that both saw is told once."""
    out = []
    for kind in dict.fromkeys(o.kind for o in (*first, *second)):
        mine = [o for o in (*first, *second) if o.kind == kind]
        at = np.unique(np.concatenate([o.at for o in mine]))
        count = np.zeros(len(at))
        for o in mine:
            place = np.searchsorted(at, o.at)
            count[place] = np.maximum(count[place], o.count)
        out.append(Odd(kind, at, count))
    return tuple(out)
