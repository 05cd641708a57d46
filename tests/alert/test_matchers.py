"""Matchers: both of Alertmanager's notations, and RE2 that matches the whole value."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.alert.matchers import Matcher, from_api, matches, parse, text_of, to_api

ALMOST_ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('foo="bar"', [("foo", "=", "bar")]),
        ("foo=bar", [("foo", "=", "bar")]),
        (" foo !~ [a-z]+ ", [("foo", "!~", "[a-z]+")]),
        ('{foo="bar", dings!="bums",}', [("foo", "=", "bar"), ("dings", "!=", "bums")]),
        ("alertname=Watchdog, severity=~critical", [("alertname", "=", "Watchdog"), ("severity", "=~", "critical")]),
        ('{\n  a = "b",\n}\n', [("a", "=", "b")]),
        ('"a label"="x"', [("a label", "=", "x")]),
        ('Προμηθεύς="ὕδωρ"', [("Προμηθεύς", "=", "ὕδωρ")]),
        (r'foo="\xf0\x9f\x99\x82"', [("foo", "=", "🙂")]),
        (r'foo="a\"b\\c\nd\u00e9"', [("foo", "=", 'a"b\\c\ndé')]),
        ('foo="bar,baz"', [("foo", "=", "bar,baz")]),
        ("foo=", [("foo", "=", "")]),
        ('foo=""', [("foo", "=", "")]),
        (r'foo=~"\d+"', [("foo", "=~", r"\d+")]),
        (r'foo=~"\\d+"', [("foo", "=~", r"\d+")]),
        ("foo=bar baz", [("foo", "=", "bar baz")]),
        ("{}", []),
    ],
)
def test_both_notations(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(m.name, m.op, m.value) for m in parse(text)] == expected


@pytest.mark.parametrize(
    "text",
    ["", "  ", "foo", "foo!", "=bar", '{a="b"', 'a="b"}', '{{a="b"}}', 'a="b', 'a=~"("', 'a=~"(?<=x)y"', "a=b,,"],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_expressions_match_the_whole_value_and_a_missing_label_is_empty() -> None:
    assert matches(parse("service=~api|web"), {"service": "web"})
    assert not matches(parse("service=~we"), {"service": "web"})
    assert matches(parse("service=~.*eb"), {"service": "web"})
    assert not matches(parse("service=~a.c"), {"service": "a\nc"})
    assert matches(parse('gone=""'), {})
    assert matches(parse("gone!=x, gone!~x"), {})
    assert matches(parse("gone=~.*"), {})


def test_no_pattern_takes_exponential_time() -> None:
    start = time.perf_counter()
    assert not matches(parse('a=~"(a+)+$b"'), {"a": "a" * 5_000})
    assert time.perf_counter() - start < 2


@given(ALMOST_ANY.filter(bool), st.sampled_from(["=", "!="]), ALMOST_ANY)
def test_what_is_written_is_read_again(name: str, op: str, value: str) -> None:
    matcher = Matcher(name, op, value)
    assert parse(str(matcher)) == (matcher,)
    assert parse(text_of([matcher])) == (matcher,)
    assert from_api(to_api(matcher)) == matcher


def test_silences_of_old_clients_say_nothing_of_equality() -> None:
    assert from_api({"name": "a", "value": "b.*", "isRegex": True}) == Matcher("a", "=~", "b.*")
    assert from_api({"name": "a", "value": "b", "isRegex": False, "isEqual": False}) == Matcher("a", "!=", "b")
