import hashlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.collect import conform
from pitchey_slo.demo import simulate
from pitchey_slo.errors import ConfigError
from pitchey_slo.tables import TABLES
from tests.demo.conftest import END, REQUESTS


def digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def test_every_table_has_exactly_its_schema(month):
    assert set(month) == {"requests", "business_events", "logs", "probes", "incidents", "deployments"}
    for name, table in month.items():
        assert table.schema.equals(TABLES[name].schema, check_metadata=True), name
        table.validate(full=True)


def test_rows_pass_the_checks_that_real_rows_must_pass(month):
    for name, table in month.items():
        part = table.slice(0, 200_000)
        batch = conform(TABLES[name], part, now=END)
        assert (batch.rejected, batch.warnings) == ([], []), name
        assert batch.rows.equals(part), name


def test_there_are_exactly_as_many_requests_as_asked_for(month):
    assert month["requests"].num_rows == REQUESTS


def test_times_never_go_back_and_stay_inside_the_period(month):
    for name in ("requests", "business_events", "logs", "probes"):
        ts = month[name]["ts"].to_numpy()
        assert (ts[1:] >= ts[:-1]).all()
        assert month[name]["ts"][0].as_py() >= END - timedelta(days=30)
        assert month[name]["ts"][-1].as_py() < END


def test_event_ids_and_trace_ids_are_unique(db):
    unique = (("requests", "event_id"), ("requests", "trace_id"))
    for table, column in (*unique, *((name, "event_id") for name in ("business_events", "logs", "probes"))):
        assert db.one(f"SELECT count(*) - count(DISTINCT {column}) FROM {table}") == (0,)
    assert db.one("SELECT count(*) FROM requests WHERE NOT regexp_full_match(trace_id, '[0-9a-f]{32}')") == (0,)


def test_the_same_arguments_give_the_same_bytes():
    def run():
        return [(name, digest(rows)) for name, rows in simulate(seed=3, days=4, end=END, requests=600_000)]

    assert run() == run()


def test_a_chunk_does_not_depend_on_the_ones_before_being_looked_at():
    arguments = {"seed": 5, "days": 3, "end": END, "requests": 700_000}
    whole = [digest(rows) for _, rows in simulate(**arguments)]
    one, other = simulate(**arguments), simulate(**arguments)
    mixed = []
    for _ in whole:  # two runs taking turns must not disturb each other
        mixed.append(digest(next(one)[1]))
        next(other)
    assert mixed == whole


def test_another_seed_or_end_is_another_history_without_shared_ids():
    def ids(**change):
        arguments = {"seed": 1, "days": 1, "end": END, "requests": 500} | change
        return {i for name, rows in simulate(**arguments) if name == "requests" for i in rows["event_id"].to_pylist()}

    base = ids()
    assert len(base) == 500
    for change in ({"seed": 2}, {"end": END - timedelta(minutes=1)}, {"days": 2}, {"requests": 501}):
        assert not base & ids(**change)


def test_chunks_are_neither_tiny_nor_huge():
    sizes = [len(rows) for name, rows in simulate(end=END, requests=REQUESTS) if name == "requests"]
    assert min(sizes) > 200_000
    assert max(sizes) < 300_000


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    days=st.integers(1, 12),
    requests=st.integers(1, 3_000),
    end=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_any_arguments_give_conforming_tables(seed, days, requests, end):
    count = 0
    for name, rows in simulate(seed=seed, days=days, requests=requests, end=end):
        assert rows.schema.equals(TABLES[name].schema)
        if name == "requests":
            count += len(rows)
        if name in ("requests", "business_events", "logs", "probes") and len(rows):
            assert rows["ts"][0].as_py() >= end.replace(second=0, microsecond=0) - timedelta(days=days)
            assert rows["ts"][-1].as_py() < end
        if name == "incidents":
            assert len(rows) >= 3
            for i in rows.to_pylist():
                assert end - timedelta(days=days, minutes=1) <= i["started_at"] < i["ended_at"] <= end
    assert count == requests


@pytest.mark.parametrize(
    ("change", "says"),
    [({"end": datetime(2026, 1, 1)}, "no time zone"), ({"days": 0}, "at least 1"), ({"requests": 0}, "at least 1")],
)
def test_what_cannot_be_simulated_is_refused(change, says):
    with pytest.raises(ConfigError, match=says):
        list(simulate(**({"end": END, "days": 1, "requests": 10} | change)))
