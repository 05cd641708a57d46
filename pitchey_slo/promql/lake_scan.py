"""The scan over everything there is: stored samples and the series that events become, of the lake alone (`LakeScan`,
for notebooks and reports) or of lake and hot together (`StoreScan`, for the server).

Stored samples: matchers choose series in an index of labels, one query reads their samples, and the runs of each series
(a day's file is sorted by series and time) are put together by NumPy, without a sort where they are in order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from pitchey_slo.promql.decoded import Decoded, DecodedFiles
from pitchey_slo.promql.derived import DerivedSeries
from pitchey_slo.promql.label_index import LabelIndex, id_array
from pitchey_slo.promql.rows import Hot, Rows, moment
from pitchey_slo.promql.scan import Floats, Ints, SeriesBlock
from pitchey_slo.promql.tree import Matcher
from pitchey_slo.series import Labels
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.store.reader import parquet
from pitchey_slo.tables import SAMPLES, SERIES

#: Up to so many ids are written into the query, where DuckDB compares them with the bounds of each row group.
_LISTED = 1_000
#: Unread samples that are decoded for whatever is asked; above it, one in `_SHARE` series must be asked for.
_LITTLE, _SHARE = 500_000, 8
#: Pieces of series a query may be put together from; beyond it one sort of all rows is quicker.
_MANY_CUTS = 60_000
#: Rows per run of one series from which on runs are copied instead of rows sorted.
_LONG_RUN = 8

_COLUMNS = "series_id, epoch_ms(ts) AS ms, value"
#: Samples of one series: its place among the chosen, times and values.
Piece = tuple[int, Ints, Floats]


class Computed(Protocol):
    """Series that are not stored but computed from rows, such as `DerivedSeries`."""

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """As `LakeScan.select`."""

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """As `LakeScan.series`."""


class LakeScan:
    """`Scan` over one lake; with `hot`, over what the lake does not have yet too. `more` makes further computed series
    over the same rows. For one thread."""

    def __init__(
        self,
        reader: LakeReader,
        hot: Hot | None = None,
        kept: DecodedFiles | None = None,
        more: Sequence[Callable[[Rows], Computed]] = (),
    ) -> None:
        self.rows = self._rows = Rows(reader, hot)
        self._kept = kept or DecodedFiles()
        self._index = LabelIndex()
        self._lake_version = -2
        self._hot_seq = -1
        self.derived = DerivedSeries(self._rows)
        self._computed: list[Computed] = [self.derived, *(make(self._rows) for make in more)]

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """Series for which all matchers hold, with their samples in [start_ms, end_ms], sorted by labels.

        `needs`: the labels the caller will look at. Derived series are then summed over all others, which
        `sum by (...) (rate(...))` does not notice; stored series keep all their labels.
        """
        found = self._stored(matchers, start_ms, end_ms)
        for computed in self._computed:
            found = joined(found, computed.select(matchers, start_ms, end_ms, needs=needs))
        return found

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Labels of the series that have samples in that time, sorted; reads no values."""
        positions = self._find(matchers)
        found = [labels for computed in self._computed for labels in computed.series(matchers, start_ms, end_ms)]
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
            labels, ids = [self._index.labels[p] for p in positions], id_array(self._index, positions)
            files = self._rows.reader.live(SAMPLES.name, moment(start_ms), moment(end_ms + 1))
            if self._worth_keeping(files, len(ids)):
                return together(labels, self._cut(files, positions, ids, start_ms, end_ms))
            source = self._rows.source(SAMPLES.name, start_ms, end_ms)
            return assemble(labels, ids, self._chosen(f"SELECT {_COLUMNS} FROM {source}", positions))

    def _worth_keeping(self, files: list[tuple[str, int]], series: int) -> bool:
        """Whether to answer from whole decoded files: they fit, and either are there or most of them is asked for."""
        if self._rows.reader.remote or not self._kept.fits(sum(rows for _, rows in files)):
            return False
        if series * len(files) > _MANY_CUTS:
            return False
        unread = sum(rows for path, rows in files if path not in self._kept)
        return unread <= _LITTLE or series * _SHARE >= len(self._index)

    def _cut(
        self, files: list[tuple[str, int]], positions: list[int], ids: Ints, start_ms: int, end_ms: int
    ) -> list[Piece]:
        """The samples of the chosen series: out of decoded files, and what only hot has."""
        parts = [
            self._kept.get(path, lambda path=path: self._rows.query(f"SELECT {_COLUMNS} FROM {parquet([path])}"))  # type: ignore[misc]  # mypy has no type for a lambda's default
            for path, _ in files
        ]
        fresh = self._rows.fresh(SAMPLES.name)
        if fresh:
            parts.append(Decoded.of(self._chosen(f"SELECT {_COLUMNS} FROM {fresh}", positions)))
        return [(i, part.ms[rows], part.value[rows]) for part in parts for i, rows in part.cut(ids, start_ms, end_ms)]

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

    def __init__(self, store: Store, more: Sequence[Callable[[Rows], Computed]] = ()) -> None:
        self._store = store
        self._more = more
        self._mine = threading.local()
        self._kept = DecodedFiles()

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        return self._scan().select(matchers, start_ms, end_ms, needs=needs)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return self._scan().series(matchers, start_ms, end_ms)

    def rows(self) -> Rows:
        """The rows that this thread's queries read."""
        return self._scan().rows

    def _scan(self) -> LakeScan:
        found: LakeScan | None = getattr(self._mine, "scan", None)
        if found is None:
            settings = self._store.settings
            reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
            fact = self._store.query("SELECT value FROM facts WHERE name = 'store_id'")["value"][0].as_py()
            found = self._mine.scan = LakeScan(reader, Hot(self._store.query, fact), self._kept, self._more)
        return found


def empty() -> SeriesBlock:
    return SeriesBlock([], np.empty(0, np.int64), np.empty(0), np.zeros(1, np.int64))


def assemble(labels: list[Labels], ids: Ints, rows: pa.Table) -> SeriesBlock:
    """One block of rows (series_id, ms, value) in any order; `ids` are those of `labels`. Series without a row are left
    out. Rows that come as long runs of one series are copied run by run, and sorted only where times go back."""
    series, ms, value = ([chunk.to_numpy() for chunk in rows[name].chunks] for name in ("series_id", "ms", "value"))
    heads = [np.flatnonzero(np.append(True, chunk[1:] != chunk[:-1])) for chunk in series if len(chunk)]
    if not heads:
        return empty()
    if sum(map(len, heads)) * _LONG_RUN > rows.num_rows:
        series, ms, value = ([np.concatenate(chunks)] for chunks in (series, ms, value))
        order = np.lexsort((ms[0], series[0]))
        series, ms, value = ([chunks[0][order]] for chunks in (series, ms, value))
        heads = [np.flatnonzero(np.append(True, series[0][1:] != series[0][:-1]))]
    chunks = [i for i, chunk in enumerate(series) if len(chunk)]
    runs = [
        (i, slice(first, last))
        for i, starts in zip(chunks, heads, strict=True)
        for first, last in itertools.pairwise([*starts.tolist(), len(series[i])])
    ]
    rank = np.argsort(ids)
    place = rank[np.searchsorted(ids[rank], [series[i][run.start] for i, run in runs])]
    return together(labels, [(p, ms[i][run], value[i][run]) for p, (i, run) in zip(place.tolist(), runs, strict=True)])


def together(labels: list[Labels], pieces: list[Piece]) -> SeriesBlock:
    """One block of pieces; those of one series follow each other as they come, and are sorted only where times go
    back. Series without a piece are left out."""
    if not pieces:
        return empty()
    place = np.array([i for i, _, _ in pieces])
    ordered = [pieces[k] for k in np.argsort(place, kind="stable").tolist()]
    lengths = np.array([len(ms) for _, ms, _ in pieces])
    counts = np.bincount(place, weights=lengths, minlength=len(labels)).astype(np.int64)
    ts = np.concatenate([ms for _, ms, _ in ordered])
    values = np.concatenate([value for _, _, value in ordered])
    some = np.flatnonzero(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[some])]).astype(np.int64)
    later = ts[1:] > ts[:-1]
    later[offsets[1:-1] - 1] = True  # another series may start earlier
    if not later.all():
        order = np.lexsort((ts, np.repeat(some, counts[some])))
        ts, values = ts[order], values[order]
    return SeriesBlock([labels[i] for i in some], ts, values, offsets)


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
