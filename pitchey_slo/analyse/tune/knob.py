"""What of a rule can be turned: the number its comparison compares with, its `for`, the window it looks at.

    errors / requests > 0.05                              0.05
    burn_1h > 14.4 * 0.001 and burn_5m > 14.4 * 0.001     14.4: both sides share it
    pitchey_db_up == 0, absent(x)                         nothing but `for`

Where several comparisons stand side by side, the first and all that are alike are the knob; the others stay as they
are. In a product the first number is the one that is turned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import parse, tree
from pitchey_slo.promql.operators import ARITHMETIC, COMPARISON

#: Where a node stands below the root.
Path = tuple[Literal["left", "right"], ...]

_SETS: Final = ("and", "or", "unless")
_MIRRORED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_RANGE: Final = re.compile(
    r"""(?P<skip>\#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|\[\s*(?P<range>[^\]:\s]+)\s*\]""", re.DOTALL
)


@dataclass(frozen=True)
class Knob:
    """The comparison of an expression that is turned.

    leaves   where it stands (several when they share the number), each with the side that is measured
    up       whether larger is more alarming; `strict`: the number itself does not alarm
    current  the number as written; None when there is none to turn
    slope, offset   the series is compared with slope * number + offset: 14.4 * 0.001 has slope 0.001
    """

    leaves: tuple[tuple[Path, Literal["left", "right"]], ...] = ()
    up: bool = True
    strict: bool = True
    current: float | None = None
    slope: float = 1.0
    offset: float = 0.0

    def limit(self, number: float) -> float:
        """What the series is compared with when this number is written."""
        return self.slope * number + self.offset

    def number(self, limit: float) -> float:
        """The number to write so that the series is compared with `limit`."""
        return (limit - self.offset) / self.slope


@dataclass(frozen=True)
class _Leaf:
    path: Path
    side: Literal["left", "right"]
    op: str
    first: float
    slope: float
    offset: float


def knob_of(root: tree.Node) -> Knob:
    """The knob of an expression; one without a number when nothing but `for` can be turned."""
    leaves = list(_leaves(root, ()))
    if not leaves:
        return Knob()
    chosen = leaves[0]
    alike = [leaf for leaf in leaves if _same(leaf, chosen)]
    return Knob(
        tuple((leaf.path, leaf.side) for leaf in alike),
        up=chosen.op in (">", ">="),
        strict=chosen.op in (">", "<"),
        current=chosen.first,
        slope=chosen.slope,
        offset=chosen.offset,
    )


def _same(one: _Leaf, other: _Leaf) -> bool:
    return (one.op, one.first, one.slope, one.offset) == (other.op, other.first, other.slope, other.offset)


def _leaves(node: tree.Node, path: Path) -> Iterator[_Leaf]:
    if not isinstance(node, tree.Binary):
        return
    if node.op in _SETS:
        yield from _leaves(node.left, (*path, "left"))
        if node.op != "unless":  # more of what takes away is less: it stays as it is
            yield from _leaves(node.right, (*path, "right"))
        return
    if node.op not in _MIRRORED or node.to_bool:
        return
    for side, constant, op in (("left", node.right, node.op), ("right", node.left, _MIRRORED[node.op])):
        measured = node.left if side == "left" else node.right
        if _is_constant(constant) and not _is_constant(measured):
            first = next(_numbers(constant))
            zero, one = _value(constant, 0.0), _value(constant, 1.0)
            linear = abs(_value(constant, first) - (zero + (one - zero) * first)) <= 1e-9 * max(1.0, abs(first))
            if linear and one != zero:
                yield _Leaf(path, "left" if side == "left" else "right", op, first, one - zero, zero)


def _is_constant(node: tree.Node) -> bool:
    match node:
        case tree.Number():
            return True
        case tree.Negate():
            return _is_constant(node.expr)
        case tree.Binary():
            known = node.op in ARITHMETIC or (node.op in COMPARISON and node.to_bool)
            return known and _is_constant(node.left) and _is_constant(node.right)
    return False


def _numbers(node: tree.Node) -> Iterator[float]:
    if isinstance(node, tree.Number):
        yield node.value
    for child in tree.children(node):
        yield from _numbers(child)


def _value(node: tree.Node, first: float) -> float:
    """The value of a constant with another first number."""
    left = [first]

    def run(each: tree.Node) -> float:
        match each:
            case tree.Number():
                return left.pop() if left else each.value
            case tree.Negate():
                return -run(each.expr)
            case tree.Binary():
                low, high = run(each.left), run(each.right)
                return float((ARITHMETIC | COMPARISON)[each.op](low, high))
        raise AssertionError(each)

    return run(node)


def window_of(expr: str) -> str | None:
    """The range that all selectors of an expression share, as written; None when there is none or there are several."""
    found = {m["range"] for m in _RANGE.finditer(expr) if m["range"]}
    return found.pop() if len(found) == 1 else None


def with_window(expr: str, window: str) -> str:
    """The expression with another range for all its selectors. QueryError when they do not share one."""
    if window_of(expr) is None:
        found = sorted({m["range"] for m in _RANGE.finditer(expr) if m["range"]})
        what = f"has the ranges {', '.join(found)}" if found else "has no range"
        raise QueryError(f"no window to turn: {' '.join(expr.split())!r} {what}; it works where all are the same")
    changed = _RANGE.sub(lambda m: m.group() if m["skip"] else f"[{window}]", expr)
    parse(changed)
    return changed
