"""`config/schedules.yml`, strictly read: every problem with its line, its key and what would work."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pitchey_slo.errors import ConfigError, QueryError, did_you_mean
from pitchey_slo.report.schedule import times
from pitchey_slo.report.schedule.model import Schedule, Target
from pitchey_slo.tables import STORED
from pitchey_slo.workbench.moments import step_ms
from pitchey_slo.yaml_source import Value, compose, raise_all

FILE: Final = "schedules.yml"
TOP: Final = ("timezone", "jitter", "deliver", "on_failure", "schedules")
KEYS: Final = (
    "name", "notebook", "cron", "timezone", "jitter", "missed", "backfill", "parameters", "deliver", "on_failure",
    "max_age", "data", "require_fresh", "timeout", "enabled", "description",
)  # fmt: skip
TARGET: Final = ("to", "slack", "email", "attach")
MISSED: Final = ("skip", "once", "backfill")
NAME: Final = r"[a-z][a-z0-9_]{0,63}"
ADDRESS: Final = r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,190}"
CHANNEL: Final = r"[#@]?[A-Za-z0-9._-]{1,80}"
MOST: Final = 100
#: Longest that is sensible, in seconds: jitter, run, age.
LONGEST: Final = {"jitter": 3_600.0, "timeout": 6 * 3_600.0, "max_age": 400 * 86_400.0}
MOST_BACKFILL: Final = 60


@dataclass(frozen=True)
class Schedules:
    """All schedules of a file, by name; `file` says which, None when there is none."""

    all: Mapping[str, Schedule] = field(default_factory=dict)
    file: str | None = None


def load(path: Path) -> Schedules:
    """Read a file; no file, no schedules. Raises ConfigError with all its problems."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Schedules()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from None
    return read(text, str(path))


def read(text: str, file: str) -> Schedules:
    """What a text says. Raises ConfigError that lists every problem with line, column and a caret."""
    root, source = compose(text, file)
    found = _schedules(root) if root is not None and root.wants("map", "a map") else {}
    raise_all(source.found)
    return Schedules(found, file)


def _schedules(root: Value) -> dict[str, Schedule]:
    top = root.fields(TOP)
    usual: dict[str, Any] = {
        "zone": _zone(top.get("timezone")) or "UTC",
        "jitter": _seconds(top.get("jitter"), "jitter", 600.0),
        "deliver": _target(top.get("deliver")),
        "on_failure": _target(top.get("on_failure")),
    }
    found: dict[str, Schedule] = {}
    listed = top.get("schedules")
    for item in listed.items() if listed is not None and listed.wants("list", "a list of schedules") else ():
        schedule = _schedule(item, usual) if item.wants("map", "a schedule") else None
        if schedule is None:
            continue
        if schedule.name in found:
            item.problem(f"the name {schedule.name!r} stands twice")
        found[schedule.name] = schedule
    if listed is not None and len(found) > MOST:
        listed.problem(f"{len(found)} schedules", f"at most {MOST}")
    return found


def _schedule(item: Value, usual: Mapping[str, Any]) -> Schedule | None:
    fields = item.fields(KEYS)
    missing = [key for key in ("name", "notebook", "cron") if key not in fields]
    for key in missing:
        item.problem(f"{key} is missing")
    if missing:
        return None
    cron = _text(fields["cron"])
    wrong = times.problem(cron)
    if wrong is not None:
        fields["cron"].problem(wrong, 'such as "23 6 * * *" for every day at 6:23')
    return Schedule(
        name=_like(fields["name"], NAME, "lower-case letters, digits and _"),
        notebook=_text(fields["notebook"]),
        cron=cron,
        zone=_zone(fields.get("timezone")) or usual["zone"],
        jitter=_seconds(fields.get("jitter"), "jitter", usual["jitter"]),
        missed=_choice(fields.get("missed"), MISSED, "once"),  # type: ignore[arg-type]  # one of these
        backfill=_whole(fields.get("backfill"), 7, MOST_BACKFILL),
        parameters=_parameters(fields["parameters"]) if "parameters" in fields else {},
        deliver=_target(fields["deliver"]) if "deliver" in fields else usual["deliver"],
        on_failure=_target(fields["on_failure"]) if "on_failure" in fields else usual["on_failure"],
        max_age=_seconds(fields.get("max_age"), "max_age", None),
        data=_data(fields["data"]) if "data" in fields else {},
        require_fresh=_flag(fields.get("require_fresh"), default=False),
        seconds=_seconds(fields.get("timeout"), "timeout", 600.0) or 600.0,
        enabled=_flag(fields.get("enabled"), default=True),
        line=item.line,
    )


def _target(value: Value | None) -> Target:
    if value is None or not value.wants("map", "to, slack or email"):
        return Target()
    fields = value.fields(TARGET)
    slack = fields.get("slack")
    channel = None
    if slack is not None and slack.text != "false":
        channel = "" if slack.text == "true" else _like(slack, CHANNEL, "a channel such as #reports, or true")
    return Target(
        receivers=_texts(fields.get("to"), r".{1,200}", "names of receivers"),
        slack=channel,
        email=_texts(fields.get("email"), ADDRESS, "addresses"),
        attach=_flag(fields.get("attach"), default=False),
    )


def _parameters(value: Value) -> dict[str, str]:
    """Texts as the notebook's own types read them (`report.from_text`); a list becomes JSON."""
    found: dict[str, str] = {}
    for key, entry in value.entries() if value.wants("map", "parameters by name") else ():
        if entry.kind == "list":
            found[key.text] = json.dumps([item.text for item in entry.items()])
        elif entry.kind == "map":
            entry.problem("a map where a value belongs", "write it as JSON text: '{\"key\": 1}'")
        else:
            found[key.text] = entry.text
    return found


def _data(value: Value) -> dict[str, float]:
    found = {}
    for key, entry in value.entries() if value.wants("map", "tables and ages") else ():
        if key.text not in STORED:
            key.problem(f"no table {key.text!r}", did_you_mean(key.text, STORED) or "such as requests: 2h")
        found[key.text] = _seconds(entry, "max_age", 0.0) or 0.0
    return found


def _text(value: Value) -> str:
    return value.text if value.wants("text", "a text") else ""


def _like(value: Value, pattern: str, what: str) -> str:
    text = _text(value)
    if not re.fullmatch(pattern, text):
        value.problem(f"{text!r} where {what} belong{'s' if what.startswith('a ') else ''}")
    return text


def _texts(value: Value | None, pattern: str, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    items = [value] if value.kind == "text" else list(value.items()) if value.wants("list", f"a list of {what}") else []
    return tuple(_like(item, pattern, what) for item in items)


def _choice(value: Value | None, among: tuple[str, ...], default: str) -> str:
    if value is None:
        return default
    if value.text not in among:
        value.problem(f"{value.text!r}", did_you_mean(value.text, among) or f"one of {', '.join(among)}")
    return value.text


def _flag(value: Value | None, *, default: bool) -> bool:
    return default if value is None else _choice(value, ("true", "false"), "false") == "true"


def _whole(value: Value | None, default: int, most: int) -> int:
    if value is None:
        return default
    if not value.text.isdecimal() or not 1 <= int(value.text) <= most:
        value.problem(f"{value.text!r} is no whole number from 1 to {most}")
        return default
    return int(value.text)


def _seconds(value: Value | None, what: str, default: Any) -> Any:
    """A duration such as 10m, in seconds; 0 is one too."""
    if value is None:
        return default
    try:
        found = 0.0 if value.text in ("0", "0s") else step_ms(value.text) / 1000
    except QueryError:
        value.problem(f"{value.text!r} is no duration", "such as 10m, 2h or 3d")
        return default
    if found > LONGEST[what]:
        value.problem(f"{value.text!r} is too long", f"at most {LONGEST[what] / 3600:g} h")
    return found


def _zone(value: Value | None) -> str | None:
    if value is None:
        return None
    try:
        ZoneInfo(value.text)
    except (KeyError, ValueError, OSError):
        value.problem(f"no time zone {value.text!r}", "a name such as Europe/London or UTC")
    return value.text
