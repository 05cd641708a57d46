"""What was different: planted causes are found, and the numbers are those of plain counting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from pitchey_slo.analyse import Investigation, investigate
from pitchey_slo.errors import QueryError
from pitchey_slo.promql.labels import make
from pitchey_slo.series import SampleBatch
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

END = NOON + timedelta(hours=1)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeReader]:
    """An hour of quiet, then an hour in which POST /pay fails and everything in SIN is slow."""
    rng = np.random.default_rng(7)
    count = 4_000
    bad_hour = np.arange(count) >= count // 2
    route = rng.choice(["/pay", "/search", "/home"], count, p=[0.1, 0.5, 0.4])
    method = rng.choice(["GET", "POST"], count)
    place = rng.choice(["LHR", "JFK", "SIN"], count, p=[0.6, 0.3, 0.1])
    fails = (rng.random(count) < 0.01) | (bad_hour & (route == "/pay") & (method == "POST") & (rng.random(count) < 0.6))
    slow = bad_hour & (place == "SIN")
    with fresh_store(tmp_path_factory.mktemp("home"), clock=FixedClock(END)) as store:
        store.append(
            "requests",
            rows(
                count=count,
                start=NOON - timedelta(hours=1),
                step=7_200 / count,
                route=route.tolist(),
                method=method.tolist(),
                location=place.tolist(),
                status=np.where(fails, 500, 200).tolist(),
                duration_ms=np.where(slow, 2_000.0, rng.uniform(10, 100, count)).tolist(),
                sample_interval=rng.choice([1.0, 5.0], count).tolist(),
                event_id=[str(i) for i in range(count)],
            ),
        )
        store.append("deployments", rows("deployments", 1, start=NOON - timedelta(minutes=10)))
        store.append("incidents", rows("incidents", 1, start=NOON, ended_at=END))
        gauges(store)
        store.flush()
        yield LakeReader(store.settings.lake_uri)


def gauges(store: Store) -> None:
    times = [int((NOON - timedelta(hours=1) + timedelta(seconds=30 * i)).timestamp() * 1_000) for i in range(240)]
    late = np.arange(240) >= 120
    series = {
        "db_connections": np.where(late, 95.0, 20.0) + np.arange(240) % 3,
        "memory": 50.0 + np.arange(240) % 5,
        "constant": np.full(240, 7.0),
        "jobs_total": np.cumsum(np.where(late, 10.0, 1.0)),
    }
    for name, values in series.items():
        labels = make({"__name__": name, "job": "x"})
        batch = SampleBatch([labels], np.zeros(240, np.int64), np.array(times), values.astype(float))
        assert store.samples(batch).result().stored == 240


@pytest.fixture(scope="module")
def found(reader: LakeReader) -> Investigation:
    return investigate(reader, NOON, END)


def test_the_planted_causes_are_found(found: Investigation) -> None:
    errors, slow = found.where_from("errors"), found.where_from("slow")
    assert errors is not None and errors.values == ("POST /pay",) and errors.dimension == "endpoint"
    assert slow is not None and (slow.dimension, slow.values) == ("location", ("SIN",))
    assert errors.traffic < 0.07 and errors.share > 0.8
    assert found.rose("errors") and found.rose("slow")


def test_the_numbers_are_those_of_counting(reader: LakeReader, found: Investigation) -> None:
    def rows_of(low: object, high: object) -> list[dict[str, float]]:
        table = reader.query("SELECT * FROM requests WHERE ts >= ? AND ts < ?", [low, high])
        return [dict(row) for row in table.to_pylist()]

    bad, quiet = rows_of(NOON, END), rows_of(NOON - timedelta(hours=1), NOON)
    assert (found.baseline_start, found.baseline_end) == (NOON - timedelta(hours=1), NOON)
    for totals, listed in ((found.now, bad), (found.before, quiet)):
        assert totals.requests == sum(r["sample_interval"] for r in listed)
        assert totals.errors == sum(r["sample_interval"] for r in listed if r["status"] >= 500)
    pay = next(c for c in found.causes if (c.kind, c.dimension, c.value) == ("errors", "route", "/pay"))

    def errors(listed: list[dict[str, float]]) -> tuple[float, float]:
        mine = [r for r in listed if r["route"] == "/pay"]
        weights = [r["sample_interval"] for r in mine]
        return sum(w for w, r in zip(weights, mine, strict=True) if r["status"] >= 500), sum(weights)

    (bad_now, now), (bad_before, before) = errors(bad), errors(quiet)
    assert pay.excess == pytest.approx(bad_now - now * bad_before / before)
    assert sum(c.share for c in found.causes if (c.kind, c.dimension) == ("errors", "route")) == pytest.approx(1.0)


def test_series_that_moved_come_first_and_constant_ones_not_at_all(found: Investigation) -> None:
    names = [m.name for m in found.moved]
    assert set(names[:2]) == {"db_connections", "jobs_total"}
    assert "constant" not in names
    jobs = next(m for m in found.moved if m.name == "jobs_total")
    assert (jobs.kind, dict(jobs.labels)) == ("counter", {"job": "x"})
    assert jobs.now / jobs.before == pytest.approx(10.0, rel=0.01)


def test_deployments_shortly_before_and_incidents_are_named(found: Investigation) -> None:
    assert [d["id"] for d in found.deployments] == ["dep-0"]
    assert [i["id"] for i in found.incidents] == ["inc-0"]


def test_a_change_that_is_everywhere_has_no_place(reader: LakeReader) -> None:
    everywhere = investigate(reader, NOON - timedelta(minutes=30), NOON)
    assert not everywhere.rose("errors")
    assert everywhere.where_from("slow") is None or not everywhere.rose("slow")


def test_no_requests_at_all_is_said_and_not_invented(reader: LakeReader) -> None:
    nothing = investigate(reader, END + timedelta(days=1), END + timedelta(days=1, hours=1))
    assert (nothing.now.requests, nothing.now.error_ratio, nothing.now.p95_ms) == (0, None, None)
    assert nothing.causes == () and nothing.where_from("errors") is None and not nothing.rose("errors")


def test_a_condition_is_checked(reader: LakeReader) -> None:
    with pytest.raises(QueryError, match="rout"):
        investigate(reader, NOON, END, where="rout = 1")
    only = investigate(reader, NOON, END, where="route = '/home'")
    assert {c.value for c in only.causes if c.dimension == "route"} <= {"/home"}
