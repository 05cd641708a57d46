"""Series made of events against a slow obvious count of the same events, and PromQL on them against plain sums."""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pitchey_slo.errors import QueryError
from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.promql import Matcher, instant
from pitchey_slo.promql import derived as derived_module
from pitchey_slo.promql.derived_metrics import FAMILIES, LE, METRICS
from pitchey_slo.promql.lake_scan import LakeScan, StoreScan
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

DAY_MS = 86_400_000
NOON_MS = round(NOON.timestamp() * 1_000)
START = NOON - timedelta(days=3)


@functools.cache
def requests(count: int = 2_000, seed: int = 5) -> pa.Table:
    rng = np.random.default_rng(seed)
    ms: list[Any] = np.round(np.exp(rng.normal(5, 1.5, count)), 1).tolist()
    ms[::11] = [None] * len(ms[::11])
    return rows(
        count=count,
        start=START,
        step=3 * 86_400 / count,
        route=rng.choice(["/a", "/b", "/it's"], count).tolist(),
        method=rng.choice(["GET", "POST"], count).tolist(),
        status=rng.choice([200, 404, 500, 503], count, p=[0.7, 0.2, 0.05, 0.05]).tolist(),
        location=rng.choice(np.array(["LHR", "JFK", None], dtype=object), count).tolist(),
        duration_ms=ms,
        user_hash=rng.choice(np.array(["u1", "u2", "u3", "u4", None], dtype=object), count).tolist(),
        sample_interval=rng.choice([1.0, 10.0], count).tolist(),
        event_id=[str(i) for i in range(count)],
    )


def business(count: int = 900) -> pa.Table:
    rng = np.random.default_rng(8)
    events = rng.choice(["pitch_viewed", "nda_signed", "payment_succeeded", "payment_failed"], count).tolist()
    paid = [event.startswith("payment") for event in events]
    return rows(
        "business_events",
        count,
        start=START,
        step=3 * 86_400 / count,
        event=events,
        value=[float(v) if p else None for v, p in zip(rng.integers(1, 99, count), paid, strict=True)],
        currency=[c if p else None for c, p in zip(rng.choice(["GBP", "EUR"], count).tolist(), paid, strict=True)],
        location=rng.choice(np.array(["GB", "DE", None], dtype=object), count).tolist(),
        event_id=[str(i) for i in range(count)],
    )


@pytest.fixture(scope="module", params=["lake", "lake and hot", "shuffled, sorted days"])
def scan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeScan | StoreScan]:
    """The same events three ways: all in the lake; half of them only in hot; in any order, with days added up."""
    table, other = requests(), business()
    with fresh_store(tmp_path_factory.mktemp("home"), clock=FixedClock()) as store:
        if request.param == "lake":
            store.append("requests", table)
        else:
            for i, part in enumerate(np.array_split(np.random.default_rng(1).permutation(table.num_rows), 4)):
                store.append("requests", table.take(pa.array(part)))
                if i < 2 or request.param != "lake and hot":
                    store.flush()
        store.append("business_events", other)
        if request.param == "lake and hot":
            yield StoreScan(store)
            return
        store.flush()
        for _ in range(4 if request.param != "lake" else 0):
            store.compact()
        yield LakeScan(LakeReader(store.settings.lake_uri))


def labels_in(row: dict[str, Any]) -> dict[str, str]:
    pairs = {name: row[name] for name in ("route", "method", "location") if row[name] is not None}
    return pairs | {"status": str(row["status"])}


def obvious(at_ms: int, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The counter at a tick: every row up to it, one after the other."""
    found: Counter[tuple[tuple[str, str], ...]] = Counter()
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    for row in requests().to_pylist():
        weight = row["sample_interval"] if row["ts"] <= at else 0.0
        measured = row["duration_ms"] is not None
        base = labels_in(row) | {"__name__": name}
        if name.endswith("_bucket") and measured:
            for le, bound in zip(LE, (*RESPONSE_TIME_BOUNDS, math.inf), strict=True):
                key = tuple(sorted((base | {"le": le}).items()))
                found[key] += weight if row["duration_ms"] <= 1_000 * bound else 0
        seconds = (row["duration_ms"] or 0) / 1_000
        share = {
            "pitchey_http_requests_total": 1,
            "pitchey_http_errors_total": row["status"] >= 500,
            "pitchey_http_response_time_count": measured,
            "pitchey_http_response_time_sum": seconds,
        }
        found[tuple(sorted(base.items()))] += weight * share.get(name, 0)
    return dict(found)


@pytest.mark.parametrize("name", [n for n in METRICS if n.startswith("pitchey_http")])
@pytest.mark.parametrize("hours", [0.5, 24, 71.9])
def test_a_counter_is_the_sum_of_everything_before(scan: LakeScan | StoreScan, name: str, hours: float) -> None:
    at = round((NOON_MS - 3 * DAY_MS + hours * 3_600_000) / 15_000) * 15_000
    block = scan.select([Matcher("__name__", "=", name)], at - 600_000, at)
    expected = obvious(at, name)
    last = {pairs: block.values[block.offsets[i + 1] - 1] for i, pairs in enumerate(block.labels)}
    assert {pairs: value for pairs, value in last.items() if value} == pytest.approx(
        {pairs: value for pairs, value in expected.items() if value}
    )
    assert block.labels == sorted(block.labels)
    if not block.labels:
        return  # the first half hour has no error
    assert (np.diff(block.ts.reshape(len(block.labels), -1), axis=1) == 15_000).all()
    assert block.ts[block.offsets[1:] - 1].tolist() == [at] * len(block.labels)


def test_a_counter_starts_at_zero_and_ends_with_the_data(scan: LakeScan | StoreScan) -> None:
    block = scan.select([Matcher("__name__", "=", "pitchey_http_requests_total")], 0, NOON_MS * 2, needs=())
    assert block.labels == [(("__name__", "pitchey_http_requests_total"),)]
    assert block.values[0] == 0
    assert block.ts[0] == NOON_MS - 3 * DAY_MS - 15_000
    assert NOON_MS - 150_000 < block.ts[-1] <= NOON_MS
    table = requests()
    assert block.values[-1] == sum(table["sample_interval"].to_pylist())
    assert (np.diff(block.values) >= 0).all()


@pytest.mark.parametrize(
    "matchers",
    [
        [Matcher("route", "=", "/it's")],
        [Matcher("route", "!=", "/a"), Matcher("status", "=~", "5..")],
        [Matcher("location", "=", "")],
        [Matcher("location", "!~", "LHR|")],
        [Matcher("zone", "=", "")],
        [Matcher("zone", "!=", "")],
        [Matcher("le", "=", "0.5")],
        [Matcher("le", "!~", "0.*"), Matcher("method", "=", "GET")],
        [Matcher("route", "=~", "nothing")],
    ],
    ids=lambda matchers: ",".join(map(str, matchers)),
)
@pytest.mark.parametrize("name", ["pitchey_http_requests_total", "pitchey_http_response_time_bucket"])
def test_matchers_choose_what_a_filter_afterwards_would(
    scan: LakeScan | StoreScan, matchers: list[Matcher], name: str
) -> None:
    from pitchey_slo.promql.scan import filter_labels

    named, span = Matcher("__name__", "=", name), (NOON_MS - DAY_MS, NOON_MS - DAY_MS + 60_000)
    whole = scan.select([named], *span)
    found = scan.select([named, *matchers], *span)
    keep = filter_labels(matchers, whole.labels)
    assert found.labels == [whole.labels[i] for i in keep]
    cut = [whole.values[whole.offsets[i] : whole.offsets[i + 1]] for i in keep]
    assert found.values.tolist() == (np.concatenate(cut).tolist() if cut else [])
    assert scan.series([named, *matchers], *span) == found.labels


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("pitchey_http_requests_total", {"route", "zone"}),
        ("pitchey_http_errors_total", set()),
        ("pitchey_http_response_time_bucket", {"le"}),
        ("pitchey_http_response_time_bucket", {"method"}),
        ("pitchey_http_response_time_sum", {"method", "status"}),
    ],
)
def test_needs_sums_over_the_labels_nobody_looks_at(scan: LakeScan | StoreScan, name: str, needs: set[str]) -> None:
    matchers, span = [Matcher("__name__", "=", name)], (NOON_MS - DAY_MS, NOON_MS - DAY_MS + 600_000)
    whole, pushed = scan.select(matchers, *span), scan.select(matchers, *span, needs=needs)
    sums: dict[Any, Any] = defaultdict(float)
    for i, pairs in enumerate(whole.labels):
        kept = tuple(pair for pair in pairs if pair[0] in needs | {"__name__"})
        sums[kept] += whole.values[whole.offsets[i] : whole.offsets[i + 1]]
    assert pushed.labels == sorted(sums)
    assert np.allclose(pushed.values, np.concatenate([sums[labels] for labels in pushed.labels]))


def test_increase_is_the_count_in_the_window(scan: LakeScan | StoreScan) -> None:
    """With a sample at the window's open edge left out, 5 m hold 20 samples; `increase` stretches 19 steps to 20."""
    end = NOON_MS - 3_600_000
    found = instant("sum(increase(pitchey_http_requests_total[5m])) * 19 / 20", scan, end).values
    low, high = (datetime.fromtimestamp(ms / 1_000, UTC) for ms in (end - 285_000, end))
    expected = sum(r["sample_interval"] for r in requests().to_pylist() if low < r["ts"] <= high)
    assert found[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize(("label", "seconds"), [("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3_600)])
def test_active_users_are_the_distinct_ones_in_the_window(scan: LakeScan | StoreScan, label: str, seconds: int) -> None:
    start, end = NOON_MS - DAY_MS, NOON_MS - DAY_MS + 3_600_000
    block = scan.select([Matcher("__name__", "=", f"pitchey_active_users_{label}")], start, end)
    table = requests().to_pylist()
    assert len(block.ts) == 241
    for at, users in list(zip(block.ts.tolist(), block.values.tolist(), strict=True))[::17]:
        now = datetime.fromtimestamp(at / 1_000, UTC)
        inside = {r["user_hash"] for r in table if now - timedelta(seconds=seconds) < r["ts"] <= now} - {None}
        assert users == len(inside)


def test_business_counters(scan: LakeScan | StoreScan) -> None:
    def last(expr: str) -> dict[Any, float]:
        result = instant(expr, scan, NOON_MS - 240_000)
        return dict(zip(result.labels, result.values[:, 0].tolist(), strict=True))

    until = datetime.fromtimestamp((NOON_MS - 240_000) / 1_000, UTC)
    table = [r for r in business().to_pylist() if r["ts"] <= until]
    views: dict[str, int] = defaultdict(int)
    revenue: dict[str, float] = defaultdict(float)
    outcomes: Counter[str] = Counter()
    for row in table:
        views[row["location"] or ""] += row["event"] == "pitch_viewed"
        if row["event"].startswith("payment"):
            outcomes[row["event"].removeprefix("payment_")] += 1
        if row["event"] == "payment_succeeded":
            revenue[row["currency"]] += row["value"]
    assert sorted(last("pitchey_pitch_views_total").values()) == sorted(views.values())
    assert sorted(last("pitchey_revenue_total").values()) == pytest.approx(sorted(revenue.values()))
    assert sorted(last("sum by (outcome) (pitchey_payments_total)").values()) == sorted(outcomes.values())


def test_too_many_points_are_thinned_and_then_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append("requests", requests())
    store.flush()
    scan = LakeScan(LakeReader(store.settings.lake_uri))
    named, span = Matcher("__name__", "=", "pitchey_http_requests_total"), (NOON_MS - DAY_MS, NOON_MS - 3_600_000)
    whole = scan.select([named], *span)
    scan.derived._points = len(whole.ts) // 3
    thin = scan.select([named], *span)
    assert thin.labels == whole.labels
    assert set(np.diff(thin.ts[: thin.offsets[1]]).tolist()) == {60_000}
    assert (thin.ts % 60_000 == 0).all()
    picked = np.isin(whole.ts, thin.ts)
    assert thin.values.tolist() == whole.values[picked].tolist()
    scan.derived._points = len(whole.ts) // 5
    with pytest.raises(QueryError, match="add matchers"):
        scan.select([named], *span)


def test_sums_are_kept_per_file_and_follow_late_events(store: Store) -> None:
    store.append("requests", requests())
    store.flush()
    scan = LakeScan(LakeReader(store.settings.lake_uri))
    named, span = Matcher("__name__", "=", "pitchey_http_requests_total"), (NOON_MS - 3_600_000, NOON_MS)
    before = scan.select([named], *span, needs=()).values[-1]
    kept = set(scan.derived._sums)
    assert kept
    store.append("requests", rows(start=START, event_id=["late"], sample_interval=1_000.0))
    store.flush()
    after = scan.select([named], *span, needs=())
    assert (after.values[-1], after.values[0] >= 1_000) == (before + 1_000, True)
    assert kept < set(scan.derived._sums)


def test_a_first_error_after_a_day_without_any_counts(store: Store) -> None:
    """Files of days before hold no error at all: that is nothing to add up, not NaN for the rest of the day."""
    store.append("requests", rows(count=50, start=NOON - timedelta(days=1), step=60))
    store.flush()
    store.append(
        "requests", rows(count=50, start=NOON - timedelta(minutes=10), step=10, status=[200] * 30 + [500] * 20)
    )
    store.flush()
    scan = LakeScan(LakeReader(store.settings.lake_uri))
    expr = "sum(increase(pitchey_http_errors_total[5m]))"
    assert float(instant(expr, scan, NOON_MS - 60_000).values[0, 0]) > 10
    assert len(instant(expr, scan, NOON_MS - 9 * 60_000)) == 0  # no error so far: no series, as in Prometheus


def test_every_metric_has_a_family_with_type_and_help() -> None:
    for name in METRICS:
        family = name if name in FAMILIES else name.rsplit("_", 1)[0]
        assert FAMILIES[family].type in ("counter", "gauge", "histogram")
        assert FAMILIES[family].help
    assert derived_module.TICK_MS == 15_000


def test_an_empty_lake_has_no_series(store: Store) -> None:
    scan = LakeScan(LakeReader(store.settings.lake_uri))
    for name in METRICS:
        assert scan.select([Matcher("__name__", "=", name)], 0, NOON_MS).labels == []
    assert scan.series([], 0, NOON_MS) == []
