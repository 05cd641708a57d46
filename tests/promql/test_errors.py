"""Errors point at the place, name what is not supported, and say which limit was passed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Limits, Matcher, MemoryScan, SeriesBlock, evaluate, instant, parse, tree
from pitchey_slo.promql.evaluate import Evaluation
from pitchey_slo.promql.plan import Query
from pitchey_slo.promql.positions import find
from pitchey_slo.promql.values import Grid


@pytest.fixture
def scan() -> MemoryScan:
    made = MemoryScan()
    for i in range(4):
        made.add({"__name__": "x", "i": str(i)}, np.arange(0, 600_000, 15_000), np.arange(40.0))
    return made


@pytest.mark.parametrize(
    ("text", "problem", "marked"),
    [
        ("sum(rate(x))", "expected type matrix in call to function 'rate'", "rate"),
        ("1 + limitk(1, x)", "not supported: limitk() is experimental", "limitk"),
        ("1 +\n  histogram_avg(x)", "not supported: histogram_avg() reads native histograms", "histogram_avg"),
        ("first_over_time(x[5m])", "not supported: first_over_time() is experimental", "first_over_time"),
        ("raet(x[5m])", 'no function raet(); did you mean "rate"?', "raet"),
        ("x </ 3", "not supported: `</` trims native histograms", "</"),
        ("topk(scalar(nothing), x)", "Parameter value is NaN", "scalar"),
        ('label_replace(x, "i", "", "", "")', "vector cannot contain metrics with the same labelset", "label_replace"),
        ('sum(label_replace(x, "i", "$1", "i", "(?=a)"))', "invalid regular expression", "label_replace"),
        ("-{i='1'} + on () x", "found duplicate series for the match group {} on the right hand-side", "{i='1'}"),
        ("x[5m:1ms] # x", "the subquery has 300,000 steps, the limit is 11,000", "x[5m"),
    ],
)
def test_an_error_shows_the_expression_with_a_caret(scan: MemoryScan, text: str, problem: str, marked: str) -> None:
    with pytest.raises(QueryError) as caught:
        instant(text, scan, 300_000, limits=Limits(points=11_000))
    first, *_, shown, caret = caught.value.message.split("\n")
    assert problem in first
    assert shown[caret.index("^") :].startswith(marked)
    assert caught.value.detail["expr"] == text


def test_an_error_without_a_known_place_still_shows_the_expression(scan: MemoryScan) -> None:
    with pytest.raises(QueryError, match=r"invalid promql query\n  x y"):
        instant("x y", scan, 0)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(points=10), "the query has 41 steps, the limit is 10; take a longer step"),
        (Limits(series=3), "4 series, the limit is 3; add matchers"),
        (Limits(samples=100), "160 samples, the limit is 100; ask for less time or fewer series"),
    ],
)
def test_a_limit_is_named(scan: MemoryScan, limits: Limits, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        evaluate("sum(x)", scan, 0, 600_000, 15_000, limits=limits)
    assert problem in caught.value.message
    assert evaluate("sum(x)", scan, 0, 600_000, 15_000).values.shape == (1, 41)


def test_time_is_limited(scan: MemoryScan) -> None:
    """By a clock that is an argument: each look at it takes a second."""
    query = Query("sum(x)", Grid(0, 15_000, 5), Limits(seconds=2))
    ticks = itertools.count()
    with pytest.raises(QueryError, match="the query took longer than 2 s"):
        Evaluation(query, parse("sum(x)"), scan, clock=lambda: float(next(ticks))).result("matrix")


@pytest.mark.parametrize(("start", "end", "step", "problem"), [(0, 10, 0, "step 0 ms"), (10, 0, 1, "before it starts")])
def test_times_must_make_sense(scan: MemoryScan, start: int, end: int, step: int, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        evaluate("x", scan, start, end, step)


def test_positions_follow_the_text() -> None:
    text = 'sum by (job) (rate(a{job="b"}[5m])) / on (x) group_left (y) {__name__="c"} + time() # d'
    found = find(text)
    assert [text[at:].split("(")[0].strip() for at in found.calls] == ["sum by", "rate", "time"]
    assert [text[at] for at in found.selectors] == ["a", "{"]


def test_one_read_per_selector_and_only_what_it_needs(scan: MemoryScan) -> None:
    """Selectors with the same matchers share a read; an offset that leads elsewhere does not."""
    asked: list[tuple[str, int, int]] = []

    class Watched:
        def select(self, matchers: list[Matcher], start_ms: int, end_ms: int, *, needs=None) -> SeriesBlock:
            asked.append((" ".join(map(str, matchers)), start_ms, end_ms))
            return scan.select(matchers, start_ms, end_ms)

    evaluate("rate(x[5m]) / rate(x[1h]) + x offset 1d + y @ 60", Watched(), 0, 60_000, 15_000)
    assert sorted(asked) == [
        ('__name__="x"', -86_400_000 - 300_000 + 1, -86_400_000 + 60_000),
        ('__name__="x"', -3_600_000 + 1, 60_000),
        ('__name__="y"', 60_000 - 300_000 + 1, 60_000),
    ]


def test_the_tree_is_plain() -> None:
    node = parse('rate(x{a=~"b|c"}[5m] offset -1m)')
    assert isinstance(node, tree.Call)
    inner = node.args[0]
    assert isinstance(inner, tree.Range)
    assert (inner.range_ms, inner.selector.offset_ms, inner.selector.pos) == (300_000, -60_000, 5)
    assert inner.selector.alternatives == ((Matcher("__name__", "=", "x"), Matcher("a", "=~", "b|c")),)


@pytest.mark.parametrize("text", ["(" * 5000 + "x" + ")" * 5000, "abs(" * 700 + "x" + ")" * 700, "-" * 900 + "x",
                                  " or ".join(["x"] * 900)])  # fmt: skip
def test_a_tower_of_an_expression_is_refused_or_answered_in_time(scan: MemoryScan, text: str) -> None:
    """Never a crash, whatever the depth."""
    try:
        assert len(instant(text, scan, 60_000)) == 4
    except QueryError as error:
        assert "split" in error.message


def test_a_bad_pattern_shows_the_selector(scan: MemoryScan) -> None:
    with pytest.raises(QueryError, match=r"(?s)illegal regex for a.*\n.*x.*\n +\^"):
        instant('1 + x{i=~"a(?=b)"}', scan, 0)
