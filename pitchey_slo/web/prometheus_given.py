"""What a request to Prometheus' API says: parameters from the address and from a form body, read as Prometheus reads
them (web/api/v1/api.go)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from fastapi import Request

from pitchey_slo.errors import PitcheyError, QueryError
from pitchey_slo.promql import Matcher, parse
from pitchey_slo.promql.scan import matching
from pitchey_slo.promql.tree import Node, Selector
from pitchey_slo.web.house import house_of
from pitchey_slo.web.limits import read_body

FORM = "application/x-www-form-urlencoded"
#: Bytes of a form, and its fields.
FORM_LIMIT, FIELDS = 1 << 20, 1_000

#: What one expression may be.
MOST_CHARACTERS, MOST_OPERATORS, MOST_NESTED = 20_000, 300, 100

#: Times without bounds, in ms: 1970 to the year 9999.
FIRST_MS, LAST_MS = 0, 253_402_300_799_000

#: A selector is alternatives of matchers: `{a="1" or b="2"}` has two.
Alternatives = tuple[tuple[Matcher, ...], ...]

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\{[^{}"'`]*\}""")
_OPERATOR = re.compile(r"[-+*/%^<>=!]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_BRACKET = re.compile(r"[()\[\]{}]")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Refused(Exception):
    """An answer of Prometheus' shape that is not a success: `kind` is its errorType."""

    def __init__(self, kind: str, message: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.status, self.headers = kind, message, status, headers or {}


def invalid(name: str, why: str) -> Refused:
    return Refused("bad_data", f'invalid parameter "{name}": {why}')


@dataclass(frozen=True)
class Given:
    """The parameters of one request, in the order given; those of a form come first, as in Go."""

    pairs: list[tuple[str, str]]
    now_ms: int

    @classmethod
    async def read(cls, request: Request) -> Given:
        """Raises Refused for a body that is no form; other bodies are not read, as Prometheus does not."""
        house = house_of(request)
        texts = [request.url.query]
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and kind == FORM:
            with house.bodies.share() as share:
                body = b"".join(await read_body(request, FORM_LIMIT, house.limits, share))
            texts.insert(0, body.decode("utf-8", "replace"))
        now = round(house.clock().timestamp() * 1000)
        try:
            pairs = [pair for text in texts for pair in parse_qsl(text, True, max_num_fields=FIELDS)]
        except ValueError as error:
            raise Refused("bad_data", f"error parsing form values: {error}") from None
        return cls(pairs, now)

    def text(self, name: str) -> str:
        """The first value; "" when there is none."""
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def time(self, name: str, default: int | None = None) -> int:
        """A time in ms; `default` when it is absent, which is an error without one."""
        text = self.text(name)
        if text == "" and default is not None:
            return default
        found = time_of(text)
        if found is None:
            raise invalid(name, f"cannot parse {go_quoted(text)} to a valid timestamp")
        return found

    def duration(self, name: str) -> int | None:
        """Milliseconds, or None when absent."""
        text = self.text(name)
        if text == "":
            return None
        found = duration_of(text)
        if found is None:
            raise invalid(name, f"cannot parse {go_quoted(text)} to a valid duration")
        return found

    def limit(self) -> int:
        """0: no limit."""
        text = self.text("limit")
        if text == "":
            return 0
        if not re.fullmatch(r"[+-]?\d{1,18}", text):
            raise invalid("limit", f"cannot parse {go_quoted(text)} to a number")
        if int(text) < 0:
            raise invalid("limit", "limit must be non-negative")
        return int(text)

    def query(self) -> str:
        """The expression, which can be parsed."""
        text = self.text("query")
        read(text, "query")
        return text

    def matches(self) -> list[Alternatives]:
        """The selectors of `match[]`."""
        return [selector_of(text) for text in self.all("match[]")]


def read(text: str, name: str) -> Node:
    """The tree of an expression. The grammar's time grows with the square of nesting and of operators in a row, and
    while it runs nothing else does: texts far beyond what people write are refused before."""
    bare = _QUOTED.sub("", text)
    if len(text) > MOST_CHARACTERS:
        raise invalid(name, f"{len(text):,} characters; at most {MOST_CHARACTERS:,}")
    if len(_OPERATOR.findall(bare)) > MOST_OPERATORS:
        raise invalid(name, f"more than {MOST_OPERATORS} operators; take it apart")
    if depth_of(bare) > MOST_NESTED:
        raise invalid(name, f"nested more than {MOST_NESTED} deep")
    try:
        return parse(text)
    except QueryError as error:
        raise invalid(name, problem_of(error)) from None
    except RecursionError:
        raise invalid(name, "nested too deeply") from None


def depth_of(text: str) -> int:
    """How many brackets are open at most."""
    depth = deepest = 0
    for sign in _BRACKET.findall(text):
        depth += 1 if sign in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def problem_of(error: PitcheyError) -> str:
    """What Prometheus would say: the place first, then the problem, without the drawing."""
    detail = error.detail if isinstance(error.detail, dict) else {}
    problem = str(detail.get("problem", error.message))
    return f"{detail['line']}:{detail['column']}: {problem}" if "line" in detail else problem


def selector_of(text: str) -> Alternatives:
    node = read(text, "match[]")
    if not isinstance(node, Selector) or node.offset_ms or node.at is not None:
        raise invalid("match[]", f"{go_quoted(text)} is no series selector")
    for matchers in node.alternatives:
        if all(matching(matcher, [""])[0] for matcher in matchers):
            raise invalid("match[]", "match[] must contain at least one non-empty matcher")
    return node.alternatives


def time_of(text: str) -> int | None:
    """Seconds since 1970 or RFC 3339 as ms; None when it is neither.

    >>> time_of("1435781451.781"), time_of("2015-07-01T20:10:51.781Z"), time_of("yesterday")
    (1435781451781, 1435781451781, None)
    """
    if _FLOAT.fullmatch(text):
        seconds = float(text)
        return math.floor(seconds) * 1000 + round((seconds % 1) * 1000) if abs(seconds) < 9e12 else None
    if "T" not in text and "t" not in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def duration_of(text: str) -> int | None:
    """Seconds or a Prometheus duration as ms; None when it is neither.

    >>> duration_of("15"), duration_of("1h30m"), duration_of("0.5"), duration_of("5 min")
    (15000, 5400000, 500, None)
    """
    if _FLOAT.fullmatch(text):
        seconds = float(text)
        return round(seconds * 1000) if abs(seconds) < 9.2e9 else None
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    counts = dict(zip(("y", "w", "d", "h", "m", "s", "ms"), found.groups(), strict=True))
    total = sum(int(count) * _UNITS[unit] for unit, count in counts.items() if count)
    return total if total < 9_200_000_000_000 else None


def go_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped[:200]}"'
