"""The JSON Schema of `config/schedules.yml`, for editors; made of what the reader knows, so that the two agree."""

from __future__ import annotations

import json
from typing import Any, Final

from pitchey_slo.report.schedule.read import ADDRESS, CHANNEL, KEYS, MISSED, MOST, MOST_BACKFILL, NAME, TARGET, TOP
from pitchey_slo.tables import STORED

_DURATION: Final = {"type": ["string", "integer"], "pattern": r"^(0|(\d+(ms|[smhdw]))+)$"}
_TEXTS: Final = {"type": ["string", "array"], "items": {"type": "string"}}
_SCALAR: Final = ["string", "number", "boolean", "null"]

_TARGET: Final = {
    "to": {**_TEXTS, "description": "receivers of the routes file"},
    "slack": {
        "type": ["boolean", "string"],
        "pattern": f"^{CHANNEL}$",
        "description": "a Slack channel, or true for the one of SLACK_WEBHOOK_URL",
    },
    "email": {**_TEXTS, "items": {"type": "string", "pattern": f"^{ADDRESS}$"}, "description": "addresses"},
    "attach": {"type": "boolean", "description": "whether e-mail carries the page itself, not only a link"},
}
_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "name": {
        "type": "string",
        "pattern": f"^{NAME}$",
        "description": "its name, for ever: receipts and timers have it",
    },
    "description": {"type": "string", "description": "for people who read the file"},
    "notebook": {"type": "string", "description": "as `pitchey-slo report list` names it"},
    "cron": {"type": "string", "description": "minute, hour, day, month, weekday; at most every five minutes"},
    "timezone": {"type": "string", "description": "whose clock the expression is read on, such as Europe/London"},
    "jitter": {**_DURATION, "description": "it runs up to so much later, always by the same; at most 1h"},
    "missed": {"enum": list(MISSED), "description": "times that passed while nobody ran"},
    "backfill": {"type": "integer", "minimum": 1, "maximum": MOST_BACKFILL, "description": "how many are made up for"},
    "parameters": {
        "type": "object",
        "additionalProperties": {"type": [*_SCALAR, "array"]},
        "description": "of the notebook; today, yesterday, last_week, ... are worked out at the due time",
    },
    "deliver": {"$ref": "#/$defs/target", "description": "who is sent the report"},
    "on_failure": {"$ref": "#/$defs/target", "description": "who is told when something went wrong with it"},
    "max_age": {**_DURATION, "description": "without a success for so long it is dead, which is an alert"},
    "data": {
        "type": "object",
        "propertyNames": {"enum": sorted(STORED)},
        "additionalProperties": _DURATION,
        "description": "table: how old its newest row may be",
    },
    "require_fresh": {"type": "boolean", "description": "whether it is not run on data that is old or incomplete"},
    "timeout": {**_DURATION, "description": "a run that takes longer is stopped; 10m unless said, at most 6h"},
    "enabled": {"type": "boolean", "description": "false: not due, not dead"},
}


def schema() -> dict[str, Any]:
    """The JSON Schema."""
    usual = {key: _SCHEDULE[key] for key in ("timezone", "jitter", "deliver", "on_failure")}
    listed = {"type": "array", "maxItems": MOST, "items": {"$ref": "#/$defs/schedule"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Schedules of reports of pitchey-slo",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: usual.get(key, listed) for key in TOP},
        "$defs": {
            "target": {"type": "object", "additionalProperties": False, "properties": {k: _TARGET[k] for k in TARGET}},
            "schedule": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "notebook", "cron"],
                "properties": {k: _SCHEDULE[k] for k in KEYS},
            },
        },
    }


def schema_text() -> str:
    """As `config/schema/schedules.schema.json` holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
