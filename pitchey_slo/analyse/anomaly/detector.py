"""What all detectors share: a machine of their own between the same first and last step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from pitchey_slo.analyse.anomaly.model import Machine, Scorer
from pitchey_slo.analyse.anomaly.pipe import Pipe
from pitchey_slo.analyse.anomaly.samples import Floats, checked
from pitchey_slo.errors import AnomalyError


@dataclass(frozen=True, kw_only=True)
class Detector(ABC):
    """Parameters that every detector has.

    counter
        True: the series is a counter (it rises, and falls only when it starts anew), judged by its rate. False: it is
        not. None: found out from the first 60 samples; whole numbers that rise and never fall are taken for a counter,
        until they fall by less than half.
    memory
        Samples after which the detector's own past counts half. What is rare is judged against that past; shorter
        forgets old troubles sooner, and calls the next one rare again.
    """

    counter: bool | None = None
    memory: int = 5000

    def __post_init__(self) -> None:
        if self.counter not in (None, True, False):
            raise AnomalyError(f"counter {self.counter!r}: give true, false or null (find out)")
        self._at_least("memory", 64)

    def batch(self, times: Any, values: Any) -> Floats:
        """The score of every sample. Raises AnomalyError as `samples.checked` does."""
        return Pipe(self).advance(*checked(times, values))

    def scorer(self) -> Scorer:
        """The same, one sample after another."""
        return Scorer(Pipe(self))

    @property
    def calibrated(self) -> bool:
        """Whether scores are rarities; if not, the machine gives scores itself."""
        return True

    @abstractmethod
    def machine(self) -> Machine:
        """A new machine that has seen nothing."""

    def _a_share(self, name: str) -> None:
        given = getattr(self, name)
        if isinstance(given, bool) or not isinstance(given, int | float) or not 1e-4 <= given <= 1:
            raise AnomalyError(f"{name} {given!r}: give a number from 0.0001 to 1")

    def _at_least(self, name: str, least: float) -> None:
        given = getattr(self, name)
        if isinstance(given, bool) or not isinstance(given, int | float) or not given >= least:
            raise AnomalyError(f"{name} {given!r}: give a number of at least {least:g}")
