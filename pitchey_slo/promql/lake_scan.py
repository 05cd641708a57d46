"""The scan over everything there is: stored samples and the series that events become, of the lake alone (`LakeScan`,
for notebooks and reports) or of lake and hot together (`StoreScan`, for the server).

Stored samples: matchers choose series in an index of labels, one query reads their samples, and the runs of each series
(a day's file is sorted by series and time) are put together by NumPy, without a sort where they are in order."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from pitchey_slo.promql.derived import DerivedSeries
from pitchey_slo.promql.label_index import LabelIndex, id_array
from pitchey_slo.promql.rows import Hot, Rows
from pitchey_slo.promql.scan import Floats, Ints, SeriesBlock
from pitchey_slo.promql.tree import Matcher
from pitchey_slo.series import Labels
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.tables import SAMPLES, SERIES

#: Up to so many ids are written into the query, where DuckDB compares them with the bounds of each row group.
_LISTED = 1_000


class LakeScan:
    """`Scan` over one lake; with `hot`, over what the lake does not have yet too. For one thread."""

    def __init__(self, reader: LakeReader, hot: Hot | None = None) -> None:
        self._rows = Rows(reader, hot)
        self._index = LabelIndex()
        self._lake_version = -2
        self._hot_seq = -1
        self.derived = DerivedSeries(self._rows)

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """Series for which all matchers hold, with their samples in [start_ms, end_ms], sorted by labels.

        `needs`: the labels the caller will look at. Derived series are then summed over all others, which
        `sum by (...) (rate(...))` does not notice; stored series keep all their labels.
        """
        stored = self._stored(matchers, start_ms, end_ms)
        return joined(stored, self.derived.select(matchers, start_ms, end_ms, needs=needs))

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Labels of the series that have samples in that time, sorted; reads no values."""
        positions = self._find(matchers)
        found = self.derived.series(matchers, start_ms, end_ms)
        if positions:
            with self._rows.snapshot([SAMPLES.name], start_ms, end_ms):
                source = self._rows.source(SAMPLES.name, start_ms, end_ms)
                there = self._chosen(f"SELECT DISTINCT series_id FROM {source}", positions)
            alive = set(there["series_id"].to_pylist())
            found += [self._index.labels[p] for p in positions if self._index.ids[p] in alive]
        return sorted(set(found))

    def _stored(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> SeriesBlock:
        positions = self._find(matchers)
        if not positions:
            return empty()
        with self._rows.snapshot([SAMPLES.name], start_ms, end_ms):
            source = self._rows.source(SAMPLES.name, start_ms, end_ms)
            found = self._chosen(f"SELECT series_id, epoch_ms(ts) AS ms, value FROM {source}", positions)
        labels = [self._index.labels[p] for p in positions]
        columns = (found[name].combine_chunks().to_numpy() for name in ("series_id", "ms", "value"))
        return assemble(labels, id_array(self._index, positions), *columns)

    def _chosen(self, sql: str, positions: list[int]) -> pa.Table:
        """The query, limited to the chosen series."""
        ids = id_array(self._index, positions)
        if len(ids) == len(self._index):
            return self._rows.query(sql)
        if len(ids) <= _LISTED:
            return self._rows.query(f"{sql} WHERE series_id IN ({', '.join(map(str, ids.tolist()))})")
        chosen = pa.table({"series_id": ids})
        return self._rows.reader.beside("chosen", chosen, f"{sql} SEMI JOIN chosen USING (series_id)")

    def _find(self, matchers: Sequence[Matcher]) -> list[int]:
        self._learn()
        return self._index.find(matchers)

    def _learn(self) -> None:
        """Take in the series that are new since the last time."""
        reader, hot = self._rows.reader, self._rows.hot
        if hot is not None:  # hot keeps the labels of all series
            fresh = hot.query("SELECT series_id, labels, commit_seq FROM series WHERE commit_seq > ?", [self._hot_seq])
            if fresh.num_rows:
                self._index.add(fresh["series_id"].to_pylist(), fresh["labels"].to_pylist())
                self._hot_seq = max(fresh["commit_seq"].to_pylist())
        if reader.version(SERIES.name) != self._lake_version:
            with reader.pinned():
                version = reader.version(SERIES.name)
                new = self._index.unknown(reader.query("SELECT series_id FROM series")["series_id"].to_pylist())
                if new:
                    asked = pa.table({"series_id": pa.array(new, pa.int64())})
                    sql = "SELECT series_id, labels FROM series SEMI JOIN unknown_series USING (series_id)"
                    rows = reader.beside("unknown_series", asked, sql)
                    self._index.add(rows["series_id"].to_pylist(), rows["labels"].to_pylist())
            self._lake_version = version


class StoreScan:
    """`LakeScan` over a store's hot file and its lake, for any number of threads: each has a reader of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mine = threading.local()

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        return self._scan().select(matchers, start_ms, end_ms, needs=needs)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return self._scan().series(matchers, start_ms, end_ms)

    def _scan(self) -> LakeScan:
        found: LakeScan | None = getattr(self._mine, "scan", None)
        if found is None:
            settings = self._store.settings
            reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
            fact = self._store.query("SELECT value FROM facts WHERE name = 'store_id'")["value"][0].as_py()
            found = self._mine.scan = LakeScan(reader, Hot(self._store.query, fact))
        return found


def empty() -> SeriesBlock:
    return SeriesBlock([], np.empty(0, np.int64), np.empty(0), np.zeros(1, np.int64))


def assemble(labels: list[Labels], ids: Ints, series: Ints, ms: Ints, values: Floats) -> SeriesBlock:
    """One block of samples that come as runs of rows of one series, in any order; `ids` are those of `labels`. Series
    without a sample are left out."""
    if not len(series):
        return empty()
    heads = np.flatnonzero(np.append(True, series[1:] != series[:-1]))
    order = np.argsort(ids)
    place = order[np.searchsorted(ids[order], series[heads])]
    ends = np.append(heads[1:], len(series))
    counts = np.bincount(place, weights=ends - heads, minlength=len(ids)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    by_series = np.argsort(place, kind="stable")
    if len(heads) * 8 < len(series):  # long runs: copy them one after the other
        runs = [slice(int(heads[i]), int(ends[i])) for i in by_series]
        ms = np.concatenate([ms[run] for run in runs])
        values = np.concatenate([values[run] for run in runs])
    else:
        lengths = (ends - heads)[by_series]
        starts = np.repeat(heads[by_series] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        rows = starts + np.arange(len(series))
        ms, values = ms[rows], values[rows]
    later = ms[1:] > ms[:-1]
    later[offsets[1:-1][(offsets[1:-1] > 0) & (offsets[1:-1] < len(ms))] - 1] = True  # a new series may start earlier
    if not later.all():
        rows = np.lexsort((ms, np.repeat(np.arange(len(ids)), counts)))
        ms, values = ms[rows], values[rows]
    some = np.flatnonzero(counts)
    return SeriesBlock([labels[i] for i in some], ms, values, np.append(offsets[some], len(ms)))


def joined(first: SeriesBlock, second: SeriesBlock) -> SeriesBlock:
    """Both blocks as one, sorted by labels; where both have a series, the first one's samples are taken."""
    if not second.labels or not first.labels:
        return first if not second.labels else second
    known = set(first.labels)
    parts = [(labels, first, i) for i, labels in enumerate(first.labels)]
    parts += [(labels, second, i) for i, labels in enumerate(second.labels) if labels not in known]
    parts.sort(key=lambda part: part[0])
    cuts = [(block, slice(block.offsets[i], block.offsets[i + 1])) for _, block, i in parts]
    lengths = [cut.stop - cut.start for _, cut in cuts]
    return SeriesBlock(
        [labels for labels, _, _ in parts],
        np.concatenate([block.ts[cut] for block, cut in cuts]),
        np.concatenate([block.values[cut] for block, cut in cuts]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )
