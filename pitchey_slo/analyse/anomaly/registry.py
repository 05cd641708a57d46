"""The detectors by name; the name is the file."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from pitchey_slo.analyse.anomaly.change_point import ChangePoint
from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.discord import Discord
from pitchey_slo.analyse.anomaly.ensemble import Ensemble
from pitchey_slo.analyse.anomaly.ewma import Ewma
from pitchey_slo.analyse.anomaly.mad import Mad
from pitchey_slo.analyse.anomaly.novelty import Novelty
from pitchey_slo.analyse.anomaly.seasonal import Seasonal
from pitchey_slo.analyse.anomaly.threshold import Threshold
from pitchey_slo.errors import AnomalyError, did_you_mean

DETECTORS: Final[dict[str, type[Detector]]] = {
    "threshold": Threshold,
    "mad": Mad,
    "ewma": Ewma,
    "seasonal": Seasonal,
    "change_point": ChangePoint,
    "discord": Discord,
    "novelty": Novelty,
    "ensemble": Ensemble,
}


def detector(name: str, **params: Any) -> Detector:
    """A detector by name with its parameters. Raises AnomalyError on an unknown name or parameter, or a bad value.

    >>> detector("mad", window=128).window
    128
    """
    kind = DETECTORS.get(name)
    if kind is None:
        raise AnomalyError(f"no detector {name!r}: {_near(name, DETECTORS)}")
    known = [field.name for field in fields(kind)]
    for given in params:
        if given not in known:
            raise AnomalyError(f"detector {name} has no parameter {given!r}: {_near(given, known)}")
    return kind(**params)


def _near(word: str, known: Any) -> str:
    return did_you_mean(word, known) or f"there are {', '.join(known)}"
