"""A YAML text whose every value knows its place, down to the column of any character inside a value.

Problems are collected, not raised one by one; each shows file, line, column, the line itself and a caret. Only texts,
maps and lists are told apart: a value that is written `5` or `true` is the text that was written, as Go reads it into
a text field.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pitchey_slo.errors import ConfigError, did_you_mean

MOST_VALUES: Final = 500_000
#: What is read of longer texts is not kept for the next who asks.
_KEPT: Final = 100_000
_NULLS: Final = {"", "~", "null", "Null", "NULL"}
#: Parts of a quoted text that stand for one character (or none).
_QUOTED: Final = {
    '"': re.compile(r"\\x..|\\u....|\\U.{8}|\\\n|\\.|.", re.DOTALL),
    "'": re.compile(r"''|.", re.DOTALL),
}

Kind = Literal["map", "list", "text", "nothing"]


@dataclass
class Source:
    """One file: its text by lines, and what was found wrong with it, in order."""

    file: str
    lines: list[str]
    found: list[ConfigError] = field(default_factory=list)

    def add(self, line: int, column: int, key: str, message: str, hint: str | None = None) -> None:
        """Note a problem; line and column count from 1."""
        shown = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        start = max(0, min(column - 60, len(shown) - 110)) if len(shown) > 120 else 0
        caret = " " * (column - 1 - start) + "^"
        picture = f"\n    {shown[start : start + 120].replace(chr(9), ' ')}\n    {caret}" if shown else ""
        told = message + (f" ({hint})" if hint else "") + picture
        problem = ConfigError(told, file=self.file, line=line, column=column, key=key or None)
        problem.hint, problem.problem = hint, message
        self.found.append(problem)


@dataclass(frozen=True)
class Value:
    """A value of the file and the path of keys to it. `node` is ruamel's."""

    source: Source
    node: Any
    key: str

    @property
    def kind(self) -> Kind:
        if isinstance(self.node.value, str):
            plain = not getattr(self.node, "style", None)
            return "nothing" if plain and self.node.value in _NULLS else "text"
        return "map" if self.node.tag.endswith(":map") else "list"

    @property
    def text(self) -> str:
        """The text as written; "" for nothing."""
        return self.node.value if self.kind == "text" else ""

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def column(self) -> int:
        return int(self.node.start_mark.column) + 1

    def problem(self, message: str, hint: str | None = None, *, at: int | None = None) -> None:
        """Note a problem with this value; `at` is the offset of the character in its text that is meant."""
        line, column = (self.line, self.column) if at is None else self.place(at)
        self.source.add(line, column, self.key, message, hint)

    def wants(self, kind: Kind, what: str) -> bool:
        """True when the value is of that kind; notes a problem otherwise."""
        if self.kind != kind:
            self.problem(f"{shown(self)} where {what} belongs")
        return self.kind == kind

    def entries(self) -> Iterator[tuple[Value, Value]]:
        """Keys and values of a map; merged maps (`<<`) count where the map itself has no such key."""
        merged = []
        own = set()
        for name, node in self.node.value:
            key = Value(self.source, name, join(self.key, str(name.value)))
            value = Value(self.source, node, key.key)
            if name.tag.endswith(":merge"):
                merged += [Value(self.source, n, self.key) for n in (node.value if value.kind == "list" else [node])]
                continue
            own.add(key.text)
            yield key, value
        for other in merged:
            yield from ((key, value) for key, value in other.entries() if key.text not in own)

    def items(self) -> Iterator[Value]:
        for i, node in enumerate(self.node.value):
            yield Value(self.source, node, f"{self.key}[{i}]")

    def fields(self, known: Iterable[str]) -> dict[str, Value]:
        """The entries with a known key; unknown keys and keys that stand twice are noted, nothing counts as absent."""
        known = tuple(known)
        found: dict[str, Value] = {}
        for key, value in self.entries():
            name = key.text
            if name not in known:
                key.problem(f"unknown key {name!r}", did_you_mean(name, known) or f"known here: {', '.join(known)}")
            elif name in found:
                key.problem(f"{name} stands twice")
            elif value.kind != "nothing":
                found[name] = value
        return found

    def texts(self) -> dict[str, Value]:
        """A map of texts, such as labels; what is no text is noted."""
        found: dict[str, Value] = {}
        if self.wants("map", "a map"):
            for key, value in self.entries():
                if key.text in found:
                    key.problem(f"{key.text} stands twice")
                elif value.kind in ("text", "nothing") or value.wants("text", "a text"):
                    found[key.text] = value
        return found

    def place(self, at: int) -> tuple[int, int]:
        """Line and column, from 1, of character `at` of the text.

        YAML folds and indents white space in many ways but writes every other character down, so the n-th visible
        character of the value is the n-th of the source, whatever the style.
        """
        text = self.text
        want = sum(not c.isspace() for c in text[:at])
        for n, (line, column) in enumerate(self._written()):
            if n == want:
                return line, column
            last = line, column + 1
        return last if want else (self.line, self.column)

    def _written(self) -> Iterator[tuple[int, int]]:
        """Places of the visible characters of this text in the source."""
        begin, end = self.node.start_mark, self.node.end_mark
        style = getattr(self.node, "style", None)
        lines = self.source.lines[begin.line : end.line + 1]
        if style in ("|", ">"):
            for number, line in enumerate(lines[1 : end.line - begin.line + (1 if end.column else 0)], begin.line + 2):
                yield from ((number, column) for column, c in enumerate(line, 1) if not c.isspace())
            return
        if end.line - begin.line < len(lines):
            lines[end.line - begin.line] = lines[end.line - begin.line][: end.column]
        lines[0] = " " * begin.column + lines[0][begin.column :]
        text = "\n".join(lines)
        first = begin.column + (1 if style else 0)
        text = text[: len(text) - 1] if style else text
        number, start = begin.line + 1, 0
        for part in (_QUOTED[style] if style else _QUOTED["'"]).finditer(text, first):
            escaped = part.group() in ("\\n", "\\t", "\\r", "\\ ", "\\\n")
            if not part.group().isspace() and not escaped:
                yield number, part.start() - start + 1
                if not style and part.group() == "''":  # a plain text knows no quoting: two characters
                    yield number, part.start() - start + 2
            if part.group().endswith("\n"):
                number, start = number + 1, part.end()


@functools.lru_cache(maxsize=64)  # a review reads the same rules a dozen times, 50 ms each
def _nodes(text: str) -> tuple[Any, ...]:
    """The documents of a text; nobody changes a node."""
    from ruamel.yaml import YAML

    return tuple(n for n in YAML(typ="safe", pure=True).compose_all(text) if n is not None)


def compose(text: str, file: str) -> tuple[Value | None, Source]:
    """The only document of a text, and its source with the problems found; None when it is empty or is no YAML."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    source = Source(file, text.splitlines())
    try:
        nodes = _nodes(text) if len(text) < _KEPT else _nodes.__wrapped__(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        source.add(line, column, "", f"not YAML: {error.problem or error.context}")
        return None, source
    except (YAMLError, ValueError, RecursionError) as error:
        source.add(1, 1, "", f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return None, source
    if len(nodes) > 1:
        mark = nodes[1].start_mark
        source.add(mark.line + 1, mark.column + 1, "", "a second document", "one per file")
    if not nodes:
        return None, source
    if _size(nodes[0], {}) > MOST_VALUES:
        source.add(1, 1, "", f"more than {MOST_VALUES:,} values", "aliases in a circle?")
        return None, source
    return Value(source, nodes[0], ""), source


def raise_all(found: list[ConfigError]) -> None:
    """Raise the one problem, or one error that lists all; `detail` has file, line, column, key, message, hint of
    each."""
    if not found:
        return
    error = found[0]
    if len(found) > 1:
        error = ConfigError(f"{len(found)} problems:\n" + "\n".join(f"  {p}" for p in found))
    error.detail = [
        {"file": p.file and str(p.file), "line": p.line, "column": p.column, "key": p.key, "message": p.problem,
         "hint": p.hint}
        for p in found
    ]  # fmt: skip
    raise error


def shown(value: Value) -> str:
    if value.kind != "text":
        return {"map": "a map", "list": "a list", "nothing": "nothing"}[value.kind]
    return repr(value.text) if len(value.text) <= 60 else repr(value.text[:57] + "...")


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _size(node: Any, known: dict[int, float]) -> float:
    """Values once aliases are written out; infinite when one holds itself ("billion laughs")."""
    if node is None or isinstance(node.value, str):
        return 1
    if id(node) not in known:
        known[id(node)] = float("inf")  # met again while still open: a circle
        parts = (p for part in node.value for p in (part if isinstance(part, tuple) else (part,)))
        known[id(node)] = 1 + sum(_size(p, known) for p in parts)
    return known[id(node)]
