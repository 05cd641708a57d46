r"""Matchers: conditions on labels, in both of Alertmanager's notations (docs/configuration.md, "Label matchers").

`parse` reads the UTF-8 notation first (`{"a b"="c", foo=~"x|y"}`; values and names bare or in double quotes with Go's
escapes) and, where that fails, the classic one (`foo=`, `foo="\d+"`: lenient in its backslashes, its value may be
empty). A missing label counts as empty. Regular expressions are RE2 and match the whole value, as in Go:
no pattern can take exponential time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

OPERATORS: Final = ("=", "!=", "=~", "!~")
_EXAMPLE: Final = 'such as severity="critical" or service=~"api|web"'
_BARE: Final = re.compile(r"""[^\s{}!=~,\\"'`]+""")
_OPERATOR: Final = re.compile(r"=~|!~|!=|=")
_CLASSIC: Final = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*((?s:.*?))\s*", re.ASCII)
_NUMBERED: Final = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})")
_ESCAPES: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}


@dataclass(frozen=True)
class Matcher:
    """One condition; `op` is one of =, !=, =~ and !~."""

    name: str
    op: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """
        >>> Matcher("service", "=~", "api|web").matches({"service": "web"})
        True
        """
        found = labels.get(self.name, "")
        match self.op:
            case "=":
                return found == self.value
            case "!=":
                return found != self.value
            case "=~":
                return _fits(self.value, found)
        return not _fits(self.value, found)

    def __str__(self) -> str:
        name = self.name if re.fullmatch(r"[a-zA-Z_]\w*", self.name, re.ASCII) else _quoted(self.name)
        return f"{name}{self.op}{_quoted(self.value)}"


Matchers = tuple[Matcher, ...]


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """True when all hold; no matchers match everything."""
    return all(m.matches(labels) for m in matchers)


def text_of(matchers: Sequence[Matcher]) -> str:
    """As Alertmanager writes them: `{a="b",c=~"d"}`, sorted."""
    return "{" + ",".join(sorted(str(m) for m in matchers)) + "}"


def check(matcher: Matcher) -> Matcher:
    """The same matcher; ValueError when its expression is no RE2."""
    if matcher.op in ("=~", "!~"):
        _compiled(matcher.value)
    return matcher


def parse(text: str) -> Matchers:
    r"""One or several matchers from text. ValueError says what was expected where.

    >>> [str(m) for m in parse('{foo = bar, "a b" =~ "x|y",}')]
    ['foo="bar"', '"a b"=~"x|y"']
    >>> parse(r'quote="\d+"')[0].value  # classic: the backslash stands for itself
    '\\d+'
    """
    try:
        found = _Reader(text).read()
    except ValueError as error:
        try:
            found = _classic(text)
        except ValueError:
            raise error from None
    return tuple(check(m) for m in found)


def from_api(found: Mapping[str, Any]) -> Matcher:
    """A matcher as silences carry it: name, value, isRegex, isEqual (true when it is not given)."""
    equal = found.get("isEqual")
    regex = bool(found.get("isRegex", False))
    op = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}[equal is not False, regex]
    return check(Matcher(str(found["name"]), op, str(found["value"])))


def to_api(matcher: Matcher) -> dict[str, Any]:
    return {
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matcher.op in ("=~", "!~"),
        "isEqual": matcher.op in ("=", "=~"),
    }


class _Reader:
    """The UTF-8 notation, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def read(self) -> Matchers:
        braces = self._skip("{")
        found: list[Matcher] = []
        while not self._end() and not self._peek("}"):
            found.append(self._matcher())
            if not self._skip(","):
                break
        if braces != self._skip("}"):
            raise self._expected("the closing }" if braces else "a matcher; } closes nothing")
        if not self._end():
            raise self._expected("a comma or the end")
        if not found and not braces:
            raise self._expected("a matcher")
        return tuple(found)

    def _matcher(self) -> Matcher:
        name = self._word("a label name")
        self._space()
        op = _OPERATOR.match(self.text, self.at)
        if not op:
            raise self._expected("one of " + " ".join(OPERATORS))
        self.at = op.end()
        return Matcher(name, op[0], self._word('a value (an empty one is "")'))

    def _word(self, what: str) -> str:
        self._space()
        if self._peek('"'):
            return self._string()
        found = _BARE.match(self.text, self.at)
        if not found:
            raise self._expected(what)
        self.at = found.end()
        return found[0]

    def _string(self) -> str:
        end = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL).match(self.text, self.at)
        if not end:
            raise self._expected("a closing double quote")
        self.at = end.end()
        return _unquoted(end[1])

    def _space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _peek(self, what: str) -> bool:
        self._space()
        return self.text.startswith(what, self.at)

    def _skip(self, what: str) -> bool:
        found = self._peek(what)
        self.at += len(what) if found else 0
        return found

    def _end(self) -> bool:
        self._space()
        return self.at >= len(self.text)

    def _expected(self, what: str) -> ValueError:
        return ValueError(f"{self.text!r}: expected {what} at character {self.at + 1}, {_EXAMPLE}")


def _unquoted(body: str) -> str:
    """The value of a Go string literal. ValueError for an escape that Go does not have."""
    found = bytearray()
    at = 0
    while at < len(body):
        if body[at] != "\\":
            found += body[at].encode("utf-8", "surrogatepass")
            at += 1
            continue
        mark = body[at + 1]
        if mark in _ESCAPES:
            found.append(_ESCAPES[mark])
            at += 2
            continue
        digits = _NUMBERED.match(body, at + 1)
        if not digits:
            raise ValueError(f'"{body}": \\{mark} is no escape of a double-quoted string; a backslash is written \\\\')
        if digits[1] or digits[4]:
            found.append(int(digits[1], 16) if digits[1] else int(digits[4], 8))
        else:
            number = int(digits[2] or digits[3], 16)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                raise ValueError(f'"{body}": {digits[0]} is no character')
            found += chr(number).encode()
        at = digits.end()
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise ValueError(f'"{body}" is not UTF-8') from None


def _classic(text: str) -> Matchers:
    body = text.strip()
    if body.startswith("{") != body.endswith("}"):
        raise ValueError(f"{text!r}: braces come in pairs")
    body = body[1:-1] if body.startswith("{") else body
    if not text.strip():
        raise ValueError(f"an empty matcher; {_EXAMPLE}")
    parts = _split(body)
    if parts and not parts[-1].strip():
        parts.pop()
    return tuple(_classic_one(part) for part in parts)


def _split(body: str) -> list[str]:
    """At commas outside double quotes."""
    parts, quoted, escaped, start = [], False, False, 0
    for i, char in enumerate(body):
        if char == "," and not quoted:
            parts.append(body[start:i])
            start = i + 1
        elif char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
    return [*parts, body[start:]]


def _classic_one(text: str) -> Matcher:
    found = _CLASSIC.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no matcher, {_EXAMPLE}")
    name, op, value = found.groups()
    if value.startswith('"'):
        if len(value) < 2 or not value.endswith('"'):
            raise ValueError(f"{text!r}: a closing double quote is missing")
        value = value[1:-1]
    if re.search(r'(?<!\\)(?:\\\\)*"', value):
        raise ValueError(f'{text!r}: a double quote inside a value is written \\"')
    escapes = {"\\n": "\n", "\\\\": "\\", '\\"': '"'}
    return Matcher(name, op, re.sub(r'\\[n\\"]', lambda m: escapes[m[0]], value))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> frozenset[str] | str:
    """The texts that a plain alternation matches, or the anchored expression."""
    if re.fullmatch(r"[\w:/@|-]*", pattern, re.ASCII):
        return frozenset(pattern.split("|"))
    anchored = f"^(?:{pattern})$"
    _search(anchored, [""])
    return anchored


#: pattern -> value -> whether it matches; what was worked out once is kept, within bounds
_known: dict[str, dict[str, bool]] = {}
_PATTERNS: Final = 1_000
_VALUES: Final = 20_000
#: From so many values on they are asked in one go, which is a hundred times faster.
_MANY: Final = 20


def _fits(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    if isinstance(compiled, frozenset):
        return value in compiled
    known = _answers(pattern)
    found = known.get(value)
    if found is None:
        found = known[value] = _search(compiled, [value])[0]
    return found


def prepare(matchers: Iterable[Matcher], labels: Sequence[Mapping[str, str]]) -> None:
    """Work out in one go what these matchers will be asked about these label sets. It changes no answer."""
    for matcher in matchers:
        compiled = _compiled(matcher.value) if matcher.op in ("=~", "!~") else frozenset[str]()
        if isinstance(compiled, frozenset):
            continue
        known = _answers(matcher.value)
        new = list({each.get(matcher.name, "") for each in labels} - known.keys())
        if len(new) >= _MANY:
            known.update(zip(new, _search(compiled, new), strict=True))


def _answers(pattern: str) -> dict[str, bool]:
    if len(_known) > _PATTERNS:
        _known.clear()
    known = _known.setdefault(pattern, {})
    if len(known) > _VALUES:
        known.clear()
    return known


def _search(pattern: str, values: list[str]) -> list[bool]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return list(pc.match_substring_regex(pa.array(values, pa.string()), pattern=pattern).to_pylist())
    except pa.ArrowInvalid as error:
        problem = str(error).removeprefix("Invalid regular expression: ")
        raise ValueError(f"{pattern[4:-2]!r} is no regular expression (RE2): {problem}") from None
