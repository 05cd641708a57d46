"""What may stand in a definition file: every key, its kind and its meaning. The reader and the JSON Schema are made
from this; docs/synthetics.md explains it at length."""

from __future__ import annotations

import json
from typing import Any, Final

from pitchey_slo.guard import problem_of as allow_problem
from pitchey_slo.probe.synthetic import extract, pattern
from pitchey_slo.probe.synthetic.shape import (
    Field,
    Flag,
    Json,
    Length,
    Many,
    Named,
    Number,
    OneOrMany,
    Record,
    Schema,
    Text,
    Word,
    plain,
)
from pitchey_slo.rrule import Rule
from pitchey_slo.yaml_source import Value

NAME: Final = r"[a-z0-9][a-z0-9_-]{0,63}"
_SLUG: Final = Text(64, pattern=NAME, like="small letters, digits, - and _, such as api-health")
_PLACE: Final = Text(128, pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", like="letters, digits, - _ and .")
_KEPT: Final = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
_HEADER: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}"
_SECONDS: Final = Length(0.001, 3_600)


def _rrule_problem(text: str) -> str | None:
    try:
        Rule.parse(text)
    except ValueError as error:
        return str(error)
    return None


def _allow_problem(text: str) -> str | None:
    return None if text == "base" else allow_problem(text)


_OPS: Final = {
    "equals": Field(Json(), "the same value"),
    "not_equals": Field(Json(), "another value"),
    "contains": Field(Word(), "a text holds it; a list or map has it among its values"),
    "not_contains": Field(Word(), "a text does not hold it"),
    "matches": Field(Text(1_000, problem=pattern.problem_of), "a regular expression (RE2) found anywhere in it"),
    "above": Field(Number(-1e15, 1e15), "a number greater than this"),
    "below": Field(Number(-1e15, 1e15), "a number less than this"),
    "exists": Field(Flag(), "whether it is there"),
}
_TEXT_OPS: Final = {name: _OPS[name] for name in ("contains", "not_contains", "matches")}
_LENGTH: Final = {"length": Field(Number(0, 1e9, whole=True), "how many entries or characters it has")}
_PATH: Final = Text(1_024, problem=extract.path_problem)
_HEADER_NAME: Final = Text(128, pattern=_HEADER, like="the name of a header")
#: Subjects with a name: the key of that name.
NAMED_BY: Final = {"json": "path", "header": "name"}


class _Status:
    """A status such as 200, or a class of them such as 2xx."""

    def read(self, given: Value) -> Any:
        if isinstance(plain(given), int):
            return Number(100, 599, whole=True).read(given)
        return Text(3, pattern="[1-5]xx", like="a status is a number such as 200, or 2xx").read(given)

    def schema(self) -> Schema:
        return {"anyOf": [Number(100, 599, whole=True).schema(), {"type": "string", "pattern": "^[1-5]xx$"}]}


ASSERTION: Final = Record(
    {
        "status": Field(OneOrMany(_Status(), 20), "statuses that are right; 2xx when no assertion names any"),
        "body": Field(Record(_TEXT_OPS, one_of=(tuple(_TEXT_OPS),)), "the first 64 KiB of the body as text"),
        "json": Field(
            Record({"path": Field(_PATH, "JSONPath (RFC 9535)", required=True)} | _OPS | _LENGTH,
                   one_of=((*_OPS, *_LENGTH),)),
            "the first value at a JSONPath",
        ),
        "header": Field(
            Record({"name": Field(_HEADER_NAME, "name of the header", required=True)} | _OPS, one_of=(tuple(_OPS),)),
            "a header of the answer",
        ),
        "latency": Field(
            Record({"below": Field(_SECONDS, "longest it may take", required=True)}),
            "the whole step, from the name to the last byte",
        ),
        "certificate_days": Field(
            Record({"above": Field(Number(0, 10_000), "days that must be left", required=True)}),
            "days until the certificate ends; nothing to judge over plain http",
        ),
        "otherwise": Field(
            Text(choices=("unhealthy", "degraded")), "what the target is when this does not hold; unhealthy by default"
        ),
    },
    one_of=(("status", "body", "json", "header", "latency", "certificate_days"),),
)  # fmt: skip

EXTRACT: Final = Record(
    {
        "json": Field(_PATH, "the first value at a JSONPath (RFC 9535)"),
        "header": Field(_HEADER_NAME, "a header's value"),
        "cookie": Field(Text(256), "a cookie's value"),
        "regex": Field(
            Text(1_000, problem=lambda text: pattern.problem_of(text, groups=True)),
            "the group of a regular expression (RE2), or all that matched",
        ),
    },
    one_of=(("json", "header", "cookie", "regex"),),
)

REQUEST: Final = Record(
    {
        "method": Field(
            Text(choices=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")), "HTTP method; GET by default"
        ),
        "url": Field(Text(8_192), "address, such as {{ base }}/api/health", required=True),
        "headers": Field(Named(Word(), _HEADER, "the name of a header", 50), "headers to send"),
        "json": Field(Json(), "body as JSON"),
        "form": Field(Named(Word(), r".{1,256}", "1 to 256 characters"), "body as a form"),
        "body": Field(Text(65_536), "body as text"),
        "follow": Field(Flag(), "whether redirects are followed, each hop judged; true by default"),
    },
    at_most_one=(("json", "form", "body"),),
)

_STEP: Final = {
    "name": Field(_SLUG, "the name of the step; unique in the test", required=True),
    "always": Field(Flag(), "a clean-up: runs after a failure too"),
    "timeout": Field(_SECONDS, "longest the step may take; of clean-up 10 s by default"),
}
STEP: Final = Record(
    _STEP
    | {
        "request": Field(REQUEST, "what is sent", required=True),
        "assert": Field(Many(ASSERTION, 1), "what must be true of the answer"),
        "extract": Field(Named(EXTRACT, _KEPT, "letters, digits and _"), "values for later steps, by name"),
    }
)

_SELECTOR: Final = Field(Text(1_024), "CSS selector, or text=..., as Playwright has it", required=True)
_ON: Final = {"selector": _SELECTOR, "value": Field(Word(), "what is typed or chosen", required=True)}
MOVE: Final = Record(
    _STEP
    | {
        "goto": Field(Text(8_192), "open this address"),
        "fill": Field(Record(_ON), "type into a field"),
        "select": Field(Record(_ON), "choose in a list"),
        "click": Field(Text(1_024), "click on this (a selector)"),
        "press": Field(
            Record({"selector": _SELECTOR, "key": Field(Text(64), "such as Enter", required=True)}), "press a key"
        ),
        "expect": Field(
            Record(
                {
                    "visible": Field(Text(1_024), "something that is seen (a selector)"),
                    "hidden": Field(Text(1_024), "something that is not seen (a selector)"),
                    "text": Field(
                        Record(_ON | {"value": Field(Word(), "text it holds", required=True)}), "text of an element"
                    ),
                    "url": Field(Text(8_192), "the address begins so"),
                    "title": Field(Text(1_024), "the title holds this"),
                },
                one_of=(("visible", "hidden", "text", "url", "title"),),
            ),
            "wait until this is so",
        ),
    },
    one_of=(("goto", "fill", "select", "click", "press", "expect"),),
)

RETRIES: Final = Record(
    {
        "count": Field(Number(0, 10, whole=True), "attempts after the first; 1 by default"),
        "wait": Field(Length(0, 600), "time between them; 1s by default"),
    }
)
MAINTENANCE: Final = Record(
    {
        "start": Field(
            Text(
                40,
                pattern=r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?",
                like="a time such as 2026-03-01T02:00, on the clock of the timezone unless it names an offset",
            ),
            "when it begins, for the first time",
            required=True,
        ),
        "duration": Field(Length(60, 7 * 86_400), "how long it lasts", required=True),
        "rrule": Field(Text(1_024, problem=_rrule_problem), "comes again: an RFC 5545 rule, FREQ=WEEKLY;BYDAY=SU"),
        "timezone": Field(Text(64), "IANA name of the clock it is written on; UTC by default"),
        "comment": Field(Text(1_024), "why"),
    }
)

DEFINITION: Final = Record(
    {
        "name": Field(_SLUG, "name of the test; unique", required=True),
        "kind": Field(
            Text(choices=("http", "journey", "browser")),
            "http: one request; journey: steps that hand values on; browser: steps in a real browser",
            required=True,
        ),
        "component": Field(_PLACE, "what is looked at, such as api or database", required=True),
        "description": Field(Text(4_096), "what it proves, for people"),
        "interval": Field(Length(5, 7 * 86_400), "how often it runs; 1m by default"),
        "timeout": Field(Length(0.01, 600), "longest one attempt may take, clean-up apart; 10s by default"),
        "locations": Field(Many(_PLACE, 1, 100), "where it runs; everywhere by default"),
        "enabled": Field(Flag(), "whether it runs at all; true by default"),
        "retries": Field(RETRIES, "further attempts after a failed one"),
        "degraded_after": Field(Length(0.001, 600), "a pass that took longer is degraded"),
        "consecutive": Field(Number(1, 100, whole=True), "failures in a row before people are told; 3 by default"),
        "allow": Field(
            Many(Text(255, problem=_allow_problem), 1, 100),
            "what it may reach off the internet: networks, addresses, hosts with or without port; base: host of the "
            "base",
        ),
        "maintenance": Field(Many(MAINTENANCE, 1, 50), "windows in which results do not count"),
        "variables": Field(Named(Word(), _KEPT, "letters, digits and _"), "filled in once per attempt, in their order"),
        "ca": Field(Text(1 << 20), "certificates (PEM) to trust instead of the machine's"),
        "steps": Field(Many(Json(), 1, 100), "what is done, in this order", required=True),
    }
)  # fmt: skip


def schema() -> Schema:
    """The JSON Schema of definition files, as config/schema/synthetic.schema.json has it."""
    steps: dict[str, Schema] = {
        kind: {"type": "array", "items": {"$ref": f"#/$defs/{kind}"}} for kind in ("step", "move")
    }
    steps["one"] = steps["step"] | {"maxItems": 1}

    def when(kind: str, shape: str) -> Schema:
        return {
            "if": {"properties": {"kind": {"const": kind}}},
            "then": {"properties": {"steps": steps[shape]}},
        }

    body = DEFINITION.schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Synthetic test of pitchey-slo",
        **body,
        "allOf": [when("http", "one"), when("journey", "step"), when("browser", "move")],
        "$defs": {"step": STEP.schema(), "move": MOVE.schema()},
    }


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
