"""Ensemble: is it new, and if not, does it come at the wrong time or shift for good? The default.

Three detectors are asked, and their rarities counted in nines: nines(score) = -log10(1 - score), so 0.9999 has four.

    oddness = max(nines(novelty), (nines(ewma) + nines(seasonal)) / 1.5);   score = 1 - 10 ** -oddness

Novelty leads: what a series has never shown is the surest sign, and each thing is new only once. The two others, at
most six nines each, count when they agree: a value that is usual at another hour, and stays.

One anomaly is one alarm: after an odd sample, only an odder one scores for the next `quiet` samples, the rest score 0
(onset.py). So a rule should ask for the highest score of the last minutes:

    max_over_time(pitchey_anomaly_score{detector="ensemble"}[15m]) > 0.9999

`benchmarks/anomaly.py` judges each member alone and all together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.clock import LocalHours
from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.ewma import Ewma
from pitchey_slo.analyse.anomaly.novelty import Novelty
from pitchey_slo.analyse.anomaly.onset import Onset
from pitchey_slo.analyse.anomaly.pipe import Pipe
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.analyse.anomaly.seasonal import Seasonal

MOST_NINES: Final = 15.0
MOST_SUPPORT: Final = 6.0
AGREED: Final = 1.5


@dataclass(frozen=True, kw_only=True)
class Ensemble(Detector):
    """`timezone`: whose clock has the hours of the day. `memory`: samples after which a pattern that did not come
    again is new again, two weeks at one a minute. `quiet`: samples for which lesser anomalies are taken for the same
    one; 0 scores every sample by itself."""

    timezone: str = "UTC"
    memory: int = 20_160
    quiet: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("quiet", 0)
        LocalHours(self.timezone)

    @property
    def calibrated(self) -> bool:
        return False

    def machine(self) -> EnsembleMachine:
        return EnsembleMachine(self)


class EnsembleMachine:
    """Its pipes are told that nothing is a counter: the ensemble's own pipe has seen to that."""

    def __init__(self, asked: Ensemble) -> None:
        self._novelty = Pipe(Novelty(counter=False, memory=asked.memory))
        self._support = [Pipe(Ewma(counter=False)), Pipe(Seasonal(counter=False, timezone=asked.timezone))]
        self._onset = Onset(int(asked.quiet))

    def advance(self, times: Times, values: Floats) -> Floats:
        novelty = _nines(self._novelty.advance(times, values), MOST_NINES)
        support = np.zeros(len(values))
        for pipe in self._support:
            support += np.nan_to_num(_nines(pipe.advance(times, values), MOST_SUPPORT), nan=0.0)
        odd = np.maximum(novelty, support / AGREED)
        scores: Floats = 1.0 - 10.0 ** -self._onset.advance(np.where(np.isnan(novelty), np.nan, odd))
        return scores


def _nines(scores: Floats, most: float) -> Floats:
    nines: Floats = np.minimum(-np.log10(np.maximum(1.0 - scores, 1e-300)), most)
    return nines
