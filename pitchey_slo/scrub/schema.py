"""The JSON Schema of `config/scrubbing.yml`, made from what the reader knows; `config/schema/scrubbing.schema.json`
holds it, and a test keeps the two equal."""

from __future__ import annotations

from typing import Any, Final

from pitchey_slo.scrub.config import LONGEST_PATTERN, NAME
from pitchey_slo.scrub.policy import ACTIONS, RULES

_TEXTS: Final = {"type": "array", "items": {"type": "string", "minLength": 1}}
_ACTION: Final = {"enum": list(ACTIONS)}


def schema() -> dict[str, Any]:
    """The whole document."""
    return _object(
        {
            "rules": _object(
                {n: {**_ACTION, "description": f"{doc}; {usual} when left out"} for n, (doc, usual) in RULES.items()}
            ),
            "regions": {**_TEXTS, "description": "whose national telephone numbers are looked for (ISO 3166)"},
            "keep_networks": {**_TEXTS, "description": "addresses that stay"},
            "keys": _object(
                {
                    "secret": {**_TEXTS, "description": "more names of fields that hold secrets, in any case style"},
                    "personal": {**_TEXTS, "description": "more names of fields that are about a person"},
                    "keep": {**_TEXTS, "description": "names of fields whose name shall say nothing"},
                }
            ),
            "patterns": {
                "type": "object",
                "propertyNames": {"pattern": f"^{NAME.pattern}$"},
                "additionalProperties": _object(
                    {
                        "regex": {"type": "string", "maxLength": LONGEST_PATTERN, "description": "a pattern of RE2"},
                        "action": {**_ACTION, "description": "mask when left out"},
                    },
                    required=["regex"],
                ),
            },
            "allow": _object(
                {
                    "texts": {**_TEXTS, "description": "values that stay, * and ? as in file names"},
                    "fields": {**_TEXTS, "description": "fields that are not looked at, * and ? as in file names"},
                }
            ),
            "sources": {
                "type": "object",
                "description": "other actions for sources whose name fits, * and ? as in file names; the last wins",
                "additionalProperties": {"type": "object", "additionalProperties": _ACTION},
            },
        },
        title="pitchey-slo scrubbing",
    )


def _object(
    properties: dict[str, Any], *, required: list[str] | None = None, title: str | None = None
) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} if title else {}
    return {
        **head,
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": properties,
    }
