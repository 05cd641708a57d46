"""A level shift after a deployment is named as such."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.rolling import median, spread
from pitchey_slo.analyse.anomaly.samples import Floats, Times, finite

#: A score from which a sample may be explained.
NOTABLE: Final = 0.99
#: How long after a deployment a shift is put down to it, and how much before it is compared.
AFTER_MINUTES: Final = 30
BEFORE_MINUTES: Final = 120
#: Robust standard deviations between the levels before and after.
SHIFT: Final = 3.0


def reasons_of(
    times: Times, values: Floats, scores: Floats, deployments: Sequence[tuple[datetime, str]]
) -> tuple[str, ...]:
    """Per sample "" or "level shift 4 min after deployment v1.2".

    A shift begins with a sample that scores at least 0.99 within 30 minutes after a deployment, and shows in the third
    sample from there (one is a spike): the median since is three robust standard deviations from that of the two hours
    before the deployment. Named are its samples for as long in those 30 minutes as that holds, the first two once the
    third is there: words, unlike scores, may look back. The latest deployment wins.
    """
    reasons = [""] * len(values)
    for at, version in sorted(deployments, key=lambda each: _ms(each[0])):
        moment = _ms(at)
        first, last = np.searchsorted(times, [moment, moment + AFTER_MINUTES * 60_000 + 1])
        before = values[np.searchsorted(times, moment - BEFORE_MINUTES * 60_000) : first]
        for begin in np.flatnonzero(scores[first:last] >= NOTABLE) + first:
            named = [i for i in range(begin + 2, last) if _shifted(before, values[begin : i + 1])]
            for i in [begin, begin + 1, *named] if named[:1] == [begin + 2] else named:
                reasons[i] = f"level shift {(times[begin] - moment) // 60_000} min after deployment {version}"
            if named:
                break
    return tuple(reasons)


def _shifted(before: Floats, after: Floats) -> bool:
    before, after = before[finite(before)], after[finite(after)]
    if len(before) < 5 or not len(after):
        return False
    level = median(before[None])
    return bool(np.abs(median(after[None]) - level)[0] > SHIFT * spread(before[None], level)[0])


def _ms(at: datetime) -> int:
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
