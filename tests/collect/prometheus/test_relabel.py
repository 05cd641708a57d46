"""Relabelling gives what Prometheus gives (cases after model/relabel/relabel_test.go)."""

from __future__ import annotations

import hashlib

import pytest

from pitchey_slo.collect.prometheus.relabel import Rule, anchored, relabel

ABC = {"a": "foo", "b": "bar", "c": "baz"}


def rule(action: str = "replace", *source: str, regex: str = "(.*)", to: str = "", **more: object) -> Rule:
    return Rule(action, source_labels=source, regex=anchored(regex), target_label=to, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule("replace", "a", regex="f(.*)", to="d", replacement="ch${1}-ch${1}")], ABC | {"d": "choo-choo"}),
        ([rule("replace", "a", "b", regex="f(.*);(.*)r", to="a", replacement="b${1}${2}m")], ABC | {"a": "boobam"}),
        ([rule("replace", "a", regex=".*", to="a", replacement="")], {"b": "bar", "c": "baz"}),
        ([rule("replace", "a", regex="oo", to="d", replacement="x")], ABC),
        ([rule("replace", "a", regex="f(oo)", to="d", replacement="$1_x")], ABC),  # group 1_x does not exist
        ([rule("replace", "a", regex="(f)(?P<rest>.*)", to="${1}_$rest", replacement="$$1")], ABC | {"f_oo": "$1"}),
        ([rule("replace", "missing", regex="(.*)", to="d", replacement="x$1")], ABC | {"d": "x"}),
        ([rule("replace", "a", regex="(foo)", to="", replacement="x")], ABC),
        ([rule("keep", "a", regex="foo")], ABC),
        ([rule("keep", "a", regex="fo")], None),
        ([rule("keep", "a", regex="fo|foo")], ABC),
        ([rule("drop", "a", regex=".*o.*")], None),
        ([rule("drop", "a", regex="(?i)FO+")], None),
        ([rule("drop", "a", regex="f|o")], ABC),
        ([rule("keepequal", "a", to="b")], None),
        ([rule("keepequal", "missing", to="also")], ABC),
        ([rule("dropequal", "a", to="b")], ABC),
        ([rule("dropequal", "a", to="a")], None),
        ([rule("labelmap", regex="(a|b)", replacement="x_$1")], ABC | {"x_a": "foo", "x_b": "bar"}),
        ([rule("labeldrop", regex="[ab]")], {"c": "baz"}),
        ([rule("labelkeep", regex="[ab]")], {"a": "foo", "b": "bar"}),
        ([rule("uppercase", "a", to="a")], ABC | {"a": "FOO"}),
        ([rule("uppercase", "a", to="a"), rule("lowercase", "a", to="d")], ABC | {"a": "FOO", "d": "foo"}),
        ([rule("replace", "a", "b", to="d", separator="||")], ABC | {"d": "foo||bar"}),
    ],
)  # fmt: skip
def test_rules(rules: list[Rule], expected: dict[str, str] | None) -> None:
    assert relabel(ABC, rules) == expected


def test_hashmod_is_prometheus_own() -> None:
    # relabel_test.go: md5 of "foo;bar;baz", modulus 1000, is 976
    assert relabel(ABC, [rule("hashmod", "c", to="d", modulus=1000)]) == ABC | {"d": "976"}
    whole = int(hashlib.md5(b"baz").hexdigest()[16:], 16)
    assert whole % 1000 == 976


def test_newlines_are_seen() -> None:
    assert relabel({"a": "x\ny"}, [rule("keep", "a", regex="x.y")]) is not None


@pytest.mark.parametrize("text", ["(", "[[:alpha:]]+", r"\pL", "a{99999999999999999999}"])
def test_expressions_that_mean_something_else_here_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        anchored(text)
