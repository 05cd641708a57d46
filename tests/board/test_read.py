"""Definitions: what is written is what is read, and every mistake is told with its place and what would work."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import orjson
import pytest

from pitchey_slo import board
from pitchey_slo.board.fields import schema
from pitchey_slo.board.kinds import KINDS
from pitchey_slo.board.named import NAMED
from pitchey_slo.board.write import plain
from pitchey_slo.errors import ConfigError

from .made import text_of

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = sorted((CONFIG / "dashboards").glob("*.yml"))
QUERY = "queries: [{expr: up}]"
ROUTE = "variables: [{name: route, query: 'label_values(up, route)', all: true}]\n"


def problem_of(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        board.read(text, "one.yml", name="one")
    return caught.value


@pytest.mark.parametrize(
    ("rest", "type", "line", "told"),
    [
        ("widht: 3\n" + QUERY, "line", 8, "unknown key 'widht' (did you mean \"width\"?)"),
        (QUERY, "lien", 6, 'did you mean "line"?'),
        ("width: 13\n" + QUERY, "line", 8, "13 is outside 1 to 12"),
        ("width: a\n" + QUERY, "line", 8, "'a' where a number belongs"),
        ("stack: maybe\n" + QUERY, "line", 8, "where true or false belongs"),
        ("unit: second\n" + QUERY, "line", 8, 'did you mean "seconds"?'),
        ("range: 1 hour\n" + QUERY, "line", 8, "such as 5m or 1h"),
        ("queries: [{expr: 'sum(up'}]", "line", 8, "not PromQL"),
        ("queries: [{expr: 'up{a=\"$b\"}'}]", "line", 8, "no variable $b"),
        ("queries: [{legend: x}]", "line", 8, "expr: missing"),
        ("queries: []", "line", 8, "at least 1 entries"),
        ("width: 3", "line", 5, "one of queries, named and text"),
        (QUERY + "\nnamed: logs", "line", 5, "not named and queries"),
        ("named: log", "logs", 8, 'did you mean "logs"?'),
        ("named: logs", "line", 8, "gives logs, which line cannot show (type: logs)"),
        ("named: logs\nwith: {serach: x}", "logs", 9, 'did you mean "search"?'),
        ("named: logs\nwith: {limit: many}", "logs", 9, "where a number belongs"),
        ("named: logs\nwith: {search: $x}", "logs", 9, "is no variable"),
        (QUERY, "logs", 8, "shows no PromQL"),
        ("text: hello", "line", 8, "text is for type markdown"),
        (QUERY + "\nmin: 3\nmax: 1", "line", 10, "max 1 is not above min 3"),
        (QUERY + "\nlinks: [{title: x, to: '//evil.example/'}]", "line", 9, "neither a dashboard nor a path"),
        (QUERY + "\nlinks: [{title: x, to: 'javascript:alert(1)'}]", "line", 9, "neither a dashboard nor a path"),
        (QUERY + "\nthresholds: [{value: 1, state: bad}]", "line", 9, "ok, warning, critical"),
    ],
)
def test_a_mistake_is_told_with_its_line(rest: str, type: str, line: int, told: str) -> None:  # noqa: A002
    error = problem_of(text_of(rest, type=type))
    assert told in error.message
    assert [p["line"] for p in error.detail] == [line]
    assert error.message.startswith(f"one.yml:{line}:")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ("variables: [{name: route}]\n", "one of query, values and text"),
        ("variables: [{name: r, values: [a], text: true}]\n", "one of query, values and text"),
        ("variables: [{name: r, query: up}]\n", "label_values(metric, label)"),
        ("variables: [{name: r, values: [a]}, {name: r, values: [b]}]\n", "a second variable 'r'"),
        ("variables: [{name: r, text: true, all: true}]\n", "never everything"),
    ],
)
def test_a_variable_that_cannot_be_meant(variables: str, told: str) -> None:
    assert told in problem_of(text_of(QUERY, variables=variables)).message


def test_all_problems_are_told_at_once() -> None:
    error = problem_of(text_of("widht: 3\nunit: second\nqueries: [{expr: 'sum('}]"))
    assert [p["line"] for p in error.detail] == [8, 9, 10]
    assert "3 problems" in error.message


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ('up{route="$route"}', "needs =~"),
        ("$route", "inside the quotes"),
        ("sum by ($route) (up)", "inside the quotes"),
        ('label_replace(up, "a", "$route", "b", "(.*)")', "label matcher"),
        ("up{route=~`$route`}", "in double quotes"),
        ('up{route=~"$rout"}', 'did you mean "route"?'),
        ("rate(up[$__rnge])", 'did you mean "__range"?'),
    ],
)
def test_a_variable_may_only_stand_in_a_matcher(expr: str, told: str) -> None:
    error = problem_of(text_of(f"queries: [{{expr: '{expr}'}}]", variables=ROUTE))
    assert told in error.message


def test_a_name_stands_once_and_is_the_files(tmp_path: Path) -> None:
    twice = text_of(QUERY) + "      - {id: one, type: line, title: Two, queries: [{expr: up}]}\n"
    assert "a second widget 'one'" in problem_of(twice).message
    (tmp_path / "mine.yml").write_text("name: yours\n" + text_of(QUERY))
    with pytest.raises(ConfigError, match="this is 'yours' where 'mine' belongs"):
        board.load(tmp_path / "mine.yml")
    assert board.read("name: mine\n" + text_of(QUERY)).name == "mine"
    for text in ("", "[]", "a: [", "title: x\nrows: [{title: r, widgets: [{}]}]"):
        problem_of(text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_shipped_fits_the_schema_and_reads_the_same_as_json(path: Path) -> None:
    definition = board.load(path)
    told = plain(definition)
    jsonschema.validate(told, schema())
    again = board.read(orjson.dumps(told).decode(), name=path.stem)
    assert again == definition
    for widget in definition.widgets():
        for link in widget.links:
            assert link.path or (CONFIG / "dashboards" / f"{link.to}.yml").exists(), link
            if not link.path:
                known = {v.name for v in board.load(CONFIG / "dashboards" / f"{link.to}.yml").variables}
                assert set(link.given) <= known, f"{path.stem}/{widget.id}: {link.to} has no variable of {link.given}"


def test_the_schema_file_is_what_the_reader_reads() -> None:
    text = (CONFIG / "schema" / "dashboard.schema.json").read_text()
    assert json.loads(text) == schema(), "write it anew: json.dumps(board.fields.schema(), indent=2)"
    wrong = [
        {"title": "x", "rows": []},
        {"rows": [{"title": "", "widgets": [{"id": "A", "type": "line", "title": ""}]}]},
    ]
    for each in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(each, schema())


def test_every_named_question_says_what_it_is_and_can_be_shown() -> None:
    shapes = {kind.shape for kind in KINDS.values()}
    manual = (CONFIG.parent / "docs" / "dashboards.md").read_text()
    for name, question in NAMED.items():
        module = __import__(f"pitchey_slo.board.named.{name}", fromlist=["x"])
        assert module.QUESTION is question and len(module.__doc__ or "") > 60, name
        assert question.shape in shapes, name
        assert f"`{name}`" in manual, f"docs/dashboards.md says nothing of {name}"
    for name in KINDS:
        assert f"`{name}`" in manual, f"docs/dashboards.md says nothing of {name}"
