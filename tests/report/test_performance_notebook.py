"""The weekly trends: a route made slower, one made to fail, and three that only wiggle; each number beside a loop."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pitchey_slo.analyse.trends import Trend, settle, trend
from pitchey_slo.errors import QueryError
from pitchey_slo.plots import trends as plots
from pitchey_slo.report import find, told
from pitchey_slo.report.performance import Week, performance
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.store import Store
from pitchey_slo.store.trend_questions import by_day, by_day_and_route
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench
from tests.probe.synthetic.made import HOSTILE

NOTEBOOK = shipped("notebooks") / "35_performance_trends.ipynb"
DAY = timedelta(days=1)
DAYS, EACH = 36, 120
#: route -> (milliseconds of most, of the last week, failures of 120 a day in the last week)
ROUTES = {
    "/steady": (100.0, 100.0, 0),
    "/slower": (100.0, 160.0, 0),
    "/fails": (50.0, 50.0, 12),
    HOSTILE: (9.0, 9.0, 0),
}


def five_weeks(store: Store) -> None:
    rng = np.random.default_rng(1)
    for route, (before, now, failures) in ROUTES.items():
        for day in range(DAYS):
            usual = now if day < 7 else before
            times = [NOON - day * DAY - timedelta(seconds=60 * (i + 1)) for i in range(EACH)]
            ms = (usual * rng.lognormal(0, 0.4, EACH) * rng.lognormal(0, 0.02)).round(3)
            failed = failures if failures and day < 7 else day % 2
            status = [500 if i < failed else 200 for i in range(EACH)]
            weight = [10.0 if route == "/steady" and i % 3 else 1.0 for i in range(EACH)]
            store.append(
                "requests",
                rows("requests", EACH, ts=times, route=route, duration_ms=ms.tolist(), status=status, method="GET",
                     sample_interval=weight, event_id=[f"{route}-{day}-{i}" for i in range(EACH)]),
            )  # fmt: skip
    stamps = np.array([(NOON - h * timedelta(hours=6)).timestamp() * 1000 for h in range(4 * DAYS)][::-1], np.int64)
    hits = np.cumsum(np.where(stamps > (NOON - 7 * DAY).timestamp() * 1000, 70.0, 93.0))
    misses = np.cumsum(np.where(stamps > (NOON - 7 * DAY).timestamp() * 1000, 30.0, 7.0))
    for name, values in (("hits", hits), ("misses", misses)):
        labels = (labels_of({"__name__": f"pitchey_cache_{name}_total"}),)
        store.samples(SampleBatch(labels, np.zeros(len(stamps), np.int64), stamps, values), backfill=True).result()
    store.append("deployments", rows("deployments", 1, ts=[NOON - 3 * DAY], version="v9"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("trends")
    with fresh_store(folder / "home", clock=FixedClock(NOON)) as store:
        five_weeks(store)
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "none")


@pytest.fixture(scope="module")
def week(settings: Settings) -> Iterator[Week]:
    yield performance(Workbench(settings), end=NOON, now=NOON + timedelta(minutes=1))


def loop(settings: Settings) -> dict[tuple[str, int], list[tuple[float, float, int]]]:
    """(route, day) -> (duration, weight, status) of each row, by plain Python."""
    found = defaultdict(list)
    for r in Workbench(settings).reader.query("SELECT * FROM requests").to_pylist():
        day = math.ceil((NOON - r["ts"]) / DAY) - 1
        found[r["route"], day].append((r["duration_ms"], r["sample_interval"], r["status"]))
    return found


def quantile(looks: list[tuple[float, float, int]], q: float) -> float:
    """The smallest value at or below which at least the share q of the weight lies."""
    reached, all_ = 0.0, sum(w for _, w, _ in looks)
    for ms, weight, _ in sorted(looks):
        reached += weight
        if reached >= q * all_:
            return ms
    raise AssertionError


def test_each_day_is_what_a_loop_counts(settings: Settings) -> None:
    reader, plain = Workbench(settings).reader, loop(settings)
    start = NOON - 35 * DAY
    found = by_day_and_route(reader, start, NOON, [0.5, 0.95]).to_pylist()
    assert len(found) == 35 * len(ROUTES)
    for row in found:
        looks = plain[row["route"], row["day"]]
        assert row["requests"] == sum(w for _, w, _ in looks) and row["measured"] == len(looks)
        assert row["errors"] == sum(w for _, w, s in looks if s >= 500)
        assert (row["p50"], row["p95"]) == (quantile(looks, 0.5), quantile(looks, 0.95)), row
    for row in by_day(reader, start, NOON, [0.95]).to_pylist():
        looks = [x for route in ROUTES for x in plain[route, row["day"]]]
        assert row["p95"] == quantile(looks, 0.95) and row["requests"] == sum(w for _, w, _ in looks)


def test_a_trend_is_the_paired_t_test_of_its_weekdays() -> None:
    rng = np.random.default_rng(2)
    days = rng.lognormal(5, 0.1, 35)
    found = trend(days.tolist())
    logs = np.log(days).reshape(5, 7)
    gaps = logs[0] - logs[1:].mean(axis=0)
    known = stats.ttest_1samp(gaps, 0.0)
    ends = np.expm1(known.confidence_interval(0.95))
    assert found.p == pytest.approx(known.pvalue) and (found.low, found.high) == pytest.approx(tuple(ends))
    assert found.now == pytest.approx(np.exp(logs[0].mean())) and found.change == pytest.approx(np.expm1(gaps.mean()))
    flat = trend([0.5] * 7 + [0.25] * 7, "linear")
    assert (flat.change, flat.low, flat.p) == (0.25, 0.25, 0.0)


def test_those_told_are_those_of_benjamini_and_hochberg() -> None:
    rng = np.random.default_rng(3)
    ps = [*rng.uniform(0, 1, 30), *rng.uniform(0, 0.004, 8)]
    made = [Trend("log", (), (2.0, 1.0), 2.0, 1.0, 1.0, 0.9, 1.1, float(p)) for p in ps]
    assert [t.moved for t in settle(made)] == [bool(a <= 0.05) for a in stats.false_discovery_control(ps)]
    assert sum(t.moved for t in settle(made)) >= 5
    assert settle([]) == ()


def test_chance_moves_hardly_anything() -> None:
    rng = np.random.default_rng(4)
    runs = [settle([trend(rng.lognormal(5, 0.1, 35).tolist()) for _ in range(40)]) for _ in range(50)]
    assert sum(any(t.moved for t in run) for run in runs) <= 5  # 5 % of them would be two or three


def test_too_little_is_not_compared() -> None:
    assert trend([]).now is None and trend([1.0] * 7).p is None and trend([1.0] * 7).now == pytest.approx(1.0)
    four = [1.0, 1.1, 1.2, 1.0, None, None, None]
    found = trend(four + [1.0] * 7)
    assert found.change is not None and found.p is None and found.weeks[0] is None
    assert trend([0.0] * 14).change is None  # nothing has no logarithm
    assert not settle([trend([1.01, 1.011, 1.01, 1.011, 1.01, 1.011, 1.01] + [1.0] * 7)])[0].moved  # sure, and small


def test_what_was_made_slower_is_found_and_nothing_else(week: Week) -> None:
    assert [r.name for r in week.found.moved()] == ["GET /slower"]
    slower = week.found.moved()[0].speed["p95"]
    assert slower.low is not None and slower.high is not None and slower.low < 0.6 < slower.high
    assert [r.name for r in week.found.routes if r.errors.moved] == ["GET /fails"]
    assert all(not r.traffic.moved for r in week.found.routes)
    assert [s.name for s, t in week.found.signals if t.moved] == ["reads the cache answered"]
    words = told.plain(week.summary())
    assert "Slower: GET /slower (p95" in words and "Faster" not in words and "reads the cache answered" in words
    assert "To do first: find out what slows GET /slower; 1 deployment went live in the week" in words
    assert week.found.weeks == 4 and "4 weeks before" in words


def test_tables_say_it_with_interval_and_verdict(week: Week) -> None:
    routes, parts = told.plain(week.routes()), told.plain(week.parts())
    assert "GET /slower" in routes and "✕ worse" in routes and "/steady" not in routes and "stayed" in routes
    assert "−2" in parts and "points" in parts  # 93 to 70 of a hundred reads
    assert {f.name: f.value for f in week.facts()}["slower"] == 1
    assert told.plain(week.weeks()).count("missing") == 5  # the p99: 480 rows a day are too few for it
    assert "deployment" in told.plain(week.happened())
    assert "week to 02 Mar" in told.plain(week.objectives())
    pieces = (week.summary(), week.routes(), week.parts(), week.happened(), week.weeks(), week.provenance())
    assert all("<img" not in p.markup for p in pieces)
    figure = plots.speeds(week.found.routes)
    assert "<img" not in str(figure.to_dict()) and {t.marker.color for t in figure.data if t.mode == "markers"} > {
        "#d9552b"
    }


def test_a_first_week_is_told_and_not_compared(settings: Settings) -> None:
    early = performance(Workbench(settings), end=NOON - 27 * DAY, now=NOON)
    assert early.found.weeks == 0 and early.found.traffic.now is not None
    words = told.plain(early.summary())
    assert "nothing can be compared yet" in words and "Nothing to do" not in words and "as before" not in words
    assert "not compared" not in told.plain(early.weeks()) and told.plain(early.routes())
    assert plots.speeds(early.found.routes).layout.annotations[0].text
    with pytest.raises(QueryError, match="weeks: 0"):
        performance(Workbench(settings), end=NOON, weeks=0)


def test_without_data_nothing_is_called_well(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)):
        pass
    empty = performance(Workbench(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path / "none")),
                        end=NOON, now=NOON)  # fmt: skip
    assert "No request was recorded" in told.plain(empty.summary())
    for piece in (empty.weeks(), empty.routes(), empty.objectives(), empty.parts(), empty.happened(), empty.changes()):
        assert told.plain(piece) and "better" not in told.plain(piece)


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    found = [(p.name, p.type) for p in find(str(NOTEBOOK)).parameters]
    assert found == [("weeks", "int"), ("end", "datetime")]
