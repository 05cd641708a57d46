"""`when`: which data points are meant, as comparisons of columns with literals, and nothing else.

    blob1 = 'request' AND (double1 >= 500 OR blob4 IN ('DUB', 'FRA'))

Comparisons (`= != <> < <= > >= IN NOT IN`), AND, OR, NOT and brackets; blobs and index1 with 'texts', doubles with
numbers. What is sent is written anew from what was understood, so that nothing else of the text reaches the SQL.
"""

from __future__ import annotations

import re
from typing import Final

from pitchey_slo.errors import did_you_mean

BLOBS: Final = tuple(f"blob{n}" for n in range(1, 21))
DOUBLES: Final = tuple(f"double{n}" for n in range(1, 21))
#: What a data point has; `timestamp` and `_sample_interval` are the puller's own business.
COLUMNS: Final = ("index1", *BLOBS, *DOUBLES)
LONGEST: Final = 2_000
DEEPEST: Final = 20

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|'')*')|(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z_0-9.])"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,))"
)
_SIGNS: Final = ("=", "!=", "<>", "<", "<=", ">", ">=")


class WhenError(ValueError):
    """`at` is the offset of what is wrong, `hint` what would work."""

    def __init__(self, message: str, at: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.at, self.hint = at, hint


def read_when(text: str) -> str:
    """The condition in one spelling. Raises WhenError.

    >>> read_when("blob1='request' and not (double1 in (500,503))")
    "blob1 = 'request' AND NOT (double1 IN (500, 503))"
    """
    if len(text) > LONGEST:
        raise WhenError(f"{len(text):,} characters", 0, f"at most {LONGEST:,}")
    reader = _Reader(text)
    found = reader.either()
    if reader.kind:
        raise WhenError(f"{reader.shown} where the condition should be over", reader.at, "AND or OR joins two")
    return found


class _Reader:
    """One token ahead: `kind` is text, number, word, sign, or "" at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._next, self._depth = text, 0, 0
        self.kind = self.token = ""
        self.at = 0
        self.step()

    @property
    def shown(self) -> str:
        return repr(self.token) if self.kind else "the end"

    def step(self) -> str:
        """Go on; returns the token left behind."""
        left = self.token
        rest = self._text[self._next :]
        self.at = self._next + len(rest) - len(rest.lstrip())
        if not rest.strip():
            self.kind, self.token = "", ""
            return left
        match = _TOKEN.match(self._text, self._next)
        if match is None:
            raise WhenError(
                f"{self._text[self.at : self.at + 20]!r} cannot be read", self.at, _hint(self._text, self.at)
            )
        self.kind, self.token = str(match.lastgroup), match[str(match.lastgroup)]
        self._next = match.end()
        return left

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.token.upper() == word

    def sign(self, wanted: str) -> None:
        if self.kind != "sign" or self.token != wanted:
            raise WhenError(f"{self.shown} where {wanted} belongs", self.at)
        self.step()

    def either(self) -> str:
        parts = [self.both()]
        while self.is_word("OR"):
            self.step()
            parts.append(self.both())
        return " OR ".join(parts)

    def both(self) -> str:
        parts = [self.single()]
        while self.is_word("AND"):
            self.step()
            parts.append(self.single())
        return " AND ".join(parts)

    def single(self) -> str:
        self._depth += 1
        if self._depth > DEEPEST:
            raise WhenError("too many brackets in one another", self.at, f"at most {DEEPEST}")
        try:
            if self.is_word("NOT"):
                self.step()
                return f"NOT {self.single()}"
            if self.kind == "sign" and self.token == "(":
                self.step()
                inside = self.either()
                self.sign(")")
                return f"({inside})"
            return self.comparison()
        finally:
            self._depth -= 1

    def comparison(self) -> str:
        name = self.column()
        if self.kind == "sign" and self.token in _SIGNS:
            return f"{name} {self.step()} {self.literal(name)}"
        turned = self.is_word("NOT")
        if turned:
            self.step()
        if not self.is_word("IN"):
            raise WhenError(f"{self.shown} where a comparison belongs", self.at, f"{' '.join(_SIGNS)} IN, NOT IN")
        self.step()
        self.sign("(")
        values = [self.literal(name)]
        while self.kind == "sign" and self.token == ",":
            self.step()
            values.append(self.literal(name))
        self.sign(")")
        return f"{name} {'NOT ' if turned else ''}IN ({', '.join(values)})"

    def column(self) -> str:
        if self.kind != "word" or self.token not in COLUMNS:
            near = did_you_mean(self.token, COLUMNS) if self.kind == "word" else None
            hint = near or "index1, blob1 to blob20, double1 to double20"
            raise WhenError(f"{self.shown} where a column belongs", self.at, hint)
        return self.step()

    def literal(self, column: str) -> str:
        wanted = "number" if column in DOUBLES else "text"
        if self.kind != wanted:
            hint = "a number such as 500" if wanted == "number" else "a text in single quotes such as 'request'"
            raise WhenError(f"{column} is compared with {self.shown}", self.at, hint)
        return self.step()


def _hint(text: str, at: int) -> str | None:
    if text[at] == "'":
        return "a text has no backslash, and ends with a single quote; a quote within is written twice"
    return "texts stand in single quotes" if text[at] == '"' else None
