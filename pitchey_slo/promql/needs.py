"""Which labels an expression looks at: what a scan may be told, so that it sums over the others before it answers.

`sum by (route) (rate(x[5m]))` gives the same numbers when the series of x with the same route are added first, as long
as they have their samples at the same times, which series made of events have. Only plain sums of a selector or of its
rate, increase, delta, irate or idelta are seen through; everything else needs all labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pitchey_slo.promql import tree

#: Functions for which f(a + b) is f(a) + f(b), away from the places where rate stops its extrapolation at zero.
_LINEAR: Final = frozenset({"rate", "increase", "delta", "irate", "idelta"})

Needs = frozenset[str] | None


def needs_of(root: tree.Node) -> dict[tree.Selector, Needs]:
    """Per selector the labels that are looked at; None for all of them.

    >>> from pitchey_slo.promql.parse import parse
    >>> sorted(next(iter(needs_of(parse('sum by (le, route) (rate(x{job="a"}[5m]))')).values())))
    ['le', 'route']
    >>> list(needs_of(parse("max(x)")).values())
    [None]
    """
    found: dict[tree.Selector, Needs] = {}
    _walk(root, None, found)
    return found


def together(several: Iterable[Needs]) -> Needs:
    """What one read must keep to serve several selectors."""
    all_: frozenset[str] = frozenset()
    for needs in several:
        if needs is None:
            return None
        all_ |= needs
    return all_


def _walk(node: tree.Node, wanted: Needs, found: dict[tree.Selector, Needs]) -> None:
    match node:
        case tree.Selector():
            found[node] = wanted
        case tree.Aggregate(op="sum", keep=True):
            _walk(node.expr, frozenset(node.names) if _summable(node.expr) else None, found)
        case tree.Call() | tree.Range() | tree.Negate() if wanted is not None:
            for child in tree.children(node):
                _walk(child, wanted, found)
        case _:
            for child in tree.children(node):
                _walk(child, None, found)


def _summable(node: tree.Node) -> bool:
    """Whether summing the series of its one selector first gives the same sum."""
    match node:
        case tree.Selector():
            return True
        case tree.Negate():
            return _summable(node.expr)
        case tree.Call():
            return node.name in _LINEAR and isinstance(node.args[0], tree.Range)
        case _:
            return False
