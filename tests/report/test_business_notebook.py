"""The business review: each number against a plain loop over the rows, the same on the dashboard, run as it ships."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitchey_slo import board
from pitchey_slo.analyse.business import Amount, Versus, ratio, share
from pitchey_slo.errors import QueryError
from pitchey_slo.plots import business as plots
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.report import find, run_notebook, told
from pitchey_slo.report.business import LATER, Sheet, sheet
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench

NOTEBOOK = shipped("notebooks") / "25_business.ipynb"
HOSTILE = "<img src=x onerror=alert(1)>"
DAY = timedelta(days=1)
START, BEFORE = NOON - 7 * DAY, NOON - 14 * DAY
Row = dict[str, Any]


def made(days: int = 16) -> tuple[list[Row], list[Row]]:
    """Requests and events of sixteen days: two hundred people, some rows sampled, some people unknown."""
    rng = np.random.default_rng(7)
    events = ("pitch_viewed", "pitch_viewed", "pitch_viewed", "pitch_created", "signup_completed", "nda_requested",
              "nda_signed", "investment_requested", "investment_made", "payment_succeeded", "payment_failed",
              "subscription_started")  # fmt: skip
    routes = (("GET", "/api/pitches/:id"), ("PUT", "/api/pitches/:id"), ("POST", "/api/ndas/:id/sign"), ("GET", "/"))
    currencies, places = ("GBP", "USD", None), ("GB", "US", HOSTILE, None)
    asked, done = [], []
    for back in (0, *rng.integers(0, days * 86_400, 6_000)):  # the newest just before noon: series end with the data
        ts = NOON - timedelta(seconds=float(back) + 0.5)
        who = None if rng.random() < 0.1 else f"u{int(rng.integers(0, 200) * rng.random())}"
        weight = float(rng.choice([1, 1, 1, 10]))
        method, route = routes[rng.integers(len(routes))]
        asked.append({"ts": ts, "method": method, "route": route, "user_hash": who, "sample_interval": weight,
                      "status": int(rng.choice([200, 200, 200, 404, 503]))})  # fmt: skip
        event = str(rng.choice(events))
        paid = event.startswith("payment")
        value = float(rng.integers(100, 9_000)) / 100 if paid else None
        done.append({"ts": ts, "event": event, "user_hash": who, "sample_interval": weight,
                     "location": places[rng.integers(4)], "value": value,
                     "currency": currencies[rng.integers(3)] if paid else None})  # fmt: skip
    return asked, done


REQUESTS, EVENTS = made()


def stored(table: str, found: list[Row]) -> Any:
    return rows(table, len(found), **{name: [row[name] for row in found] for name in found[0]})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("business")
    with fresh_store(folder / "home", clock=FixedClock(NOON)) as store:
        store.append("requests", stored("requests", REQUESTS))
        store.append("business_events", stored("business_events", EVENTS))
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "none")


@pytest.fixture(scope="module")
def page(settings: Settings) -> Iterator[Sheet]:
    yield sheet(Workbench(settings), end=NOON)


def inside(found: list[Row], first: datetime, last: datetime) -> list[Row]:
    return [row for row in found if first <= row["ts"] < last]


def weight(found: list[Row], *events: str) -> float:
    return sum(row["sample_interval"] for row in found if row["event"] in events)


def people(found: list[Row]) -> set[str]:
    return {row["user_hash"] for row in found if row["user_hash"] is not None}


def test_people_are_those_a_loop_finds(page: Sheet) -> None:
    b = page.found
    for name, span in (("hour", timedelta(hours=1)), ("day", DAY), ("week", 7 * DAY)):
        assert b.active[name].now == len(people(inside(REQUESTS, NOON - span, NOON)))
        assert b.active[name].before == len(people(inside(REQUESTS, START - span, START)))
    daily = [len(people(inside(REQUESTS, NOON - (d + 1) * DAY, NOON - d * DAY))) for d in range(15)]
    assert list(b.by_day[:15]) == daily
    assert b.active["month"].now is None and b.stickiness == (None, None)  # sixteen days are no month
    assert b.by_day[16:] == (None,) * (35 - 16)


def test_counts_are_weighted_and_told_for_both_times(page: Sheet) -> None:
    names = {"views": ["pitch_viewed"], "created": ["pitch_created"], "signups": ["signup_completed"],
             "nda_requests": ["nda_requested"], "signatures": ["nda_signed"], "paid": ["payment_succeeded"],
             "investments": ["investment_requested", "investment_made"],
             "payments": ["payment_succeeded", "payment_failed"]}  # fmt: skip
    for name, events in names.items():
        found = page.found.counted[name]
        assert found.now.total == weight(inside(EVENTS, START, NOON), *events)
        assert found.before is not None and found.before.total == weight(inside(EVENTS, BEFORE, START), *events)
        mine = [row for row in inside(EVENTS, START, NOON) if row["event"] in events]
        assert found.now.squares == sum(row["sample_interval"] ** 2 for row in mine) and found.now.rows == len(mine)
        days = [weight(inside(EVENTS, NOON - (d + 1) * DAY, NOON - d * DAY), *events) for d in range(14)]
        assert list(page.found.daily[name]) == days
    changed = [
        row["sample_interval"]
        for row in inside(REQUESTS, START, NOON)
        if row["route"] == "/api/pitches/:id" and row["method"] == "PUT" and 200 <= row["status"] < 300
    ]
    assert page.found.counted["updated"].now.total == sum(changed)


def walked(found: list[Row], steps: list[str]) -> list[int]:
    """People who did each step after all steps before it, one person after the other."""
    reached = [0] * len(steps)
    for who in people(found):
        mine = sorted((row for row in found if row["user_hash"] == who), key=lambda row: row["ts"])
        at = datetime.min.replace(tzinfo=NOON.tzinfo)
        for i, step in enumerate(steps):
            times = [row["ts"] for row in mine if row["event"] == step and row["ts"] >= at]
            if not times:
                break
            at, reached[i] = times[0], reached[i] + 1
    return reached


def test_the_funnel_goes_on_to_what_is_recorded_and_no_farther(page: Sheet) -> None:
    steps = ["pitch_viewed", "nda_requested", "nda_signed", "investment_requested", "investment_made"]
    b = page.found
    assert page.later == ("investment_made",) and [s.event for s in b.funnel] == steps
    assert [s.people for s in b.funnel] == walked(inside(EVENTS, START, NOON), steps)
    assert [s.people for s in b.funnel_before] == walked(inside(EVENTS, BEFORE, START), steps)
    assert [w.end for w in b.weeks] == [START, NOON]
    assert [s.people for s in b.weeks[0].steps] == walked(inside(EVENTS, BEFORE, START), steps)
    first, second = b.funnel[:2]
    assert second.dropped == first.people - second.people
    assert second.of_before is not None
    assert second.of_before.low < second.of_before.value == second.people / first.people < second.of_before.high
    assert LATER[0] in told.plain(page.funnel())  # nothing is recorded of approvals, and that is said


def test_waits_are_from_the_newest_request_of_the_same_person(page: Sheet) -> None:
    waits = []
    for row in inside(EVENTS, START, NOON):
        if row["event"] == "nda_signed" and row["user_hash"]:
            asked = [
                r["ts"] for r in inside(EVENTS, START, NOON)
                if r["event"] == "nda_requested" and r["user_hash"] == row["user_hash"] and r["ts"] <= row["ts"]
            ]  # fmt: skip
            waits += [(row["ts"] - max(asked)).total_seconds()] if asked else []
    assert page.found.wait.pairs == len(waits)
    for q, found in page.found.wait.quantiles.items():
        assert found.value == pytest.approx(np.quantile(waits, q))
        assert found.low <= found.value <= found.high
    half = 1.959964 * math.sqrt(0.25 / len(waits))
    assert page.found.wait.quantiles[0.5].high == pytest.approx(np.quantile(waits, 0.5 + half))


def test_money_is_summed_by_currency_and_never_across(page: Sheet) -> None:
    sums: dict[str, float] = defaultdict(float)
    for row in inside(EVENTS, START, NOON):
        if row["event"] == "payment_succeeded":
            sums[row["currency"] or ""] += row["value"] * row["sample_interval"]
    assert {c: v.now.total for c, v in page.found.money.items()} == pytest.approx(dict(sums))
    words = told.plain(page.money())
    assert f"{sum(sums.values()):,.2f}" not in words and "no currency" in words
    now = page.found.paid[0]
    payments = page.found.counted["payments"].now
    assert now is not None and now.value == page.found.counted["paid"].now.total / payments.total
    started = weight(inside(EVENTS, START, NOON), "subscription_started")
    assert {n: v.now.total for n, v in page.found.events.items()} == {"subscription_started": started}


def test_features_and_places_are_those_a_loop_finds(page: Sheet) -> None:
    api = [row for row in inside(REQUESTS, START, NOON) if row["route"].startswith("/api/")]
    for f in page.found.features:
        mine = [row for row in api if f"{row['method']} {row['route']}" == f.name]
        assert f.people == len(people(mine)) and f.share == f.people / len(people(api))
        assert f.requests == sum(row["sample_interval"] for row in mine)
        failed = sum(row["sample_interval"] for row in mine if row["status"] >= 500)
        assert f.error_ratio == pytest.approx(failed / f.requests)
    assert len(page.found.features) == 3
    for p in page.found.places:
        mine = [row for row in inside(EVENTS, START, NOON) if row["location"] == p.location]
        assert p.people == len(people(mine)) and p.views.now.total == weight(mine, "pitch_viewed")
    assert "not known" in told.plain(page.places()) and "<img" not in page.places().markup


def test_it_is_the_number_of_the_dashboard(page: Sheet, settings: Settings) -> None:
    """The Business dashboard over the same seven days; `increase` extrapolates to their ends, as Prometheus does."""
    with fresh_store(settings.home, clock=FixedClock(NOON)) as store:
        scan = StoreScan(store)
        text = (shipped("config") / "dashboards" / "business.yml").read_text()
        definition = board.read(text, "business.yml", name="business")
        view = board.view_of(definition, NOON, length="7d")
        shown = board.data(definition, board.Source(scan, scan.rows, store.query), view)["widgets"]
    b = page.found
    for widget, value in {
        "views": b.counted["views"].now.total,
        "signups": b.counted["signups"].now.total,
        "investments": b.counted["investments"].now.total,
        "users-now": b.active["hour"].now,
    }.items():
        assert shown[widget]["value"] == pytest.approx(value, rel=2e-3), widget
    signed, paid = b.signed[0], b.paid[0]
    assert signed and shown["signature-rate"]["value"] == pytest.approx(signed.value, rel=2e-3)
    assert paid and shown["payment-success"]["value"] == pytest.approx(paid.value, rel=2e-3)
    received = dict(zip(shown["revenue"]["labels"], shown["revenue"]["values"], strict=True))
    assert {c: v for c, v in received.items() if len(c) == 3} == pytest.approx(
        {c: v.now.total for c, v in b.money.items() if c}, rel=2e-3
    )
    assert [s["value"] for s in shown["funnel"]["stages"]] == [s.people for s in b.funnel[:4]]
    assert [r[:2] for r in shown["features"]["rows"]] == [[f.name, f.people] for f in b.features]


def test_a_sum_is_as_sure_as_its_rows_are_many() -> None:
    many, sampled = Amount(1_000.0, 1_000.0, 1_000), Amount(1_000.0, 10_000.0, 100)
    assert (sampled.high - sampled.low) > 3 * (many.high - many.low)
    assert Amount().low == 0.0 and 3.8 < Amount().high < 3.9
    assert share(Amount(), Amount()) is None and ratio(many, Amount()) is None
    none = ratio(Amount(), many)
    assert none is not None and (none.value, none.low) == (0.0, 0.0) and 0 < none.high < 0.01
    assert Versus(Amount(1_200.0, 1_200.0, 1_200), many).sure
    assert not Versus(Amount(1_200.0, 12_000.0, 120), sampled).sure
    assert Versus(many, None).change is None and not Versus(many, None).sure
    owed = Amount(-50.0, 100.0, 3)
    assert owed.low < -50.0 < owed.high


def test_a_random_count_is_mostly_within_its_interval() -> None:
    """95 of 100 Poisson counts, weighted by ten, lie where the interval says."""
    rng = np.random.default_rng(1)
    inside_ = 0
    for n in rng.poisson(30, 2_000):
        found = Amount(10.0 * n, 100.0 * n, int(n))
        inside_ += found.low <= 300 <= found.high
    assert 0.935 < inside_ / 2_000 < 0.965


def test_time_before_the_data_is_missing_not_nothing(settings: Settings) -> None:
    early = sheet(Workbench(settings), window="14d", end=NOON)
    assert not early.found.compared
    assert early.found.counted["views"].before is None and early.found.counted["views"].change is None
    words = told.plain(early.summary()) + told.plain(early.pitches())
    assert "not wholly in the data" in words and "+" not in told.plain(early.pitches())
    with pytest.raises(QueryError, match="whole days"):
        sheet(Workbench(settings), window="36h", end=NOON)
    with pytest.raises(QueryError, match="two events"):
        sheet(Workbench(settings), steps=["pitch_viewed"], end=NOON)


def test_nothing_at_all_is_said_in_words(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)):
        pass
    empty = sheet(Workbench(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path)), end=NOON)
    assert "Nobody came" in told.plain(empty.summary())
    for piece in (empty.people(), empty.pitches(), empty.funnel(), empty.weeks(), empty.ndas(), empty.money(),
                  empty.features(), empty.places(), empty.changes(), empty.provenance()):  # fmt: skip
        assert "nan" not in told.plain(piece).lower().replace("not wholly", "")
    b = empty.found
    for figure in (
        plots.active(b),
        plots.pitches(b),
        plots.funnel(b.funnel, b.funnel_before),
        plots.places([], [], None),
    ):
        assert figure.layout.annotations[0].text


def test_the_committed_notebook_is_clean_and_short() -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert max(len("".join(c["source"]).splitlines()) for c in cells) <= 8
    notebook = find(str(NOTEBOOK))
    assert notebook.short == "business" and all(p.help for p in notebook.parameters)
    assert [(p.name, p.type) for p in notebook.parameters][:2] == [("window", "str"), ("steps", "list")]


def test_it_runs_as_it_ships(settings: Settings) -> None:
    outcome = run_notebook(find(str(NOTEBOOK)), {"end": NOON}, settings=settings)
    assert outcome.run.status == "succeeded"
    text = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert "Where people are" in text and HOSTILE not in text and "first report of its kind" in text
