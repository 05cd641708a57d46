"""Notebook parameters: what a notebook declares, and a strict check of what it is given, before any kernel starts.

A notebook declares its parameters in the cell tagged `parameters`, one assignment of a literal per line:

    window: str = "28d"  # the comment is the help text

Papermill itself only warns about a parameter nobody declared, and writes parameter *names* into the code as they come
(nteract/papermill#696), so nothing goes on from here that is not declared, of its type, and plain JSON.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from pitchey_slo.errors import ParameterError, did_you_mean

NAME: Final = re.compile(r"^[a-z_][a-z0-9_]{0,63}$")
TYPES: Final = ("str", "int", "float", "bool", "list", "dict", "datetime")
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Parameter:
    """One declared parameter. `type` is one of TYPES, or "any" for a bare `x = None`; `optional` also takes None.

    A `datetime` is ISO 8601 text, the empty text included, which by custom means "not given".
    """

    name: str
    type: str
    default: Any
    help: str = ""
    item: str | None = None
    optional: bool = False

    def __str__(self) -> str:
        """`window: str = "28d"`, as the notebook spells it."""
        kind = f"list[{self.item}]" if self.item else self.type
        return f"{self.name}: {kind}{' | None' if self.optional else ''} = {self.default!r}"


def declared(source: str, *, notebook: str) -> tuple[Parameter, ...]:
    """The parameters a `parameters` cell declares, in order.

    Raises ParameterError, naming notebook and line, for a statement that is not an assignment of a literal to a name
    that matches NAME (imports and bare texts are skipped).
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise _bad(notebook, error.lineno or 1, f"not Python: {error.msg}") from None
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            continue
        parameter = _one(node, comments.get(node.end_lineno or node.lineno, ""), notebook)
        if parameter.name in found:
            raise _bad(notebook, node.lineno, f'"{parameter.name}" is declared twice')
        found[parameter.name] = parameter
    return tuple(found.values())


def check(given: Mapping[str, Any], parameters: Sequence[Parameter], *, notebook: str) -> dict[str, Any]:
    """All parameters of one run, defaults included, as plain JSON values.

    Raises ParameterError for a name nobody declared or a value of another type; `detail` lists what exists.
    """
    known = {p.name: p for p in parameters}
    for name in given:
        if name not in known:
            raise _unknown(str(name), parameters, notebook)
    return {p.name: _checked(p, given[p.name], notebook) if p.name in given else p.default for p in parameters}


def from_text(pairs: Mapping[str, str], parameters: Sequence[Parameter], *, notebook: str) -> dict[str, Any]:
    """Values typed on a command line, converted to the declared types; pass the answer to `check`.

    A list is JSON or comma-separated words, a dict is JSON, a bool is true/false/yes/no/on/off/1/0.
    """
    known = {p.name: p for p in parameters}
    values = {}
    for name, text in pairs.items():
        if name not in known:
            raise _unknown(name, parameters, notebook)
        values[name] = _converted(known[name], text, notebook)
    return values


def _one(node: ast.stmt, comment: str, notebook: str) -> Parameter:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        target: ast.expr = node.target
        value, annotation = node.value, node.annotation
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value, annotation = node.targets[0], node.value, None
    else:
        raise _bad(notebook, node.lineno, 'only assignments of literals may stand here, such as  window: str = "28d"')
    if not isinstance(target, ast.Name) or not NAME.match(target.id):
        raise _bad(notebook, node.lineno, f'"{ast.unparse(target)}" is no parameter name; they match {NAME.pattern}')
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise _bad(notebook, node.lineno, f'the default of "{target.id}" is not a literal') from None
    kind, item, optional = _annotation(annotation, default, notebook, node.lineno)
    parameter = Parameter(target.id, kind, default, comment, item, optional)
    return Parameter(target.id, kind, _checked(parameter, default, notebook), comment, item, optional)


def _annotation(node: ast.expr | None, default: Any, notebook: str, line: int) -> tuple[str, str | None, bool]:
    """(type, type of a list's items, whether None is taken)"""
    if node is None:
        kind = type(default).__name__
        return (kind, None, False) if kind in TYPES else ("any", None, True)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    text = ast.unparse(node)
    match = re.fullmatch(r"(?:datetime\.)?(\w+)(?:\[(\w+)(?:, \w+)?\])?( \| None)?", text)
    if match is None or match[1] not in TYPES or (match[2] and match[1] not in ("list", "dict")):
        raise _bad(notebook, line, f'"{text}" is no parameter type; they are {", ".join(TYPES)}')
    item = match[2] if match[1] == "list" else None
    return match[1], item, bool(match[3])


def _checked(parameter: Parameter, value: Any, notebook: str) -> Any:
    if value is None and parameter.optional:
        return None
    if isinstance(value, date) and parameter.type in ("str", "datetime"):
        value = value.isoformat()  # what YAML makes of an unquoted 2026-11-01
    if parameter.type == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not _is_a(parameter.type, value) or not _is_json(value):
        raise _mistyped(parameter, value, notebook)
    if parameter.item and not all(_is_a(parameter.item, one) for one in value):
        raise _mistyped(parameter, value, notebook)
    return value


def _is_a(kind: str, value: Any) -> bool:
    match kind:
        case "any":
            return True
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "datetime":
            return isinstance(value, str) and _is_time(value)
        case _:
            return type(value).__name__ == kind


def _is_json(value: Any) -> bool:
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list():
            return all(map(_is_json, value))
        case dict():
            return all(isinstance(k, str) for k in value) and all(map(_is_json, value.values()))
        case _:
            return False


def _is_time(text: str) -> bool:
    try:
        return not text or bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _converted(parameter: Parameter, text: str, notebook: str) -> Any:
    try:
        return _from_text(parameter, text)
    except (ValueError, RecursionError):
        raise _mistyped(parameter, text, notebook) from None


def _from_text(parameter: Parameter, text: str) -> Any:
    match parameter.type:
        case "str" | "datetime":
            return text
        case "bool":
            if text.lower() not in _YES | _NO:
                raise ValueError(text)
            return text.lower() in _YES
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "list" if not text.lstrip().startswith("["):
            words = [word.strip() for word in text.split(",") if word.strip()]
            return [_from_text(Parameter("item", parameter.item or "str", None), word) for word in words]
        case "list" | "dict":
            return json.loads(text)
        case _:
            return _json_or_text(text)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _comments(source: str) -> dict[int, str]:
    """line -> its comment without the number sign"""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").rstrip() for t in tokens if t.type == tokenize.COMMENT}


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bad(notebook: str, line: int, problem: str) -> ParameterError:
    return ParameterError(f"{notebook}: parameters cell, line {line}: {problem}")


def _unknown(name: str, parameters: Sequence[Parameter], notebook: str) -> ParameterError:
    hint = did_you_mean(name, [p.name for p in parameters])
    listed = ", ".join(map(str, parameters)) or "no parameters"
    return ParameterError(
        f'{notebook} has no parameter "{name}"; ' + (f"{hint} " if hint else "") + f"It takes: {listed}",
        detail={"parameter": name, "known": [str(p) for p in parameters]},
    )


def _mistyped(parameter: Parameter, value: Any, notebook: str) -> ParameterError:
    works = {
        "datetime": 'ISO 8601 text such as "2026-11-01T00:00:00Z"',
        "bool": "true or false",
        "list": f"a list of {parameter.item}" if parameter.item else "a list",
        "dict": 'an object such as {"key": 1}',
        "any": "a JSON value",
    }.get(parameter.type, parameter.type)
    return ParameterError(
        f"{notebook}: parameter {parameter.name} is {value!r} ({type(value).__name__}); it takes {works}"
        + (f", for example {parameter.default!r}" if parameter.default not in (None, "", [], {}) else ""),
        detail={"parameter": parameter.name, "declared": str(parameter)},
    )
