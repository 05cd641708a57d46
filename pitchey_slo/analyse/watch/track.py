"""One watched expression: its series through its detectors, over history and on from there with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly import DETECTORS, detector
from pitchey_slo.analyse.anomaly.pipe import Pipe
from pitchey_slo.analyse.watch.config import Watched
from pitchey_slo.errors import QueryError
from pitchey_slo.names import ANOMALY_SCORE
from pitchey_slo.promql import Limits, Result, Scan, evaluate
from pitchey_slo.promql.scan import Floats, Ints
from pitchey_slo.series import Labels, Metadata, SampleBatch, labels_of

#: Series one expression may have: each costs memory for as long as it is watched.
MOST_SERIES: Final = 50
LIMITS: Final = Limits(series=20_000, samples=50_000_000, seconds=60.0)
METADATA: Final = {
    ANOMALY_SCORE: Metadata("gauge", "how unusual a watched series is, 0 to 1; 0.999: one in a thousand")
}
#: Labels that scores have of their own; an expression's own go by `exported_...`, as Prometheus does it.
_OWN: Final = ("__name__", "detector", "series")


@dataclass
class Track:
    """`advance` by `advance`; cutting the time elsewhere changes no score. For one thread.

    latest  the last score of each series, NaN where no judgement was possible
    """

    watched: Watched
    latest: dict[Labels, float] = field(default_factory=dict)
    _pipes: dict[Labels, tuple[Pipe, ...]] = field(default_factory=dict)

    def advance(self, scan: Scan, start_ms: int, end_ms: int) -> SampleBatch:
        """Scores at every step from `start_ms` to `end_ms`, both included, which come after all steps before.

        Raises QueryError when the expression fails or has more than `MOST_SERIES` series; nothing has advanced then.
        """
        watched = self.watched
        result = evaluate(watched.expr, scan, start_ms, end_ms, watched.every, limits=LIMITS)
        found = {plain(labels): row for labels, row in zip(result.labels, _values(result), strict=True)}
        many = len(found.keys() | self._pipes.keys())
        if many > MOST_SERIES:
            raise QueryError(
                f"{watched.name} has {many} series, more than the {MOST_SERIES} that one entry may have; "
                "add them up: sum by (...) with fewer labels"
            )
        times = np.asarray(result.times, np.int64)
        missing = np.full(len(times), np.nan)
        return batch(
            {
                scored: (times, numbers)
                for labels in [*self._pipes, *(new for new in found if new not in self._pipes)]
                for scored, numbers in self._judged(labels, times, found.get(labels, missing)).items()
            }
        )

    def _judged(self, labels: Labels, times: Ints, values: Floats) -> dict[Labels, Floats]:
        """Scores of one series by each detector, under the labels they are stored with."""
        if labels not in self._pipes:
            self._pipes[labels] = tuple(Pipe(detector(name, **self._given(name))) for name in self.watched.detectors)
        judged = {}
        for name, pipe in zip(self.watched.detectors, self._pipes[labels], strict=True):
            scored = score_labels(self.watched.name, name, labels)
            judged[scored] = pipe.advance(times, values)
            self.latest[scored] = float(judged[scored][-1]) if len(times) else self.latest.get(scored, np.nan)
        return judged

    def _given(self, name: str) -> dict[str, str]:
        """The parameters that a detector gets from the file."""
        known = getattr(DETECTORS[name], "__dataclass_fields__", {})
        return {"timezone": self.watched.timezone} if "timezone" in known else {}


def _values(result: Result) -> Floats:
    """Values of a range query, NaN where a series has none."""
    return np.where(result.present, result.values, np.nan)


def plain(labels: Labels) -> Labels:
    """Without the metric's name: a score is of what was asked, not of what it is called."""
    return tuple(pair for pair in labels if pair[0] != "__name__")


def score_labels(series: str, detector_name: str, labels: Labels) -> Labels:
    """What a score is stored under."""
    theirs = {(f"exported_{name}" if name in _OWN else name): value for name, value in labels}
    return labels_of({**theirs, "__name__": ANOMALY_SCORE, "detector": detector_name, "series": series})


def batch(scores: Mapping[Labels, tuple[Ints, Floats]]) -> SampleBatch:
    """One delivery of scores; where nothing can be said there is no sample."""
    labels: list[Labels] = []
    places: list[Ints] = []
    times: list[Ints] = []
    values: list[Floats] = []
    for scored, (at, numbers) in scores.items():
        keep = np.isfinite(numbers)
        if keep.any():
            places.append(np.full(int(keep.sum()), len(labels), np.int64))
            labels.append(scored)
            times.append(at[keep])
            values.append(numbers[keep])
    if not labels:
        return SampleBatch([], np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return SampleBatch(labels, np.concatenate(places), np.concatenate(times), np.concatenate(values), METADATA)


def later(given: SampleBatch, after: Mapping[Labels, int]) -> SampleBatch:
    """The samples of a delivery that come after the last ones there are."""
    if not len(given):
        return given
    last = np.array([after.get(labels, np.iinfo(np.int64).min) for labels in given.labels], np.int64)
    keep = given.ts > last[given.series]
    return SampleBatch(given.labels, given.series[keep], given.ts[keep], given.value[keep], given.metadata)
