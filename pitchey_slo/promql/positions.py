"""Where calls, selectors and strings stand in the text, and messages that point at them.

The grammar (`promql-parser`) gives a tree without positions. Calls, selectors and strings appear in a text in the same
order as in the tree, so a pass over the tokens is enough to find them. Where the counts disagree (a metric named
like a keyword), nothing is known and nothing is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pitchey_slo.errors import QueryError

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      | (?P<number>0[xX][0-9a-fA-F]+|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d\w*) | (?P<word>[A-Za-z_:][\w:]*)
      | (?P<space>\s+) | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right", "fill", "fill_left", "fill_right"}
_WORDS = _LISTS | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
_CLOSING = {"{": "}", "[": "]", "(": ")"}


@dataclass
class Positions:
    """Offsets of what a text contains, each list in the order of the text."""

    calls: list[int] = field(default_factory=list)
    selectors: list[int] = field(default_factory=list)
    strings: list[tuple[int, str]] = field(default_factory=list)  #: offset and the quoted text


def find(text: str) -> Positions:
    """Positions of calls and aggregations, selectors, and strings outside of braces."""
    tokens = [(m.lastgroup, m.group(), m.start()) for m in _TOKEN.finditer(text)]
    tokens = [token for token in tokens if token[0] not in ("comment", "space")]
    found, index = Positions(), 0
    while index < len(tokens):
        kind, token, start = tokens[index]
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        word = token.lower()
        if kind == "string":
            found.strings.append((start, token))
        elif token == "{":
            found.selectors.append(start)
            index = _skip(tokens, index)
        elif token == "[":
            index = _skip(tokens, index)
        elif token == "@" and following in ("start", "end"):
            index += 3
        elif kind == "word" and word in _LISTS and following == "(":
            index = _skip(tokens, index + 1)
        elif kind == "word" and (following == "(" or _opens_grouping(word, following, tokens, index)):
            found.calls.append(start)
        elif kind == "word" and word not in _WORDS:
            found.selectors.append(start)
            if following == "{":
                index = _skip(tokens, index + 1)
        index += 1
    return found


def _opens_grouping(word: str, following: str, tokens: list[tuple[str | None, str, int]], index: int) -> bool:
    """`sum by (job) (x)`: a word before `by` or `without` is an aggregation, unless it is a keyword itself."""
    after = tokens[index + 2][1] if index + 2 < len(tokens) else ""
    return following.lower() in ("by", "without") and after == "(" and word not in _WORDS


def _skip(tokens: list[tuple[str | None, str, int]], index: int) -> int:
    """Index of the token that closes the bracket at `index`."""
    closing = _CLOSING[tokens[index][1]]
    while index < len(tokens) and tokens[index][1] != closing:
        index += 1
    return index


def line_and_column(text: str, pos: int) -> tuple[int, int]:
    """1-based line and column of an offset."""
    before = text[:pos]
    return before.count("\n") + 1, pos - (before.rfind("\n") + 1) + 1


def fail(message: str, text: str, pos: int | None = None) -> QueryError:
    """A QueryError that shows the line of the expression with a caret under the place, when it is known."""
    if pos is None:
        return QueryError(f"{message}\n  {text.strip()}", detail={"expr": text, "problem": message})
    line, column = line_and_column(text, pos)
    shown = text.split("\n")[line - 1]
    return QueryError(
        f"{message}\n  {shown}\n  {' ' * (column - 1)}^",
        detail={"expr": text, "problem": message, "line": line, "column": column},
    )
