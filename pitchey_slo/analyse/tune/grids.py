"""Which thresholds, durations and folds a sweep tries when nobody says: round numbers where the data are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from pitchey_slo.analyse.backtest.episodes import Floats
from pitchey_slo.analyse.backtest.incidents import Incident
from pitchey_slo.analyse.tune.scores import Scored

#: Of the current threshold, so that "a bit more" is always among them.
_AROUND: Final = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0)
_SHARES: Final = (0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999)
MOST: Final = 48
#: Numbers laid between the lowest and the highest of them.
_FILLED: Final = 16
FORS: Final = (0.0, 30.0, 60.0, 120.0, 180.0, 300.0, 420.0, 600.0, 900.0, 1200.0, 1800.0, 3600.0)
#: Values looked at for quantiles.
_SAMPLE: Final = 400_000
_BLOCKS: Final = (("week", timedelta(days=7), 3), ("day", timedelta(days=1), 4), ("hour", timedelta(hours=1), 4))


def thresholds(found: Scored, incidents: Sequence[Incident]) -> Floats:
    """Numbers of the knob: quantiles of the scores, the peaks of incidents, and what is near the current one."""
    knob = found.knob
    if knob.current is None:
        return np.array([np.nan])
    scores = found.score[np.isfinite(found.score)]
    limits: list[float] = []
    if len(scores):
        some = scores[:: max(1, len(scores) // _SAMPLE)]
        top = float(scores.max())
        limits += np.quantile(some, _SHARES).tolist()
        peaks = _peaks(found, incidents)
        if peaks:
            limits += np.quantile(peaks, np.linspace(0, 1, min(12, 2 * len(peaks)))).tolist()
            limits += [0.5 * (p + float(np.median(some))) for p in np.quantile(peaks, (0.0, 0.25, 0.5))]
        limits.append(top)
    sign = 1.0 if knob.up else -1.0
    numbers = [knob.number(sign * limit) for limit in limits]
    rounded = {readable(n) for n in numbers if math.isfinite(n) and _same_side(n, knob.current)}
    near = {readable(knob.current * part, 3) for part in _AROUND} | {knob.current}
    rounded |= {readable(n) for n in _between(sorted(rounded))}
    if len(rounded | near) > MOST:
        kept = sorted(rounded)
        rounded = {kept[i] for i in np.linspace(0, len(kept) - 1, MOST - len(near)).round().astype(int)}
    return np.array(sorted(rounded | near))


def _between(numbers: Sequence[float]) -> list[float]:
    """Numbers that fill the gaps, in equal ratios where all are above zero."""
    if len(numbers) < 2:
        return []
    low, high = numbers[0], numbers[-1]
    found: list[float] = (np.geomspace if low > 0 else np.linspace)(low, high, _FILLED).tolist()
    return found


def _same_side(number: float, current: float) -> bool:
    """A threshold of 0 for what is never negative is none: only numbers on the current one's side of zero are tried."""
    return number * current > 0 or current == 0


def _peaks(found: Scored, incidents: Sequence[Incident]) -> list[float]:
    """The highest score during each incident, among alerts that concern it."""
    peaks = []
    for incident in incidents:
        low = np.searchsorted(found.times, round(incident.started_at.timestamp() * 1000))
        ended = incident.ended_at
        high = len(found.times) if ended is None else np.searchsorted(found.times, round(ended.timestamp() * 1000))
        rows = [i for i, labels in enumerate(found.labels) if incident.concerns(dict(labels))]
        part = found.score[rows, low : high + 1]
        part = part[np.isfinite(part)]
        if len(part):
            peaks.append(float(part.max()))
    return peaks


def readable(value: float, digits: int = 2) -> float:
    """The nearest number of so many significant digits.

    >>> readable(0.019823), readable(1234.5), readable(0.0)
    (0.02, 1200.0, 0.0)
    """
    return float(f"{value:.{digits}g}") if math.isfinite(value) else value


def fors(current: float, step_seconds: float) -> tuple[float, ...]:
    """Durations, the current one among them; a `for` shorter than a step is none."""
    return tuple(sorted({f for f in FORS if f == 0 or f >= step_seconds} | {current}))


def folds(start: datetime, end: datetime) -> tuple[str, list[datetime]]:
    """(what a fold is, borders): weeks when there are at least three, else days, hours, or quarters of the time."""
    length = end - start
    for name, block, least in _BLOCKS:
        if length >= block * least:
            count = min(53, length // block)
            return name, [start + block * i for i in range(count)] + [end]
    return "quarter", [start + length / 4 * i for i in range(4)] + [end]
