"""Kinds of values in a definition file, each of which can do two things: read itself, and say itself as JSON Schema.

Both come from one description (`form.py`), so an editor that knows the schema and the reader that runs agree. Reading
notes every problem at its place in the file and goes on; what could not be read is `WRONG`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pitchey_slo.errors import did_you_mean
from pitchey_slo.yaml_source import Value, shown

Schema = dict[str, Any]


class _Wrong:
    def __bool__(self) -> bool:
        return False


#: What stands for a value that could not be read; its problem is noted.
WRONG: Final[Any] = _Wrong()


class Kind(Protocol):
    """A kind of value."""

    def read(self, given: Value) -> Any: ...

    def schema(self) -> Schema: ...


@dataclass(frozen=True)
class Text:
    """A text, `longest` characters at most; `pattern` is what all of it looks like (`like` says it in words);
    `problem` says what else is wrong with it, such as that it is no regular expression."""

    longest: int = 1_024
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    like: str = ""
    problem: Callable[[str], str | None] | None = None

    def read(self, given: Value) -> Any:
        if given.kind != "text" or plain(given) is not given.text:
            given.problem(f"{shown(given)} where a text belongs", "put it in quotes" if given.kind == "text" else None)
            return WRONG
        return self.check(given)

    def check(self, given: Value) -> Any:
        text = given.text
        if self.choices and text not in self.choices:
            given.problem(repr(text), did_you_mean(text, self.choices) or f"one of {', '.join(self.choices)}")
        elif not text or len(text) > self.longest:
            given.problem(f"a text of {len(text)} characters", f"1 to {self.longest}")
        elif self.pattern and not re.fullmatch(self.pattern, text, re.ASCII):
            given.problem(repr(text), self.like)
        elif self.problem and (wrong := self.problem(text)):
            given.problem(wrong)
        else:
            return text
        return WRONG

    def schema(self) -> Schema:
        if self.choices:
            return {"enum": list(self.choices)}
        found: Schema = {"type": "string", "minLength": 1, "maxLength": self.longest}
        return found | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


@dataclass(frozen=True)
class Word:
    """A text, or a number or truth value that is taken as it is written: values of headers, forms and variables."""

    longest: int = 4_096

    def read(self, given: Value) -> Any:
        if given.kind != "text" or len(given.text) > self.longest:
            given.problem(f"{shown(given)} where a text belongs", f"{self.longest} characters at most")
            return WRONG
        return given.text

    def schema(self) -> Schema:
        return {"type": ["string", "number", "boolean"], "maxLength": self.longest}


@dataclass(frozen=True)
class Number:
    """A number; `whole` ones have no point."""

    low: float
    high: float
    whole: bool = False

    def read(self, given: Value) -> Any:
        number = plain(given)
        fits = isinstance(number, int) if self.whole else isinstance(number, (int, float))
        if isinstance(number, bool) or not fits or not self.low <= number <= self.high:
            what = "a whole number" if self.whole else "a number"
            given.problem(f"{shown(given)} where {what} belongs", f"{self.low:g} to {self.high:g}")
            return WRONG
        return number

    def schema(self) -> Schema:
        return {"type": "integer" if self.whole else "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Flag:
    def read(self, given: Value) -> Any:
        value = plain(given)
        if not isinstance(value, bool):
            given.problem(f"{shown(given)} where true or false belongs")
            return WRONG
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


_LENGTH: Final = r"(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?"
_UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Length:
    """A length of time such as `30s`, `1m30s` or `800ms`; read as seconds."""

    low: float
    high: float

    def read(self, given: Value) -> Any:
        text = given.text
        if given.kind != "text" or not text or not re.fullmatch(_LENGTH, text, re.ASCII):
            given.problem(f"{shown(given)} where a length of time belongs", "such as 30s, 1m30s or 800ms")
            return WRONG
        seconds = sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|d|h|m|s)", text))
        if not self.low <= seconds <= self.high:
            given.problem(f"{text} is outside {self.low:g} to {self.high:g} seconds")
            return WRONG
        return seconds

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(?=[0-9]){_LENGTH}$", "maxLength": 32}


@dataclass(frozen=True)
class Json:
    """Any JSON value, as YAML 1.2 reads it."""

    def read(self, given: Value) -> Any:
        if given.kind == "map":
            return {key.text: self.read(value) for key, value in given.entries()}
        if given.kind == "list":
            return [self.read(each) for each in given.items()]
        return plain(given)

    def schema(self) -> Schema:
        return {}


@dataclass(frozen=True)
class Many:
    """A list."""

    of: Kind
    least: int = 0
    most: int = 100

    def read(self, given: Value) -> Any:
        if not given.wants("list", "a list"):
            return WRONG
        found = list(given.items())
        if not self.least <= len(found) <= self.most:
            given.problem(f"{len(found)} entries", f"{self.least} to {self.most}")
        return [self.of.read(each) for each in found]

    def schema(self) -> Schema:
        return {"type": "array", "items": self.of.schema(), "minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True)
class OneOrMany:
    """A value, or a list of such; read as a list."""

    of: Kind
    most: int = 100

    def read(self, given: Value) -> Any:
        return Many(self.of, 1, self.most).read(given) if given.kind == "list" else [self.of.read(given)]

    def schema(self) -> Schema:
        return {"anyOf": [self.of.schema(), Many(self.of, 1, self.most).schema()]}


@dataclass(frozen=True)
class Named:
    """A map from names to values."""

    of: Kind
    pattern: str
    like: str
    most: int = 100

    def read(self, given: Value) -> Any:
        if not given.wants("map", "a map"):
            return WRONG
        found: dict[str, Any] = {}
        for key, value in given.entries():
            if key.text in found:
                key.problem(f"{key.text} stands twice")
            elif not re.fullmatch(self.pattern, key.text, re.ASCII):
                key.problem(repr(key.text), self.like)
            else:
                found[key.text] = self.of.read(value)
        if len(found) > self.most:
            given.problem(f"{len(found)} entries", f"{self.most} at most")
        return found

    def schema(self) -> Schema:
        return {
            "type": "object", "additionalProperties": self.of.schema(), "maxProperties": self.most,
            "propertyNames": {"pattern": f"^(?:{self.pattern})$"},
        }  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A key of a map: its kind, what it means, and whether it must be there."""

    kind: Kind
    doc: str
    required: bool = False


@dataclass(frozen=True)
class Record:
    """A map with known keys. `one_of` are sets of keys of which exactly one must be there, `at_most_one` likewise with
    none allowed."""

    fields: Mapping[str, Field]
    one_of: tuple[tuple[str, ...], ...] = ()
    at_most_one: tuple[tuple[str, ...], ...] = ()
    doc: str = ""

    def read(self, given: Value) -> Any:
        if not given.wants("map", "a map"):
            return WRONG
        found: dict[str, Value] = {}
        for key, value in given.entries():
            if key.text not in self.fields:
                known = did_you_mean(key.text, self.fields) or f"known here: {', '.join(self.fields)}"
                key.problem(f"unknown key {key.text!r}", known)
            elif key.text in found:
                key.problem(f"{key.text} stands twice")
            else:
                found[key.text] = value
        self._missing(given, found)
        return {name: self.fields[name].kind.read(value) for name, value in found.items()}

    def _missing(self, given: Value, found: Mapping[str, Value]) -> None:
        for name, each in self.fields.items():
            if each.required and name not in found:
                given.problem(f"{name} is missing", each.doc)
        for names, least in (*((n, 1) for n in self.one_of), *((n, 0) for n in self.at_most_one)):
            there = [name for name in names if name in found]
            if not least <= len(there) <= 1:
                given.problem(
                    f"{' and '.join(there)} together" if there else "incomplete", f"one of {', '.join(names)}"
                )

    def schema(self) -> Schema:
        properties = {name: {"description": f.doc} | f.kind.schema() for name, f in self.fields.items()}
        found: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
        if self.doc:
            found["description"] = self.doc
        if required := [name for name, f in self.fields.items() if f.required]:
            found["required"] = required
        rules: list[Schema] = [{"oneOf": [{"required": [name]} for name in names]} for names in self.one_of]
        rules += [
            {"not": {"anyOf": [{"required": list(pair)} for pair in _pairs(names)]}} for names in self.at_most_one
        ]
        return found | ({"allOf": rules} if rules else {})


def _pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((a, b) for i, a in enumerate(names) for b in names[i + 1 :])


_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def plain(given: Value) -> Any:
    """What YAML 1.2's core schema says of a scalar: a number, truth value or nothing when it is written without quotes
    and looks so, else the text itself; of a map or list the value of its node, which is neither."""
    text = given.node.value
    if not isinstance(text, str):
        return text
    if getattr(given.node, "style", None):
        return text
    if given.kind == "nothing":
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) <= 18:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) <= 40:
        return float(text)
    return text
