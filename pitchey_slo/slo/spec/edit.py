"""Change one value in a YAML text and leave every other byte as it is: comments, order, quotes, line ends.

The text is composed into nodes that know where they stand, the edit replaces, adds or takes out characters there, and
the result is loaded and compared with what it should say. Where a value is shared (anchors, aliases, merged maps) or
stands in an uncommon form, ConfigError says to edit by hand; nothing is guessed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pitchey_slo.errors import ConfigError
from pitchey_slo.slo.spec import emit

Path = tuple[str | int, ...]
#: Keys below which everything is one key: annotations have dots in their names.
_LEAVES = ("annotations", "labels")


def path_of(path: str | Sequence[str | int]) -> Path:
    """`"spec.objectives[0].target"`, as error messages write it, as a path of keys and places."""
    if not isinstance(path, str):
        return tuple(path)
    found: list[str | int] = []
    rest = path
    while rest:
        leaf = bool(found) and found[-1] in _LEAVES
        match = re.match(r"\[(\d+)\](?:\.|$|(?=\[))", rest) or re.match(
            r"(.+?)(?=\[\d+\]$|$)" if leaf else r"([^.\[\]]+)(?:\.|$|(?=\[))", rest
        )
        if not match:
            raise ConfigError(f"{path!r} is no path", hint="like spec.objectives[0].target")
        found.append(int(match[1]) if rest.startswith("[") else match[1])
        rest = rest[match.end() :]
    if not found:
        raise ConfigError("an empty path", hint="like spec.objectives[0].target")
    return tuple(found)


def shown(path: Path) -> str:
    """A path as messages write it."""
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path).lstrip(".")


def load(text: str) -> list[Any]:
    """The documents of a text as plain values."""
    from ruamel.yaml import YAML

    return list(YAML(typ="safe", pure=True).load_all(text))


def assign(text: str, document: int, path: Path, value: Any) -> str:
    """`text` with `value` at `path` of its document number `document`; maps on the way are made where missing."""
    return _checked(text, document, path, value, _Editor(text, document).assign(path, value))


def remove(text: str, document: int, path: Path) -> str:
    """`text` without what stands at `path`; a map or list that would be empty then goes with it."""
    editor = _Editor(text, document)
    while len(path) > 1 and editor.alone(path):
        path = path[:-1]
    return _checked(text, document, path, _GONE, editor.remove(path))


class _Gone:
    pass


_GONE = _Gone()


def _checked(text: str, document: int, path: Path, value: Any, edited: str) -> str:
    """`edited`, when it says what `text` said but for the one change."""
    wanted = load(text)
    # values that anchors share are one object: apart they have to be before one of them is changed
    wanted[document] = _plain(wanted[document])
    holder = wanted[document]
    for here, step in pairwise(path):
        if isinstance(holder, list) and here == len(holder):
            holder.append(None)
        if (holder.get(here) if isinstance(holder, dict) else holder[here]) is None:
            holder[here] = [] if isinstance(step, int) else {}
        holder = holder[here]
    last: Any = path[-1]
    if value is _GONE:
        del holder[last]
    elif isinstance(holder, list) and last == len(holder):
        holder.append(_plain(value))
    else:
        holder[last] = _plain(value)
    try:
        same = [_plain(d) for d in load(edited)] == [_plain(d) for d in wanted]
    except Exception as error:  # noqa: BLE001 - whatever the reader says, the edit did not work
        raise by_hand(path, str(error).splitlines()[0]) from None
    if not same:
        raise by_hand(path, "other values would change with it")
    return edited


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return copy.copy(value)


def by_hand(path: Path, why: str, line: int | None = None) -> ConfigError:
    return ConfigError(f"cannot be changed here: {why}", line=line, key=shown(path), hint="edit the file by hand")


@dataclass
class _Spot:
    """A node, the key before it (in a map) and the node that holds it."""

    node: Any
    key: Any = None
    holder: Any = None
    place: int = 0


class _Editor:
    def __init__(self, text: str, document: int) -> None:
        from ruamel.yaml import YAML

        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.root = list(YAML(typ="safe", pure=True).compose_all(text))[document]

    # ---- finding ---------------------------------------------------------------------------------------------------

    def walk(self, path: Path) -> list[_Spot]:
        """The nodes along `path` from the root on, as far as they are there."""
        spots = [_Spot(self.root)]
        for i, step in enumerate(path):
            found = self._below(spots[-1].node, step)
            if found is None:
                break
            if self._shared(found):
                raise by_hand(path[: i + 1], "it is an alias", found.key and found.key.start_mark.line + 1)
            spots.append(found)
        return spots

    def _below(self, node: Any, step: str | int) -> _Spot | None:
        if _is(node, "map") and isinstance(step, str):
            pairs = enumerate(node.value)
            return next((_Spot(v, k, node, i) for i, (k, v) in pairs if k.value == step), None)
        if _is(node, "seq") and isinstance(step, int) and step < len(node.value):
            return _Spot(node.value[step], None, node, step)
        return None

    def _shared(self, spot: _Spot) -> bool:
        """Whether it is an alias: then its node stands elsewhere, with the anchor."""
        before = spot.key.end_mark.index if spot.key else spot.holder.start_mark.index
        if spot.key is None and spot.place:
            before = max(before, self.end(_Spot(spot.holder.value[spot.place - 1], None, spot.holder, spot.place - 1)))
        return bool(spot.node.start_mark.index < before)

    def alone(self, path: Path) -> bool:
        """Whether what holds `path` holds nothing else."""
        spots = self.walk(path)
        if len(spots) <= len(path):
            raise by_hand(path, "it is not there")
        return len(spots[-1].holder.value) == 1

    def end(self, spot: _Spot) -> int:
        """Where the content of a node ends, comments and empty lines after it left out."""
        node = spot.node
        if spot.key is not None and self._shared(spot):
            alias = re.compile(r"\s*:\s*\*[^\s,\]}]+").match(self.text, spot.key.end_mark.index)
            if alias:
                return alias.end()
        if _is(node, "scalar"):
            if _empty(node):
                return self.after_colon(spot)
            end: int = node.end_mark.index
            if node.style in ("|", ">") and not _keeps(self.text, node):
                end = node.start_mark.index + len(self.text[node.start_mark.index : end].rstrip())
            return end
        if node.flow_style or not node.value:
            return int(node.end_mark.index)
        last = len(node.value) - 1
        if _is(node, "map"):
            key, value = node.value[last]
            return self.end(_Spot(value, key, node, last))
        return self.end(_Spot(node.value[last], None, node, last))

    def after_colon(self, spot: _Spot) -> int:
        """Where a value would begin that is not there: after the `:` of its key or the `-` of its item."""
        if spot.key is None:
            before = self.text[: spot.node.start_mark.index].rstrip()
            if before.endswith("-"):
                return len(before)
        else:
            colon = re.compile(r"\s*:").match(self.text, spot.key.end_mark.index)
            if colon is not None:
                return colon.end()
        line = spot.node.start_mark.line + 1
        raise ConfigError("an empty value in an uncommon form", line=line, hint="edit the file by hand")

    def next_line(self, at: int) -> int:
        """The start of the line after `at`; `at` itself when a kept block ended there."""
        if at and self.text[at - 1 : at] == "\n":
            return at
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1

    def line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    # ---- changing --------------------------------------------------------------------------------------------------

    def splice(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    def lines_at(self, at: int, lines: list[str]) -> str:
        """`lines` put in before the line that starts at `at`."""
        body = "".join(line + self.newline for line in lines)
        if at and self.text[at - 1] != "\n":  # the last line of the file has no end: neither has the new last one
            body = self.newline + body.removesuffix(self.newline)
        return self.splice(at, at, body)

    def assign(self, path: Path, value: Any) -> str:
        spots = self.walk(path)
        missing = path[len(spots) - 1 :]
        in_flow = any(getattr(s.node, "flow_style", False) for s in spots[:-1])
        spot = spots[-1]
        if not missing:
            return self._replace(path, spot, value, in_flow)
        for step in reversed(missing[1:]):
            if step not in (0,) and isinstance(step, int):
                raise by_hand(path, f"item {step} of a list that is not there")
            value = [value] if isinstance(step, int) else {step: value}
        first = missing[0]
        if _is(spot.node, "map") and isinstance(first, str):
            return self._add(spot.node, {first: value})
        if _is(spot.node, "seq") and first == len(spot.node.value):
            return self._add(spot.node, [value])
        if (_null(spot.node) and first in (0,)) or (_null(spot.node) and isinstance(first, str)):
            return self._replace(path, spot, [value] if isinstance(first, int) else {first: value}, in_flow)
        raise by_hand(path, f"{shown(path[: len(spots) - 1]) or 'the document'} has no {shown((first,))}")

    def _add(self, node: Any, value: Any) -> str:
        """One more entry at the end of a map or list."""
        pairs = node.value
        last = None
        if pairs:
            part = pairs[-1]
            last = _Spot(part[1], part[0], node) if isinstance(part, tuple) else _Spot(part, None, node, len(pairs) - 1)
        if not node.flow_style and last is not None:
            column = node.start_mark.column
            return self.lines_at(self.next_line(self.end(last)), emit.block(value, column))
        inner = emit.flow(value)[1:-1]
        if last is None:
            return self.splice(node.start_mark.index + 1, node.start_mark.index + 1, inner)
        at = self.end(last)
        return self.splice(at, at, ", " + inner)

    def _replace(self, path: Path, spot: _Spot, value: Any, in_flow: bool) -> str:
        node = spot.node
        start, end = node.start_mark.index, self.end(spot)
        if self.text[start : start + 1] in ("&", "!"):
            raise by_hand(path, "it has an anchor or a tag", node.start_mark.line + 1)
        many = isinstance(value, Mapping | list | tuple) and bool(value)
        column = spot.key.start_mark.column if spot.key else spot.holder.start_mark.column if spot.holder else 0
        if _is(node, "scalar"):
            if _empty(node):
                if many and not in_flow:
                    return self.lines_at(self.next_line(end), emit.block(value, column + 2))
                return self.splice(end, end, " " + emit.flow(value))
            return self.splice(start, end, self._scalar(node, value, end, in_flow, column + 2))
        if node.flow_style:
            return self.splice(start, end, emit.flow(value))
        if many and _is(node, "map") == isinstance(value, Mapping):
            lines = emit.block(value, node.start_mark.column)
            return self.splice(start, end, self.newline.join(lines).lstrip(" "))
        if spot.key is None:
            return self.splice(start, end, emit.flow(value))
        if many:
            return self.splice(self.line_start(start), end, self.newline.join(emit.block(value, column + 2)))
        return self.splice(self.after_colon(spot), end, " " + emit.flow(value))

    def _scalar(self, node: Any, value: Any, end: int, in_flow: bool, indent: int) -> str:
        """The new text of a scalar, in the style of the old one as far as that goes."""
        if not isinstance(value, str):
            return emit.flow(value)
        free = not in_flow and not self.text[end : self.next_line(end)].strip()
        if free and (lines := emit.literal(value, indent)):
            return self.newline.join(lines)
        if node.style == "'" and "\n" not in value and not emit.SPECIAL.search(value):
            return "'" + value.replace("'", "''") + "'"
        return emit.quoted(value) if node.style in ("'", '"') else emit.scalar(value)

    def remove(self, path: Path) -> str:
        spot = self.walk(path)[-1]
        if spot.holder is None:
            raise by_hand(path, "it is the whole document")
        holder, place, start = spot.holder, spot.place, (spot.key or spot.node).start_mark.index
        if holder.flow_style:
            following = holder.value[place + 1 : place + 2]
            if following:
                part = following[0]
                return self.splice(start, (part[0] if isinstance(part, tuple) else part).start_mark.index, "")
            before = holder.value[place - 1]
            key, value = before if isinstance(before, tuple) else (None, before)
            return self.splice(self.end(_Spot(value, key, holder, place - 1)), self.end(spot), "")
        if spot.key is None:
            start = self.text.rfind("-", 0, start)
        line = self.line_start(start)
        if not self.text[line:start].strip(" "):
            return self.splice(line, self.next_line(self.end(spot)), "")
        if spot.key is None or place + 1 >= len(holder.value):
            raise by_hand(path, "it shares its line", spot.node.start_mark.line + 1)
        return self.splice(start, holder.value[place + 1][0].start_mark.index, "")


def _is(node: Any, kind: str) -> bool:
    return bool(node is not None and node.id == {"map": "mapping", "seq": "sequence"}.get(kind, kind))


def _null(node: Any) -> bool:
    return _is(node, "scalar") and node.tag is not None and str(node.tag).endswith(":null")


def _empty(node: Any) -> bool:
    """Whether nothing at all was written: `key:`"""
    return _is(node, "scalar") and node.value == "" and node.style not in ("'", '"', "|", ">")


def _keeps(text: str, node: Any) -> bool:
    """Whether a block scalar keeps the empty lines after it: `|+`"""
    header = text[node.start_mark.index : node.end_mark.index].splitlines()[0]
    return "+" in header.partition("#")[0]
