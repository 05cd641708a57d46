"""What a template consists of. `pos` is an offset in the text, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Value:
    """A literal."""

    value: Any


@dataclass(frozen=True)
class Reach:
    """`.a.b`, `$x.a`, `(pipeline).a`: fields of the dot (base None), of a variable (its name) or of a pipeline."""

    base: str | Pipeline | None
    fields: tuple[str, ...]
    pos: int


@dataclass(frozen=True)
class Function:
    name: str
    pos: int


Operand = Value | Reach | Function


@dataclass(frozen=True)
class Command:
    """An operand, or a function or method with its arguments."""

    operands: tuple[Operand, ...]
    pos: int


@dataclass(frozen=True)
class Pipeline:
    """Commands, each getting the one before as its last argument. `names` are variables it sets: declared with `:=`,
    or assigned with `=`."""

    commands: tuple[Command, ...]
    names: tuple[str, ...] = ()
    assigns: bool = False


@dataclass(frozen=True)
class Print:
    pipeline: Pipeline
    pos: int


@dataclass(frozen=True)
class Branch:
    """if, with or range: `body` for each or when true, `other` else."""

    kind: Literal["if", "with", "range"]
    pipeline: Pipeline
    body: tuple[Node, ...]
    other: tuple[Node, ...]
    pos: int


@dataclass(frozen=True)
class Include:
    """`template "name" pipeline`."""

    name: str
    pipeline: Pipeline | None
    pos: int


@dataclass(frozen=True)
class Jump:
    kind: Literal["break", "continue"]
    pos: int


Node = str | Print | Branch | Include | Jump


@dataclass(frozen=True)
class Template:
    """The body of a text, and the templates it defines."""

    text: str
    body: tuple[Node, ...]
    defined: Mapping[str, tuple[Node, ...]]
