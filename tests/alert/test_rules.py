"""Rule files are read strictly: everything wrong with them is shown where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.alert.rules import load_rules, parse_rules, rules_of
from pitchey_slo.errors import ConfigError

GOOD = """
groups:
- name: errors
  interval: 30s
  query_offset: 1m
  limit: 5
  labels: {team: api, severity: warning}
  rules:
  - alert: Errors
    expr: rate(x[5m]) > 1
    for: 2m
    keep_firing_for: 1h30m
    labels: {severity: critical, number: 5, gone: ""}
    annotations:
      summary: "{{ $labels.job }} has {{ $value | humanize }}"
  - record: job:x:rate5m
    expr: sum by (job) (rate(x[5m]))
- name: plain
"""


def problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ConfigError) as error:
        parse_rules(text)
    return [(p["line"], p["column"], p["message"]) for p in error.value.detail]


def rule(text: str) -> str:
    """A file with one rule, whose lines begin at line 4, column 3."""
    lines = text.strip("\n").split("\n")
    return "groups:\n- name: g\n  rules:\n" + "\n".join(("  - " if i == 0 else "    ") + s for i, s in enumerate(lines))


def test_a_good_file() -> None:
    errors, plain = parse_rules(GOOD)
    assert (errors.name, errors.interval_seconds, errors.query_offset, errors.limit) == ("errors", 30, 60, 5)
    alert, record = errors.rules
    assert (alert.kind, alert.name, alert.for_seconds, alert.keep_firing_seconds) == ("alert", "Errors", 120, 5400)
    assert alert.labels == {"team": "api", "severity": "critical", "number": "5"}
    assert (record.kind, record.expr, record.line) == ("record", "sum by (job) (rate(x[5m]))", 16)
    assert record.labels == {"team": "api", "severity": "warning"}
    assert plain.rules == () and plain.interval_seconds == 15


def test_every_problem_of_a_file_at_once() -> None:
    found = problems(
        GOOD.replace("limit: 5", "limit: x").replace("for: 2m", "for: 2 m").replace("name: plain", "nme: p")
    )
    assert [(line, what) for line, _, what in found] == [
        (6, "'x' is no whole number from 0"),
        (11, "'2 m' is not a duration"),
        (18, "unknown key 'nme'"),
        (18, "the group has no name"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("alert: A\nexpr: sum(rats(x[5m]))", 5, 15, "no function rats"),
        ('alert: A\nexpr: "up \\n == foo(1)"', 5, 21, "no function foo"),
        ("alert: A\nexpr: 'x{a=\"it''s\"} + foo(1)'", 5, 27, "no function foo"),
        ("alert: A\nexpr: |\n  sum(x)\n    > foo(1)\nfor: 1m", 7, 11, "no function foo"),
        ("alert: A\nexpr: >-\n  sum(x)\n\n  > foo(1)", 8, 9, "no function foo"),
        ("alert: A\nexpr: sum(x)\n  > foo(1)", 6, 9, "no function foo"),
        ("alert: A\nexpr: \"'a'\"", 5, 12, "a text where"),
        ("alert: A\nexpr: x[5m]", 5, 11, "a range of samples"),
        ("alert: A", 4, 5, "expr is missing"),
        ("expr: x", 4, 5, "the rule needs alert or record"),
        ("alert: A\nrecord: b\nexpr: x", 4, 5, "exclude each other"),
        ("alert: A\nexpr: x\nfor: 5", 6, 10, "not a duration"),
        ("record: a b\nexpr: x", 4, 13, "no metric name"),
        ("record: a\nexpr: x\nfor: 1m", 6, 10, "a recording rule has no for"),
        ("alert: A\nexpr: x\nlabels: {__name__: y}", 6, 24, "no name for a label"),
        ("alert: A\nexpr: x\nlabels: {a: '{{ $lables.b }}'}", 6, 21, "no variable '$lables'"),
        ("alert: A\nexpr: x\nannotations:\n  s: |\n    one\n    {{ if }}", 9, 12, "missing value"),
        ("alert: A\nexpr: x\nanotations: {a: b}", 6, 5, "unknown key 'anotations'"),
        ("alert: A\nexpr: x\nexpr: y", 6, 5, "expr stands twice"),
        ("alert: A\nexpr: [x]", 5, 11, "a list where a text belongs"),
    ],
)
def test_a_problem_points_at_its_place(text: str, line: int, column: int, message: str) -> None:
    first = problems(rule(text))[0]
    assert message in first[2]
    assert first[:2] == (line, column)


def test_the_line_is_shown_with_a_caret() -> None:
    with pytest.raises(ConfigError) as error:
        parse_rules(rule("alert: A\nexpr: sum(rats(x[5m]))"), file="rules/a.yml")
    assert str(error.value).split("\n") == [
        'rules/a.yml:5:15: groups[0].rules[0].expr: no function rats(); did you mean "rate"?',
        "        expr: sum(rats(x[5m]))",
        "                  ^",
    ]


def test_twins_are_refused_and_alike_ones_are_told_apart() -> None:
    two = rule("alert: A\nexpr: x > 1\nlabels: {severity: warning}")
    twin = two + "\n" + "\n".join(two.split("\n")[3:])
    assert "stands twice" in problems(twin)[0][2]
    first, second = parse_rules(twin.replace("x > 1", "x > 2", 1))[0].rules
    assert first.key != second.key and first.key.rpartition(";")[0] == second.key.rpartition(";")[0]


def test_groups_are_told_apart() -> None:
    assert problems("groups:\n- name: a\n- name: a")[0] == (3, 3, "group 'a' stands twice in this file")


def test_a_key_survives_what_does_not_make_another_rule() -> None:
    def key(text: str) -> str:
        return parse_rules(rule(text))[0].rules[0].key

    same = key("alert: A\nexpr: x > 1")
    assert key("alert: A\nexpr: x > 2\nfor: 5m\nannotations: {a: b}") == same
    assert key("alert: B\nexpr: x > 1") != same
    assert key("alert: A\nexpr: x > 1\nlabels: {a: b}") != same


@pytest.mark.parametrize("text", ["groups: [", "a: *b", "- x", "groups: 5", "groups:\n- 5", "\x00", "groups:\n\t- x"])
def test_what_is_no_rule_file(text: str) -> None:
    assert problems(text)


def test_laughs_are_not_written_out() -> None:
    laughs = "a: &a [1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    assert "more than" in problems(laughs + "groups: *j")[0][2]


def test_aliases_and_merges_work() -> None:
    text = """
groups:
- name: g
  rules:
  - &base {alert: A, expr: x, labels: &l {a: b}}
  - {<<: *base, alert: B, labels: {<<: *l, c: d}}
"""
    first, second = parse_rules(text)[0].rules
    assert (second.name, second.expr, second.labels) == ("B", "x", {"a": "b", "c": "d"})
    assert first.labels == {"a": "b"}


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yml").write_text("groups: [{name: g}]")
    (tmp_path / "deep" / "b.yaml").write_text("groups: [{name: g}]")
    (tmp_path / "empty.yml").write_text("")
    (tmp_path / "readme.txt").write_text("no rules")
    assert [g.key for g in load_rules(tmp_path)] == ["a.yml;g", "deep/b.yaml;g"]
    (tmp_path / "bad.yml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "worse.yml").write_text("groups: [")
    with pytest.raises(ConfigError) as error:
        load_rules(tmp_path)
    assert [Path(str(p["file"])).name for p in error.value.detail] == ["bad.yml", "worse.yml"]
    with pytest.raises(ConfigError, match="no such file"):
        load_rules(tmp_path / "missing")


def test_groups_given_as_data() -> None:
    groups = [{"name": "burn", "rules": [{"alert": "Burn", "expr": "a\n> 5", "labels": {"slo": "x"}}]}]
    rule = rules_of(groups, file="slos")[0].rules[0]
    assert (rule.expr, rule.group, rule.labels) == ("a\n> 5", "slos;burn", {"slo": "x"})


def test_every_rule_of_the_public_collection_loads(conformance: Path) -> None:
    groups = load_rules(conformance / "rules" / "awesome")
    assert sum(len(g.rules) for g in groups) == 954
