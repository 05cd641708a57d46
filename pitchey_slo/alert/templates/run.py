"""Nodes and data -> text, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pitchey_slo.alert.templates.functions import LAZY, Wrong, truth
from pitchey_slo.alert.templates.go_format import go_text
from pitchey_slo.alert.templates.nodes import (
    Branch,
    Command,
    Function,
    Include,
    Jump,
    Node,
    Operand,
    Pipeline,
    Print,
    Reach,
    Template,
    Value,
)
from pitchey_slo.alert.templates.parse import TemplateError
from pitchey_slo.alert.templates.values import field as field_of
from pitchey_slo.errors import PitcheyError

#: What one template may take: steps, templates within templates, characters of output and of any text on the way.
STEPS: Final = 200_000
DEEP: Final = 60
LONGEST: Final = 1 << 20


class _Jumped(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass
class Run:
    """One run of one template. `scopes` are the variables of the blocks that are open, innermost last."""

    template: Template
    functions: Mapping[str, Callable[..., Any]]
    shown: Callable[[Any], str] = go_text  #: how a value is printed; an HTML template escapes here
    steps: int = STEPS
    out: list[str] = field(default_factory=list)
    length: int = 0
    depth: int = 0
    scopes: list[dict[str, Any]] = field(default_factory=list)

    def text(self, data: Any, variables: Mapping[str, Any] | None = None) -> str:
        """The text the template makes of `data`. Raises TemplateError."""
        self.scopes = [{"$": data, **(variables or {})}]
        try:
            self.nodes(self.template.body, data)
        except RecursionError:
            raise TemplateError("nested too deep") from None
        return "".join(self.out)

    def nodes(self, nodes: Sequence[Node], dot: Any) -> None:
        self.scopes.append({})
        try:
            for node in nodes:
                self.step(0)
                match node:
                    case str():
                        self.write(node, 0)
                    case Print():
                        value = self.pipeline(node.pipeline, dot)
                        if not node.pipeline.names:
                            self.write(self.shown(value), node.pos)
                    case Branch(kind="range"):
                        self.range(node, dot)
                    case Branch():
                        self.branch(node, dot)
                    case Include():
                        self.include(node, dot)
                    case Jump():
                        raise _Jumped(node.kind)
        finally:
            self.scopes.pop()

    def branch(self, node: Branch, dot: Any) -> None:
        self.scopes.append({})
        try:
            value = self.pipeline(node.pipeline, dot)
            if truth(value):
                self.nodes(node.body, value if node.kind == "with" else dot)
            else:
                self.nodes(node.other, dot)
        finally:
            self.scopes.pop()

    def range(self, node: Branch, dot: Any) -> None:
        names = node.pipeline.names
        value = self.pipeline(Pipeline(node.pipeline.commands), dot)
        some = False
        for key, item in _each(value, node.pos):
            some = True
            scope = dict(zip(names, (key, item) if len(names) == 2 else (item,), strict=False))
            if node.pipeline.assigns:
                for name, given in scope.items():
                    self.assign(name, given)
            self.scopes.append({} if node.pipeline.assigns else scope)
            try:
                self.step(node.pos)
                self.nodes(node.body, item)
            except _Jumped as jumped:
                if jumped.kind == "break":
                    break
            finally:
                self.scopes.pop()
        if not some:
            self.nodes(node.other, dot)

    def include(self, node: Include, dot: Any) -> None:
        body = self.template.defined.get(node.name)
        if body is None:
            known = ", ".join(sorted(self.template.defined)[:20]) or "none"
            raise TemplateError(f"no template {node.name!r} is defined (known: {known})", node.pos)
        if self.depth >= DEEP:
            raise TemplateError(f"templates within templates, more than {DEEP} deep", node.pos)
        given = None if node.pipeline is None else self.pipeline(node.pipeline, dot)
        outside, self.scopes = self.scopes, [{"$": given}]
        self.depth += 1
        try:
            self.nodes(body, given)
        finally:
            self.scopes = outside
            self.depth -= 1

    # values

    def pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = None
        for i, command in enumerate(pipeline.commands):
            value = self.command(command, dot, (value,) if i else ())
        for name in pipeline.names:
            if pipeline.assigns:
                self.assign(name, value)
            else:
                self.scopes[-1][name] = value
        return value

    def command(self, command: Command, dot: Any, before: tuple[Any, ...]) -> Any:
        self.step(command.pos)
        first, *rest = command.operands
        if isinstance(first, Function):
            if first.name in LAZY:
                return self.lazy(first, rest, dot, before)
            return self.call(first.name, [*(self.operand(o, dot) for o in rest), *before], first.pos)
        value = self.operand(first, dot, call=not rest and not before)
        if rest or before:
            if not callable(value):
                raise TemplateError("this is no function and takes no arguments", command.pos)
            return self.apply(value, [*(self.operand(o, dot) for o in rest), *before], "method", command.pos)
        return value

    def lazy(self, first: Function, rest: Sequence[Operand], dot: Any, before: tuple[Any, ...]) -> Any:
        """`and` and `or`: the first value that decides."""
        value: Any = None
        for given in [*rest, *map(Value, before)]:
            value = self.operand(given, dot)
            if truth(value) != (first.name == "and"):
                return value
        return value

    def operand(self, operand: Operand, dot: Any, *, call: bool = True) -> Any:
        match operand:
            case Value():
                return operand.value
            case Function():
                return self.call(operand.name, [], operand.pos)
            case Reach(base=None):
                value = dot
            case Reach(base=str() as name):
                value = self.variable(name)
            case Reach(base=Pipeline() as inner):
                value = self.pipeline(inner, dot)
        for name in operand.fields:
            self.step(operand.pos)
            if value is None:
                raise TemplateError(f"nothing has no field {name!r}", operand.pos)
            try:
                value = field_of(value, name)
            except KeyError:
                raise TemplateError(f"no field {name!r} in {go_text(value)[:80]!r}", operand.pos) from None
        return self.apply(value, [], "method", operand.pos) if call and callable(value) else value

    def call(self, name: str, args: list[Any], pos: int) -> Any:
        return self.apply(self.functions[name], args, name, pos)

    def apply(self, function: Callable[..., Any], args: list[Any], name: str, pos: int) -> Any:
        try:
            value = function(*args)
        except Wrong as wrong:
            raise TemplateError(f"{name}: {wrong}", pos) from None
        except TemplateError:
            raise
        except PitcheyError as error:
            raise TemplateError(f"{name}: {error.message}", pos) from None
        except Exception as error:  # noqa: BLE001  # an argument of a type the function does not know, whatever it then stumbles on
            raise TemplateError(f"{name}: {str(error) or type(error).__name__}", pos) from None
        if isinstance(value, str | list) and len(value) > LONGEST:
            raise TemplateError(f"{name}: more than {LONGEST:,} characters", pos)
        return value

    def variable(self, name: str) -> Any:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        raise TemplateError(f"no variable {name!r} here")

    def assign(self, name: str, value: Any) -> None:
        for scope in reversed(self.scopes):
            if name in scope:
                scope[name] = value
                return

    # bounds

    def step(self, pos: int) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise TemplateError(f"more than {STEPS:,} steps", pos)

    def write(self, text: str, pos: int) -> None:
        self.length += len(text)
        if self.length > LONGEST:
            raise TemplateError(f"more than {LONGEST:,} characters", pos)
        self.out.append(text)


def _each(value: Any, pos: int) -> Iterable[tuple[Any, Any]]:
    """Keys and items of what a range goes over: a map by key, a list, or so many whole numbers."""
    if value is None or value == "":
        return ()
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, int) and not isinstance(value, bool):
        return ((i, i) for i in range(value))
    if isinstance(value, Sequence) and not isinstance(value, str | datetime):
        return enumerate(value)
    raise TemplateError(f"range cannot go over {go_text(value)[:80]!r}", pos)
