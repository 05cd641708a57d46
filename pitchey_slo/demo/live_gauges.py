"""What the simulated platform's parts say of themselves while traffic is live, every fifteen seconds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import numpy as np

from pitchey_slo.demo import plan, traffic
from pitchey_slo.demo.gauges import Values, batch, measured
from pitchey_slo.demo.incidents import MINUTE, SECOND, Trouble
from pitchey_slo.demo.places import PLACES
from pitchey_slo.series import SampleBatch

EVERY: Final = 15.0
#: Weight of all places together at the busiest hour.
_MOST: Final = 1.57


class LiveGauges:
    """`troubles` are those of the traffic, in the order of time. Counters begin at nothing: for whoever reads them the
    process was restarted."""

    def __init__(self, seed: int, start: datetime, troubles: Iterable[Trouble] = ()) -> None:
        self._seed, self._last, self._turn = seed, plan.microseconds(start), 0
        self._coming = iter(troubles)
        self._next = next(self._coming, None)
        self._lasting: list[Trouble] = []
        self._counted: dict[tuple[str, ...], float] = {}

    def since(self, now: datetime) -> SampleBatch | None:
        """Samples at `now`; None within fifteen seconds of the last ones."""
        at = plan.microseconds(now)
        if at - self._last < EVERY * SECOND:
            return None
        while self._next is not None and self._next.start <= at:
            self._lasting.append(self._next)
            self._next = next(self._coming, None)
        self._lasting = [t for t in self._lasting if t.end > at]
        rng = np.random.default_rng([self._seed, 13, self._turn])
        busy = min(1.0, float(traffic.now(now).sum()) / _MOST / sum(p.share for p in PLACES))
        found = measured(rng, np.array([at]), np.array([busy]), self._lasting, (at - self._last) / MINUTE)
        self._last, self._turn = at, self._turn + 1
        return batch({key: self._on(key, values) for key, values in found.items()}, np.array([at]))

    def _on(self, key: tuple[str, ...], values: Values) -> Values:
        if not key[0].endswith("_total"):
            return values
        self._counted[key] = self._counted.get(key, 0.0) + float(values[0])
        return np.array([self._counted[key]])
