"""The lanes of a backtest: what is drawn where, and that text from data stays text."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.backtest import Backtest, Firing, Provenance, RuleHistory, incidents_of, score, tested
from pitchey_slo.plots import backtest as plots
from pitchey_slo.testing import NOON

END = NOON + timedelta(days=1)


def at(hours: float) -> object:
    return NOON + timedelta(hours=hours)


def made(*spans: tuple[float, float | None], rules: int = 1) -> tested.Tested:
    histories = []
    for i in range(rules):
        rule = Rule("alert", f"R{i}<b>", "x > 1")
        found = tuple(
            Firing(rule.key, rule.name, {"route": "<i>"}, at(a - 0.1), at(a), None if b is None else at(b), 2.0)  # type: ignore[arg-type]
            for a, b in spans
        )
        histories.append(RuleHistory(rule, found, 1.0, 10))
    known = incidents_of([{"id": "1", "title": "<script>", "started_at": at(2), "ended_at": at(3)},
                          {"id": "2", "title": "quiet", "started_at": at(20), "ended_at": at(21)}])  # fmt: skip
    together = score(histories, known, NOON, END)
    scores = tuple(score(h, known, NOON, END) for h in histories)
    return tested.Tested(Backtest(NOON, END, 15.0, tuple(histories), Provenance("")), known, scores, together)


def test_true_and_false_firings_differ_in_colour_and_mark() -> None:
    fig = plots.firings(made((2.5, 4), (10, 11), (22, None)))
    marks = {t.marker.symbol: t for t in fig.data if t.mode == "markers" and t.marker.symbol in ("circle", "x")}
    assert len(marks["circle"].x) == 1 and len(marks["x"].x) == 2
    assert marks["circle"].marker.color != marks["x"].marker.color
    assert "no incident" in marks["x"].hovertext[0] and "goes on" in marks["x"].hovertext[1]
    assert {t.type for t in fig.data} == {"scatter"}
    texts = " ".join(w for t in fig.data if t.hovertext for w in t.hovertext)
    assert "<script>" not in texts and "<i>" not in texts and "&lt;script&gt;" in texts
    assert "quiet (missed by every rule)" in texts


@pytest.mark.parametrize(("rules", "lanes", "shown", "words"), [(3, 30, 3, []), (5, 2, 2, ["and 3 more rules"])])
def test_lanes(rules: int, lanes: int, shown: int, words: list[str]) -> None:
    fig = plots.firings(made((2.5, 4), rules=rules), lanes=lanes)
    assert len(fig.layout.yaxis.ticktext) == shown and "<b>" not in fig.layout.yaxis.ticktext[0]
    assert [a.text for a in fig.layout.annotations] == words


def test_a_part_of_the_time_shows_what_reaches_into_it() -> None:
    given = made((2.5, 4), (10, 11))
    fig = plots.firings(given, start=at(3.5), end=at(5))  # type: ignore[arg-type]
    assert [len(t.x) for t in fig.data if t.mode == "markers" and t.marker.symbol == "circle"] == [1]
    assert plots.firings(given, start=at(12), end=at(13)).layout.annotations[0].text == "no rule fired in this time"  # type: ignore[arg-type]
