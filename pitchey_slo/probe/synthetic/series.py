"""What the board says, as time series. Names and meanings: `names.PROBE_SERIES`.

They are written whenever results come and at least every minute, with the time of writing: a test that runs every
ten minutes would else be gone for PromQL (which looks back five) most of the time. What is not said any more ends with
a stale marker: the success of a location whose results ceased, `pitchey_synthetic_up` where no location counts, and
`pitchey_synthetic_consecutive_failures` of a location that does not count, so that no alert is raised on its word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import numpy as np

from pitchey_slo.names import PROBE_SERIES
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.board import Board, Last
from pitchey_slo.probe.synthetic.quorum import PLACES, Judgement, Verdict
from pitchey_slo.probe.synthetic.schedule import Lateness
from pitchey_slo.series import STALE, Labels, Metadata, SampleBatch, labels_of

PREFIX: Final = "pitchey_synthetic_"
#: Label `phase` of the whole duration: not a phase, so `sum by (test)` must leave it out.
TOTAL: Final = "total"
QUANTILES: Final = (0.5, 0.95, 1.0)

Values = dict[Labels, float]


def values(board: Board, judgement: Judgement, limits: Mapping[str, int] | None = None) -> Values:
    """Every series that has something to say now. `limits`: failures in a row that each test allows."""
    found: Values = {}
    for name, limit in (limits or {}).items():
        _set(found, "consecutive_limit", limit, test=name)
    for (test, location), last in board:
        verdict = judgement.tests.get(test)
        if verdict is not None and location not in verdict.stale:
            _of_pair(found, test, location, last, verdict)
    for name, verdict in judgement.tests.items():
        if verdict.down is not None:
            _set(found, "up", float(not verdict.down), test=name)
        for place in PLACES:
            _set(found, "locations", len(getattr(verdict, place)), test=name, state=place)
    _of_locations(found, board, judgement)
    return found


def _of_pair(found: Values, test: str, location: str, last: Last, verdict: Verdict) -> None:
    where = {"test": test, "location": location}
    if last.result.state != "unknown":
        _set(found, "success", float(last.result.ok), **where)
    if location in verdict.counting:
        reason = (last.result.failure or "") if last.failures else ""
        _set(found, "consecutive_failures", last.failures, **where, reason=reason)
    if last.result.duration_ms is not None:
        _set(found, "duration_seconds", last.result.duration_ms / 1000, **where, phase=TOTAL)
    for phase, ms in last.result.phases.items():
        _set(found, "duration_seconds", ms / 1000, **where, phase=phase)
    if last.result.cert_days is not None:
        _set(found, "cert_days", last.result.cert_days, **where)


def _of_locations(found: Values, board: Board, judgement: Judgement) -> None:
    for location in {where for (_, where), _ in board}:
        for reason, blind in (("excluded", judgement.excluded), ("silent", judgement.silent)):
            _set(found, "location_blind", float(location in blind), location=location, reason=reason)


def lateness(location: str, late: Lateness) -> Values:
    """How late the runs of this process begin, and how many slots were not run."""
    found: Values = {}
    for q in QUANTILES:
        seconds = late.quantile(q)
        if seconds is not None:
            _set(found, "start_late_seconds", seconds, location=location, quantile=f"{q:g}")
    _set(found, "runs_total", late.started.total(), location=location)
    for outcome, count in (("still_running", late.skipped), ("missed", late.missed)):
        _set(found, "skipped_total", count.total(), location=location, reason=outcome)
    return found


def dropped(counts: Mapping[str, int]) -> Values:
    """Results that agents told they had to drop, by location."""
    found: Values = {}
    for location, count in counts.items():
        _set(found, "spool_dropped_total", count, location=location)
    return found


def of_then(results: Iterable[Result]) -> SampleBatch:
    """Success and durations of verdicts that came late, each at its own time."""
    found: list[tuple[Labels, int, float]] = []
    for result in results:
        ms = round(result.at.timestamp() * 1000)
        one: Values = {}
        where = {"test": result.test, "location": result.location}
        if result.state != "unknown":
            _set(one, "success", float(result.ok), **where)
        spans = {**result.phases} | ({TOTAL: result.duration_ms} if result.duration_ms is not None else {})
        for phase, length in spans.items():
            _set(one, "duration_seconds", length / 1000, **where, phase=phase)
        found += [(labels, ms, value) for labels, value in one.items()]
    places = {labels: i for i, labels in enumerate(dict.fromkeys(labels for labels, _, _ in found))}
    return SampleBatch(
        list(places),
        np.array([places[labels] for labels, _, _ in found], np.int64),
        np.array([ms for _, ms, _ in found], np.int64),
        np.array([value for _, _, value in found], np.float64),
        described(),
    )


def _set(found: Values, name: str, value: float, **labels: str) -> None:
    found[labels_of({"__name__": PREFIX + name, **labels})] = float(value)


class Ends:
    """Remembers what was written, so that a series that is not said any more ends."""

    def __init__(self) -> None:
        self._before: frozenset[Labels] = frozenset()

    def batch(self, now: datetime, given: Mapping[Labels, float]) -> SampleBatch:
        """All of it at `now`, and a stale marker for each series that was said last time and is not any more."""
        ended = self._before - given.keys()
        self._before = frozenset(given)
        labels = [*given, *sorted(ended)]
        numbers = np.array([*given.values(), *([STALE] * len(ended))], np.float64)
        times = np.full(len(labels), round(now.timestamp() * 1000), np.int64)
        return SampleBatch(labels, np.arange(len(labels), dtype=np.int64), times, numbers, described())


def described() -> dict[str, Metadata]:
    """Type and help of these metrics."""
    found = {}
    for name, words in PROBE_SERIES.items():
        if name.startswith(PREFIX):
            kind, _, help_ = words.partition(": ")
            found[name] = Metadata(kind, help_)
    return found
