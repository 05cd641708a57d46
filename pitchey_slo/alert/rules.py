"""Prometheus rule files -> frozen rules, strictly: every problem of every file at once, with line, column and a caret.

A rule is known by its `key` (file and group, kind, name, labels), as in Prometheus: edit its threshold and its state
goes on; rename it and it is another rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pitchey_slo.alert.templates import PROMETHEUS, TemplateError
from pitchey_slo.alert.templates.expand import RULE_VARIABLES, parsed
from pitchey_slo.errors import ConfigError, QueryError
from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.yaml_source import Source, Value, compose, raise_all

LARGEST: Final = 8 << 20
#: Where a group says nothing (evaluated every 15 s, one tick back: docs/alerts.md).
INTERVAL_SECONDS: Final = float(TICK_SECONDS)
QUERY_OFFSET_SECONDS: Final = float(TICK_SECONDS)

_DURATION: Final = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_SECONDS: Final = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL: Final = re.compile(r"[^\0]+")

_GROUP: Final = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE: Final = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")


@dataclass(frozen=True)
class Rule:
    """One rule. `labels` and `annotations` are templates still; `group` is the group's key; `number` tells rules of a
    group apart that share kind, name and labels."""

    kind: Literal["alert", "record"]
    name: str
    expr: str
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    file: str = ""
    line: int = 0
    number: int = 0

    @property
    def key(self) -> str:
        """The same for the same rule after its expression, its times or its annotations were edited."""
        labels = json.dumps(sorted(self.labels.items()), ensure_ascii=False)
        return f"{self.group};{self.kind};{self.name};{labels};{self.number}"

    def told(self) -> dict[str, Any]:
        """The rule as an alert remembers it."""
        told: dict[str, Any] = {"name": self.name, "expr": self.expr, "for": self.for_seconds}
        if self.keep_firing_seconds:
            told["keep_firing_for"] = self.keep_firing_seconds
        return told | {"labels": dict(self.labels), "file": self.file, "line": self.line, "key": self.key}


@dataclass(frozen=True)
class RuleGroup:
    """Rules evaluated one after the other at the same times. `query_offset` in seconds: they see the data of so long
    ago; `limit` series or alerts of one rule, 0 for no limit; `key` is `short file;name`."""

    name: str
    file: str = ""
    interval_seconds: float = INTERVAL_SECONDS
    limit: int = 0
    query_offset: float = QUERY_OFFSET_SECONDS
    rules: tuple[Rule, ...] = ()
    key: str = ""


def load_rules(*paths: str | Path) -> tuple[RuleGroup, ...]:
    """The groups of files and folders (`*.yml`, `*.yaml`, also in sub-folders). ConfigError lists every problem."""
    groups: list[RuleGroup] = []
    found: list[ConfigError] = []
    seen: dict[str, Path] = {}
    for path, short in rule_files(paths):
        if short in seen:
            found.append(ConfigError(f"its short name {short!r} is also that of {seen[short]}", file=path))
            continue
        seen[short] = path
        read, problems = read_file(path, short)
        groups += read
        found += problems
    raise_all(found)
    return tuple(groups)


def rule_files(paths: Iterable[str | Path]) -> Iterator[tuple[Path, str]]:
    """(file, short name) of what these paths are or hold; the short name is relative to the folder given."""
    for path in map(Path, paths):
        if path.is_dir():
            for inside in sorted(p for p in path.rglob("*") if p.suffix in (".yml", ".yaml") and p.is_file()):
                yield inside, inside.relative_to(path).as_posix()
        elif path.is_file():
            yield path, path.name
        else:
            raise ConfigError("no such file or folder", file=path, hint="pitchey-slo init writes examples")


def read_file(path: Path, short: str) -> tuple[list[RuleGroup], list[ConfigError]]:
    """The good groups of one file, and all its problems."""
    try:
        if path.stat().st_size > LARGEST:
            return [], [ConfigError(f"{path.stat().st_size:,} bytes", file=path, hint=f"at most {LARGEST:,} are read")]
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [ConfigError(f"not UTF-8: {error.reason} at byte {error.start}", file=path)]
    except OSError as error:
        return [], [ConfigError(f"cannot be read: {error.strerror}", file=path)]
    return read_groups(text, str(path), short)


def parse_rules(text: str, *, file: str = "rules.yml") -> tuple[RuleGroup, ...]:
    """As `load_rules`, from the text of one file."""
    groups, found = read_groups(text, file, Path(file).name)
    raise_all(found)
    return tuple(groups)


def rules_of(groups: Sequence[Mapping[str, Any]], *, file: str) -> tuple[RuleGroup, ...]:
    """Groups from plain data in the shape of a rule file's `groups`, such as the burn alerts of SLOs; `file` says
    where they come from. Raises ConfigError."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml, text = YAML(typ="safe", pure=True), StringIO()
    yaml.width = 10_000
    yaml.dump({"groups": json.loads(json.dumps(list(groups)))}, text)
    return parse_rules(text.getvalue(), file=file)


def read_groups(text: str, file: str, short: str) -> tuple[list[RuleGroup], list[ConfigError]]:
    """The good groups of a text, and all its problems."""
    root, source = compose(text, file)
    if root is None or root.kind == "nothing" or not root.wants("map", "a map with `groups`"):
        return [], source.found
    listed = root.fields(["groups"]).get("groups")
    if listed is None or not listed.wants("list", "a list of groups"):
        return [], source.found
    groups: dict[str, RuleGroup] = {}
    for entry in listed.items():
        group = _group(entry, source, short)
        if group is not None and group.name in groups:
            entry.problem(f"group {group.name!r} stands twice in this file", "each group needs its own name")
        elif group is not None:
            groups[group.name] = group
    return list(groups.values()), sorted(source.found, key=lambda p: (p.line or 0, p.column or 0))


def _group(entry: Value, source: Source, short: str) -> RuleGroup | None:
    if not entry.wants("map", "a group"):
        return None
    given = entry.fields(_GROUP)
    if "name" not in given or not given["name"].text:
        given.get("name", entry).problem("the group has no name")
        return None
    name = given["name"].text
    key = f"{short};{name}"
    interval = _duration(given.get("interval"), INTERVAL_SECONDS)
    if interval <= 0:
        given["interval"].problem("0 is no interval", "such as 15s")
        interval = INTERVAL_SECONDS
    common = _labels(given.get("labels"), templates=True)
    rules: dict[str, Rule] = {}
    listed = given.get("rules")
    for item in listed.items() if listed and listed.wants("list", "a list of rules") else ():
        rule = _rule(item, key, source.file, common)
        if rule is None:
            continue
        twin = next((r for r in rules.values() if _same(r, rule)), None)
        if twin:
            item.problem(f"{rule.kind} {rule.name!r} stands twice with the same labels and expr", f"line {twin.line}")
        number = sum(r.key.rpartition(";")[0] == rule.key.rpartition(";")[0] for r in rules.values())
        rule = Rule(**{**rule.__dict__, "number": number})
        rules[rule.key] = rule
    return RuleGroup(
        name,
        source.file,
        interval,
        _whole(given.get("limit")),
        _duration(given.get("query_offset"), QUERY_OFFSET_SECONDS),
        tuple(rules.values()),
        key,
    )


def _same(one: Rule, other: Rule) -> bool:
    return (one.kind, one.name, one.expr, one.labels) == (other.kind, other.name, other.expr, other.labels)


def _rule(item: Value, group: str, file: str, common: Mapping[str, str]) -> Rule | None:
    if not item.wants("map", "a rule"):
        return None
    before = len(item.source.found)
    given = item.fields(_RULE)
    kinds = [kind for kind in ("alert", "record") if kind in given]
    if len(kinds) != 1:
        item.problem("alert and record exclude each other" if kinds else "the rule needs alert or record")
        return None
    kind: Literal["alert", "record"] = "alert" if kinds == ["alert"] else "record"
    name = given[kind]
    if name.wants("text", "a name"):
        _check_name(name, kind)
    if kind == "record":
        for key in ("for", "keep_firing_for", "annotations"):
            if key in given:
                given[key].problem(f"a recording rule has no {key}")
    if "expr" not in given:
        item.problem("expr is missing")
    elif given["expr"].wants("text", "a text"):
        _check_expr(given["expr"])
    alert = kind == "alert"
    labels = {**common, **_labels(given.get("labels"), templates=alert)}
    annotations = _labels(given.get("annotations"), templates=True) if alert else {}
    rule = Rule(
        kind,
        name.text,
        given["expr"].text.strip() if "expr" in given else "",
        _duration(given.get("for"), 0.0) if alert else 0.0,
        _duration(given.get("keep_firing_for"), 0.0) if alert else 0.0,
        {k: v for k, v in labels.items() if v},
        annotations,
        group,
        file,
        item.line,
    )
    return rule if len(item.source.found) == before else None


def _check_name(name: Value, kind: str) -> None:
    if not name.text.strip():
        name.problem(f"{kind} needs a name")
    elif kind == "record" and not _METRIC.fullmatch(name.text):
        name.problem(f"{name.text!r} is no metric name", "letters, digits, _ and :, such as route:errors:rate5m")


def _check_expr(expr: Value) -> None:
    from pitchey_slo.promql import parse, tree

    if not expr.text.strip():
        expr.problem("expr is empty")
        return
    try:
        node = parse(expr.text)
    except QueryError as error:
        detail = error.detail if isinstance(error.detail, dict) else {}
        at = offset_of(expr.text, detail["line"], detail["column"]) if "line" in detail else 0
        expr.problem(str(detail.get("problem", error.message)), at=at)
        return
    if isinstance(node, tree.String | tree.Range | tree.Subquery):
        what = "a text" if isinstance(node, tree.String) else "a range of samples"
        expr.problem(f"{what} where a rule needs one number per series", at=0)


def offset_of(text: str, line: int, column: int) -> int:
    """Offset of a line and column that count from 1.

    >>> offset_of("ab\\ncd", 2, 2)
    4
    """
    return sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1


def _labels(given: Value | None, *, templates: bool) -> dict[str, str]:
    """Labels or annotations; with `templates` their texts are checked as such."""
    found: dict[str, str] = {}
    for name, value in given.texts().items() if given else ():
        if name == "__name__" or not _LABEL.fullmatch(name):
            value.problem(f"{name!r} is no name for a label")
        if templates:
            _check_template(value)
        found[name] = value.text
    return found


def _check_template(value: Value) -> None:
    try:
        parsed(value.text, PROMETHEUS, RULE_VARIABLES)
    except TemplateError as error:
        value.problem(f"template: {error.message}", at=min(error.pos, max(len(value.text) - 1, 0)))


def seconds_of(text: str) -> float | None:
    """Seconds of a Prometheus duration; None when it is none.

    >>> seconds_of("1h30m"), seconds_of("0"), seconds_of("5 min")
    (5400.0, 0.0, None)
    """
    match = _DURATION.fullmatch(text)
    if text == "0":
        return 0.0
    if match is None or not any(match.groups()):
        return None
    return sum(int(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)


def _duration(given: Value | None, default: float) -> float:
    if given is None or not given.wants("text", "a duration"):
        return default
    seconds = seconds_of(given.text)
    if seconds is None:
        given.problem(f"{given.text!r} is not a duration", "such as 15s, 2m or 1h30m")
    return default if seconds is None else seconds


def _whole(given: Value | None) -> int:
    if given is None or not given.wants("text", "a whole number"):
        return 0
    if not re.fullmatch(r"\d{1,9}", given.text):
        given.problem(f"{given.text!r} is no whole number from 0")
        return 0
    return int(given.text)
