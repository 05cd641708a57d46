"""A definition's text -> `Definition`; every problem with file, line, column, the line and a caret.

The text is YAML, or JSON, which is YAML too. What each key may hold stands in `fields.py`; here is what goes beyond
one key: names that must be there and be unique, expressions that must be PromQL, questions that must exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pitchey_slo.board import fill
from pitchey_slo.board.fields import FIELDS, NAME, Field
from pitchey_slo.board.kinds import KINDS
from pitchey_slo.board.model import Definition, Link, Query, Row, Threshold, Variable, Widget
from pitchey_slo.board.span import PLACEHOLDERS
from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.yaml_source import Value, compose, join, raise_all, shown

_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_LABEL_VALUES: Final = re.compile(r"label_values\(\s*(?P<metric>.*\S)\s*,\s*(?P<label>[a-zA-Z_]\w*)\s*\)", re.DOTALL)
#: Words for yes and no, as YAML 1.2 has them.
_FLAGS: Final = {"true": True, "false": False}
_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?#{}-]*")

Fields = Mapping[str, Any]


def load(path: Path) -> Definition:
    """The dashboard of a file; its name is the file's. Raises ConfigError."""
    return read(path.read_text(encoding="utf-8"), str(path), name=path.stem)


def read(text: str, file: str = "definition", *, name: str | None = None) -> Definition:
    """The dashboard of a text. With `name` it must have that name, or none. Raises ConfigError that lists every
    problem; its `detail` has line and column of each."""
    root, source = compose(text, file)
    made = None
    if root is None and not source.found:
        source.add(1, 1, "", "nothing here", "a dashboard has a title and rows")
    if root is not None:
        made = _definition(root, name)
    raise_all(source.found)
    assert made is not None
    return made


def _definition(root: Value, name: str | None) -> Definition | None:
    given = _table(root, "dashboard")
    if given is None:
        return None
    own = given.get("name", name)
    if own is None:
        root.problem("name: missing", "such as name: my-dashboard")
    elif name is not None and own != name:
        _at(root, "name").problem(f"this is {own!r} where {name!r} belongs", "leave it out, or rename the file")
    elif not re.fullmatch(NAME, own):
        root.problem(f"{own!r} is no name of a dashboard", "small letters, digits, - and _")
    variables = tuple(v for v in map(_variable, _each(root, "variables")) if v)
    known = {v.name: v.all or v.text for v in variables}
    rows = tuple(r for r in (_row(each, known) for each in _each(root, "rows")) if r)
    _unique(root)
    rest = {key: given[key] for key in ("description", "order", "role", "range", "refresh") if key in given}
    return Definition(str(own), given.get("title", ""), rows, variables=variables, **rest)


def _variable(value: Value) -> Variable | None:
    given = _table(value, "variable")
    if given is None or "name" not in given:
        return None
    metric = label = ""
    if len({"query", "values"} & set(given)) + bool(given.get("text")) != 1:
        value.problem("a variable has one of query, values and text: true")
    if given.get("text") and given.get("all"):
        _at(value, "all").problem("what is typed is never everything", "leave it empty for that")
    if "query" in given:
        found = _LABEL_VALUES.fullmatch(given["query"].strip())
        if found is None:
            _at(value, "query").problem("not label_values(metric, label)", "label_values(up, job)")
        else:
            metric, label = found["metric"], found["label"]
            _promql(_at(value, "query"), metric, {})
    given.setdefault("label", given["name"])
    values, flags = tuple(given.get("values", ())), (given.get("all", False), given.get("text", False))
    return Variable(given["name"], given["label"], metric, label, values, *flags)


def _row(value: Value, variables: Mapping[str, bool]) -> Row | None:
    given = _table(value, "row")
    if given is None:
        return None
    widgets = tuple(w for w in (_widget(each, variables) for each in _each(value, "widgets")) if w)
    return Row(given.get("title", ""), widgets, given.get("collapsed", False))


def _widget(value: Value, variables: Mapping[str, bool]) -> Widget | None:
    given = _table(value, "widget")
    if given is None or not {"id", "type", "title"} <= set(given):
        return None
    kind = KINDS[given["type"]]
    queries = tuple(q for q in (_query(each, variables) for each in _each(value, "queries")) if q)
    grafana = tuple(q for q in (_query(each, variables) for each in _each(value, "grafana")) if q)
    sources = {"queries", "named", "text"} & set(given)
    if len(sources) != 1:
        value.problem(
            "a widget has one of queries, named and text"
            + (f", not {' and '.join(sorted(sources))}" if sources else "")
        )
    elif "text" in given and given["type"] != "markdown":
        _at(value, "text").problem(f"text is for type markdown, not {given['type']}")
    elif "queries" in given and not kind.queries:
        _at(value, "queries").problem(f"type {given['type']} shows no PromQL", "it needs named, or text")
    elif "named" in given:
        _named(value, given, variables)
    if "with" in given and "named" not in given:
        _at(value, "with").problem("arguments without a named question")
    thresholds = tuple(t for t in map(_threshold, _each(value, "thresholds")) if t)
    links = tuple(k for k in (_link(each, variables) for each in _each(value, "links")) if k)
    low, high = given.get("min"), given.get("max")
    if low is not None and high is not None and low >= high:
        _at(value, "max").problem(f"max {high:g} is not above min {low:g}")
    plain = ("description", "width", "height", "named", "text", "unit", "decimals", "stack", "min", "max", "empty")
    return Widget(
        given["id"],
        given["type"],
        given["title"],
        queries=queries,
        given=given.get("with", {}),
        span=given.get("range", ""),
        thresholds=thresholds,
        links=links,
        grafana=grafana,
        **{key: given[key] for key in plain if key in given},
    )


def _named(value: Value, given: Fields, variables: Mapping[str, bool]) -> None:
    from pitchey_slo.board.named import NAMED, arguments_problem

    known, place = NAMED.get(given["named"]), _at(value, "named")
    if known is None:
        near = did_you_mean(given["named"], NAMED) or "there are: " + ", ".join(sorted(NAMED))
        place.problem(f"no question is named {given['named']!r}", near)
        return
    shape = KINDS[given["type"]].shape
    if known.shape != shape:
        fits = ", ".join(name for name, kind in KINDS.items() if kind.shape == known.shape)
        place.problem(f"{known.name} gives {known.shape}, which {given['type']} cannot show", f"type: {fits}")
    for key, text in given.get("with", {}).items():
        problem = arguments_problem(known, key, text, variables)
        if problem:
            _at(_at(value, "with"), key).problem(problem)


def _query(value: Value, variables: Mapping[str, bool]) -> Query | None:
    given = _table(value, "query")
    if given is None or "expr" not in given:
        return None
    _promql(_at(value, "expr"), given["expr"], variables)
    return Query(**given)


def _promql(place: Value, expr: str, variables: Mapping[str, bool]) -> None:
    from pitchey_slo.promql import parse

    wrong = fill.check(expr, variables)
    if wrong is not None:
        place.problem(wrong[1], at=wrong[0])
        return
    try:
        parse(fill.fill(expr, dict.fromkeys(variables, ("x",)), PLACEHOLDERS))
    except QueryError as error:
        place.problem(f"not PromQL: {error.message.splitlines()[0]}")


def _threshold(value: Value) -> Threshold | None:
    given = _table(value, "threshold")
    return Threshold(**given) if given is not None and {"value", "state"} <= set(given) else None


def _link(value: Value, variables: Mapping[str, bool]) -> Link | None:
    given = _table(value, "link")
    if given is None or not {"title", "to"} <= set(given):
        return None
    to = given["to"]
    if not (re.fullmatch(NAME, to) or (_PATH.fullmatch(to) and not to.startswith("//"))):
        _at(value, "to").problem(f"{to!r} is neither a dashboard nor a path of this server", "such as /docs")
    for key, text in given.get("with", {}).items():
        for name in fill.names_in(str(text)):
            if name not in variables:
                _at(_at(value, "with"), key).problem(f"no variable ${name}", did_you_mean(name, variables))
    return Link(given["title"], to, {key: str(text) for key, text in given.get("with", {}).items()})


def _unique(root: Value) -> None:
    """Names stand once; widgets of a row need not fit into one line, they wrap."""
    seen: set[str] = set()
    for each in _each(root, "variables"):
        _once(each, "name", "variable", seen)
    seen = set()
    for row in _each(root, "rows"):
        for widget in _each(row, "widgets"):
            _once(widget, "id", "widget", seen)


def _once(value: Value, key: str, what: str, seen: set[str]) -> None:
    place = _find(value, key)
    if place is not None and place.kind == "text":
        if place.text in seen:
            place.problem(f"a second {what} {place.text!r}")
        seen.add(place.text)


# keys of one map


def _table(value: Value, table: str) -> dict[str, Any] | None:
    """The plain values of a map's keys; lists of maps are left to `_each`. Problems are noted."""
    if not value.wants("map", f"a {table}"):
        return None
    fields = FIELDS[table]
    found = value.fields(fields)
    made: dict[str, Any] = {}
    for key, field in fields.items():
        if key in found:
            plain = _plain(found[key], field)
            if plain is not None:
                made[key] = plain
        elif field.required:
            value.problem(f"{key}: missing", field.doc)
    return made


def _plain(value: Value, field: Field) -> Any:
    match field.type:
        case "text":
            return _text(value, field) if value.wants("text", "a text") else None
        case "integer" | "number":
            return _number(value, field)
        case "flag":
            if value.kind != "text" or value.text not in _FLAGS:
                value.problem(f"{shown(value)} where true or false belongs")
                return None
            return _FLAGS[value.text]
        case "map":
            return {key: _scalar(each) for key, each in value.texts().items()}
        case "list":
            if not value.wants("list", "a list"):
                return None
            _count(value, len(list(value.items())), field, "entries")
            return [] if field.inside else [each.text for each in value.items() if each.wants("text", "a text")]


def _text(value: Value, field: Field) -> str | None:
    text = value.text
    if field.words and text not in field.words:
        value.problem(f"{shown(value)} is none of them", did_you_mean(text, field.words) or ", ".join(field.words))
        return None
    if field.pattern and not re.fullmatch(field.pattern, text):
        example = "such as 5m or 1h" if "smhdw" in field.pattern.replace("|", "") else "small letters, digits, - and _"
        value.problem(f"{shown(value)} does not fit", example)
        return None
    return text if _count(value, len(text), field, "characters") else None


def _number(value: Value, field: Field) -> float | int | None:
    if value.kind != "text" or not _NUMBER.fullmatch(value.text):
        value.problem(f"{shown(value)} where a number belongs")
        return None
    number = float(value.text)
    if field.type == "integer" and number != int(number):
        value.problem(f"{value.text} where a whole number belongs")
        return None
    low, high = field.low, field.high
    if (low is not None and number < low) or (high is not None and number > high):
        value.problem(f"{value.text} is outside {low:g} to {high:g}")
        return None
    return int(number) if field.type == "integer" else number


def _scalar(value: Value) -> str | float | bool:
    """A value without quotes is the number or flag it looks like."""
    plain = not getattr(value.node, "style", None)
    if plain and value.text in _FLAGS:
        return _FLAGS[value.text]
    if plain and _NUMBER.fullmatch(value.text):
        number = float(value.text)
        return int(number) if number == int(number) and "." not in value.text else number
    return value.text


def _count(value: Value, count: int, field: Field, what: str) -> bool:
    if field.low is not None and count < field.low:
        value.problem(f"at least {field.low:g} {what} are needed")
        return False
    if field.high is not None and count > field.high:
        value.problem(f"{count:,} {what}; at most {field.high:,.0f} are taken")
        return False
    return True


def _each(value: Value, key: str) -> list[Value]:
    found = _find(value, key)
    return list(found.items()) if found is not None and found.kind == "list" else []


def _find(value: Value, key: str) -> Value | None:
    if value.kind != "map":
        return None
    return next((each for name, each in value.entries() if name.text == key), None)


def _at(value: Value, key: str) -> Value:
    """The value of a key, or the map itself where the key is absent; for telling a place."""
    return _find(value, key) or Value(value.source, value.node, join(value.key, key))
