"""Text -> nodes. Raises TemplateError with the offset of what was wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

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
from pitchey_slo.errors import PitcheyError, did_you_mean

#: Deepest nesting of blocks and brackets.
MOST_NESTED: Final = 100

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+) | (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`) | (?P<char>'(?:\\.[^']*|[^'\\])')
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
                   |(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?))
      | (?P<variable>\$\w*(?:\.[^\W\d]\w*)*) | (?P<field>(?:\.[^\W\d]\w*)+) | (?P<dot>\.)
      | (?P<word>[^\W\d]\w*) | (?P<sign>:=|[|(),=])""",
    re.VERBOSE,
)
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class TemplateError(PitcheyError):
    """A template that cannot be read or run. `pos` is the offset in its text."""

    reason = "bad_config"

    def __init__(self, message: str, pos: int = 0) -> None:
        super().__init__(message)
        self.pos = pos


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    pos: int


def parse(text: str, functions: Collection[str], variables: Collection[str] = ()) -> Template:
    """The nodes of a text. `functions` and `variables` (with their $) are what it may name."""
    return _Parser(text, functions, variables).whole()


def pieces(text: str) -> Iterator[str | tuple[str, int]]:
    """Plain texts, and (inside, offset) of each action, white space trimmed as `{{-` and `-}}` ask."""
    at, trim = 0, False
    while True:
        start = text.find("{{", at)
        plain = text[at:] if start < 0 else text[at:start]
        if trim:
            plain = plain.lstrip(" \t\r\n")
        if start < 0:
            yield plain
            return
        inside = start + 2
        if text.startswith("-", inside) and text[inside + 1 : inside + 2].isspace():
            plain, inside = plain.rstrip(" \t\r\n"), inside + 2
        yield plain
        end = _end(text, inside, start)
        last = end
        trim = text[end - 1 : end] == "-" and end - 2 >= inside and text[end - 2].isspace()
        if trim:
            last = end - 1
        yield text[inside:last], inside
        at = end + 2


def _end(text: str, inside: int, start: int) -> int:
    """Where the action that begins at `inside` is closed; `}}` within quotes does not count."""
    bare = text[inside:].lstrip()
    if bare.startswith("/*"):
        close = text.find("*/", inside)
        end = text.find("}}", close)
        if close < 0 or end < 0 or text[close + 2 : end].strip(" \t\r\n-"):
            raise TemplateError("unclosed comment", start)
        return end
    at = inside
    while at < len(text):
        if text.startswith("}}", at):
            return at
        quoted = re.compile(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|\'(?:\\.|[^\'\\\n])*\'').match(text, at)
        at = quoted.end() if quoted else at + 1
    raise TemplateError("unclosed action", start)


class _Parser:
    def __init__(self, text: str, functions: Collection[str], variables: Collection[str]) -> None:
        self.text = text
        self.functions = functions
        self.variables = ["$", *variables]
        self.defined: dict[str, tuple[Node, ...]] = {}
        self.parts = iter(list(pieces(text)))
        self.tokens: list[Token] = []
        self.at = 0
        self.depth = 0
        self.loops = 0

    def whole(self) -> Template:
        body, ended = self.block(top=True)
        if ended:
            raise TemplateError(f"unexpected {{{{{ended}}}}}", self.tokens[0].pos)
        return Template(self.text, body, self.defined)

    # blocks

    def block(self, *, top: bool = False) -> tuple[tuple[Node, ...], str]:
        """Nodes up to `end` or `else`, and which it was ("" at the end of the text)."""
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise TemplateError(f"nested more than {MOST_NESTED} deep", self.tokens[0].pos)
        nodes: list[Node] = []
        start = self.tokens[0].pos if self.tokens else 0
        for part in self.parts:
            if isinstance(part, str):
                if part:
                    nodes.append(part)
                continue
            self.read(*part)
            if not self.tokens:
                if part[0].strip().startswith("/*"):
                    continue
                raise TemplateError("missing value for command", part[1])
            word = self.tokens[0].text if self.tokens[0].kind == "word" else ""
            if word in ("end", "else"):
                self.depth -= 1
                return tuple(nodes), word
            nodes += self.action(word)
        if not top:
            raise TemplateError("{{end}} is missing for this", start)
        self.depth -= 1
        return tuple(nodes), ""

    def action(self, word: str) -> list[Node]:
        pos = self.tokens[0].pos
        match word:
            case "if" | "with" | "range":
                self.at = 1
                return [self.branch(word, pos)]
            case "define":
                self.define(pos)
                return []
            case "template" | "block":
                self.at = 1
                return [self.include(word, pos)]
            case "break" | "continue":
                if not self.loops:
                    raise TemplateError(f"{{{{{word}}}}} outside {{{{range}}}}", pos)
                self.at = 1
                self.done(word)
                return [Jump(word, pos)]
        return [Print(self.pipeline(), pos)]

    def branch(self, kind: Literal["if", "with", "range"], pos: int) -> Branch:
        known = len(self.variables)
        pipeline = self.pipeline(most=2 if kind == "range" else 1)
        self.loops += kind == "range"
        body, ended = self.block()
        self.loops -= kind == "range"
        other: tuple[Node, ...] = ()
        if ended == "else":
            following = self.tokens[1].text if len(self.tokens) > 1 else ""
            if following in ("if", "with") and kind != "range":
                self.at = 2
                other = (self.branch(cast('Literal["if", "with"]', following), self.tokens[1].pos),)
            else:
                self.at = 1
                self.done("else")
                other, ended = self.block()
                if ended == "else":
                    raise TemplateError("a second {{else}}", self.tokens[0].pos)
        del self.variables[known:]
        return Branch(kind, pipeline, body, other, pos)

    def define(self, pos: int) -> None:
        if self.depth > 1:
            raise TemplateError("{{define}} only stands outside of other blocks", pos)
        self.at = 1
        name = self.name("define")
        self.done("define")
        self.defined[name] = self.apart()

    def include(self, word: str, pos: int) -> Include:
        name = self.name(word)
        given = self.pipeline() if self.at < len(self.tokens) else None
        if word == "block":
            self.defined[name] = self.apart()
        return Include(name, given, pos)

    def apart(self) -> tuple[Node, ...]:
        """The body of a template of its own, which sees no variable from outside."""
        outside, self.variables = self.variables, ["$"]
        loops, self.loops = self.loops, 0
        body, ended = self.block()
        if ended == "else":
            raise TemplateError("{{else}} without {{if}}", self.tokens[0].pos)
        self.variables, self.loops = outside, loops
        return body

    # one action

    def read(self, inside: str, pos: int) -> None:
        """The tokens of an action."""
        self.tokens, self.at = [], 0
        if inside.strip().startswith("/*"):
            return
        at = 0
        while at < len(inside):
            found = _TOKEN.match(inside, at)
            if found is None:
                what = "an unclosed text" if inside[at] in "\"'`" else f"unexpected {inside[at]!r}"
                raise TemplateError(what, pos + at)
            if found.lastgroup != "space":
                self.tokens.append(Token(found.lastgroup or "", found.group(), pos + at))
            at = found.end()

    def name(self, word: str) -> str:
        token = self.next()
        if token is None or token.kind != "string":
            raise TemplateError(f"{word} needs a name in quotes", self.tokens[0].pos)
        return str(unquoted(token))

    def next(self) -> Token | None:
        if self.at < len(self.tokens):
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead].text if self.at + ahead < len(self.tokens) else ""

    def done(self, where: str) -> None:
        if self.at < len(self.tokens):
            raise TemplateError(f"unexpected {self.peek()!r} in {where}", self.tokens[self.at].pos)

    def pipeline(self, *, most: int = 1, closing: bool = False) -> Pipeline:
        """A pipeline up to the end of the action, or to `)` when `closing`."""
        names, assigns = self.setting(most)
        commands: list[Command] = []
        while True:
            commands.append(self.command(closing=closing))
            token = self.next()
            if token is None or (closing and token.text == ")"):
                break
            if token.text != "|":
                raise TemplateError(f"unexpected {token.text!r}", token.pos)
        for command in commands[1:]:
            first = command.operands[0]
            if isinstance(first, Value):
                raise TemplateError("a value cannot take the value before the |", command.pos)
        if not assigns:
            self.variables += names
        return Pipeline(tuple(commands), names, assigns)

    def setting(self, most: int) -> tuple[tuple[str, ...], bool]:
        """`$x :=`, `$x =`, and in a range `$i, $x :=`."""
        names: list[str] = []
        at = self.at
        while at < len(self.tokens) and self.tokens[at].kind == "variable" and len(names) < most:
            names.append(self.tokens[at].text)
            following = self.tokens[at + 1].text if at + 1 < len(self.tokens) else ""
            if following in (":=", "="):
                self.at = at + 2
                for name in names if following == "=" else ():
                    self.known(name, self.tokens[at].pos)
                return tuple(names), following == "="
            if following != ",":
                break
            at += 2
        return (), False

    def command(self, *, closing: bool) -> Command:
        pos = self.tokens[min(self.at, len(self.tokens) - 1)].pos
        operands: list[Operand] = []
        while self.at < len(self.tokens) and self.peek() != "|" and not (closing and self.peek() == ")"):
            operands.append(self.operand())
        if not operands:
            raise TemplateError("missing value for command", pos)
        if closing and self.at >= len(self.tokens):
            raise TemplateError("a bracket is not closed", pos)
        first = operands[0]
        if len(operands) > 1 and not isinstance(first, Function) and not (isinstance(first, Reach) and first.fields):
            raise TemplateError("this takes no arguments", pos)
        return Command(tuple(operands), pos)

    def operand(self) -> Operand:
        token = self.next()
        assert token is not None
        match token.kind:
            case "string" | "char" | "number":
                return Value(unquoted(token))
            case "dot":
                return Reach(None, (), token.pos)
            case "field":
                return Reach(None, tuple(token.text[1:].split(".")), token.pos)
            case "variable":
                name, *fields = token.text.split(".")
                self.known(name, token.pos)
                return Reach(name, tuple(fields), token.pos)
            case "word":
                return self.word(token)
        if token.text == "(":
            return self.bracket(token)
        raise TemplateError(f"unexpected {token.text!r}", token.pos)

    def word(self, token: Token) -> Operand:
        if token.text in ("true", "false", "nil"):
            return Value({"true": True, "false": False}.get(token.text))
        if token.text not in self.functions:
            hint = did_you_mean(token.text, self.functions)
            raise TemplateError(f"no function {token.text!r}" + (f"; {hint}" if hint else ""), token.pos)
        return Function(token.text, token.pos)

    def bracket(self, token: Token) -> Operand:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise TemplateError(f"nested more than {MOST_NESTED} deep", token.pos)
        inner = self.pipeline(closing=True)
        self.depth -= 1
        closed = self.tokens[self.at - 1]
        fields: tuple[str, ...] = ()
        if self.at < len(self.tokens):
            following = self.tokens[self.at]
            if following.kind == "field" and following.pos == closed.pos + 1:
                fields = tuple(following.text[1:].split("."))
                self.at += 1
        return Reach(inner, fields, token.pos)

    def known(self, name: str, pos: int) -> None:
        if name not in self.variables:
            hint = did_you_mean(name, self.variables)
            raise TemplateError(f"no variable {name!r}" + (f"; {hint}" if hint else ""), pos)


def unquoted(token: Token) -> Any:
    """The value of a literal. A character is its number, as in Go."""
    text = token.text
    if token.kind == "number":
        plain = text.replace("_", "")
        try:
            return int(plain, 0) if re.fullmatch(r"[+-]?(0[xXbBoO]\w+|0|[1-9]\d*)", plain) else _number(plain)
        except ValueError:
            raise TemplateError(f"bad number {text}", token.pos) from None
    if text[0] == "`":
        return text[1:-1]

    def escape(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code not in _ESCAPES and code not in "\\\"'":
            raise TemplateError(f"unknown escape \\{code}", token.pos)
        return _ESCAPES.get(code, code)

    try:
        plain = re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", escape, text[1:-1])
    except (ValueError, OverflowError):
        raise TemplateError(f"bad text {text}", token.pos) from None
    return ord(plain) if token.kind == "char" and len(plain) == 1 else plain


def _number(text: str) -> int | float:
    if re.fullmatch(r"[+-]?0\d+", text):
        return int(text, 8)
    return float(text)
