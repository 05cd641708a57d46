"""`config/anomalies.yml`: which series are scored, how often and by what.

watch:
  - name: payments                   # the label `series` of its scores
    expr: sum(increase(pitchey_payments_total[15m]))
    detectors: [ensemble, seasonal]  # ensemble when left out
    every: 1m
    history: 28d                     # how much of the past the detectors have seen when they start
    timezone: Europe/Dublin          # whose clock has the hours of the day that people live by
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pitchey_slo.alert.rules import seconds_of
from pitchey_slo.analyse.anomaly import DETECTORS
from pitchey_slo.errors import ConfigError, QueryError, did_you_mean
from pitchey_slo.promql import parse
from pitchey_slo.yaml_source import Value, compose, raise_all

FILE: Final = "anomalies.yml"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_KEYS: Final = ("name", "expr", "detectors", "every", "history", "timezone")


@dataclass(frozen=True)
class Watched:
    """One expression whose series are scored. `every` and `history` in ms."""

    name: str
    expr: str
    detectors: tuple[str, ...] = ("ensemble",)
    every: int = 60_000
    history: int = 28 * 86_400_000
    timezone: str = "UTC"


def load_watched(path: Path) -> tuple[Watched, ...]:
    """What the file says; nothing when there is none. Raises ConfigError with file, line and caret, all at once."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from None
    return parse_watched(text, file=str(path))


def parse_watched(text: str, *, file: str = FILE) -> tuple[Watched, ...]:
    """The same from a text."""
    root, source = compose(text, file)
    found: list[Watched] = []
    if root is not None and root.wants("map", "a map with the key `watch`"):
        listed = root.fields(["watch"]).get("watch")
        if listed is not None and listed.wants("list", "a list of series to watch"):
            for item in listed.items():
                one = _watched(item) if item.wants("map", "a series to watch") else None
                if one is not None and any(one.name == other.name for other in found):
                    item.problem(f"two series to watch are called {one.name!r}", "their scores would be one series")
                elif one is not None:
                    found.append(one)
    raise_all(source.found)
    return tuple(found)


def _watched(item: Value) -> Watched | None:
    given = item.fields(_KEYS)
    for name in ("name", "expr"):
        if name not in given:
            item.problem(f"{name} is missing")
            return None
    before = len(item.source.found)
    if not _NAME.fullmatch(given["name"].text):
        given["name"].problem(f"{given['name'].text!r} is no name", "small letters, digits, - and _, at most 63")
    _check_expr(given["expr"])
    detectors = _detectors(given.get("detectors"))
    every = _duration(given.get("every"), 60_000, least=15_000, what="15s")
    history = _duration(given.get("history"), 28 * 86_400_000, least=3_600_000, what="1h")
    zone = given["timezone"].text if "timezone" in given else "UTC"
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        given["timezone"].problem(f"no time zone {zone!r}", "an IANA name such as Europe/Dublin")
    if len(item.source.found) > before:
        return None
    return Watched(given["name"].text, given["expr"].text.strip(), detectors, every, history, zone)


def _check_expr(expr: Value) -> None:
    try:
        parse(expr.text)
    except QueryError as error:
        detail = error.detail if isinstance(error.detail, dict) else {}
        expr.problem(str(detail.get("problem", error.message)))


def _detectors(given: Value | None) -> tuple[str, ...]:
    if given is None:
        return ("ensemble",)
    values: Sequence[Value] = list(given.items()) if given.kind == "list" else [given]
    for value in values:
        if value.text not in DETECTORS:
            near = did_you_mean(value.text, DETECTORS) or "there are " + ", ".join(DETECTORS)
            value.problem(f"no detector {value.text!r}", near)
    return tuple(dict.fromkeys(value.text for value in values))


def _duration(given: Value | None, default: int, *, least: int, what: str) -> int:
    if given is None:
        return default
    seconds = seconds_of(given.text)
    if seconds is None or seconds * 1000 < least:
        given.problem(f"{given.text!r} is no duration of at least {what}", "such as 1m, 1h or 28d")
        return default
    return round(seconds * 1000)
