"""No value of a variable can change what an expression is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.board.fill import fill
from pitchey_slo.board.model import ALL
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Matcher, parse, tree
from pitchey_slo.promql.scan import matching

NASTY = ['"} or vector(1) or up{a="', "a\\", 'a"b', "a.b|c", "(x)", "$__range", "{{x}}", "ä\n", "^$", ".*", "\\d+"]
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=12)


def matchers_of(text: str) -> tuple[Matcher, ...]:
    node = parse(text)
    assert isinstance(node, tree.Selector)
    (found,) = node.alternatives
    return found


@pytest.mark.parametrize("value", NASTY)
def test_an_equal_matcher_holds_exactly_the_value(value: str) -> None:
    filled = fill('up{job="$job"}', {"job": [value]}, {})
    assert matchers_of(filled) == (Matcher("__name__", "=", "up"), Matcher("job", "=", value))


@settings(max_examples=40)
@given(st.lists(TEXT | st.sampled_from(NASTY), min_size=1, max_size=3), TEXT)
def test_a_pattern_matches_the_values_and_nothing_else(values: list[str], other: str) -> None:
    filled = fill('up{job=~"$job", a="b"}', {"job": values}, {})
    _, chosen, last = matchers_of(filled)
    assert last == Matcher("a", "=", "b")
    assert matching(chosen, values).all()
    assert bool(matching(chosen, [other])[0]) == (other in values)


def test_a_value_beside_other_text_stays_one_alternative() -> None:
    filled = fill('up{job=~"api-$job-x"}', {"job": ["a", "b"]}, {})
    matcher = matchers_of(filled)[1]
    assert matching(matcher, ["api-a-x", "api-b-x", "api-a", "b-x"]).tolist() == [True, True, False, False]


def test_everything_is_a_pattern_of_everything() -> None:
    for chosen in ([ALL], []):
        assert matchers_of(fill('up{job=~"$job"}', {"job": chosen}, {}))[1].value == ".*"
    with pytest.raises(QueryError, match="everything is chosen where one value is needed"):
        fill('up{job="$job"}', {"job": [ALL]}, {})
    with pytest.raises(QueryError, match="2 values"):
        fill('up{job="$job"}', {"job": ["a", "b"]}, {})


def test_durations_stand_outside_of_quotes_only() -> None:
    assert fill("rate(up[$__rate_interval])", {}, {"__rate_interval": "300s"}) == "rate(up[300s])"
    assert fill("rate(up[${__range}])", {}, {"__range": "300s"}) == "rate(up[300s])"
    with pytest.raises(QueryError):
        fill('up{a="$__range"}', {}, {"__range": "300s"})
    with pytest.raises(QueryError):
        fill("up[$job]", {"job": ["1h"]}, {})
