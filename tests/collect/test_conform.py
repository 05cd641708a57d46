"""Any Arrow table -> rows of the table's schema: names, types, defaults, ranges, reasons."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.collect import conform
from pitchey_slo.collect.fields import ALIASES, normal
from pitchey_slo.names import ROW_REASONS
from pitchey_slo.tables import DEPLOYMENTS, INCIDENTS, REPORT_RUNS, REQUESTS, TABLES, Table

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {"ts": "2026-05-01T10:00:00Z", "route": "/api/pitches", "status": 200}


def one(table: Table = REQUESTS, **fields: Any) -> Any:
    """Conform one row given as fields; the row as a dict, or its reject."""
    rows = pa.table({k: v if isinstance(v, pa.Array) else pa.array([v]) for k, v in fields.items()})
    batch = conform(table, rows, now=NOW)
    assert batch.rows.schema == table.schema
    batch.rows.validate(full=True)
    assert batch.rows.num_rows + len(batch.rejected) == 1
    return batch.rejected[0] if batch.rejected else batch.rows.to_pylist()[0]


def test_fills_defaults() -> None:
    row = one(**GOOD)
    assert row["ts"] == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert (row["method"], row["sample_interval"], row["source"]) == ("GET", 1.0, "api")
    assert row["duration_ms"] is None
    assert row["event_id"] is None


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_alias_reaches_its_column(table: Table) -> None:
    samples: dict[str, Any] = {"text": "7", "time": "2026-05-01T10:00:00Z", "number": 7}
    kind = {
        c.name: "text" if c.type == pa.string() else "time" if pa.types.is_timestamp(c.type) else "number"
        for c in table.columns
    }
    base = {c.name: samples[kind[c.name]] for c in table.columns if c.required}
    for column, others in ALIASES.items():
        for other in others:
            if column in kind and other not in table.names:
                fields = {k: v for k, v in base.items() if k != column} | {other: samples[kind[column]]}
                assert one(table, **fields)[column] is not None, (column, other)


@pytest.mark.parametrize(
    "name", ["durationMs", "Duration-Ms", "DURATION_MS", "duration_ms", "@duration.ms", "response_time_ms"]
)
def test_spellings_of_one_name(name: str) -> None:
    assert one(**GOOD, **{name: 12.5})["duration_ms"] == 12.5


def test_own_name_wins_and_aliases_fill_gaps() -> None:
    rows = pa.table({"path": ["/a", "/b"], "route": [None, "/c"], "ts": [1.7e9, 1.7e9], "status": [200, 200]})
    batch = conform(REQUESTS, rows, now=NOW)
    assert batch.rows["route"].to_pylist() == ["/a", "/c"]


def test_unknown_fields_are_told_once_with_the_nearest_name() -> None:
    rows = pa.table({k: pa.array([v] * 300_000) for k, v in GOOD.items()} | {"durration_ms": pa.array([1.0] * 300_000)})
    batch = conform(REQUESTS, rows, now=NOW)
    assert len(batch.warnings) == 1
    assert "durration_ms" in batch.warnings[0]
    assert 'did you mean "duration_ms"?' in batch.warnings[0]


TEN = datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_time", "want"),
    [
        ("2026-05-01T10:00:00Z", TEN),
        ("2026-05-01T12:00:00+02:00", TEN),
        ("2026-05-01T12:00:00+0200", TEN),
        ("2026-05-01 12:00:00+02", TEN),
        ("2026-05-01T10:00:00", TEN),
        ("2026-05-01 10:00", TEN),
        ("2026-05-01t10:00:00z", TEN),
        ("2026-05-01T10:00:00.123456789Z", TEN + timedelta(microseconds=123456)),
        ("2026-05-01T10:00:00.5", TEN + timedelta(milliseconds=500)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        (int(TEN.timestamp()), TEN),
        (int(TEN.timestamp() * 1e3), TEN),
        (int(TEN.timestamp() * 1e6), TEN),
        (int(TEN.timestamp() * 1e9), TEN),
        (TEN.timestamp() + 0.25, TEN + timedelta(milliseconds=250)),
        (str(int(TEN.timestamp())), TEN),
        (TEN, TEN),
        (TEN.replace(tzinfo=None), TEN),
        (pa.array([TEN], pa.timestamp("ns", "Europe/Berlin")), TEN),
        (pa.array([TEN], pa.timestamp("s", "UTC")), TEN),
        (date(2026, 5, 1), datetime(2026, 5, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times(given_time: Any, want: datetime) -> None:
    assert one(**GOOD | {"ts": given_time})["ts"] == want


@pytest.mark.parametrize(
    "others", [["2026-05-01T10:00:00Z"], ["rubbish"], ["2026-05-01T10:00:00"], ["2026-13-01T10:00:00Z"]]
)
@pytest.mark.parametrize(
    "text", ["2026-05-01T12:00:00+02:00", "2026-05-01 10:00", "2026-05-01T10:00:00.000000999", "2026-05-01T10"]
)
def test_a_time_means_the_same_whatever_stands_beside_it(text: str, others: list[str]) -> None:
    times = [text, *others]
    rows = pa.table({"ts": times, "route": ["/"] * 2, "status": [200] * 2})
    assert conform(REQUESTS, rows, now=NOW).rows["ts"][0].as_py() == TEN


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"route": None}, "missing_field", "path, uri, url_path"),
        ({"route": ""}, "missing_field", "route"),
        ({"status": None}, "missing_field", "status"),
        ({"status": "abc"}, "wrong_type", "'abc'"),
        ({"status": 200.5}, "wrong_type", "200.5"),
        ({"status": True}, "wrong_type", "True"),
        ({"status": 1000}, "out_of_range", "0 to 999"),
        ({"status": -1}, "out_of_range", "-1"),
        ({"status": 2**40}, "out_of_range", "0 to 999"),
        ({"duration_ms": -0.5}, "out_of_range", "-0.5"),
        ({"duration_ms": float("nan")}, "wrong_type", "nan"),
        ({"duration_ms": float("inf")}, "out_of_range", "inf"),
        ({"sample_interval": 0}, "out_of_range", "sample_interval"),
        ({"bytes": 2**63 - 1}, "out_of_range", "bytes"),
        ({"bytes": 1e30}, "out_of_range", "bytes"),
        ({"route": 5}, "wrong_type", "a text"),
        ({"route": "x" * 2_049}, "too_long", "2,048"),
        ({"route": "/a\0b"}, "invalid_utf8", "NUL"),
        ({"route": b"/\xff"}, "invalid_utf8", "UTF-8"),
        ({"ts": "yesterday"}, "bad_time", "'yesterday'"),
        ({"ts": "1969-12-31T23:59:59Z"}, "bad_time", "1969"),
        ({"ts": -5}, "bad_time", "-5"),
        ({"ts": float("nan")}, "bad_time", "nan"),
        ({"ts": True}, "bad_time", "True"),
        ({"ts": "2026-05-01T12:10:01Z"}, "too_far_in_future", "600 s"),
        ({"ts": 2**62}, "too_far_in_future", "unit"),
    ],
)
def test_refuses_with_a_reason_and_names_the_value(fields: dict[str, Any], reason: str, words: str) -> None:
    rejected = one(**GOOD | fields)
    assert rejected.reason == reason, rejected
    assert reason in ROW_REASONS
    assert words in rejected.message
    assert next(iter(fields)) in rejected.message


def test_limits_are_inclusive() -> None:
    assert one(**GOOD | {"ts": "2026-05-01T12:10:00Z"})["status"] == 200
    assert one(**GOOD | {"route": "é" * 2_048})["route"] == "é" * 2_048  # characters, not bytes
    assert one(**GOOD | {"status": 999})["status"] == 999
    assert one(**GOOD | {"status": "404"})["status"] == 404
    assert one(**GOOD | {"status": 200.0})["status"] == 200


def test_methods_are_put_in_capitals() -> None:
    assert one(**GOOD, method="post")["method"] == "POST"


def test_good_rows_stay_when_others_are_bad() -> None:
    n = 200_000  # more than one piece
    status = pa.array([None if i % 1_000 == 7 else 200 for i in range(n)])
    rows = pa.table({"ts": pa.array([TEN] * n), "route": pa.array([f"/{i}" for i in range(n)]), "status": status})
    batch = conform(REQUESTS, rows, now=NOW)
    assert [r.row for r in batch.rejected] == list(range(7, n, 1_000))
    assert batch.rows.num_rows == n - 200
    assert "/7" not in set(batch.rows["route"].to_pylist()[:1_000])


def test_dictionaries_chunks_and_slices_are_the_same_rows() -> None:
    plain = pa.table({"ts": pa.array([TEN] * 6), "route": list("abcdef"), "status": [200, 201, 404, 500, 200, 200]})
    coded = pa.table(
        {n: pa.chunked_array([plain[n].combine_chunks()]).dictionary_encode() for n in ("route", "status")}
    )
    other = pa.table({"ts": plain["ts"], "route": coded["route"], "status": coded["status"]})
    chunked = pa.concat_tables([plain.slice(0, 2), plain.slice(2, 4)])
    want = conform(REQUESTS, plain, now=NOW).rows
    assert conform(REQUESTS, other, now=NOW).rows.equals(want)
    assert conform(REQUESTS, chunked, now=NOW).rows.equals(want)
    assert conform(REQUESTS, plain.slice(3), now=NOW).rows.equals(want.slice(3))


def test_no_rows() -> None:
    batch = conform(REQUESTS, pa.table({}), now=NOW)
    assert batch.rows.num_rows == 0
    assert batch.rejected == []
    assert batch.rows.schema == REQUESTS.schema


def test_registers() -> None:
    row = one(INCIDENTS, id=7, title="db slow", start="2026-05-01T10:00:00Z")
    assert (row["id"], row["severity"], row["ended_at"]) == ("7", "warning", None)
    assert one(DEPLOYMENTS, id="d1", time=1_777_000_000, version="1.2")["service"] == "pitchey"
    run = one(REPORT_RUNS, id="r", notebook="30", started_at=TEN, status="running", failed_cell=3)
    assert run["failed_cell"] == 3


def slow_status(value: Any) -> int | None:
    """What a status means, written the obvious way."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value == int(value) and 0 <= value <= 999 else None


@given(
    st.lists(
        st.one_of(st.none(), st.integers(-(2**70), 2**70), st.integers(0, 1_100), st.floats()), min_size=1, max_size=30
    )
)
def test_numbers_agree_with_the_obvious_way(values: list[Any]) -> None:
    numbers = [float(v) if v is not None else None for v in values]
    n = len(values)
    rows = pa.table({"ts": [TEN] * n, "route": ["/"] * n, "status": pa.array(numbers, pa.float64(), from_pandas=False)})
    batch = conform(REQUESTS, rows, now=NOW)
    assert batch.rows["status"].to_pylist() == [s for v in numbers if (s := slow_status(v)) is not None]


@given(st.text(max_size=40))
def test_normal_is_idempotent(name: str) -> None:
    assert normal(normal(name)) == normal(name)
