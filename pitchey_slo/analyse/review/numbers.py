"""The threshold of an expression: which numbers it is, and the same expression text with another one.

    x > 0.05                                  0.05
    a > 14.4 * (1 - 0.999) and b > 14.4 * ... 14.4, wherever it stands behind a comparison

Only the characters of the number change; the new text is parsed and compared with what was meant before it is given.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from typing import Any, Final

from pitchey_slo.errors import ConfigError
from pitchey_slo.promql import parse, tree

COMPARISONS: Final = ("==", "!=", ">", "<", ">=", "<=")
_TOKEN: Final = re.compile(
    r"""\#[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` | \[[^\]]*\] | \{[^}]*\}
      | [A-Za-z_:][\w:]* | (?P<number>0[xX][0-9a-fA-F]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))""",
    re.VERBOSE,
)
#: More numbers of the same value than this are nobody's threshold.
_MOST: Final = 8


def thresholds(expr: str) -> tuple[float, ...]:
    """The different numbers that the comparisons of an expression compare with, in the order of the text: what can be
    turned. A product such as `14.4 * (1 - 0.999)` counts with its first number. Raises QueryError."""
    found = [next(_numbers(side), None) for side in _sides(parse(expr))]
    return tuple(dict.fromkeys(v for v in found if v is not None))


def with_threshold(expr: str, old: float, new: float) -> str:
    """`expr` with `new` wherever a comparison's constant side says `old`. ConfigError when that is not to be had
    without guessing."""
    root = parse(expr)
    wanted = _dump(root, {id(side) for side in _sides(root)}, old, new)
    if wanted == _dump(root):
        listed = ", ".join(number(v) for v in thresholds(expr)) or "no number"
        raise ConfigError(f"no comparison with {number(old)} in {expr.strip()!r}", hint=f"it compares with {listed}")
    spots = [m.span() for m in _TOKEN.finditer(expr) if m["number"] and _value(m["number"]) == abs(old)]
    if len(spots) <= _MOST and (new < 0) >= (old < 0):
        text = number(abs(new)) if old < 0 else number(new)
        for count in range(1, len(spots) + 1):
            for chosen in combinations(spots, count):
                tried = _replaced(expr, chosen, text)
                if _dump(parse(tried)) == wanted:
                    return tried
    raise ConfigError(f"{number(old)} cannot be changed to {number(new)} here", hint="edit the file by hand")


def number(value: float) -> str:
    """As people write it.

    >>> number(0.05), number(3.0), number(2e-7), number(1.0e9)
    ('0.05', '3', '2e-07', '1000000000')
    """
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(float(value))
    return text if "e" in text else f"{Decimal(text):f}"


def readable(value: float, digits: int = 2) -> float:
    """The nearest number of so many significant digits.

    >>> readable(0.019823), readable(1234.5), readable(0.0)
    (0.02, 1200.0, 0.0)
    """
    return float(f"{value:.{digits}g}") if math.isfinite(value) else value


def _sides(node: tree.Node) -> Iterator[tree.Node]:
    """The constant sides of the comparisons that decide whether the expression holds."""
    if not isinstance(node, tree.Binary):
        return
    if node.op in ("and", "or", "unless"):
        yield from _sides(node.left)
        yield from _sides(node.right)
    elif node.op in COMPARISONS:
        yield from (side for side in (node.left, node.right) if _constant(side))


def _constant(node: tree.Node) -> bool:
    if isinstance(node, tree.Number):
        return True
    inner = tree.children(node)
    return bool(inner) and not isinstance(node, tree.Call | tree.Aggregate) and all(_constant(n) for n in inner)


def _numbers(node: tree.Node) -> Iterator[float]:
    if isinstance(node, tree.Negate) and isinstance(node.expr, tree.Number):
        yield -node.expr.value
    elif isinstance(node, tree.Number):
        yield node.value
    else:
        for inner in tree.children(node):
            yield from _numbers(inner)


def _dump(node: Any, turned: frozenset[int] | set[int] = frozenset(), old: float = 0, new: float = 0) -> Any:
    """A tree as tuples that compare, without positions; below the nodes of `turned`, `old` is `new`."""
    inside = id(node) in turned
    if isinstance(node, tree.Negate) and isinstance(node.expr, tree.Number):
        node = tree.Number(None, -node.expr.value)
    if isinstance(node, tree.Number):
        return ("Number", new if inside and node.value == old else node.value)
    if isinstance(node, tuple):
        return tuple(_dump(n) for n in node)
    if not isinstance(node, tree.Node):
        return node
    below = {id(n) for n in tree.children(node)} if inside else turned
    return type(node).__name__, *(
        _dump(getattr(node, f.name), below, old, new) for f in dataclasses.fields(node) if f.name != "pos"
    )


def _value(text: str) -> float:
    return float(int(text, 16)) if text[:2].lower() == "0x" else float(text.replace("_", ""))


def _replaced(text: str, spots: tuple[tuple[int, int], ...], new: str) -> str:
    for start, end in reversed(spots):
        text = text[:start] + new + text[end:]
    return text
