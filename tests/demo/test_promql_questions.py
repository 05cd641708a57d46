"""The four questions every page of the platform's monitoring asks, on demo data: PromQL against counting with SQL.

A counter has a sample at every whole 15 s; within a window of five minutes lie 20 of them, which count what happened in
285 s. Prometheus' `rate` extrapolates that to the window's 300 s, but no series to below zero: rare series, which are
at 0 or 1 when the window begins, are extrapolated by less. So `rate` may be a little lower than what was
counted, and what has no extrapolation is exactly that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pitchey_slo.demo import gauges, simulate
from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.testing import FixedClock, fresh_store
from pitchey_slo.workbench import Workbench, connect

END = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENTS = [END - timedelta(minutes=m) for m in (7, 61, 200)]
COUNTED, WINDOW = 285.0, 300.0


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    home = tmp_path_factory.mktemp("demo")
    with fresh_store(home, clock=FixedClock(END)) as store:
        for name, rows in simulate(end=END, days=2, requests=60_000):
            store.append(name, rows)
        store.samples(gauges(days=2, end=END), backfill=True).result()
    yield connect(home)


def one(wb: Workbench, expr: str, at: datetime) -> float:
    frame = wb.promql(expr, end=at)
    assert frame.shape == (1, 1), (expr, frame)
    return float(frame.iloc[0, 0])


def sql(wb: Workbench, what: str, at: datetime, seconds: float = COUNTED) -> list[tuple[Any, ...]]:
    """`what` of the requests of the last `seconds` before `at`, open on the left."""
    begin = at - timedelta(seconds=seconds)
    text = f"SELECT {what} FROM requests WHERE ts > '{begin.isoformat()}' AND ts <= '{at.isoformat()}'"
    return [tuple(row.values()) for row in wb.reader.query(text).to_pylist()]


@pytest.mark.parametrize("at", MOMENTS, ids=str)
def test_requests_per_second(wb: Workbench, at: datetime) -> None:
    ((count,),) = sql(wb, "sum(sample_interval)", at)
    assert count > 20
    expected = count / COUNTED
    rate = one(wb, "sum(rate(pitchey_http_requests_total[5m]))", at)
    assert 0.98 * expected <= rate <= expected * (1 + 1e-9)
    grown = "sum(pitchey_http_requests_total) - sum(pitchey_http_requests_total offset 285s)"
    assert one(wb, grown, at) == count


@pytest.mark.parametrize("at", MOMENTS, ids=str)
def test_share_of_errors(wb: Workbench, at: datetime) -> None:
    ((bad, all_),) = sql(wb, "sum(sample_interval) FILTER (status >= 500), sum(sample_interval)", at)
    expr = "sum(rate(pitchey_http_errors_total[5m])) / sum(rate(pitchey_http_requests_total[5m]))"
    assert one(wb, expr, at) == pytest.approx((bad or 0) / all_, rel=0.03)
    grown = "(sum(X) - sum(X offset 285s))"
    exact = f"{grown.replace('X', 'pitchey_http_errors_total')} / {grown.replace('X', 'pitchey_http_requests_total')}"
    assert one(wb, exact, at) == pytest.approx((bad or 0) / all_, rel=1e-12)


@pytest.mark.parametrize("at", MOMENTS, ids=str)
def test_response_time_that_95_of_100_stay_below(wb: Workbench, at: datetime) -> None:
    counts = ", ".join(f"sum(sample_interval) FILTER (duration_ms <= {bound * 1000})" for bound in RESPONSE_TIME_BOUNDS)
    measured = "sum(sample_interval) FILTER (isfinite(duration_ms))"
    (found,) = sql(wb, f"{counts}, {measured}", at)
    below = [float(n or 0) for n in found]
    rank = 0.95 * below[-1]
    place = next(i for i, n in enumerate(below) if n >= rank)
    if place == len(RESPONSE_TIME_BOUNDS):
        expected = RESPONSE_TIME_BOUNDS[-1]
    else:
        low = RESPONSE_TIME_BOUNDS[place - 1] if place else 0.0
        before = below[place - 1] if place else 0.0
        expected = low + (RESPONSE_TIME_BOUNDS[place] - low) * (rank - before) / (below[place] - before)
    expr = "histogram_quantile(0.95, sum by (le) (rate(pitchey_http_response_time_bucket[5m])))"
    assert one(wb, expr, at) == pytest.approx(expected, rel=0.03)
    bucket = "sum by (le) (pitchey_http_response_time_bucket"
    assert one(wb, f"histogram_quantile(0.95, {bucket}) - {bucket} offset 285s))", at) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("at", MOMENTS, ids=str)
def test_active_users(wb: Workbench, at: datetime) -> None:
    ((users,),) = sql(wb, "count(DISTINCT user_hash)", at, WINDOW)
    assert users > 5
    assert one(wb, "pitchey_active_users_5m", at) == users


def test_by_route_over_a_day(wb: Workbench) -> None:
    """Everything of the last day: growth of the counter by route, without extrapolation."""
    at, begin = END - timedelta(minutes=1), END - timedelta(minutes=1, days=1)
    expr = "sum by (route) (pitchey_http_requests_total) - sum by (route) (pitchey_http_requests_total offset 1d)"
    found = wb.promql(expr, end=at).iloc[0]
    expected = {
        f'{{route="{row["route"]}"}}': row["n"]
        for row in wb.reader.query(
            f"SELECT route, sum(sample_interval) AS n FROM requests "
            f"WHERE ts > '{begin.isoformat()}' AND ts <= '{at.isoformat()}' GROUP BY ALL"
        ).to_pylist()
    }
    grown = {name: value for name, value in found.items() if value and not math.isnan(value)}
    assert grown == pytest.approx(expected)


#: As they stand in the source document.
FOUR = {
    "error rate percentage": "rate(pitchey_http_errors_total[5m]) / rate(pitchey_http_requests_total[5m]) * 100",
    "response time 95th percentile": "histogram_quantile(0.95, rate(pitchey_http_response_time_bucket[5m]))",
    "active user count": "pitchey_active_users_5m",
    "connection pool utilization": "pitchey_db_connections_active / pitchey_db_connections_max * 100",
}


@pytest.mark.parametrize("expr", FOUR.values(), ids=FOUR)
def test_the_documents_queries_answer_as_they_stand(wb: Workbench, expr: str) -> None:
    found = wb.promql(expr, end=MOMENTS[0])
    assert found.shape[1] >= 1
    assert (found.iloc[0].dropna() >= 0).all()


def test_the_pool_is_what_was_simulated(wb: Workbench) -> None:
    batch = gauges(days=2, end=END)
    active = dict(zip(batch.ts[batch.series == 0].tolist(), batch.value[batch.series == 0].tolist(), strict=True))
    for at in MOMENTS:
        assert one(wb, FOUR["connection pool utilization"], at) == active[round(at.timestamp() * 1_000)]


def test_the_pool_is_full_while_the_database_is_slow() -> None:
    from pitchey_slo.demo import plan

    batch = gauges(end=END)
    ts, value = (column[batch.series == 0] for column in (batch.ts, batch.value))
    slow = [i for i in plan.incidents(plan.make(seed=7, days=30, end=END)).to_pylist() if i["kind"] == "slow_database"]
    assert slow
    for incident in slow:
        start, stop = (incident[edge].timestamp() * 1_000 for edge in ("started_at", "ended_at"))
        assert value[(ts >= start) & (ts < stop)].mean() > 90
    assert np.median(value) < 60
