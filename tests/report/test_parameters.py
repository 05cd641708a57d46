"""Strict parameters: what is not declared, or of another type, is an error that says what would work."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.errors import ParameterError
from pitchey_slo.report.parameters import check, declared, from_text

SOURCE = '''
"""Texts and imports may stand here."""
from datetime import datetime
service: str = "all"  # which service
days: int = 28
share: float = 0.5
full: bool = False
routes: list[str] = []
labels: dict = {}
end: datetime | None = None  # when
plain = 3
anything = None
'''
ALL = declared(SOURCE, notebook="nb")


def test_declarations_are_read_with_type_default_and_help() -> None:
    assert [(p.name, p.type, p.default) for p in ALL] == [
        ("service", "str", "all"),
        ("days", "int", 28),
        ("share", "float", 0.5),
        ("full", "bool", False),
        ("routes", "list", []),
        ("labels", "dict", {}),
        ("end", "datetime", None),
        ("plain", "int", 3),
        ("anything", "any", None),
    ]
    assert ALL[0].help == "which service"
    assert str(ALL[4]) == "routes: list[str] = []"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = f()", "not a literal"),
        ("import os; os.getcwd()", "only assignments"),
        ("x: str", "only assignments"),
        ("X = 1", "no parameter name"),
        ("a.b = 1", "no parameter name"),
        ("x: Path = 'a'", "no parameter type"),
        ("x: str[int] = 'a'", "no parameter type"),
        ("x: int = 'a'", "takes int"),
        ("x = 1\nx = 2", 'line 2: "x" is declared twice'),
        ("x = (1", "not Python"),
        ("x = {1: 2}", "takes an object"),
    ],
)
def test_a_cell_that_does_more_than_declare_is_refused(source: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        declared(source, notebook="nb")


def test_an_unknown_parameter_is_named_with_a_suggestion_and_all_that_exist() -> None:
    with pytest.raises(ParameterError) as caught:
        check({"sevice": "x"}, ALL, notebook="nb")
    assert 'no parameter "sevice"; did you mean "service"?' in caught.value.message
    assert "days: int = 28" in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service", 1),
        ("days", "28"),
        ("days", True),
        ("days", 1.0),
        ("share", float("nan")),
        ("share", True),
        ("full", 1),
        ("routes", "a"),
        ("routes", [1]),
        ("labels", {1: 2}),
        ("labels", {"a": object()}),
        ("end", "yesterday"),
        ("service", None),
        ("anything", {1, 2}),
        # a name is never pasted into code, whatever it holds
        ("a=1\nimport os", "x"),
    ],
)
def test_a_mistyped_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ParameterError):
        check({name: value}, ALL, notebook="nb")


def test_defaults_are_filled_in_and_times_become_text() -> None:
    values = check(
        {"end": datetime(2026, 3, 1, tzinfo=UTC), "share": 1, "service": date(2026, 3, 1)}, ALL, notebook="nb"
    )
    assert values["end"] == "2026-03-01T00:00:00+00:00"
    assert values["service"] == "2026-03-01"
    assert values["share"] == 1.0
    assert isinstance(values["share"], float)
    assert values["days"] == 28
    assert list(values) == [p.name for p in ALL]


def test_texts_from_a_command_line_are_converted_by_declared_type() -> None:
    given_ = {
        "service": "7",
        "days": "7",
        "share": "0.25",
        "full": "Yes",
        "routes": "/a, /b",
        "labels": '{"a": [1]}',
        "end": "2026-03-01T00:00Z",
        "anything": "[1, null]",
    }
    values = from_text(given_, ALL, notebook="nb")
    assert check(values, ALL, notebook="nb") | values == check(values, ALL, notebook="nb")
    assert values == {
        "service": "7",
        "days": 7,
        "share": 0.25,
        "full": True,
        "routes": ["/a", "/b"],
        "labels": {"a": [1]},
        "end": "2026-03-01T00:00Z",
        "anything": [1, None],
    }


@pytest.mark.parametrize(
    ("name", "text"), [("days", "7.5"), ("full", "maybe"), ("labels", "{"), ("share", "x"), ("no", "")]
)
def test_a_text_that_cannot_be_converted_is_refused(name: str, text: str) -> None:
    with pytest.raises(ParameterError):
        from_text({name: text}, ALL, notebook="nb")


@given(st.dictionaries(st.text(max_size=8) | st.sampled_from([p.name for p in ALL]), st.text(max_size=12)))
def test_any_text_gives_plain_json_or_a_parameter_error(pairs: dict[str, str]) -> None:
    try:
        values = check(from_text(pairs, ALL, notebook="nb"), ALL, notebook="nb")
    except ParameterError:
        return
    assert json.loads(json.dumps(values, allow_nan=False)) == values
