"""From samples to scores: leave out gaps, turn counters into rates, ask the machine, call it rare or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pitchey_slo.analyse.anomaly.counters import Rate
from pitchey_slo.analyse.anomaly.rarity import Rarity
from pitchey_slo.analyse.anomaly.samples import Floats, Times, finite

if TYPE_CHECKING:
    from pitchey_slo.analyse.anomaly.detector import Detector

#: Values beyond are held here: sums and differences of larger ones have no place in a float.
HUGE: Final = 1e150
#: Samples worked on at once: large enough for speed, small enough for the processor's cache and for memory.
CHUNK: Final = 16_384


class Pipe:
    """One detector at work on one series."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._rate = Rate(detector.counter)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._machine = self._detector.machine()
        self._rarity = Rarity(self._detector.memory) if self._detector.calibrated else None

    def advance(self, times: Times, values: Floats) -> Floats:
        """Scores of the next samples, NaN at gaps."""
        scores = np.full(len(values), np.nan)
        present = np.flatnonzero(finite(values))
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(present), CHUNK):
                here = present[first : first + CHUNK]
                scores[here] = self._judge(times[here], np.clip(values[here], -HUGE, HUGE))
        return scores

    def _judge(self, times: Times, values: Floats) -> Floats:
        """Scores of samples that are all there."""
        scores = np.full(len(values), np.nan)
        for span in self._rate.advance(times, values):
            if span.anew:
                self._begin_anew()
            judged = self._machine.advance(span.times, span.values)
            if self._rarity is not None:
                judged = self._rarity.advance(judged)
            shown = min(len(judged), span.end - span.begin)
            scores[span.end - shown : span.end] = judged[len(judged) - shown :]
        return scores
