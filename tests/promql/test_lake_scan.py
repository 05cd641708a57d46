"""The scan over lake and hot against a memory scan of the same samples: any order of arrival, any flush in between."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.promql import STALE, Matcher, MemoryScan, SeriesBlock
from pitchey_slo.promql.decoded import DecodedFiles
from pitchey_slo.promql.label_index import LabelIndex
from pitchey_slo.promql.lake_scan import LakeScan, StoreScan
from pitchey_slo.promql.scan import filter_labels
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store
from tests.depth import examples

NOON_MS = round(NOON.timestamp() * 1_000)
SERIES = [labels_of({"__name__": name, "i": str(i)}) for name in ("up", "x_total") for i in range(4)]
ALL = [Matcher("__name__", "=~", "up|x_total")]


def same(found: SeriesBlock, expected: SeriesBlock) -> None:
    assert found.labels == expected.labels
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert found.ts.tolist() == expected.ts.tolist()
    assert found.values.view(np.int64).tolist() == expected.values.view(np.int64).tolist()


def samples(count: int, seed: int, start_ms: int) -> tuple[SampleBatch, MemoryScan]:
    """Every 15 s, all series at once, in the order of time as scrapes are; some are stale markers or NaN."""
    rng = np.random.default_rng(seed)
    ts = np.repeat(start_ms + np.arange(count) * 15_000, len(SERIES))
    series = np.tile(np.arange(len(SERIES)), count)
    values = rng.normal(size=len(ts))
    values[rng.random(len(ts)) < 0.05] = STALE
    values[rng.random(len(ts)) < 0.05] = np.nan
    memory = MemoryScan()
    for i, labels in enumerate(SERIES):
        memory.add(labels, ts[series == i], values[series == i])
    return SampleBatch(SERIES, series, ts, values), memory


def parts(batch: SampleBatch, order: Sequence[int], cuts: Sequence[int]) -> list[SampleBatch]:
    rows = np.asarray(order)
    edges = [0, *sorted(cuts), len(rows)]
    return [
        SampleBatch(batch.labels, batch.series[rows[a:b]], batch.ts[rows[a:b]], batch.value[rows[a:b]])
        for a, b in itertools.pairwise(edges)
    ]


@settings(max_examples=examples(8), deadline=None)
@given(st.integers(0, 1_000), st.randoms(), st.lists(st.sampled_from(["flush", "compact", "trim", ""]), min_size=4))
def test_both_stores_together_give_every_sample_once(seed: int, random: object, steps: list[str]) -> None:
    # two days, so that there are past days to sort; delivered in any order
    start_ms = NOON_MS - 12 * 3_600_000 - 30 * 15_000
    batch, memory = samples(60, seed, start_ms)
    order = np.random.default_rng(seed).permutation(len(batch)).tolist()
    deliveries = parts(batch, order, [len(order) * i // len(steps) for i in range(1, len(steps))])
    with tempfile.TemporaryDirectory() as folder, fresh_store(Path(folder), clock=FixedClock(), hot_days=1) as store:
        scan = StoreScan(store)
        for step, part in zip(steps, deliveries, strict=True):
            store.samples(part, backfill=True).result()
            if step:
                getattr(store, step)()
        window = (start_ms, start_ms + 60 * 15_000)
        same(scan.select(ALL, *window), memory.select(ALL, *window))
        inner = (start_ms + 10 * 15_000, start_ms + 40 * 15_000)
        for matchers in ([Matcher("i", "=", "2")], [Matcher("__name__", "=", "up"), Matcher("i", "!=", "0")]):
            same(scan.select(matchers, *inner), memory.select(matchers, *inner))
        assert scan.series(ALL, *inner) == memory.select(ALL, *inner).labels
        store.flush()
        store.compact()
        for kept in (DecodedFiles(), DecodedFiles(budget=0)):  # out of decoded files, and by one query
            lake = LakeScan(LakeReader(store.settings.lake_uri), kept=kept)
            same(lake.select(ALL, *window), memory.select(ALL, *window))
            for matchers in ([Matcher("i", "=", "2")], [Matcher("__name__", "=", "up"), Matcher("i", "!=", "0")]):
                same(lake.select(matchers, *inner), memory.select(matchers, *inner))


def test_the_time_range_includes_both_ends(store: Store) -> None:
    batch, memory = samples(5, 1, NOON_MS)
    store.samples(batch).result()
    window = (NOON_MS + 15_000, NOON_MS + 45_000)
    same(StoreScan(store).select(ALL, *window), memory.select(ALL, *window))
    store.flush()
    same(LakeScan(LakeReader(store.settings.lake_uri)).select(ALL, *window), memory.select(ALL, *window))


def test_a_scan_sees_series_that_come_later(store: Store) -> None:
    scan = LakeScan(LakeReader(store.settings.lake_uri))
    far = (0, NOON_MS * 2)
    assert scan.select(ALL, *far).labels == []
    for i in range(3):
        store.samples(SampleBatch([SERIES[i]], np.array([0]), np.array([NOON_MS]), np.array([1.0]))).result()
        store.flush()
        assert scan.select(ALL, *far).labels == SERIES[: i + 1]


def test_a_flush_between_the_two_reads_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, memory = samples(40, 3, NOON_MS)
    first, second = parts(batch, range(len(batch)), [len(batch) // 2])
    store.samples(first).result()
    store.flush()
    store.samples(second).result()
    scan = StoreScan(store)
    inside = scan._scan()
    query = inside._rows._read_hot

    def then_flush(*args: object, **given: object) -> object:
        found = query(*args, **given)  # type: ignore[arg-type]
        store.flush()
        return found

    monkeypatch.setattr(inside._rows, "_read_hot", then_flush)
    window = (NOON_MS, NOON_MS + 40 * 15_000)
    same(scan.select(ALL, *window), memory.select(ALL, *window))


LABELS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "x", "y", "xy", "z"]), max_size=3)
MATCHERS = st.lists(
    st.builds(
        Matcher,
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.sampled_from(["", "x", "x.*", "x|y", ".*", ".+", "q"]),
    ),
    max_size=3,
)


@given(st.lists(LABELS, max_size=30), MATCHERS, st.sampled_from([0, 2, 500]))
def test_the_index_finds_what_looking_at_each_finds(
    sets: list[dict[str, str]], matchers: list[Matcher], few: int
) -> None:
    import orjson

    from pitchey_slo.promql import label_index

    labels = sorted({labels_of(pairs) for pairs in sets})
    index = LabelIndex()
    index.add(range(len(labels)), [orjson.dumps(dict(pairs)).decode() for pairs in labels])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_index, "_FEW", few)
        found = index.find(matchers)
    assert [index.labels[p] for p in found] == [labels[i] for i in filter_labels(matchers, labels)]


def test_old_days_are_pruned(store: Store) -> None:
    for day in range(3):
        batch, _ = samples(10, day, NOON_MS - day * 86_400_000)
        store.samples(batch, backfill=True).result()
    store.flush()
    reader = LakeReader(store.settings.lake_uri)
    assert len(reader.files("samples")) == 3
    assert len(reader.files("samples", NOON - timedelta(hours=1))) == 2
    assert len(LakeScan(reader).select(ALL, NOON_MS, NOON_MS + 1_000).ts) == len(SERIES)
