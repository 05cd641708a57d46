"""One verb: score a series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pitchey_slo.analyse.anomaly.deployments import reasons_of
from pitchey_slo.analyse.anomaly.model import Scores
from pitchey_slo.analyse.anomaly.registry import DETECTORS
from pitchey_slo.analyse.anomaly.registry import detector as named
from pitchey_slo.analyse.anomaly.samples import checked


def score(
    times: Any,
    values: Any,
    detector: str = "ensemble",
    deployments: Sequence[tuple[datetime, str]] = (),
    timezone: str = "UTC",
    **params: Any,
) -> Scores:
    """How unusual each sample is, given those before it.

    times
        datetime64 (UTC) or whole milliseconds since 1970, rising.
    values
        float64, as many; NaN and the infinities are gaps.
    detector
        a name in `DETECTORS`; `params` are its parameters.
    deployments
        (time, version): a level shift found soon after one is named in `reasons`.
    timezone
        whose clock has the hours of the day that a seasonal detector learns.

    Raises AnomalyError on times out of order or doubled, different lengths, an unknown detector, parameter or zone.
    """
    ms, floats = checked(times, values)
    if "timezone" in getattr(DETECTORS.get(detector), "__dataclass_fields__", {}):
        params = {"timezone": timezone, **params}
    scores = named(detector, **params).batch(ms, floats)
    return Scores(ms.astype("datetime64[ms]"), floats, scores, reasons_of(ms, floats, scores, deployments))
