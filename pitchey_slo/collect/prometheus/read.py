"""What walking a write request gathers, the same for both versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.collect.prometheus.wire import MAX_LABELS, Samples, fields, too_many
from pitchey_slo.series import Labels, Metadata, RefusedSample, SampleBatch

#: MetricType of both versions, by number.
METADATA_TYPES: Final = ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")


@dataclass
class Read:
    """`labels[i]` of the i-th time series of the message (shown as far as possible when refused), `wrong[i]` why it is
    refused; `created[i]` milliseconds."""

    samples: Samples
    labels: list[Labels] = field(default_factory=list)
    wrong: dict[int, str] = field(default_factory=dict)
    histograms: dict[int, int] = field(default_factory=dict)
    created: dict[int, int] = field(default_factory=dict)
    metadata: dict[str, Metadata] = field(default_factory=dict)
    unique: bool = False  # no two good series have equal labels
    one_object: bool = False  # equal labels of good series are one object
    exemplars: int = 0
    labels_read: int = 0
    metadata_read: int = 0

    def add(self, labels: Labels, wrong: str | None, histograms: int, many: int) -> None:
        """Ends the current time series."""
        owner = len(self.labels)
        self.labels_read += many
        if self.labels_read > MAX_LABELS:
            raise too_many("labels", MAX_LABELS)
        if wrong is not None:
            self.wrong[owner] = wrong
        if histograms:
            self.histograms[owner] = histograms
        self.labels.append(labels)

    def batch(self) -> tuple[SampleBatch, dict[Labels, int]]:
        """(samples of the good series, created times by labels). Time series of the same labels become one; refused
        ones stand behind the others in `labels`."""
        owner, ts, value = self.samples.finish()
        labels, where = self._one_each(np.bincount(owner, minlength=len(self.labels)) > 0)
        refused: list[RefusedSample] = []
        for i, why in self.wrong.items():
            refused.append(RefusedSample(len(labels), "invalid_labels", why))
            labels.append(self.labels[i])
        for i, many in self.histograms.items():
            if i not in self.wrong:
                message = f"{many} native histogram{'s' if many > 1 else ''}; send classic histograms (_bucket series)"
                refused.append(RefusedSample(len(labels), "unsupported_histogram", message))
                labels.append(self.labels[i])
        series = where[owner]
        if self.wrong:
            kept = series >= 0
            series, ts, value = series[kept], ts[kept], value[kept]
        created = {self.labels[i]: ms for i, ms in self.created.items() if i not in self.wrong}
        return SampleBatch(labels, series, ts, value, self.metadata, refused), created

    def _one_each(self, used: NDArray[np.bool_]) -> tuple[list[Labels], NDArray[np.int64]]:
        """(labels of the good series that have samples, each once; place of each time series among them, or -1)."""
        if self.wrong:
            used[list(self.wrong)] = False
        where = np.full(len(self.labels), -1, np.int64)
        if self.unique:
            where[used] = np.arange(np.count_nonzero(used))
            return (list(self.labels) if used.all() else [self.labels[i] for i in np.flatnonzero(used)]), where
        if self.one_object:  # hashing labels takes long
            places: dict[int, int] = {}
            good = [self.labels[i] for i in np.flatnonzero(used)]
            where[used] = [places.setdefault(id(labels), len(places)) for labels in good]
            return list({id(labels): labels for labels in good}.values()), where
        place: dict[Labels, int] = {}
        for i in np.flatnonzero(used).tolist():
            where[i] = place.setdefault(self.labels[i], len(place))
        return list(place), where


def shape_of(b: bytes, start: int, stop: int) -> None:
    """Raises when bytes that nobody here reads further (a histogram, an exemplar) are no message."""
    for _ in fields(b, start, stop):
        pass


def varints(raw: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """(values below 2**35, place behind each, whether all is well) of varints in a row."""
    goes_on = raw >= 0x80
    stops = np.flatnonzero(~goes_on)
    if not len(raw):
        return np.empty(0, np.int64), stops, True
    if goes_on[-1]:
        return np.empty(0, np.int64), stops, False
    values = raw[stops].astype(np.int64)  # the last byte of each has the highest bits
    if not np.any(goes_on[1:] & goes_on[:-1]):  # none is longer than two bytes
        before = raw[stops - 1]
        before[0] = raw[0] if stops[0] else 0
        before[before < 0x80] = 0
        values <<= 7 * (before > 0)
        values |= before & 0x7F
        return values, stops + 1, True
    sizes = np.diff(stops, prepend=-1)
    longest = int(sizes.max())
    if longest > 5:
        return np.empty(0, np.int64), stops, False
    for k in range(1, longest):
        more = np.flatnonzero(sizes > k)
        values[more] = values[more] << 7 | raw[stops[more] - k] & 0x7F
    return values, stops + 1, True
