"""The keys of one map of a definition, as `fields.py` says what they may hold; problems are noted, not raised."""

from __future__ import annotations

import re
from typing import Any, Final

from pitchey_slo.board.fields import FIELDS, Field
from pitchey_slo.errors import did_you_mean
from pitchey_slo.yaml_source import Value, join, shown

_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
#: Words for yes and no, as YAML 1.2 has them.
_FLAGS: Final = {"true": True, "false": False}


def table(value: Value, name: str) -> dict[str, Any] | None:
    """The plain values of a map's keys, by the table `name` of FIELDS; lists of maps are left to `items`. None when it
    is no map."""
    if not value.wants("map", f"a {name}"):
        return None
    fields = FIELDS[name]
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


def items(value: Value, key: str) -> list[Value]:
    found = find(value, key)
    return list(found.items()) if found is not None and found.kind == "list" else []


def find(value: Value, key: str) -> Value | None:
    if value.kind != "map":
        return None
    return next((each for name, each in value.entries() if name.text == key), None)


def at(value: Value, key: str) -> Value:
    """The value of a key, or the map itself where the key is absent; for telling a place."""
    return find(value, key) or Value(value.source, value.node, join(value.key, key))
