"""What was lost between two moments: bad events, and the share of an SLO's error budget they are.

Three range queries for all incidents and rules together: SLO counters, valid and bad (`slo.series`), and requests that
failed. A rule without an SLO loses what all requests lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from pitchey_slo.errors import QueryError
from pitchey_slo.names import SLO_BAD, SLO_TARGET, SLO_VALID
from pitchey_slo.promql import Result, Scan, evaluate

if TYPE_CHECKING:
    from pitchey_slo.slo.model import Slo

_STEP_MS: Final = 15_000
_LONG_STEP_MS: Final = 60_000
_DEFAULT: Final = timedelta(days=28)
_ERRORS: Final = "sum(pitchey_http_errors_total)"


class Losses:
    """Counters over [start, end); asked like a function. A budget is that of the SLO's first rolling window (28 days
    when it has none) up to the end of the span, with the traffic there was."""

    def __init__(self, scan: Scan, start: datetime, end: datetime, slos: Sequence[Slo] = ()) -> None:
        self._windows = {slo.name: _window(slo) for slo in slos}
        longest = max(self._windows.values(), default=_DEFAULT)
        self._first = _ms(start)
        self._early = _ms(start - longest)
        self._last = _ms(end)
        self._bad = self._ask(scan, f"sum by (slo, objective) ({SLO_BAD})", self._first)
        self._valid = self._ask(scan, f"sum by (slo, objective) ({SLO_VALID})", self._early, _LONG_STEP_MS)
        self._target = self._ask(scan, f"max by (slo, objective) ({SLO_TARGET})", self._last - 3_600_000)
        self._errors = self._ask(scan, _ERRORS, self._first)

    def __call__(
        self, slo: str, objective: str, start: datetime, end: datetime
    ) -> tuple[float | None, float | None]:  # fmt: skip
        """(bad events in the span, share of the error budget); None for what is not known."""
        if not slo:
            return _growth(self._errors, {}, start, end), None
        labels = {"slo": slo, "objective": objective} if objective else {"slo": slo}
        bad = _growth(self._bad, labels, start, end)
        window = self._windows.get(slo, _DEFAULT)
        valid = _growth(self._valid, labels, end - window, end)
        target = _at(self._target, labels, _ms(end))
        if target is None and self._target is not None:
            target = _at(self._target, labels, self._last)
        if bad is None or not valid or target is None or target >= 1:
            return bad, None
        return bad, bad / (valid * (1 - target))

    def _ask(self, scan: Scan, expr: str, start_ms: int, step_ms: int = _STEP_MS) -> Result | None:
        try:
            return evaluate(expr, scan, start_ms, max(start_ms, self._last), step_ms)
        except QueryError:
            return None


def _window(slo: Slo) -> timedelta:
    from pitchey_slo.slo.alerts.burn import period_minutes

    return timedelta(minutes=period_minutes(slo.windows[0])) if slo.windows else _DEFAULT


def _growth(found: Result | None, labels: Mapping[str, str], start: datetime, end: datetime) -> float | None:
    """How much a counter grew; before its first value it was 0."""
    last = _at(found, labels, _ms(end))
    if last is None:
        return None
    return last - (_at(found, labels, _ms(start)) or 0.0)


def _at(found: Result | None, labels: Mapping[str, str], at_ms: int) -> float | None:
    """The value at the last step up to that time."""
    if found is None:
        return None
    place = int(np.searchsorted(found.times, at_ms, "right")) - 1
    if place < 0:
        return None
    for i, pairs in enumerate(found.labels):
        known = dict(pairs)
        if all(known.get(name) == value for name, value in labels.items()):
            there = np.flatnonzero(found.present[i, : place + 1])
            return float(found.values[i, there[-1]]) if len(there) else None
    return None


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
