"""Relabelling as Prometheus does it: rules that rewrite, keep or drop a set of labels (model/relabel/relabel.go).

Expressions are anchored and see newlines. Replacements are Go's: `$1`, `${1}`, `$name`; a name is as long as letters,
digits and underscores go, so `$1_x` means a group called `1_x`, which is empty. Python's expressions are RE2's but for
rare classes (`[[:alpha:]]`, `\\pL`), which are refused when the configuration is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pitchey_slo.series import Labels, labels_of

ACTIONS: Final = (
    "replace",
    "keep",
    "drop",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
    "keepequal",
    "dropequal",
)
_GROUP: Final = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))", re.ASCII)
_MODERN: Final = re.compile(r"[^\0]+")


def anchored(text: str) -> re.Pattern[str]:
    """The expression as Prometheus means it; matched in full. Raises ValueError."""
    if re.search(r"\[\[?:|\\[pPzCQ]", text):
        raise ValueError("POSIX and Unicode classes, \\z, \\C and \\Q are not supported; write the characters")
    flags = re.match(r"\(\?([ims]+)\)", text)  # Python wants flags in front of everything
    if flags:
        text = f"(?{flags[1]}:{text[flags.end() :]})"
    try:
        return re.compile(f"(?:{text})", re.DOTALL | re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


@dataclass(frozen=True)
class Rule:
    """One relabel_config."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: re.Pattern[str] = field(default_factory=lambda: anchored("(.*)"))
    target_label: str = ""
    replacement: str = "$1"
    modulus: int = 0


def relabel(labels: Mapping[str, str], rules: Sequence[Rule]) -> dict[str, str] | None:
    """Labels after all rules in order, or None when one dropped them. Labels that became empty are gone.

    >>> relabel({"a": "x-1"}, [Rule(source_labels=("a",), regex=anchored("(.*)-1"), target_label="b")])
    {'a': 'x-1', 'b': 'x'}
    """
    now = {name: value for name, value in labels.items() if value}
    for rule in rules:
        if not _apply(rule, now):
            return None
    return now


def relabel_series(labels: Labels, rules: Sequence[Rule]) -> Labels | None:
    """The same for the labels of a series."""
    done = relabel(dict(labels), rules)
    return None if done is None else labels_of(done)


def _apply(rule: Rule, labels: dict[str, str]) -> bool:
    """Applies one rule in place; False drops the labels."""
    action = rule.action
    if action in ("labelmap", "labeldrop", "labelkeep"):
        _names(rule, labels)
        return True
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    if action == "keep":
        return rule.regex.fullmatch(value) is not None
    if action == "drop":
        return rule.regex.fullmatch(value) is None
    if action == "keepequal":
        return labels.get(rule.target_label, "") == value
    if action == "dropequal":
        return labels.get(rule.target_label, "") != value
    if action == "replace":
        match = rule.regex.fullmatch(value)
        if match is not None:
            _set(labels, _expand(rule.target_label, match), _expand(rule.replacement, match))
    elif action == "hashmod":
        rest = int.from_bytes(hashlib.md5(value.encode(), usedforsecurity=False).digest()[8:], "big")
        _set(labels, rule.target_label, str(rest % rule.modulus))
    else:
        _set(labels, rule.target_label, value.lower() if action == "lowercase" else value.upper())
    return True


def _names(rule: Rule, labels: dict[str, str]) -> None:
    """The actions that look at the names of labels."""
    for name, value in list(labels.items()):
        match = rule.regex.fullmatch(name)
        if rule.action == "labelmap":
            if match is not None:
                _set(labels, _expand(rule.replacement, match), value)
        elif (match is not None) == (rule.action == "labeldrop"):
            del labels[name]


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if not _MODERN.fullmatch(name):
        return  # as Prometheus: a name that cannot be one changes nothing
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _expand(template: str, match: re.Match[str]) -> str:
    """Go's Regexp.Expand."""
    if "$" not in template:
        return template

    def group(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name = found[2] or found[3]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _GROUP.sub(group, template)
