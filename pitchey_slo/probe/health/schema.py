"""The JSON Schema of `config/health.yml`, made from what the reader knows; `config/schema/health.schema.json` holds it,
and a test keeps the two equal. Editors use it to complete and to check while somebody types."""

from __future__ import annotations

from typing import Any, Final

from pitchey_slo.probe.health.config import LONGEST, MOST_UNKNOWN, NAME, SHORTEST, STATUS
from pitchey_slo.probe.health.kinds import KINDS
from pitchey_slo.probe.health.model import CheckKind, Key, Measure

_DURATION: Final = {"type": ["string", "number"], "pattern": r"^\d+(\.\d+)?(ms|s|m)?$"}
_TIMES: Final = {
    "interval": {**_DURATION, "description": f"from look to look, {SHORTEST:g}s to {LONGEST:g}s"},
    "timeout": {**_DURATION, "description": "a look that takes longer is unknown; at most the interval"},
    "unknown_after": {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_UNKNOWN,
        "description": "so many looks in a row without an answer in time count as down",
    },
}
_STATUS: Final = {"type": ["string", "integer"], "pattern": f"^({STATUS.pattern})$"}
_TEXT: Final = {"type": ["string", "number", "boolean"]}


def schema() -> dict[str, Any]:
    """The whole document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pitchey-slo health checks",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": {"type": "object", "additionalProperties": False, "properties": _TIMES},
            "checks": {
                "type": ["object", "null"],
                "propertyNames": {"pattern": f"^{NAME.pattern}$"},
                "additionalProperties": {
                    "type": "object",
                    "required": ["check"],
                    "properties": {"check": {"enum": list(KINDS)}},
                    "oneOf": [_kind(kind) for kind in KINDS.values()],
                },
            },
        },
    }


def _kind(kind: CheckKind) -> dict[str, Any]:
    return {
        "description": kind.doc,
        "additionalProperties": False,
        "required": ["check", *(name for name, key in kind.keys.items() if key.required)],
        "properties": {
            "check": {"const": kind.name},
            "component": {
                "type": "string",
                "pattern": f"^{NAME.pattern}$",
                "description": f"what it is a part of; {kind.component} when left out",
            },
            **_TIMES,
            "degraded": _limits(kind, "degraded"),
            "unhealthy": _limits(kind, "unhealthy"),
            **{name: _key(key) for name, key in kind.keys.items()},
        },
    }


def _limits(kind: CheckKind, state: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "description": f"limits of {state}; none takes one away",
        "properties": {
            name: {"anyOf": [{"type": "number"}, {"const": "none"}], "description": _said(measure, state)}
            for name, measure in kind.measures.items()
        },
    }


def _said(measure: Measure, state: str) -> str:
    usual = measure.degraded if state == "degraded" else measure.unhealthy
    side = "below" if measure.low else "above"
    unit = {"share": "a share of 1", "": "a number"}.get(measure.unit, measure.unit)
    return f"{measure.doc} ({unit}); " + ("no usual limit" if usual is None else f"usually {side} {usual:g}")


def _key(key: Key) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {
        "text": _TEXT,
        "url": {"type": "string"},
        "secret": _TEXT,
        "number": {"type": "number"},
        "integer": {"type": "integer"},
        "flag": {"type": "boolean"},
        "texts": {"anyOf": [{"type": "string"}, {"type": "array", "items": _TEXT}]},
        "statuses": {"anyOf": [_STATUS, {"type": "array", "items": _STATUS}]},
        "secrets": {"type": "object", "additionalProperties": _TEXT},
    }
    bounds = {name: value for name, value in (("minimum", key.low), ("maximum", key.high)) if value is not None}
    return {**kinds[key.kind], **bounds, "description": key.doc}
