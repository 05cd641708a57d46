"""One line of Prometheus text 0.0.4 or OpenMetrics 1.0, the exact and slow way; errors show the line and a caret.

Written from the text format's description, OpenMetrics 1.0 and the quoted names of Prometheus 3
(`{"my.metric", "a.b"="c"} 1`). `text.py` asks this module only about lines it has not seen before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from pitchey_slo.errors import CollectError
from pitchey_slo.series import Labels, labels_of

_QUOTED: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_ITEM: Final = re.compile(
    rf"[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|{_QUOTED})[ \t]*(?:=[ \t]*(?P<value>{_QUOTED})[ \t]*)?"
)
_TAIL: Final = re.compile(r"[ \t]*([^ \t]+)(?:[ \t]+([^ \t#]+))?[ \t]*")
_COMMENT: Final = re.compile(rf"#[ \t]+(HELP|TYPE|UNIT)[ \t]+([^ \t\"]+|{_QUOTED})(?:[ \t](.*))?")
_ESCAPE: Final = re.compile(r'\\([\\n"])')
_PLAIN: Final = {"\\": "\\", "n": "\n", '"': '"'}

#: A value of either format: no hexadecimal, no underscores (Go and Python would take both).
VALUE: Final = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf|infinity))", re.ASCII)
WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
FAR_SECONDS: Final = 9e14
DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

TYPES: Final = (
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
    "unknown",
    "untyped",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A sample line taken apart; `end` is where the series' own text ends, `value_at` where its value starts."""

    labels: Labels
    end: int
    value_at: int
    value: str
    time: str | None
    exemplar: bool


@dataclass(frozen=True, slots=True)
class Comment:
    """`# HELP`, `# TYPE` or `# UNIT` of a metric family."""

    kind: str
    family: str
    text: str


def fail(message: str, line: str, number: int, column: int) -> NoReturn:
    """Raises CollectError with the line and a caret under `column` (0-based). Long lines are shown in part."""
    start = max(0, column - 60) if len(line) > 120 else 0
    shown = "".join(c if c.isprintable() else "·" if c != "\t" else " " for c in line[start : start + 120])
    raise CollectError(
        f"line {number}: {message}\n    {shown}\n    {' ' * (column - start)}^",
        detail={"line": number, "column": column + 1},
    )


def unescape(text: str) -> str:
    r"""`\\`, `\n` and `\"` read; another backslash stands for itself, as in Prometheus."""
    return _ESCAPE.sub(lambda m: _PLAIN[m[1]], text) if "\\" in text else text


def comment(line: str, number: int) -> Comment | None:
    """What a `#` line says, or None for a remark. The type must be one of `TYPES`."""
    match = _COMMENT.fullmatch(line)
    if match is None:
        return None
    kind, family, text = match[1], match[2], match[3] or ""
    if family.startswith('"'):
        family = unescape(family[1:-1])
    if kind == "TYPE":
        text = text.strip(" \t")
        if text not in TYPES:
            fail(f"type {text!r}; one of {', '.join(TYPES)}", line, number, match.start(3) if match[3] else len(line))
    elif kind == "HELP":
        text = unescape(text)
    return Comment(kind, family, text)


def sample(line: str, number: int, *, openmetrics: bool) -> Line:
    """A sample line taken apart. Raises CollectError with line and caret for anything else."""
    pairs: list[tuple[str, str]] = []
    at = len(line) - len(line.lstrip(" \t"))
    if at and openmetrics:
        fail("OpenMetrics allows no blanks before a metric name", line, number, 0)
    named = _NAME.match(line, at)
    if named:
        pairs.append(("__name__", named[0]))
        at = named.end()
    elif not line.startswith("{", at):
        fail("expected a metric name or {", line, number, at)
    brace = at
    while line.startswith((" ", "\t"), brace):
        brace += 1
    if line.startswith("{", brace):
        at = _braces(line, number, brace, pairs)
    labels = _labels(pairs, line, number)
    return _rest(line, number, at, labels, openmetrics)


def _braces(line: str, number: int, at: int, pairs: list[tuple[str, str]]) -> int:
    """Reads `{...}` from `at` into `pairs`; returns where it ends."""
    at += 1
    while True:
        item = _ITEM.match(line, at)
        if item is None:
            while line.startswith((" ", "\t"), at):
                at += 1
            if line.startswith("}", at):
                return at + 1
            fail("expected a label name or }", line, number, at)
        name, value = item["name"], item["value"]
        quoted = name.startswith('"')
        name = unescape(name[1:-1]) if quoted else name
        if value is not None:
            pairs.append((name, unescape(value[1:-1])))
        elif quoted and not pairs:  # {"my.metric", ...}: the name of the metric itself
            pairs.append(("__name__", name))
        else:
            fail(f'expected ="..." after label {name!r}', line, number, item.end())
        at = item.end()
        if line.startswith(",", at):
            at += 1
        elif line.startswith("}", at):
            return at + 1
        else:
            fail("expected , or } after a label", line, number, at)


def _labels(pairs: list[tuple[str, str]], line: str, number: int) -> Labels:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        fail(f"label {twice!r} stands twice", line, number, max(line.rfind(twice), 0))
    labels = labels_of(pairs)
    if "" in names or not any(name == "__name__" for name, _ in labels):
        fail("the series has no metric name" if "" not in names else "a label has an empty name", line, number, 0)
    return labels


def _rest(line: str, number: int, at: int, labels: Labels, openmetrics: bool) -> Line:
    """Value, time and exemplar behind the series."""
    tail = _TAIL.match(line, at)
    if tail is None:
        fail("expected a value", line, number, len(line))
    if tail.start(1) == at and line[at - 1] != "}":
        fail("expected a blank or { after the metric name", line, number, at)
    if not VALUE.fullmatch(tail[1]):
        fail(f"{tail[1]!r} is not a value (decimal number, NaN, +Inf or -Inf)", line, number, tail.start(1))
    if tail[2] is not None:
        _check_time(tail[2], line, number, tail.start(2), openmetrics)
    if tail.end() == len(line):
        return Line(labels, at, tail.start(1), tail[1], tail[2], exemplar=False)
    if openmetrics and line.startswith("# {", tail.end()):
        _check_exemplar(line, number, tail.end() + 2)
        return Line(labels, at, tail.start(1), tail[1], tail[2], exemplar=True)
    fail("nothing may follow here", line, number, tail.end())


def _check_time(text: str, line: str, number: int, column: int, openmetrics: bool) -> None:
    if openmetrics:
        if not DECIMAL.fullmatch(text) or abs(float(text)) > FAR_SECONDS:
            fail(f"{text!r} is not a time (seconds since 1970)", line, number, column)
    elif not WHOLE.fullmatch(text):
        fail(f"{text!r} is not a time (whole milliseconds since 1970)", line, number, column)


def _check_exemplar(line: str, number: int, at: int) -> None:
    """An exemplar is read only to know that it is one."""
    end = _braces(line, number, at, [])
    tail = _TAIL.match(line, end)
    if tail is None or tail.end() != len(line) or not VALUE.fullmatch(tail[1]):
        fail("an exemplar needs labels, a value and perhaps a time", line, number, min(end, len(line)))
    if tail[2] is not None:
        _check_time(tail[2], line, number, tail.start(2), openmetrics=True)
