"""Text -> tree. The grammar and its type checks are `promql-parser`'s; this module turns its nodes into ours.

Native histograms and experimental functions and aggregations are refused here, by name, before any data is read.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import promql_parser as grammar

from pitchey_slo.errors import QueryError, did_you_mean
from pitchey_slo.promql import tree
from pitchey_slo.promql.positions import Positions, fail, find

EXPERIMENTAL_FUNCTIONS = frozenset(
    {
        *("double_exponential_smoothing", "holt_winters", "histogram_quantiles", "info", "mad_over_time"),
        *("sort_by_label", "sort_by_label_desc", "first_over_time", "ts_of_first_over_time", "ts_of_last_over_time"),
        *("ts_of_max_over_time", "ts_of_min_over_time", "start", "end", "step", "range", "min_of", "max_of"),
    }
)
EXPERIMENTAL_AGGREGATIONS = frozenset({"limitk", "limit_ratio"})
NATIVE_FUNCTIONS = frozenset(f"histogram_{what}" for what in ("avg", "count", "sum", "stddev", "stdvar"))

#: The grammar's nodes copy what is below them, so reading a deep tree takes quadratic time.
MOST_OPERATORS = 2_000
_NESTING = re.compile(r"[-+*/%^(]|\b(?:and|or|unless|atan2)\b|[=<>]=?(?!~)", re.IGNORECASE)

_MS = timedelta(milliseconds=1)
_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_SIMPLE_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> tree.Node:
    """The tree of a PromQL expression. Raises QueryError that shows the text and, where known, the place."""
    if len(_NESTING.findall(text)) > MOST_OPERATORS:
        raise QueryError(f"more than {MOST_OPERATORS:,} operators and brackets; split the expression", detail={})
    try:
        parsed = grammar.parse(text)
    except ValueError as error:
        raise _refused(str(error), text) from None
    if re.search(r"@\s*-", text):
        raise fail("not supported: `@` with a time before 1970", text, text.index("@"))
    positions = find(text)
    reader = _Reader(text, positions)
    try:
        root = reader.read(parsed)
        return root if reader.used_all() else _Reader(text, Positions()).read(parsed)
    except RecursionError:
        raise too_deep(text) from None


def too_deep(text: str) -> QueryError:
    return QueryError("the expression is nested too deep; split it", detail={"expr": text})


class _Reader:
    """Walks the parser's nodes in the order of the text, taking the position of each from the lists."""

    def __init__(self, text: str, positions: Positions) -> None:
        self.text = text
        self.calls, self.selectors = iter(positions.calls), iter(positions.selectors)
        self.strings = iter(positions.strings)
        self.missing = False

    def used_all(self) -> bool:
        """Whether there was a position for every node, and a node for every position."""
        rest = next(self.calls, None), next(self.selectors, None), next(self.strings, None)
        return not self.missing and rest == (None, None, None)

    def take(self, positions: Iterator[int]) -> int | None:
        found = next(positions, None)
        self.missing = self.missing or found is None
        return found

    def read(self, node: Any) -> tree.Node:
        match node:
            case grammar.ParenExpr():
                return self.read(node.expr)
            case grammar.NumberLiteral():
                return tree.Number(None, float(node.val))
            case grammar.StringLiteral():
                return self.string(node)
            case grammar.VectorSelector():
                return self.selector(node)
            case grammar.MatrixSelector():
                selector = self.selector(node.vector_selector)
                return tree.Range(selector.pos, selector, _ms(node.range))
            case grammar.SubqueryExpr():
                return self.subquery(node)
            case grammar.Call():
                return self.call(node)
            case grammar.AggregateExpr():
                return self.aggregate(node)
            case grammar.UnaryExpr():
                expr = self.read(node.expr)
                return tree.Number(None, -expr.value) if isinstance(expr, tree.Number) else tree.Negate(expr.pos, expr)
            case grammar.BinaryExpr():
                return self.binary(node)
        raise fail(f"not supported: {type(node).__name__}", self.text)

    def string(self, node: Any) -> tree.String:
        pos, quoted = next(self.strings, (None, ""))
        self.missing = self.missing or pos is None
        return tree.String(pos, unquote(quoted) if "\\" in quoted and quoted[0] != "`" else node.val)

    def selector(self, node: Any) -> tree.Selector:
        pos = self.take(self.selectors)
        common = [tree.Matcher("__name__", "=", node.name)] if node.name else []
        common += [_matcher(m) for m in node.matchers.matchers]
        branches = [[_matcher(m) for m in group] for group in node.matchers.or_matchers] or [[]]
        alternatives = tuple((*common, *branch) for branch in branches)
        return tree.Selector(pos, alternatives, _ms(node.offset), _at(node.at))

    def subquery(self, node: Any) -> tree.Subquery:
        expr = self.read(node.expr)
        step = None if node.step is None else _ms(node.step)
        return tree.Subquery(expr.pos, expr, _ms(node.range), step, _ms(node.offset), _at(node.at))

    def call(self, node: Any) -> tree.Call:
        pos, name = self.take(self.calls), node.func.name
        if name in EXPERIMENTAL_FUNCTIONS or node.func.experimental:
            raise fail(f"not supported: {name}() is experimental in Prometheus", self.text, pos)
        if name in NATIVE_FUNCTIONS:
            raise fail(f"not supported: {name}() reads native histograms", self.text, pos)
        return tree.Call(pos, name, tuple(self.read(arg) for arg in node.args))

    def aggregate(self, node: Any) -> tree.Aggregate:
        pos, op = self.take(self.calls), str(node.op)
        if op in EXPERIMENTAL_AGGREGATIONS:
            raise fail(f"not supported: {op}() is experimental in Prometheus", self.text, pos)
        keep = node.modifier is None or node.modifier.type == grammar.AggModifierType.By
        names = tuple(node.modifier.labels) if node.modifier else ()
        param = None if node.param is None else self.read(node.param)
        return tree.Aggregate(pos, op, self.read(node.expr), param, keep, names)

    def binary(self, node: Any) -> tree.Binary:
        left, right = self.read(node.lhs), self.read(node.rhs)
        modifier = node.modifier
        to_bool = bool(modifier and modifier.return_bool)
        return tree.Binary(left.pos, str(node.op), left, right, _matching(modifier), to_bool)


def _matching(modifier: Any) -> tree.Matching:
    if modifier is None:
        return tree.Matching()
    many_sides: dict[str, Literal["left", "right"]] = {"ManyToOne": "left", "OneToMany": "right"}
    matching = modifier.matching
    return tree.Matching(
        on=matching is not None and matching.type == grammar.LabelModifierType.Include,
        names=tuple(matching.labels) if matching else (),
        many=many_sides.get(str(modifier.card).rsplit(".", 1)[-1]),
        include=tuple(modifier.group_labels or ()),
        fill_left=modifier.fill_values.lhs,
        fill_right=modifier.fill_values.rhs,
    )


def _matcher(matcher: Any) -> tree.Matcher:
    return tree.Matcher(matcher.name, _OPS[str(matcher.op).rsplit(".", 1)[-1]], matcher.value)


def _ms(delta: timedelta | None) -> int:
    return 0 if delta is None else delta // _MS


def _at(at: Any) -> tree.At | None:
    if at is None:
        return None
    if at.type == grammar.AtModifierType.At:
        moment: datetime = at.at
        return math.floor(moment.timestamp() * 1000 + 0.5)
    return "start" if at.type == grammar.AtModifierType.Start else "end"


def unquote(quoted: str) -> str:
    r"""Value of a Go string literal. `\xff` and octal escapes are bytes; a byte that is no UTF-8 stays as a surrogate.

    >>> unquote(r'"a\tb"'), unquote(r'"\u00e9"')
    ('a\tb', 'é')
    """

    def escape(match: re.Match[str]) -> str:
        code = match.group(1)
        if code in _SIMPLE_ESCAPES:
            return chr(_SIMPLE_ESCAPES[code])
        if code[0] in "uU":
            return chr(int(code[1:], 16))
        byte = int(code[1:], 16) if code[0] == "x" else int(code, 8) & 0xFF
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)

    pattern = r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)"
    text = re.sub(pattern, escape, quoted[1:-1], flags=re.DOTALL)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _refused(problem: str, text: str) -> QueryError:
    """The parser's complaint, with the place it means and, for a misspelt function, what would work."""
    unknown = re.search(r"unknown function with name '(\w+)'", problem)
    if unknown:
        from pitchey_slo.promql.functions import FUNCTIONS

        name = unknown.group(1)
        if name in EXPERIMENTAL_FUNCTIONS:
            return fail(f"not supported: {name}() is experimental in Prometheus", text, text.find(name))
        hint = did_you_mean(name, FUNCTIONS)
        return fail(f"no function {name}()" + (f"; {hint}" if hint else ""), text, text.find(name))
    called = re.search(r"in call to function '(\w+)'", problem)
    if called:
        return fail(problem, text, text.find(called.group(1)))
    pattern = re.search(r"illegal regex for (.*)", problem)
    if pattern:
        return fail(problem, text, text.find(pattern.group(1)) if pattern.group(1) in text else None)
    character = re.search(r"unexpected character inside brackets: '(.)'", problem)
    if character:
        inside = text.find(character.group(1), text.find("["))
        return fail(f"not supported: {problem} (arithmetic on durations is experimental)", text, inside)
    if re.search(r"\b(smoothed|anchored)\b", text):
        return fail("not supported: `smoothed` and `anchored` are experimental", text)
    trim = re.search(r"[<>]/", text)
    if trim:
        return fail(f"not supported: `{trim.group()}` trims native histograms", text, trim.start())
    at_end = "unexpected end" in problem or text.rstrip()[-1:] in tuple("+-*/%^(,=<>")
    return fail(problem, text, len(text.rstrip()) if at_end else None)


__all__ = ["Positions", "parse", "unquote"]
