"""Walk a YAML document along `schema.py` and note every problem with its line, key path and a suggestion."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.slo.model import Duration, check_zone
from pitchey_slo.slo.spec import schema

_KEY_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_KEY_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DURATION_WORDS = {
    "minute": "m",
    "min": "m",
    "hour": "h",
    "day": "d",
    "week": "w",
    "month": "M",
    "quarter": "Q",
    "year": "Y",
}


@dataclass
class Problems:
    """All that is wrong with one file, in the order it was found."""

    file: str | None
    found: list[ConfigError] = field(default_factory=list)

    def add(self, line: int | None, key: str, message: str, hint: str | None = None) -> None:
        self.found.append(ConfigError(message, file=self.file, line=line, key=key or None, hint=hint))


def raise_all(found: list[ConfigError]) -> None:
    """Raise the one problem, or one error that lists all; `detail` has file, line, key, message and hint of each."""
    if not found:
        return
    error = found[0]
    if len(found) > 1:
        error = ConfigError(f"{len(found)} problems:\n" + "\n".join(f"  {p}" for p in found))
    error.detail = [
        {"file": p.file and str(p.file), "line": p.line, "key": p.key, "message": p.problem, "hint": p.hint}
        for p in found
    ]
    raise error


def line_of(parent: Any, key: Any) -> int | None:
    """Line, counted from 1, of `key` in a map or of item `key` in a list; the parent's own line for a merged key."""
    places = getattr(parent, "lc", None)
    if places is None:
        return None
    try:
        line: int = (places.key if isinstance(parent, Mapping) else places.item)(key)[0]
    except (KeyError, TypeError, AttributeError):
        line = places.line
    return line + 1


def check(value: Any, node: schema.Node, problems: Problems, *, line: int | None = None, path: str = "") -> bool:
    """Note in `problems` whatever in `value` does not fit `node`; True when nothing was wrong."""
    before = len(problems.found)
    _CHECKS[type(node)](value, node, problems, line, path)
    return len(problems.found) == before


def shown(value: Any) -> str:
    """A value as a message quotes it: short, and by the name YAML has for it."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _record(value: Any, node: schema.Record, problems: Problems, line: int | None, path: str) -> None:
    if not isinstance(value, Mapping):
        problems.add(line, path, f"{shown(value)} where a map is needed", "keys: " + ", ".join(node.fields))
        return
    given = {k: v for k, v in value.items() if v is not None}
    for key in value:
        if key not in node.fields:
            hint = did_you_mean(key, node.fields) or "known here: " + ", ".join(node.fields)
            problems.add(line_of(value, key), join(path, key), "unknown key", hint)
    for key in sorted(node.required - given.keys()):
        misspelt = any(did_you_mean(k, [key]) for k in value if k not in node.fields)
        if not misspelt:
            problems.add(
                line_of(value, key) if key in value else line, join(path, key), "missing", wanted(node.fields[key])
            )
    for rule in node.rules:
        _rule(rule, set(given), problems, line, path)
    for key, part in given.items():
        if key in node.fields:
            check(part, node.fields[key], problems, line=line_of(value, key), path=join(path, key))


def _rule(rule: schema.Rule, given: set[str], problems: Problems, line: int | None, path: str) -> None:
    there = [k for k in rule.keys if k in given]
    names = " or ".join(rule.keys)
    if rule.kind == "with" and rule.keys[0] in given and len(there) < len(rule.keys):
        problems.add(
            line, path, f"{rule.keys[0]} needs {', '.join(k for k in rule.keys[1:] if k not in given)} beside it"
        )
    elif rule.kind != "with" and len(there) > 1:
        problems.add(line, path, f"{' and '.join(there)} exclude each other", f"keep one of {names}")
    elif rule.kind == "one" and not there:
        problems.add(line, path, f"needs {names}")


def _either(value: Any, node: schema.Either, problems: Problems, line: int | None, path: str) -> None:
    keys = value if isinstance(value, Mapping) else ()
    chosen = next((r for mark, r in node.options if mark and mark in keys), node.options[-1][1])
    check(value, chosen, problems, line=line, path=path)


def _items(value: Any, node: schema.Items, problems: Problems, line: int | None, path: str) -> None:
    if not isinstance(value, list):
        problems.add(line, path, f"{shown(value)} where a list is needed", "begin each item with -")
        return
    if len(value) < node.at_least or (node.at_most is not None and len(value) > node.at_most):
        many = f"exactly {node.at_least}" if node.at_least == node.at_most else f"at least {node.at_least}"
        problems.add(line, path, f"{len(value)} items where {many} is needed")
    for i, item in enumerate(value):
        check(item, node.of, problems, line=line_of(value, i), path=f"{path}[{i}]")


def _text(value: Any, node: schema.Text, problems: Problems, line: int | None, path: str) -> None:
    if not isinstance(value, str):
        hint = None if isinstance(value, Mapping | list) else f'quote it: "{value}"'
        problems.add(line, path, f"{shown(value)} where text is needed", hint)
    elif not value.strip() and not node.empty:
        problems.add(line, path, "empty text", wanted(node))
    elif node.choices and value not in node.choices:
        same = next((f'did you mean "{c}"?' for c in node.choices if c.lower() == value.lower()), None)
        hint = same or did_you_mean(value, node.choices) or "one of: " + ", ".join(node.choices)
        problems.add(line, path, f"{shown(value)} is not a value of this key", hint)
    elif node.longest is not None and len(value) > node.longest:
        problems.add(line, path, f"{len(value)} characters, at most {node.longest} are allowed")
    elif node.pattern and not node.pattern.fullmatch(value):
        near = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", value).lower()).strip("-")
        fits = near and node.pattern.fullmatch(near)
        problems.add(
            line, path, f"{shown(value)} does not fit: {node.looks}", f'did you mean "{near}"?' if fits else None
        )


def _number(value: Any, node: schema.Number, problems: Problems, line: int | None, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.add(line, path, f"{shown(value)} where a number is needed")
        return
    low = node.low is not None and (value < node.low or (node.low_open and value == node.low))
    high = node.high is not None and (value > node.high or (node.high_open and value == node.high))
    if not math.isfinite(value) or low or high:
        hint = None
        if path.endswith(".target") and 1 < value < 100:
            hint = f"did you mean targetPercent: {shown(value)}?"
        elif high and node.high_open and value == node.high:
            hint = "a target of 100 % leaves no budget, so nothing could ever be judged by it; try one nine less"
        problems.add(line, path, f"{shown(value)} is outside {wanted(node)}", hint)


def _flag(value: Any, _node: schema.Flag, problems: Problems, line: int | None, path: str) -> None:
    if not isinstance(value, bool):
        hint = "YAML 1.2 knows only true and false" if str(value).lower() in ("yes", "no", "on", "off") else None
        problems.add(line, path, f"{shown(value)} where true or false is needed", hint)


def _length(value: Any, node: schema.Length, problems: Problems, line: int | None, path: str) -> None:
    if node.minutes and isinstance(value, int) and not isinstance(value, bool):
        if not 0 < value < 1_000_000:
            problems.add(line, path, f"{value} minutes: a positive whole number is needed")
        return
    if node.zero and value == "0m":
        return
    try:
        length = Duration.parse(value if isinstance(value, str) else shown(value))
    except ValueError as error:
        problems.add(line, path, str(error), _duration_hint(value))
        return
    if node.fixed and length.minutes is None:
        problems.add(line, path, f"{value!r}: a slice needs a fixed length", "use m, h, d or w")


def _duration_hint(value: Any) -> str | None:
    found = re.fullmatch(r"([1-9]\d*)\s*([A-Za-z]+?)s?", str(value).strip())
    if not found:
        return "add a unit, like 28d" if isinstance(value, int) else None
    word = found[2]
    unit = _DURATION_WORDS.get(word.lower()) or (word.lower() if word.lower() in "hdw" else word.upper())
    return f'did you mean "{found[1]}{unit}"?' if unit in ("m", "h", "d", "w", "M", "Q", "Y") else None


def _wall_time(value: Any, _node: schema.WallTime, problems: Problems, line: int | None, path: str) -> None:
    try:
        wall_time(value)
    except ValueError as error:
        problems.add(line, path, str(error), "write it like 2024-01-01 00:00:00; the zone stands in timeZone")


def wall_time(value: Any) -> datetime:
    """A `startTime` as a datetime without zone; ValueError when it is none or carries a zone."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # wall-clock time
    try:
        found = datetime.fromisoformat(value.isoformat() if isinstance(value, datetime) else str(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not a date and time") from None
    # ruamel.yaml turns a time with an offset into UTC and notes the offset beside it
    offset = getattr(value, "_yaml", {}).get("tz") if isinstance(value, datetime) else None
    if found.tzinfo is not None or offset:
        raise ValueError(f"{shown(value)} carries a time zone")
    return found


def _instant(value: Any, _node: schema.Instant, problems: Problems, line: int | None, path: str) -> None:
    try:
        instant(value)
    except ValueError as error:
        problems.add(line, path, str(error), "write it like 2026-03-01T02:00:00Z")


def instant(value: Any) -> datetime:
    """A date and time as Python has it, with a zone when one was written; ValueError when it is none."""
    if isinstance(value, datetime):
        # ruamel.yaml before 0.18.7 turns a time with an offset into UTC and notes the offset beside it
        noted = value.tzinfo is None and getattr(value, "_yaml", {}).get("tz")
        plain = datetime.combine(value.date(), value.time(), UTC if noted else value.tzinfo)
        return plain if plain.tzinfo is None else plain.astimezone(UTC)
    try:
        return datetime.fromisoformat(value if isinstance(value, str) and ":" in value else "")
    except ValueError:
        raise ValueError(f"{shown(value)} is not a date and time") from None


def _zone(value: Any, _node: schema.Zone, problems: Problems, line: int | None, path: str) -> None:
    if not isinstance(value, str):
        problems.add(line, path, f"{shown(value)} where a time zone is needed", "like Europe/London")
        return
    try:
        check_zone(value)
    except ValueError as error:
        problems.add(line, path, str(error))


def _labels(value: Any, node: schema.Labels, problems: Problems, line: int | None, path: str) -> None:
    if not isinstance(value, Mapping):
        problems.add(line, path, f"{shown(value)} where a map is needed")
        return
    for key, part in value.items():
        where, here = line_of(value, key), join(path, key)
        prefix, slash, name = key.rpartition("/") if isinstance(key, str) else ("", "", "")
        bad_prefix = slash and not (node.prefix and _KEY_PREFIX.fullmatch(prefix))
        if not _KEY_NAME.fullmatch(name) or bad_prefix:
            problems.add(where, here, "not a key: letters, digits, - _ . (at most 63), ends with a letter or digit")
        texts = part if node.many and isinstance(part, list) else [part]
        for text in texts:
            if not isinstance(text, str):
                problems.add(where, here, f"{shown(text)} where text is needed", f'quote it: "{shown(text)}"')


def _anything(_value: Any, _node: schema.Anything, _problems: Problems, _line: int | None, _path: str) -> None:
    return


def join(path: str, key: Any) -> str:
    """Key path as messages show it: `spec.objectives[0].target`."""
    return f"{path}.{key}" if path else str(key)


def wanted(node: schema.Node) -> str | None:
    """What would fit, in a few words."""
    match node:
        case schema.Text(choices=choices) if choices:
            return "one of: " + ", ".join(choices)
        case schema.Text(looks=looks):
            return looks or "a text"
        case schema.Number(low=low, high=high):
            left = "(-inf" if low is None else f"{'(' if node.low_open else '['}{low:g}"
            right = "inf)" if high is None else f"{high:g}{')' if node.high_open else ']'}"
            return f"{left}, {right}"
        case schema.Length():
            return "a duration like 28d"
        case schema.Record(fields=fields):
            return "a map with " + ", ".join(fields)
        case schema.Instant():
            return "a time like 2026-03-01T02:00:00Z"
        case schema.Items():
            return "a list"
        case _:
            return None


_CHECKS: dict[type, Callable[[Any, Any, Problems, int | None, str], None]] = {
    schema.Record: _record,
    schema.Either: _either,
    schema.Items: _items,
    schema.Text: _text,
    schema.Number: _number,
    schema.Flag: _flag,
    schema.Length: _length,
    schema.WallTime: _wall_time,
    schema.Instant: _instant,
    schema.Zone: _zone,
    schema.Labels: _labels,
    schema.Anything: _anything,
}
