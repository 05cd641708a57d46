"""`config/health.yml`: what is checked, strictly read: every problem at once, with line, column and a caret.

A check whose address is empty once its references are filled in is not there: nobody has configured that component.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.probe.health import secrets
from pitchey_slo.probe.health.kinds import KINDS
from pitchey_slo.probe.health.look import Planned
from pitchey_slo.probe.health.model import CheckKind, Key, Limits
from pitchey_slo.yaml_source import Value, compose, raise_all

log = logging.getLogger(__name__)

FILE: Final = "health.yml"
TOP: Final = ("defaults", "checks")
TIMES: Final = ("interval", "timeout", "unknown_after")
COMMON: Final = ("check", "component", *TIMES, "degraded", "unhealthy")
#: Seconds. A series that stands still for five minutes counts as gone (PromQL's lookback), so looks come more often.
SHORTEST, LONGEST = 5.0, 240.0
QUICKEST: Final = 0.1
MOST_UNKNOWN: Final = 20
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
STATUS: Final = re.compile(r"[1-5]xx|[1-5][0-9][0-9]")
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


@dataclass(frozen=True)
class Times:
    interval: float = 30.0
    timeout: float = 10.0
    unknown_after: int = 2


@dataclass(frozen=True)
class HealthConfig:
    """`left_out`: checks of the file that are not there because their address is empty."""

    checks: tuple[Planned, ...] = ()
    left_out: tuple[str, ...] = ()


#: Where there is no file: the workbench alone.
USUAL: Final = "checks: {workbench: {check: workbench}}"


def load(path: Path, values: Mapping[str, str] | None = None) -> HealthConfig:
    """What the file says, with references filled in from `values` (the environment and `.env` when left out). Raises
    ConfigError; FileNotFoundError when there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", file=path) from error
    return read(text, str(path), secrets.environment() if values is None else values)


class Watched:
    """The file as it changes: edit and save, and the next question has it. One that is wrong changes nothing;
    `problem` says why until it is right."""

    def __init__(self, path: Path, values: Callable[[], Mapping[str, str]] = secrets.environment) -> None:
        self._path, self._values = path, values
        self._signature: tuple[int, int] | None = None
        self.problem: str | None = None

    @property
    def exists(self) -> bool:
        return self._path.is_file()

    def changed(self) -> HealthConfig | None:
        """What it says now; None when it is as it was, or wrong."""
        try:
            stat = self._path.stat()
            signature = stat.st_mtime_ns, stat.st_size
            if signature == self._signature:
                return None
            self._signature = signature
            config = load(self._path, self._values())
        except FileNotFoundError:
            return None
        except (ConfigError, OSError) as error:
            self.problem = str(error)
            log.error("%s is refused, what held before holds on: %s", self._path, error)
            return None
        self.problem = None
        return config


def read(text: str, file: str, values: Mapping[str, str]) -> HealthConfig:
    """The same for a text. Raises ConfigError that lists every problem."""
    root, source = compose(text, file)
    config = _config(root, values) if root is not None and root.wants("map", "a map") else HealthConfig()
    raise_all(source.found)
    return config


def _config(root: Value, values: Mapping[str, str]) -> HealthConfig:
    fields = root.fields(TOP)
    times = _times(_fields(fields.get("defaults"), TIMES), Times())
    found: dict[str, Planned] = {}
    left_out: list[str] = []
    checks = fields.get("checks")
    if checks is not None and checks.wants("map", "a map of names to checks"):
        for key, value in checks.entries():
            if key.text in (*found, *left_out):
                key.problem(f"{key.text} stands twice")
                continue
            name = _name(key, "a check")
            planned = _check(name, value, times, values)
            if planned is not None:
                found[name] = planned
            else:
                left_out.append(name)
    return HealthConfig(tuple(found.values()), tuple(left_out))


def _check(name: str, value: Value, usual: Times, values: Mapping[str, str]) -> Planned | None:
    """None when it is not configured, or wrong (which is noted)."""
    kind = _kind(value)
    if kind is None:
        return None
    fields = value.fields((*COMMON, *kind.keys))
    times = _times({n: v for n, v in fields.items() if n in TIMES}, usual)
    kept: list[str] = []
    options = {n: _option(fields[n], key, values, kept) for n, key in kind.keys.items() if n in fields}
    for missing in (n for n, key in kind.keys.items() if key.required and n not in fields):
        value.problem(f"{missing} is missing", f"{missing}: {kind.keys[missing].doc}")
    if "url" in kind.keys and options.get("url") == "":
        return None
    url = str(options.get("url") or "")
    return Planned(
        name,
        kind,
        kind.make(**{n: v for n, v in options.items() if v is not None}) if _complete(kind, options) else _nothing(),
        _name(fields["component"], "a component") if "component" in fields else kind.component,
        times.interval,
        times.timeout,
        times.unknown_after,
        Limits(_limits(fields.get("degraded"), kind), _limits(fields.get("unhealthy"), kind)),
        secrets.shown(url) + str(options.get("path") or "") if url else name,
        tuple(kept),
    )


def _complete(kind: CheckKind, options: Mapping[str, Any]) -> bool:
    return all(options.get(name) is not None for name, key in kind.keys.items() if key.required)


def _nothing() -> Any:
    """Stands for a check that cannot be made; its file is refused."""
    return None


def _kind(value: Value) -> CheckKind | None:
    if not value.wants("map", "a check"):
        return None
    for key, given in value.entries():
        if key.text == "check":
            if given.text in KINDS:
                return KINDS[given.text]
            given.problem(f"no check {given.text!r}", did_you_mean(given.text, KINDS) or f"one of {', '.join(KINDS)}")
            return None
    value.problem("check is missing", f"one of {', '.join(KINDS)}")
    return None


def _fields(value: Value | None, known: tuple[str, ...]) -> dict[str, Value]:
    return value.fields(known) if value is not None and value.wants("map", "a map") else {}


def _times(fields: Mapping[str, Value], usual: Times) -> Times:
    interval = _length(fields.get("interval"), usual.interval, SHORTEST, LONGEST)
    timeout = _length(fields.get("timeout"), min(usual.timeout, interval), QUICKEST, interval)
    unknown_after = usual.unknown_after
    if "unknown_after" in fields:
        unknown_after = int(_number(fields["unknown_after"], 1, MOST_UNKNOWN, whole=True) or usual.unknown_after)
    return Times(interval, timeout, unknown_after)


def _length(value: Value | None, usual: float, low: float, high: float) -> float:
    if value is None or not value.wants("text", "a duration"):
        return usual
    match = _LENGTH.fullmatch(value.text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else None
    if seconds is None:
        value.problem(f"{value.text!r} is no duration", "such as 30s, 2m or 500ms")
    elif not low <= seconds <= high:
        value.problem(f"{value.text} is outside of what works", f"{low:g}s to {high:g}s")
    else:
        return seconds
    return usual


def _number(value: Value, low: float | None, high: float | None, *, whole: bool = False) -> float | None:
    if not value.wants("text", "a number"):
        return None
    try:
        number = float(int(value.text)) if whole else float(value.text)
    except ValueError:
        value.problem(f"{value.text!r} is no {'whole ' if whole else ''}number")
        return None
    if number != number or (low is not None and number < low) or (high is not None and number > high):
        value.problem(f"{value.text} is outside of what works", _range(low, high))
        return None
    return number


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low:g} or more"
    return f"{high:g} or less" if low is None else f"{low:g} to {high:g}"


def _name(value: Value, what: str) -> str:
    if not NAME.fullmatch(value.text):
        value.problem(f"{value.text!r} cannot be the name of {what}", "small letters, digits, - and _, at most 64")
    return value.text


def _limits(value: Value | None, kind: CheckKind) -> dict[str, float | None]:
    """Limits by measure; `none` takes a usual one away."""
    found: dict[str, float | None] = {}
    for name, given in _fields(value, tuple(kind.measures)).items():
        found[name] = None if given.text == "none" else _number(given, None, None)
    return found


def _option(value: Value, key: Key, values: Mapping[str, str], kept: list[str]) -> Any:
    """The value of one key; what must not be shown goes to `kept`. None when it is wrong, which is noted."""
    if key.kind in ("text", "url", "secret"):
        return _text(value, key, values, kept) if value.wants("text", "a text") else None
    if key.kind in ("number", "integer"):
        number = _number(value, key.low, key.high, whole=key.kind == "integer")
        return int(number) if number is not None and key.kind == "integer" else number
    if key.kind == "flag":
        if value.text not in ("true", "false"):
            value.problem(f"{value.text!r} is neither true nor false")
        return value.text == "true"
    if key.kind == "secrets":
        return {name: _text(each, Key("secret", ""), values, kept) for name, each in value.texts().items()}
    items = list(value.items()) if value.kind == "list" else [value]
    for item in items:
        if item.wants("text", "a text") and key.kind == "statuses" and not STATUS.fullmatch(item.text):
            item.problem(f"{item.text!r} is no status", "a code such as 204, or a class such as 2xx")
    return tuple(item.text for item in items)


def _text(value: Value, key: Key, values: Mapping[str, str], kept: list[str]) -> str | None:
    try:
        text, _ = secrets.expand(value.text, values)
    except ValueError as error:
        value.problem(str(error))
        return None
    if key.kind == "secret":
        kept.append(text)
    if key.kind == "url":
        kept.extend(secrets.secrets_in(text))
    return text
