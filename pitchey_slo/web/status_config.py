"""`config/status.yml`: what the public sees under which name, strictly read. Without the file there is no page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitchey_slo.errors import ConfigError
from pitchey_slo.yaml_source import Value, compose, raise_all

log = logging.getLogger(__name__)

FILE: Final = "status.yml"
TOP: Final = ("title", "contact", "incident_days", "components")
CONTACT: Final = ("text", "url")
SHOWN: Final = ("name", "description", "components", "tests")
SCHEMES: Final = ("https://", "http://", "mailto:")
#: Components on one page, characters of a text, days that an incident stays after it is over.
MOST: Final = 15
LONGEST: Final = 200
INCIDENT_DAYS, MOST_DAYS = 14, 90


@dataclass(frozen=True)
class Shown:
    """One line of the page: its public name, and whose looks it rests on: those of `components`, and of `tests`."""

    name: str
    description: str = ""
    components: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatusConfig:
    """`contact` is (text, address)."""

    title: str = "Status"
    contact: tuple[str, str] | None = None
    incident_days: int = INCIDENT_DAYS
    components: tuple[Shown, ...] = ()


class StatusFile:
    """The file as it changes. One that is wrong changes nothing; without a file there is no page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: tuple[int, int] | None = None
        self._config: StatusConfig | None = None
        self.problem: str | None = None

    def current(self) -> StatusConfig | None:
        try:
            stat = self._path.stat()
            signature = stat.st_mtime_ns, stat.st_size
            if signature != self._signature:
                self._signature = signature
                self._config, self.problem = read(self._path.read_text(encoding="utf-8"), str(self._path)), None
        except FileNotFoundError:
            self._signature = self._config = self.problem = None
        except (ConfigError, OSError, UnicodeDecodeError) as error:
            self.problem = str(error)
            log.error("%s is refused, what held before holds on: %s", self._path, error)
        return self._config


def read(text: str, file: str) -> StatusConfig:
    """What a text says. Raises ConfigError that lists every problem with line, column and a caret."""
    root, source = compose(text, file)
    config = _config(root) if root is not None and root.wants("map", "a map") else StatusConfig()
    raise_all(source.found)
    return config


def _config(root: Value) -> StatusConfig:
    fields = root.fields(TOP)
    shown = tuple(_components(fields["components"])) if "components" in fields else ()
    if len(shown) > MOST:
        fields["components"].problem(f"{len(shown)} components on one page", f"at most {MOST}")
    names = [one.name for one in shown]
    for name in {n for n in names if names.count(n) > 1}:
        fields["components"].problem(f"{name!r} stands twice")
    return StatusConfig(
        _text(fields.get("title")) or "Status",
        _contact(fields["contact"]) if "contact" in fields else None,
        _days(fields["incident_days"]) if "incident_days" in fields else INCIDENT_DAYS,
        shown,
    )


def _components(value: Value) -> list[Shown]:
    found = []
    for item in value.items() if value.wants("list", "a list of components") else ():
        if not item.wants("map", "a component"):
            continue
        fields = item.fields(SHOWN)
        if "name" not in fields:
            item.problem("name is missing", "the name that the public reads")
        names, tests = _names(fields.get("components")), _names(fields.get("tests"))
        if not names and not tests:
            item.problem("nothing to look at", "name `components` or `tests`, or both")
        found.append(Shown(_text(fields.get("name")), _text(fields.get("description")), names, tests))
    return found


def _contact(value: Value) -> tuple[str, str] | None:
    if not value.wants("map", "text and url"):
        return None
    fields = value.fields(CONTACT)
    url, text = _text(fields.get("url")), _text(fields.get("text"))
    if not url.startswith(SCHEMES):
        value.problem(f"{url!r} is no address to write to", "https://... or mailto:...")
        return None
    return text or url.removeprefix("mailto:"), url


def _days(value: Value) -> int:
    if not value.text.isascii() or not value.text.isdigit() or not 1 <= int(value.text) <= MOST_DAYS:
        value.problem(f"{value.text!r} is no number of days", f"1 to {MOST_DAYS}")
        return INCIDENT_DAYS
    return int(value.text)


def _text(value: Value | None) -> str:
    if value is None or not value.wants("text", "a text"):
        return ""
    if len(value.text) > LONGEST:
        value.problem(f"a text of {len(value.text)} characters", f"at most {LONGEST}")
    return value.text


def _names(value: Value | None) -> tuple[str, ...]:
    if value is None:
        return ()
    items = list(value.items()) if value.kind == "list" else [value]
    return tuple(_text(item) for item in items)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file; `config/schema/status.schema.json` holds it, and a test keeps the two equal."""
    text = {"type": "string", "maxLength": LONGEST}
    names = {"anyOf": [text, {"type": "array", "items": text}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pitchey-slo status page",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "title": {**text, "description": "heading of the page"},
            "contact": {
                "type": "object",
                "additionalProperties": False,
                "required": ["url"],
                "properties": {"text": text, "url": {**text, "pattern": "^(https?://|mailto:)"}},
            },
            "incident_days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS,
                              "description": "days that an incident stays on the page after it is over"},
            "components": {
                "type": "array",
                "maxItems": MOST,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["name"],
                    "anyOf": [{"required": ["components"]}, {"required": ["tests"]}],
                    "properties": {
                        "name": {**text, "description": "the name that the public reads"},
                        "description": {**text, "description": "what it is, for people outside"},
                        "components": {**names, "description": "components whose looks count"},
                        "tests": {**names, "description": "health checks and synthetic tests that count"},
                    },
                },
            },
        },
    }  # fmt: skip
