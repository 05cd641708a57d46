"""Functions that rewrite labels: label_replace, label_join. Patterns and templates are Go's (RE2, `$1`, `${name}`)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pitchey_slo.promql import labels as lb
from pitchey_slo.promql import tree
from pitchey_slo.promql.positions import fail
from pitchey_slo.promql.scan import matching
from pitchey_slo.promql.values import Grid, Value, Vector, merge_equal

if TYPE_CHECKING:
    from pitchey_slo.promql.evaluate import Evaluation

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<plain>\w+))")


def label_replace(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """Sets one label from another where the pattern matches the whole of it."""
    target, replacement, source, pattern = (run.text(arg) for arg in node.args[1:5])
    _check_name(run, node, target)
    vector = run.vector(node.args[0], grid)
    values = [lb.get(labels, source) for labels in vector.labels]
    hits = matching(tree.Matcher(source, "=~", pattern), values)
    made = _rewritten(pattern, replacement, values)
    labels = [
        lb.put(labels, target, new) if hit else labels
        for labels, hit, new in zip(vector.labels, hits, made, strict=True)
    ]
    return _relabelled(vector, labels, target, hits.tolist())


def _rewritten(pattern: str, replacement: str, values: list[str]) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not values:
        return []
    rewritten = pc.replace_substring_regex(
        pa.array(values, pa.string()), f"^(?s:{pattern})$", go_replacement(pattern, replacement), max_replacements=1
    )
    return list(rewritten.to_pylist())


def go_replacement(pattern: str, replacement: str) -> str:
    r"""Go's replacement text as RE2 wants it: `$1` -> `\1`, a group's name -> its number, an unknown group -> nothing.

    >>> go_replacement("(?P<a>x)(y)", r"${a}-$2-$9-$$")
    '\\1-\\2--$'
    """
    names = _group_names(pattern)

    def reference(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["braced"] or match["plain"]
        number = int(name) if name.isdigit() else names.index(name) + 1 if name in names else -1
        return rf"\{number}" if 0 <= number <= min(len(names), 9) else ""

    return _REFERENCE.sub(reference, replacement.replace("\\", "\\\\"))


def _group_names(pattern: str) -> list[str]:
    """Names of the capturing groups, in order; unnamed ones are empty."""
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "", pattern)
    return [name or "" for name in re.findall(r"\((?:\?P?<(\w+)>|(?!\?))", bare)]


def label_join(run: Evaluation, node: tree.Call, grid: Grid) -> Value:
    """Sets one label to several others, joined."""
    target, separator, *sources = (run.text(arg) for arg in node.args[1:])
    _check_name(run, node, target)
    vector = run.vector(node.args[0], grid)
    joined = [separator.join(lb.get(labels, name) for name in sources) for labels in vector.labels]
    labels = [lb.put(labels, target, value) for labels, value in zip(vector.labels, joined, strict=True)]
    return _relabelled(vector, labels, target, [True] * len(labels))


def _relabelled(vector: Vector, labels: list[lb.Labels], target: str, touched: list[bool]) -> Vector:
    """A metric name that was set on purpose is not dropped at the end."""
    unnamed = vector.unnamed.copy()
    if target == lb.NAME:
        unnamed[touched] = False
    return merge_equal(replace(vector, labels=labels, unnamed=unnamed))


def _check_name(run: Evaluation, node: tree.Call, name: str) -> None:
    if not lb.valid_name(name):
        shown = name.encode("utf-8", "surrogateescape")
        raise fail(f"invalid destination label name in {node.name}(): {shown!r}", run.query.text, node.pos)


FUNCTIONS = {"label_replace": label_replace, "label_join": label_join}
