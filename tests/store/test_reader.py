"""Many readers beside one writer, and what the file statistics promise."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import QueryError
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.store.seen import Seen
from pitchey_slo.testing import NOON, rows


@pytest.fixture
def three_days(store: Store) -> LakeReader:
    for day in range(3):
        store.append("requests", rows(count=100, start=NOON + timedelta(days=day, microseconds=123_456), step=60))
        store.flush()
    return LakeReader(store.settings.lake_uri)


def test_an_empty_lake_has_typed_empty_views(tmp_path) -> None:  # type: ignore[no-untyped-def]
    reader = LakeReader(str(tmp_path / "nowhere"))
    assert reader.query("SELECT ts, status FROM requests").num_rows == 0
    assert reader.watermark("requests") is None
    assert reader.rows("requests") == 0


def test_another_process_sees_new_rows_while_the_store_is_open(store: Store) -> None:
    code = (
        "import sys; from pitchey_slo.store import LakeReader; "
        "print(LakeReader(sys.argv[1]).query('SELECT count(*) AS n FROM requests')['n'][0].as_py())"
    )
    for expected in (5, 10):
        store.append("requests", rows(count=5))
        store.flush()
        done = subprocess.run(
            [sys.executable, "-c", code, store.settings.lake_uri],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert int(done.stdout) == expected


def test_an_open_reader_follows_new_versions(store: Store) -> None:
    reader = LakeReader(store.settings.lake_uri)
    for expected in (1, 2, 3):
        store.append("requests", rows())
        store.flush()
        assert reader.query("SELECT count(*) AS n FROM requests")["n"][0].as_py() == expected


def test_the_watermark_is_exact_though_statistics_are_cut_to_milliseconds(three_days: LakeReader) -> None:
    exact = three_days.query("SELECT max(ts) AS t FROM requests")["t"][0].as_py()
    assert exact.microsecond % 1000
    assert three_days.watermark("requests") == exact


# the lake is only read, so sharing it between examples is fine
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-3_000, 6_000), st.integers(1, 4_000))
def test_a_pruned_source_has_exactly_the_rows_between(three_days: LakeReader, offset: int, length: int) -> None:
    start = NOON + timedelta(minutes=offset, microseconds=123_456)
    end = start + timedelta(minutes=length)
    pruned = three_days.query(f"SELECT count(*) AS n FROM {three_days.source('requests', start, end)}")
    plain = three_days.query("SELECT count(*) AS n FROM requests WHERE ts >= ? AND ts < ?", [start, end])
    assert pruned["n"][0] == plain["n"][0]


def test_a_source_opens_only_the_files_of_its_days(three_days: LakeReader) -> None:
    assert three_days.source("requests", NOON, NOON + timedelta(hours=1)).count(".parquet") == 1
    assert three_days.source("requests", NOON - timedelta(days=9), NOON - timedelta(days=8)).count(".parquet") == 0


def test_uniform_weights_come_from_statistics(store: Store, three_days: LakeReader) -> None:
    assert three_days.uniform_weights("requests", NOON, NOON + timedelta(days=9))
    store.append("requests", rows(count=2, start=NOON + timedelta(days=5), sample_interval=[1.0, 10.0]))
    store.flush()
    assert not three_days.uniform_weights("requests", NOON, NOON + timedelta(days=9))
    assert three_days.uniform_weights("requests", NOON, NOON + timedelta(days=4))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stauts = 500", 'did you mean "status"'),
        ("status >= ", "no condition"),
        ("true; DROP VIEW requests", "no condition|more than one"),
        ("true THEN 1 END FROM requests) --", "no condition"),
        ("route = 5 AND", "no condition"),
        ("count(*) > 1", "no condition"),
        ("true LIMIT 1; SELECT 1", "no condition|more than one"),
    ],
)
def test_a_filter_that_is_none_is_refused_in_plain_words(three_days: LakeReader, text: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        three_days.check_filter("requests", text)


def test_a_good_filter_passes_and_an_unknown_table_does_not(three_days: LakeReader) -> None:
    three_days.check_filter("requests", "route LIKE '/api/%' AND status < 500 -- a comment\n")
    with pytest.raises(QueryError, match='did you mean "requests"'):
        three_days.check_filter("request", "true")


def test_a_wrong_query_shows_duckdbs_words(three_days: LakeReader) -> None:
    with pytest.raises(QueryError, match="nothere"):
        three_days.query("SELECT nothere FROM requests")


def test_times_come_back_as_utc(three_days: LakeReader) -> None:
    first = three_days.query("SELECT min(ts) AS t FROM requests")["t"][0].as_py()
    assert first == datetime(2026, 3, 2, 12, 0, 0, 123_456, tzinfo=UTC)


@given(st.lists(st.lists(st.integers(0, 200), max_size=20), max_size=20), st.lists(st.integers(0, 250), max_size=30))
def test_seen_is_a_set(batches: list[list[int]], asked: list[int]) -> None:
    seen, model = Seen(), set[int]()
    for batch in batches:
        seen.add(np.array(sorted(batch), dtype=np.uint64))
        model |= set(batch)
    assert seen.contains(np.array(asked, dtype=np.uint64)).tolist() == [a in model for a in asked]
