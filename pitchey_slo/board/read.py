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
from pitchey_slo.board.fields import NAME
from pitchey_slo.board.keys import at, find, items, table
from pitchey_slo.board.kinds import KINDS
from pitchey_slo.board.model import Definition, Link, Query, Row, Threshold, Variable, Widget
from pitchey_slo.board.span import PLACEHOLDERS
from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.yaml_source import Value, compose, raise_all

_LABEL_VALUES: Final = re.compile(r"label_values\(\s*(?P<metric>.*\S)\s*,\s*(?P<label>[a-zA-Z_]\w*)\s*\)", re.DOTALL)
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
    given = table(root, "dashboard")
    if given is None:
        return None
    own = given.get("name", name)
    if own is None:
        root.problem("name: missing", "such as name: my-dashboard")
    elif name is not None and own != name:
        at(root, "name").problem(f"this is {own!r} where {name!r} belongs", "leave it out, or rename the file")
    elif not re.fullmatch(NAME, own):
        root.problem(f"{own!r} is no name of a dashboard", "small letters, digits, - and _")
    variables = tuple(v for v in map(_variable, items(root, "variables")) if v)
    known = {v.name: v.all or v.text for v in variables}
    rows = tuple(r for r in (_row(each, known) for each in items(root, "rows")) if r)
    _unique(root)
    rest = {key: given[key] for key in ("description", "order", "role", "range", "refresh") if key in given}
    return Definition(str(own), given.get("title", ""), rows, variables=variables, **rest)


def _variable(value: Value) -> Variable | None:
    given = table(value, "variable")
    if given is None or "name" not in given:
        return None
    metric = label = ""
    if len({"query", "values"} & set(given)) + bool(given.get("text")) != 1:
        value.problem("a variable has one of query, values and text: true")
    if given.get("text") and given.get("all"):
        at(value, "all").problem("what is typed is never everything", "leave it empty for that")
    if "query" in given:
        found = _LABEL_VALUES.fullmatch(given["query"].strip())
        if found is None:
            at(value, "query").problem("not label_values(metric, label)", "label_values(up, job)")
        else:
            metric, label = found["metric"], found["label"]
            _promql(at(value, "query"), metric, {})
    given.setdefault("label", given["name"])
    values, flags = tuple(given.get("values", ())), (given.get("all", False), given.get("text", False))
    return Variable(given["name"], given["label"], metric, label, values, *flags)


def _row(value: Value, variables: Mapping[str, bool]) -> Row | None:
    given = table(value, "row")
    if given is None:
        return None
    widgets = tuple(w for w in (_widget(each, variables) for each in items(value, "widgets")) if w)
    return Row(given.get("title", ""), widgets, given.get("collapsed", False))


def _widget(value: Value, variables: Mapping[str, bool]) -> Widget | None:
    given = table(value, "widget")
    if given is None or not {"id", "type", "title"} <= set(given):
        return None
    kind = KINDS[given["type"]]
    queries = tuple(q for q in (_query(each, variables) for each in items(value, "queries")) if q)
    grafana = tuple(q for q in (_query(each, variables) for each in items(value, "grafana")) if q)
    sources = {"queries", "named", "text"} & set(given)
    if len(sources) != 1:
        value.problem(
            "a widget has one of queries, named and text"
            + (f", not {' and '.join(sorted(sources))}" if sources else "")
        )
    elif "text" in given and given["type"] != "markdown":
        at(value, "text").problem(f"text is for type markdown, not {given['type']}")
    elif "queries" in given and not kind.queries:
        at(value, "queries").problem(f"type {given['type']} shows no PromQL", "it needs named, or text")
    elif "named" in given:
        _named(value, given, variables)
    if "with" in given and "named" not in given:
        at(value, "with").problem("arguments without a named question")
    thresholds = tuple(t for t in map(_threshold, items(value, "thresholds")) if t)
    links = tuple(k for k in (_link(each, variables) for each in items(value, "links")) if k)
    low, high = given.get("min"), given.get("max")
    if low is not None and high is not None and low >= high:
        at(value, "max").problem(f"max {high:g} is not above min {low:g}")
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

    known, place = NAMED.get(given["named"]), at(value, "named")
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
            at(at(value, "with"), key).problem(problem)


def _query(value: Value, variables: Mapping[str, bool]) -> Query | None:
    given = table(value, "query")
    if given is None or "expr" not in given:
        return None
    _promql(at(value, "expr"), given["expr"], variables)
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
    given = table(value, "threshold")
    return Threshold(**given) if given is not None and {"value", "state"} <= set(given) else None


def _link(value: Value, variables: Mapping[str, bool]) -> Link | None:
    given = table(value, "link")
    if given is None or not {"title", "to"} <= set(given):
        return None
    to = given["to"]
    if not (re.fullmatch(NAME, to) or (_PATH.fullmatch(to) and not to.startswith("//"))):
        at(value, "to").problem(f"{to!r} is neither a dashboard nor a path of this server", "such as /docs")
    for key, text in given.get("with", {}).items():
        for name in fill.names_in(str(text)):
            if name not in variables:
                at(at(value, "with"), key).problem(f"no variable ${name}", did_you_mean(name, variables))
    return Link(given["title"], to, {key: str(text) for key, text in given.get("with", {}).items()})


def _unique(root: Value) -> None:
    """Names stand once; widgets of a row need not fit into one line, they wrap."""
    seen: set[str] = set()
    for each in items(root, "variables"):
        _once(each, "name", "variable", seen)
    seen = set()
    for row in items(root, "rows"):
        for widget in items(row, "widgets"):
            _once(widget, "id", "widget", seen)


def _once(value: Value, key: str, what: str, seen: set[str]) -> None:
    place = find(value, key)
    if place is not None and place.kind == "text":
        if place.text in seen:
            place.problem(f"a second {what} {place.text!r}")
        seen.add(place.text)
