"""Ensemble: is it new, and if not, does it come at the wrong time? The default.

Two detectors are asked, and their rarities counted in nines: nines(score) = -log10(1 - score), so 0.9999 has four.

    oddness = max(nines(novelty), nines(seasonal));   score = 1 - 10 ** -oddness

Novelty finds at once what a series has never shown. The seasonal profile, smoothed, finds within some minutes what is
usual at another hour: half of the payments, the night's level at noon. It counts once the series is a week old: before,
a weekend is a surprise. The other detectors of this folder were tried as members and did not pay.

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
from pitchey_slo.analyse.anomaly.novelty import Novelty
from pitchey_slo.analyse.anomaly.onset import Onset
from pitchey_slo.analyse.anomaly.pipe import Pipe
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.analyse.anomaly.seasonal import Seasonal

MOST_NINES: Final = 15.0
#: Age of a series from which its seasonal profile counts.
SETTLED_MS: Final = 7 * 24 * 3_600_000


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
        self._seasonal = Pipe(Seasonal(counter=False, timezone=asked.timezone))
        self._onset = Onset(int(asked.quiet))
        self._first: int | None = None

    def advance(self, times: Times, values: Floats) -> Floats:
        if self._first is None and len(times):
            self._first = int(times[0])
        settled = times - (self._first or 0) >= SETTLED_MS
        novelty = _nines(self._novelty.advance(times, values))
        seasonal = np.where(settled, _nines(self._seasonal.advance(times, values)), np.nan)
        scores: Floats = 1.0 - 10.0 ** -self._onset.advance(np.fmax(novelty, seasonal))
        return scores


def _nines(scores: Floats) -> Floats:
    nines: Floats = np.minimum(-np.log10(np.maximum(1.0 - scores, 1e-300)), MOST_NINES)
    return nines
