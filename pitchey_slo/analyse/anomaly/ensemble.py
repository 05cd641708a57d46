"""Ensemble: several detectors of this folder asked at once; a sample is as odd as they together find it.

Each member's score is a rarity, so they can be added on one scale: the oddness is the sum of -log10(1 - score), at most
12 each. What is rare in that sum is judged like any detector's oddness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.ewma import Ewma
from pitchey_slo.analyse.anomaly.mad import Mad
from pitchey_slo.analyse.anomaly.pipe import Pipe
from pitchey_slo.analyse.anomaly.samples import Floats, Times

LEAST_TAIL: Final = 1e-12


@dataclass(frozen=True, kw_only=True)
class Ensemble(Detector):
    """`timezone`: whose clock has the hours of the day that seasonal members learn."""

    timezone: str = "UTC"

    def members(self) -> tuple[Detector, ...]:
        shared = {"counter": False, "memory": self.memory}
        return (Mad(**shared), Ewma(**shared))  # type: ignore[arg-type]

    def machine(self) -> EnsembleMachine:
        return EnsembleMachine(self.members())


class EnsembleMachine:
    def __init__(self, members: tuple[Detector, ...]) -> None:
        self._pipes = [Pipe(member) for member in members]

    def advance(self, times: Times, values: Floats) -> Floats:
        scores = np.stack([pipe.advance(times, values) for pipe in self._pipes])
        rare = -np.log10(np.maximum(1.0 - scores, LEAST_TAIL))
        silent = np.isnan(rare)
        odd: Floats = np.where(silent.all(axis=0), np.nan, np.where(silent, 0.0, rare).sum(axis=0))
        return odd
