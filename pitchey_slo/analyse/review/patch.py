"""Change the threshold or the `for` of one rule in the text of its file, and leave every other byte as it is.

A rule's own text, from its first key to the end of its last value, is what a decision remembers: before and after. To
apply is to find the rule by its key, to see that its text is still the one that was decided about, and to put the
other in its place; to revert is the same the other way round. What else changed in the file meanwhile stays.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from pitchey_slo.alert.rules import Rule, RuleGroup, read_groups, seconds_of
from pitchey_slo.analyse.review import numbers
from pitchey_slo.errors import ConfigError, NotFound, did_you_mean
from pitchey_slo.yaml_source import Value, compose, raise_all

_MARK = "\ufeff"


@dataclass(frozen=True)
class Place:
    """Where a rule stands in a text: `text[start:end]` is its own text; `rule` and `group` are what it says."""

    start: int
    end: int
    rule: Rule
    group: RuleGroup
    node: Value
    lines: tuple[int, ...]

    def of(self, text: str) -> str:
        return text[self.start : self.end]

    def offset(self, line: int, column: int) -> int:
        return self.lines[line - 1] + column - 1


def place(text: str, key: str, *, file: str, short: str) -> Place:
    """Where the rule of this key stands. ConfigError when the file is wrong, NotFound when the rule is not in it."""
    groups, problems = read_groups(text.removeprefix(_MARK), file, short)
    raise_all(problems)
    rules = {rule.key: (rule, group) for group in groups for rule in group.rules}
    if key not in rules:
        near = did_you_mean(key, rules) or "it has " + (
            ", ".join(sorted({r.name for r, _ in rules.values()})) or "none"
        )
        raise NotFound(f"{file} has no rule {key!r} any more; {near}")
    rule, group = rules[key]
    root, _ = compose(text.removeprefix(_MARK), file)
    items = [
        item
        for entry in (root.fields(["groups"])["groups"].items() if root else ())
        for item in entry.fields(["rules", "name", "interval", "query_offset", "limit", "labels"])["rules"].items()
        if item.line == rule.line
    ]
    if len(items) != 1:
        raise ConfigError("rules that share a line cannot be told apart", file=file, line=rule.line, hint="by hand")
    shift = len(text) - len(text.removeprefix(_MARK))
    starts = tuple(accumulate((len(s) for s in text.splitlines(keepends=True)), initial=0))
    starts = (shift, *starts[1:])
    start = starts[items[0].line - 1] + items[0].column - 1
    mark = _last(items[0].node)
    end = starts[mark.line] + mark.column
    return Place(start, _trimmed(text, start, end), rule, group, items[0], starts)


def hash_of(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def changed(text: str, at: Place, *, threshold: tuple[float, float] | None = None, hold: str | None = None) -> str:
    """`text` with another threshold, given as (old, new), and another `for`, such as "5m", of the rule that stands
    there.

    ConfigError when nothing would change, or when it cannot be done without touching anything else.
    """
    rule = at.rule
    wanted = rule
    edits: list[tuple[int, int, str]] = []
    given = at.node.fields(("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"))
    if threshold is not None and threshold[0] != threshold[1]:
        expr = numbers.with_threshold(given["expr"].text, *threshold)
        edits += _numbers(text, at, given["expr"], expr)
        wanted = replace(wanted, expr=expr.strip())
    if hold is not None and _seconds(hold, at) != rule.for_seconds:
        if rule.kind != "alert":
            raise ConfigError("a recording rule has no `for`", file=rule.file, line=rule.line)
        edits.append(_hold(text, at, given, hold))
        wanted = replace(wanted, for_seconds=_seconds(hold, at))
    if not edits:
        raise ConfigError(
            f"{rule.name} says that already", file=rule.file, line=rule.line, hint="give another threshold or `for`"
        )
    found = text
    for start, end, new in sorted(edits, reverse=True):
        found = found[:start] + new + found[end:]
    _check(text, found, at, wanted)
    return found


def exchanged(text: str, key: str, before: str, after: str, *, file: str, short: str) -> str:
    """`text` with `after` where the rule's own text is `before`. ConfigError when it is another one by now."""
    at = place(text, key, file=file, short=short)
    if at.of(text) != before:
        raise ConfigError(
            f"{at.rule.name} is not what was decided about any more: its text was changed since",
            file=file,
            line=at.rule.line,
            hint="look at what it says now, and decide again",
        )
    found = text[: at.start] + after + text[at.end :]
    wanted = place(found, key, file=file, short=short).rule
    _check(text, found, at, wanted)
    return found


def diff(before: str, after: str, file: str) -> str:
    """What changed, as a unified diff; empty when nothing did."""
    old, new = (t.splitlines(keepends=True) for t in (before, after))
    return "".join(difflib.unified_diff(old, new, file, file))


def spoken(at: Place, old: float) -> tuple[str, ...]:
    """Annotations that seem to tell the old threshold to people (`0.05`, or `5 %`): they are left as they are."""
    said = {
        numbers.number(old),
        f"{numbers.number(round(old * 100, 10))} %",
        f"{numbers.number(round(old * 100, 10))}%",
    }
    return tuple(name for name, words in at.rule.annotations.items() if any(_says(words, each) for each in said))


def _says(words: str, what: str) -> bool:
    return bool(re.search(rf"(?<![\w.]){re.escape(what)}(?![\w])(?!\.\d)", words))


def _numbers(text: str, at: Place, value: Value, expr: str) -> list[tuple[int, int, str]]:
    """The edits of the source that turn the value's text into `expr`: both differ in some numbers alone."""
    edits = []
    matcher = difflib.SequenceMatcher(None, _tokens(value.text), _tokens(expr), autojunk=False)
    old, new = _tokens(value.text), _tokens(expr)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        offset = sum(map(len, old[:a]))
        was, now = "".join(old[a:b]), "".join(new[c:d])
        start = at.offset(*value.place(offset))
        if text[start : start + len(was)] != was:
            raise ConfigError(
                "its number is written in a way that cannot be changed here",
                file=at.rule.file,
                line=at.rule.line,
                key=value.key,
                hint="edit the file by hand",
            )
        edits.append((start, start + len(was), now))
    return edits


def _tokens(text: str) -> list[str]:
    return re.findall(r"[\w.]+|\s+|.", text)


def _hold(text: str, at: Place, given: dict[str, Value], hold: str) -> tuple[int, int, str]:
    """The edit that writes `for`: in place of what stands there, else as a line of its own after `expr`."""
    if "for" in given:
        node = given["for"].node
        start = at.offset(node.start_mark.line + 1, node.start_mark.column + 1)
        end = at.offset(node.end_mark.line + 1, node.end_mark.column + 1)
        quote = node.style if node.style in ("'", '"') else ""
        return start, end, f"{quote}{hold}{quote}"
    if getattr(at.node.node, "flow_style", False):
        end = at.offset(*_end(given["expr"].node))
        return end, end, f", for: {hold}"
    newline = "\r\n" if "\r\n" in text else "\n"
    entries = list(at.node.node.value)
    after = next(i for i, (key, _) in enumerate(entries) if key.value == "expr")
    indent = " " * (at.node.column - 1)
    if after + 1 < len(entries):
        mark = entries[after + 1][0].start_mark
        start = at.lines[mark.line]
        return start, start, f"{indent}for: {hold}{newline}"
    return at.end, at.end, f"{newline}{indent}for: {hold}"


def _check(before: str, after: str, at: Place, wanted: Rule) -> None:
    """The new text says `wanted` there, and all else what the old one said."""
    rule = at.rule
    short = rule.group.partition(";")[0]
    old, _ = read_groups(before.removeprefix(_MARK), rule.file, short)
    new, problems = read_groups(after.removeprefix(_MARK), rule.file, short)
    raise_all(problems)

    def bare(groups: list[RuleGroup]) -> list[Any]:
        return [replace(g, rules=tuple(_bare(r if r.key != rule.key else wanted) for r in g.rules)) for g in groups]

    found = [replace(g, rules=tuple(_bare(r) for r in g.rules)) for g in new]
    if bare(old) != found:
        raise ConfigError(
            f"{rule.name} cannot be changed alone: other rules share its text",
            file=rule.file,
            line=rule.line,
            hint="edit the file by hand",
        )


def _bare(rule: Rule) -> Rule:
    return replace(rule, line=0)


def _seconds(hold: str, at: Place) -> float:
    seconds = seconds_of(hold)
    if seconds is None:
        raise ConfigError(f"{hold!r} is not a duration", file=at.rule.file, key="for", hint="such as 15s, 2m or 1h30m")
    return seconds


def _last(node: Any) -> Any:
    """Where the last value of a node ends."""
    if isinstance(node.value, str) or getattr(node, "flow_style", False) or not node.value:
        return node.end_mark
    last = node.value[-1]
    return max((_last(part) for part in (last if isinstance(last, tuple) else (last,))), key=lambda m: m.index)


def _end(node: Any) -> tuple[int, int]:
    return node.end_mark.line + 1, node.end_mark.column + 1


def _trimmed(text: str, start: int, end: int) -> int:
    """`end` without the empty lines before it."""
    return start + len(text[start:end].rstrip())
