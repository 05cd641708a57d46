"""Change point: are the last samples from another distribution than those before?

    shift    = |mean of the last `short` - median before| sqrt(short) / spread before
    widening = ratio of the mean absolute deviations of the two, above 1 either way
    oddness  = shift + sqrt(short) log(widening)

*Before* are the `long` samples that end where the last `short` begin; median and spread (1.4826 MAD) are renewed after
every 4. Finds lasting shifts of level and of noise after about `short` samples; a lone spike counts little.

    two-window change detection: D. Kifer, S. Ben-David, J. Gehrke, Detecting change in data streams (2004)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.mad import middle_and_spread
from pitchey_slo.analyse.anomaly.rolling import Rolling
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.analyse.anomaly.windows import Tail, windows

EVERY: Final = 4
#: One outlier among the last samples moves their mean by this many spreads at most.
HELD_WITHIN: Final = 8.0


@dataclass(frozen=True, kw_only=True)
class ChangePoint(Detector):
    """`short`: samples in which a change has to show. `long`: samples they are compared with."""

    short: int = 12
    long: int = 96

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("short", 2)
        self._at_least("long", 16)

    def machine(self) -> ChangePointMachine:
        return ChangePointMachine(int(self.short), -(-int(self.long) // EVERY) * EVERY)


class ChangePointMachine:
    def __init__(self, short: int, long: int) -> None:
        self._short = short
        self._seen = 0
        self._tail = Tail(short)
        self._before = Rolling(long, EVERY, long, 3, _level_and_noise)

    def advance(self, _times: Times, values: Floats) -> Floats:
        n, known = len(values), self._tail.advance(values)
        late = known[:n]  # each `short` samples after it came; the first `short` are not there yet
        fresh = min(n, max(0, self._short - self._seen))
        learnt = np.concatenate([np.full((fresh, 3), np.nan), self._before.advance(late[fresh:])])
        self._seen += n
        middle, scale, noise = learnt.T
        z = np.clip((windows(known, self._short, n) - middle[:, None]) / scale[:, None], -HELD_WITHIN, HELD_WITHIN)
        mean = z.mean(axis=1)
        now = np.abs(z - mean[:, None]).mean(axis=1)
        widening = np.abs(np.log((now + noise) / (2 * noise)))
        odd: Floats = sqrt(self._short) * (np.abs(mean) + widening)
        return odd


def _level_and_noise(rows: Floats) -> Floats:
    """Median, robust spread and mean absolute deviation in spreads, of each row."""
    fits = middle_and_spread(rows)
    z = np.clip((rows - fits[:, :1]) / fits[:, 1:], -HELD_WITHIN, HELD_WITHIN)
    noise = np.maximum(np.abs(z).mean(axis=1), 0.1)
    return np.concatenate([fits, noise[:, None]], axis=1)
