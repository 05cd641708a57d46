"""Data of widgets: the numbers a slow look at the rows gives, missing ones as nothing, a failure in its own place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from pitchey_slo import board
from pitchey_slo.board import news
from pitchey_slo.board.data import Board
from pitchey_slo.board.kept import Kept
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, fresh_store, rows

from .made import asked, defined, source_of

ROUTE = "variables: [{name: route, query: 'label_values(pitchey_http_requests_total, route)', all: true}]\n"
COUNT = 400
ROUTES = ["/a", "/b", '/"c']
START = NOON - timedelta(minutes=40)


def fill(store: Store) -> Store:
    """Forty minutes of requests up to noon, half in the lake and half in hot; every tenth fails."""
    given = {
        "route": [ROUTES[i % 3] for i in range(COUNT)],
        "status": [500 if i % 10 == 0 else 200 for i in range(COUNT)],
        "user_hash": [f"u{i % 17}" for i in range(COUNT)],
        "duration_ms": [20.0 + i % 50 for i in range(COUNT)],
    }
    made = rows(count=COUNT, start=START, step=6.0, **given)
    store.append("requests", made.slice(0, COUNT // 2))
    store.flush()
    store.append("requests", made.slice(COUNT // 2))
    return store


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """For those who only look."""
    with fresh_store(tmp_path_factory.mktemp("home")) as store:
        yield fill(store)


@pytest.fixture
def own(store: Store) -> Store:
    """For those who add rows."""
    return fill(store)


def ticked(i: int) -> int:
    """The tick, in ms, that counts request i."""
    ms = int((START + timedelta(seconds=6 * i)).timestamp() * 1_000)
    return -(-ms // 15_000) * 15_000


def test_a_line_is_what_counting_the_rows_gives(filled: Store) -> None:
    line = asked(defined("queries: [{expr: 'sum by (route) (pitchey_http_requests_total)', legend: '{{route}}'}]"),
                 filled, NOON, length="30m")  # fmt: skip
    assert [each["name"] for each in line["series"]] == sorted(ROUTES)
    for each in line["series"]:
        mine = [ticked(i) for i in range(COUNT) if ROUTES[i % 3] == each["name"]]
        assert each["values"] == [float(sum(t <= at for t in mine)) for at in line["times"]]
    assert line["unit"] == "none" and len(line["times"]) == 121


def test_distinct_people_are_counted_as_by_hand(filled: Store) -> None:
    line = asked(defined("queries: [{expr: pitchey_active_users_5m}]"), filled, NOON, length="15m")
    for at, value in zip(line["times"], line["series"][0]["values"], strict=True):
        seen = {i % 17 for i in range(COUNT) if at - 300_000 < ticked(i) <= at}
        assert value == len(seen)


def test_a_number_has_its_value_the_one_before_and_a_small_line(filled: Store) -> None:
    number = asked(
        defined("queries: [{expr: 'sum(pitchey_http_errors_total)'}]", type="number"), filled, NOON, length="15m"
    )
    assert number["value"] == float(sum(ticked(i) <= 1_772_452_800_000 for i in range(0, COUNT, 10)))
    before = int((NOON - timedelta(minutes=15)).timestamp() * 1_000)
    assert number["previous"] == float(sum(ticked(i) <= before for i in range(0, COUNT, 10)))
    assert len(number["spark"]["times"]) == len(number["spark"]["values"]) == 61


def test_a_missing_value_is_nothing_and_never_zero(filled: Store) -> None:
    late = NOON + timedelta(minutes=20)
    line = asked(defined("queries: [{expr: 'sum(rate(pitchey_http_requests_total[1m]))'}]"), filled, late, length="30m")
    values = line["series"][0]["values"]
    assert values[-1] is None and values[0] is not None
    number = asked(
        defined("queries: [{expr: 'sum(rate(pitchey_http_requests_total[1m]))'}]", type="number"), filled, late
    )
    assert number["value"] is None
    nan = asked(defined("queries: [{expr: 'sum(pitchey_http_requests_total) * 0 / 0'}]"), filled, NOON)
    assert set(nan["series"][0]["values"]) == {None}


def test_choices_go_into_the_matchers_and_cannot_leave_them(filled: Store) -> None:
    definition = defined(
        "queries: [{expr: 'sum by (route) (pitchey_http_requests_total{route=~\"$route\"})', legend: '{{route}}'}]",
        variables=ROUTE,
    )

    def names(*chosen: str) -> list[str]:
        view = {"chosen": {"route": chosen}} if chosen else {}
        return [line["name"] for line in asked(definition, filled, NOON, **view)["series"]]

    assert names() == names("$all") == sorted(ROUTES)
    assert names('/"c') == ['/"c'] and names("/a", "/b") == ["/a", "/b"]
    assert names('"} or vector(1) or x{a="') == []


def test_compared_points_stand_at_the_times_of_today(filled: Store) -> None:
    definition = defined("queries: [{expr: 'sum(pitchey_http_requests_total)'}]")
    line = asked(definition, filled, NOON, length="15m", compare="15m")
    before = asked(definition, filled, NOON - timedelta(minutes=15), length="15m")
    assert line["compare"][0]["values"] == before["series"][0]["values"]
    assert len(line["compare"][0]["values"]) == len(line["times"])


@pytest.mark.parametrize(
    ("type", "rest", "key", "told"),
    [
        ("bar", "queries: [{expr: 'sum by (route) (pitchey_http_requests_total)', legend: '{{route}}'}]", "labels",
         ["/a", '/"c', "/b"]),
        ("funnel", "queries: [{expr: 'sum(pitchey_http_errors_total)', legend: a}, {expr: absent(up) - 1, legend: x}]",
         "stages", [{"name": "a", "value": 40.0}, {"name": "x", "value": 0.0}]),
        ("markdown", "text: '<b>hello</b>'", "text", "<b>hello</b>"),
        ("heatmap", "queries: [{expr: 'sum by (route) (pitchey_http_requests_total)', legend: '{{route}}'}]", "buckets",
         ['/"c', "/a", "/b"]),
    ],
)  # fmt: skip
def test_other_shapes(filled: Store, type: str, rest: str, key: str, told: object) -> None:  # noqa: A002
    found = asked(defined(rest, type=type), filled, NOON + timedelta(seconds=15))
    assert found[key] == told if key != "labels" else sorted(found[key]) == sorted(told)  # type: ignore[call-overload]


def test_a_table_has_a_row_for_each_label_set_and_a_column_for_each_query(filled: Store) -> None:
    queries = "queries: [{expr: 'sum by (route) (pitchey_http_requests_total)', legend: all, unit: short}, "
    queries += "{expr: 'sum by (route) (pitchey_http_errors_total) > 13', legend: failed}]"
    table = asked(defined(queries, type="table"), filled, NOON + timedelta(seconds=15))
    assert [(c["name"], c["label"], c["unit"]) for c in table["columns"]] == [
        ("route", "route", ""), ("value0", "all", "short"), ("value1", "failed", "none"),
    ]  # fmt: skip
    assert [row[:2] for row in table["rows"]] == [["/a", 134.0], ['/"c', 133.0], ["/b", 133.0]]
    failed = {ROUTES[k]: sum(1 for i in range(0, COUNT, 10) if i % 3 == k) for k in range(3)}
    assert {row[0]: row[2] for row in table["rows"]} == {r: n if n > 13 else None for r, n in failed.items()}


def test_a_histogram_becomes_what_lies_between_two_bounds(filled: Store) -> None:
    found = asked(defined("queries: [{expr: 'sum by (le) (pitchey_http_response_time_bucket)'}]", type="heatmap"),
                  filled, NOON + timedelta(seconds=15))  # fmt: skip
    last = {bound: values[-1] for bound, values in zip(found["buckets"], found["values"], strict=True)}
    durations = np.array([20.0 + i % 50 for i in range(COUNT)]) / 1_000
    bounds = [0.0, *(float(b) for b in found["buckets"][:-1]), np.inf]
    counted, _ = np.histogram(durations, bounds)
    # the sketch keeps durations within 1 %: what lies on a bound may count on either side of it
    assert list(last) == ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]
    assert np.abs(np.array(list(last.values())) - counted).max() <= 8
    assert sum(last.values()) == COUNT


def test_a_widget_that_fails_says_so_and_breaks_nothing(filled: Store) -> None:
    text = """
title: Two
rows:
  - title: Row
    widgets:
      - {id: bad, type: number, title: Bad, queries: [{expr: 'sum by (route) (pitchey_http_requests_total)'}]}
      - id: wrong
        type: line
        title: Wrong
        queries: [{expr: pitchey_http_requests_total * on () pitchey_http_requests_total}]
      - {id: good, type: number, title: Good, queries: [{expr: 'sum(pitchey_http_requests_total)'}]}
"""
    definition = board.read(text, name="two")
    told = board.data(definition, source_of(filled), board.view_of(definition, NOON + timedelta(seconds=15)))["widgets"]
    assert told["bad"]["error"] == {
        "reason": "invalid_query", "message": "3 series where one number is needed; add sum(...) or max(...)"
    }  # fmt: skip
    assert told["wrong"]["error"]["reason"] == "invalid_query"
    assert told["good"]["value"] == 400.0
    assert all(widget["hash"] for widget in told.values())


def test_what_is_still_good_is_given_again(filled: Store) -> None:
    definition = defined("queries: [{expr: 'sum(pitchey_http_requests_total)'}]")
    moment = [0.0]
    kept = Kept(clock=lambda: moment[0])

    def parts(seconds: float, length: str) -> int:
        view = board.view_of(definition, NOON + timedelta(seconds=seconds), length=length)
        todo = Board(definition, source_of(filled), view, kept).parts()
        for part in todo:
            part()
        return len(todo)

    assert [parts(0, "1h"), parts(1, "1h")] == [1, 0]
    moment[0] = 5.0
    assert [parts(5, "1h"), parts(5, "7d")] == [1, 1]
    moment[0] = 30.0
    assert [parts(30, "1h"), parts(30, "7d")] == [1, 0], "a step of 45 minutes is not drawn anew every five seconds"
    moment[0] = 299.0
    assert parts(299, "7d") == 0
    moment[0] = 306.0
    assert parts(306, "7d") == 1


def test_marks_are_those_of_the_time_shown(own: Store) -> None:
    own.append("deployments", rows("deployments", 2, ts=[NOON - timedelta(minutes=5), NOON - timedelta(hours=5)]))
    hours = [NOON - timedelta(hours=h) for h in (2, 9, 8)]
    own.append("incidents", rows("incidents", 3, started_at=hours, ended_at=[None, NOON, hours[1]]))
    definition = defined("queries: [{expr: 'sum(pitchey_http_requests_total)'}]")
    told = board.data(definition, source_of(own), board.view_of(definition, NOON))
    assert [(m["kind"], m["id"]) for m in told["annotations"]] == [
        ("incident", "inc-1"), ("incident", "inc-0"), ("deployment", "dep-0"),
    ]  # fmt: skip
    assert told["newest"] == int((START + timedelta(seconds=6 * (COUNT - 1))).timestamp() * 1_000)


def test_what_comes_after_an_answer_makes_it_the_next_one(own: Store) -> None:
    text = """
title: Two
rows:
  - title: Row
    widgets:
      - {id: line, type: line, title: L, queries: [{expr: 'sum(rate(pitchey_http_requests_total[1m]))'}]}
      - {id: still, type: markdown, title: M, text: hello}
      - {id: number, type: number, title: N, queries: [{expr: 'sum(pitchey_http_requests_total)'}]}
"""
    definition = board.read(text, name="two")
    source = source_of(own)

    def at(seconds: float) -> dict[str, object]:
        view = board.view_of(definition, NOON + timedelta(seconds=seconds), length="15m")
        return board.data(definition, source, view)

    first = at(0)
    # a late row, within the minute for which points come again
    own.append("requests", rows(count=1, start=NOON - timedelta(seconds=20)))
    second = at(30)
    part = news.newer(second, news.tick_of(first), first["watermark"])  # type: ignore[arg-type]
    assert part["same"] == ["still"] and set(part["widgets"]) == {"line", "number"}
    line = part["widgets"]["line"]
    assert line["append"] is True and len(line["times"]) == 6
    # who draws: what came replaces everything from its first point on; what is before the range goes
    old, full = first["widgets"]["line"], second["widgets"]["line"]  # type: ignore[index]
    start = second["range"]["start"]  # type: ignore[index]
    kept = [
        (t, v) for t, v in zip(old["times"], old["series"][0]["values"], strict=True) if start <= t < line["times"][0]
    ]
    joined = kept + list(zip(line["times"], line["series"][0]["values"], strict=True))
    assert joined == list(zip(full["times"], full["series"][0]["values"], strict=True))
    assert news.newer(second, None, 1) == second, "an answer nobody remembers is given whole"
