"""Formats of text log files, read from `config/log_formats.yml`: what a line looks like, and what becomes of its parts.

The file explains itself. Patterns are RE2, so no line takes long; every format brings example lines with what they must
give, and they are tried whenever the file is read.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from pitchey_slo.collect.times import from_text
from pitchey_slo.errors import did_you_mean
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.tables import LOGS
from pitchey_slo.yaml_source import Value, compose, raise_all

FILE: Final = "log_formats.yml"
TIMES: Final = ("iso", "apache", "clf", "syslog")
#: Examples are read as on this day.
AS_ON: Final = datetime(2026, 6, 1, tzinfo=UTC)
#: Groups that are no column and no attribute.
_SPECIAL: Final = ("client", "priority", "duration_s", "duration_us", "level2", "logger2")
_GROUPS: Final = (
    *(c for c in LOGS.names if c not in ("attributes", "user_hash", "event_id", "source", "sample_interval")),
    *_SPECIAL,
)
_KEYS: Final = ("what", "line", "message", "time", "zone", "service", "level", "examples")
_NAMES_TAKEN: Final = ("access", "jsonl", "csv", "parquet", "upptime", "openmetrics")


@dataclass(frozen=True)
class LogFormat:
    """One format; see the file."""

    name: str
    what: str
    line: str
    message: tuple[str, ...] = ()
    time: str = "iso"
    zone: str = "UTC"
    service: str | None = None
    level: str | None = None


Formats = Mapping[str, LogFormat]


def log_formats(settings: Settings | None = None) -> Formats:
    """Those of `<config>/log_formats.yml`, then the shipped ones: of two that fit a file, the first wins.

    Raises ConfigError with all problems, each with line and a caret."""
    found = dict(_shipped())
    own = settings.config / FILE if settings is not None else None
    if own is not None and own.is_file() and own.resolve() != (shipped("config") / FILE).resolve():
        theirs = read(own.read_text(encoding="utf-8"), str(own))
        return theirs | {name: each for name, each in found.items() if name not in theirs}
    return found


@functools.cache
def _shipped() -> Formats:
    path = shipped("config") / FILE
    return read(path.read_text(encoding="utf-8"), str(path))


def read(text: str, file: str) -> dict[str, LogFormat]:
    """The formats of one file, their examples tried. Raises ConfigError."""
    root, source = compose(text, file)
    found: dict[str, LogFormat] = {}
    if root is not None and root.wants("map", "a map with formats"):
        top = root.fields(["formats"])
        if "formats" not in top:
            root.problem("formats is missing", "a map: name, then what, line, time and examples")
        elif top["formats"].wants("map", "a map of formats"):
            for name, value in top["formats"].entries():
                made = _format(name, value)
                if made is not None:
                    found[name.text] = made
    raise_all(source.found)
    return found


def _format(name: Value, value: Value) -> LogFormat | None:
    before = len(value.source.found)
    if name.text in _NAMES_TAKEN:
        name.problem(f"{name.text!r} is a format already", "choose another name")
    if not value.wants("map", "a format"):
        return None
    given = value.fields(_KEYS)
    for key in ("what", "line", "examples"):
        if key not in given:
            value.problem(f"{key} is missing")
    texts = {k: given[k].text for k in ("what", "line", "time", "zone", "service", "level") if k in given
             and given[k].wants("text", "a text")}  # fmt: skip
    groups = _pattern(given["line"]) if "line" in texts else set()
    if "line" in texts and (missing := {"ts", "message"} - groups):
        given["line"].problem(f"no group {sorted(missing)[0]}", "write (?P<ts>...) and (?P<message>.*)")
    patterns = []
    if "message" in given and given["message"].wants("list", "a list of patterns"):
        for item in given["message"].items():
            if item.wants("text", "a pattern"):
                _pattern(item)
                patterns.append(item.text)
    if "time" in texts and texts["time"] not in TIMES:
        given["time"].problem(f"{texts['time']!r}", did_you_mean(texts["time"], TIMES) or ", ".join(TIMES))
    if "zone" in texts and not _is_zone(texts["zone"]):
        given["zone"].problem(f"{texts['zone']!r} is no time zone", "an IANA name such as Europe/Vienna")
    if len(value.source.found) > before:
        return None
    made = LogFormat(name.text, message=tuple(patterns), **texts)
    if "examples" in given and given["examples"].wants("list", "a list of examples"):
        for item in given["examples"].items():
            _try(made, item)
    return made


def _pattern(value: Value) -> set[str]:
    """The groups of a pattern; what is wrong with it is noted."""
    import re2

    try:
        options = re2.Options()
        options.log_errors = False
        groups = set(re2.compile(value.text, options).groupindex)
    except re2.error as error:
        value.problem(f"no RE2 pattern: {error.args[0].decode() if isinstance(error.args[0], bytes) else error}",
                      "look-around and back-references do not exist there")  # fmt: skip
        return set()
    for group in sorted(groups - set(_GROUPS)):
        near = difflib.get_close_matches(group, _GROUPS, n=1, cutoff=0.8)
        if near:
            value.problem(f"group {group!r}", f"{near[0]} is meant? An attribute needs a name less like it")
    return groups


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _try(made: LogFormat, item: Value) -> None:
    """Read one example and note where it gives something else."""
    from pitchey_slo.collect.log_lines import Record, parse

    if not item.wants("map", "an example"):
        return
    given = item.fields(["line", "gives"])
    if "line" not in given or "gives" not in given:
        item.problem("an example has line and gives")
        return
    names, arrays, places, refused = parse(made, [Record(1, given["line"].text.encode())], None, AS_ON)
    if refused or not places:
        given["line"].problem(f"{made.name} does not fit its own example", refused[0].message if refused else None)
        return
    got = {name: array[0].as_py() for name, array in zip(names, arrays, strict=True)}
    for key, wanted in given["gives"].texts().items():
        if key not in LOGS.names:
            wanted.problem(f"no column {key!r}", did_you_mean(key, LOGS.names))
            continue
        value = got.get(key)
        if key == "ts":
            meant = from_text(pa.array([wanted.text]))[0][0].as_py()
            same = value is not None and int(value.timestamp() * 1_000_000 + 0.5) == meant
        elif key in ("status", "duration_ms"):
            same = value is not None and abs(float(value) - float(wanted.text)) < 1e-6
        else:
            same = value == wanted.text
        if not same:
            wanted.problem(f"the example gives {value!s} for {key}, not {wanted.text}")
