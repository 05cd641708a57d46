"""What may stand in a definition: every key with its kind, once, for the reader and for the JSON Schema alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pitchey_slo.board.kinds import KINDS
from pitchey_slo.board.model import ROLES, STATES, UNITS

#: Names of dashboards, widgets and variables: they stand in addresses and in pages.
NAME: Final = r"[a-z][a-z0-9_-]{0,63}"
VARIABLE: Final = r"[a-z][a-z0-9_]{0,31}"
DURATION: Final = r"[1-9][0-9]{0,5}(s|m|h|d|w)"
COLUMNS: Final = 12

Type = Literal["text", "integer", "number", "flag", "map", "list"]


@dataclass(frozen=True)
class Field:
    """One key. `inside` is the table of a map, or of the maps of a list; `words` are all that a text may be, `pattern`
    all that it may look like; `low` and `high` bound a number, or the length of a text or list."""

    type: Type
    doc: str
    required: bool = False
    inside: str = ""
    words: tuple[str, ...] = ()
    pattern: str = ""
    low: float | None = None
    high: float | None = None


def _text(doc: str, longest: int = 200, **more: Any) -> Field:
    return Field("text", doc, high=longest, **more)


def _list(doc: str, inside: str = "", most: int = 50, **more: Any) -> Field:
    return Field("list", doc, inside=inside, high=most, **more)


#: Table name -> key -> field. A list without a table holds texts, a map without one holds texts by free names.
FIELDS: Final[Mapping[str, Mapping[str, Field]]] = {
    "dashboard": {
        "name": _text("name in addresses; the file's own without it", pattern=NAME),
        "title": _text("what stands at its top", required=True, low=1),
        "description": _text("what it is for, in a sentence or two", 2_000),
        "order": Field("integer", "place in the menu, the least first", low=0, high=10_000),
        "role": _text("least role that may look", words=tuple(ROLES)),
        "range": _text("time it shows at first, such as 1h", pattern=DURATION),
        "refresh": _text("how often it is renewed, such as 5s", pattern=DURATION),
        "variables": _list("what people choose from", "variable", 12),
        "rows": _list("rows of widgets, from the top", "row", 30, required=True, low=1),
    },
    "variable": {
        "name": _text("$name in expressions", pattern=VARIABLE, required=True),
        "label": _text("what stands beside it"),
        "query": _text("label_values(metric, label): the values of a label among the series of a selector", 1_000),
        "values": _list("the values themselves, instead of a query", most=200, low=1),
        "text": Field("flag", "true: people type a text, instead of choosing"),
        "all": Field("flag", "whether everything may be chosen, which is then chosen at first"),
    },
    "row": {
        "title": _text("what stands above it", required=True),
        "collapsed": Field("flag", "whether it is folded at first"),
        "widgets": _list("from left to right, 12 columns in all", "widget", 24, required=True, low=1),
    },
    "widget": {
        "id": _text("stable name within the dashboard", pattern=NAME, required=True),
        "type": _text("what it is", words=tuple(KINDS), required=True),
        "title": _text("what stands above it", required=True),
        "description": _text("what it shows and why one looks at it", 2_000),
        "width": Field("integer", "columns of 12", low=1, high=COLUMNS),
        "height": Field("integer", "rows of 40 px", low=1, high=40),
        "queries": _list("PromQL", "query", 12, low=1),
        "named": _text("a named question instead of PromQL", 64),
        "with": Field("map", "arguments of the named question; $name is the choice of a variable"),
        "text": _text("of type markdown: the text; raw HTML is shown as it is written", 20_000),
        "unit": _text("unit of its values", words=tuple(UNITS)),
        "decimals": Field("integer", "digits after the point", low=0, high=10),
        "stack": Field("flag", "areas and bars on top of each other"),
        "min": Field("number", "lower end of the scale"),
        "max": Field("number", "upper end of the scale"),
        "range": _text("a range of its own, such as 7d; it ends with the dashboard's", pattern=DURATION),
        "empty": _text("what it says when there is nothing, where that is no fault", 500),
        "thresholds": _list("from which value on which state holds, ascending or descending", "threshold", 10),
        "links": _list("ways on from here", "link", 10),
        "grafana": _list("queries that stand in for a named question in Grafana", "query", 12),
    },
    "query": {
        "expr": _text("PromQL", 4_000, required=True, low=1),
        "legend": _text("name of its series; {{label}} is a label's value"),
        "instant": Field("flag", "only at the end of the range"),
        "unit": _text("of type table: unit of its column", words=tuple(UNITS)),
    },
    "threshold": {
        "value": Field("number", "from this value on", required=True),
        "state": _text("what it means", words=STATES, required=True),
        "text": _text("why"),
    },
    "link": {
        "title": _text("what people read", required=True, low=1),
        "to": _text("a dashboard's name, or a path of this server", 1_000, required=True, low=1),
        "with": Field("map", "values for it: {{label}} is that of what was clicked, $name the choice of a variable"),
    },
}


def schema() -> dict[str, Any]:
    """The JSON Schema of a definition; `config/schema/dashboard.schema.json` holds it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A dashboard of pitchey-slo",
        **_object("dashboard"),
        "$defs": {name: _object(name) for name in FIELDS if name != "dashboard"},
    }


def _object(table: str) -> dict[str, Any]:
    fields = FIELDS[table]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [key for key, f in fields.items() if f.required],
        "properties": {key: _property(f) for key, f in fields.items()},
    }


def _property(given: Field) -> dict[str, Any]:
    told: dict[str, Any] = {"description": given.doc}
    match given.type:
        case "text":
            bounds = {"minLength": given.low, "maxLength": given.high if not (given.words or given.pattern) else None}
            told |= {"type": "string"}
            told |= {"enum": list(given.words)} if given.words else {}
            told |= {"pattern": f"^{given.pattern}$"} if given.pattern else {}
        case "integer" | "number":
            bounds = {"minimum": given.low, "maximum": given.high}
            told |= {"type": given.type}
        case "flag":
            bounds, told = {}, told | {"type": "boolean"}
        case "map":
            scalar = {"type": ["string", "number", "boolean"]}
            bounds, told = {}, told | {"type": "object", "additionalProperties": scalar}
        case "list":
            items = {"$ref": f"#/$defs/{given.inside}"} if given.inside else {"type": "string"}
            bounds = {"minItems": given.low, "maxItems": given.high}
            told |= {"type": "array", "items": items}
    return told | {name: int(bound) for name, bound in bounds.items() if bound is not None}
