"""The tree of a PromQL expression: plain frozen nodes, times in milliseconds, each with its position in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: A pinned evaluation time: a moment in ms, or the start or end of the query.
At = int | Literal["start", "end"]


@dataclass(frozen=True)
class Matcher:
    """One condition on one label; `op` is `=`, `!=`, `=~` or `!~`. Patterns are RE2 and match the whole value."""

    name: str
    op: str
    value: str

    def __str__(self) -> str:
        return f'{self.name}{self.op}"{self.value}"'


@dataclass(frozen=True, eq=False)
class Node:
    pos: int | None  #: offset of its first character in the text, when known


@dataclass(frozen=True, eq=False)
class Number(Node):
    value: float


@dataclass(frozen=True, eq=False)
class String(Node):
    value: str


@dataclass(frozen=True, eq=False)
class Selector(Node):
    """An instant vector selector. A series is selected when all matchers of one of the `alternatives` hold."""

    alternatives: tuple[tuple[Matcher, ...], ...]
    offset_ms: int
    at: At | None


@dataclass(frozen=True, eq=False)
class Range(Node):
    selector: Selector
    range_ms: int


@dataclass(frozen=True, eq=False)
class Subquery(Node):
    expr: Node
    range_ms: int
    step_ms: int | None
    offset_ms: int
    at: At | None


@dataclass(frozen=True, eq=False)
class Call(Node):
    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Aggregate(Node):
    """`keep` says what `names` are: True for `by`, False for `without`."""

    op: str
    expr: Node
    param: Node | None
    keep: bool
    names: tuple[str, ...]


@dataclass(frozen=True)
class Matching:
    """How two vectors are joined. `many` is the side with several series per match: "left", "right" or None."""

    on: bool = False
    names: tuple[str, ...] = ()
    many: Literal["left", "right"] | None = None
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, eq=False)
class Binary(Node):
    op: str
    left: Node
    right: Node
    matching: Matching
    to_bool: bool


@dataclass(frozen=True, eq=False)
class Negate(Node):
    expr: Node


def children(node: Node) -> tuple[Node, ...]:
    """The expressions directly below `node`, in the order of the text."""
    match node:
        case Range():
            return (node.selector,)
        case Subquery() | Negate():
            return (node.expr,)
        case Call():
            return node.args
        case Aggregate():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case Binary():
            return (node.left, node.right)
        case _:
            return ()
