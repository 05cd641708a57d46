"""Which series fulfil matchers: labels of every series, and for each label the series that have a value.

The smallest list among the `=` matchers is taken first and the rest is checked on those few series, so that a query for
one series of 100,000 does not look at 100,000."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import orjson

from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.scan import Bools, Ints, filter_labels, matching
from pitchey_slo.promql.tree import Matcher

#: Up to so many series are checked one by one.
_FEW = 500


class LabelIndex:
    """Grows as new series appear; a position never changes its meaning."""

    def __init__(self) -> None:
        self.labels: list[Labels] = []
        self.ids: list[int] = []
        self._known: set[int] = set()
        self._having: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))

    def __len__(self) -> int:
        return len(self.ids)

    def unknown(self, ids: Iterable[int]) -> list[int]:
        """Those of `ids` that are not in the index."""
        return [series_id for series_id in ids if series_id not in self._known]

    def add(self, ids: Iterable[int], texts: Iterable[str]) -> None:
        """Add series by id and labels (a sorted JSON object each); known ones are left as they are."""
        for series_id, text in zip(ids, texts, strict=True):
            if series_id in self._known:
                continue
            pairs: Labels = tuple(orjson.loads(text).items())
            position = len(self.ids)
            self._known.add(series_id)
            self.ids.append(series_id)
            self.labels.append(pairs)
            for name, value in pairs:
                self._having[name][value].append(position)

    def find(self, matchers: Sequence[Matcher]) -> list[int]:
        """Positions of the series for which all matchers hold, sorted by labels."""
        lists = [self._with(m.name, m.value) for m in matchers if m.op == "=" and m.value]
        few = min(lists, key=len, default=None)
        if few is not None and len(few) <= _FEW:
            found = [few[i] for i in filter_labels(matchers, [self.labels[p] for p in few])]
        else:
            hits = np.ones(len(self), np.bool_)
            for matcher in matchers:
                hits &= self._mask(matcher)
            found = np.flatnonzero(hits).tolist()
        return sorted(found, key=self.labels.__getitem__)

    def _with(self, name: str, value: str) -> list[int]:
        return self._having[name].get(value, []) if name in self._having else []

    def _mask(self, matcher: Matcher) -> Bools:
        """Which series fulfil one matcher, decided once per value of its label."""
        having = self._having.get(matcher.name, {})
        values = [*having, ""]
        hits = matching(matcher, values)
        mask = np.full(len(self), bool(hits[-1]))  # no such label is the empty value
        for value, hit in zip(values[:-1], hits[:-1].tolist(), strict=True):
            if hit != bool(hits[-1]):
                mask[having[value]] = hit
        return mask


def id_array(index: LabelIndex, positions: Sequence[int]) -> Ints:
    return np.array([index.ids[p] for p in positions], dtype=np.int64)
