"""The shape of OpenSLO v1, as one table: which keys each kind has, of which type, and which exclude each other.

Read from the OpenSLO v1 specification (OpenSLO/OpenSLO, README.md). `slo/spec/check.py` walks a document along this
table; nothing else knows the keys. A leading `!` marks a required key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pitchey_slo.tables import TABLES


@dataclass(frozen=True)
class Text:
    """A string; `choices` closes the set, `pattern` is matched in full and explained by `looks`."""

    longest: int | None = None
    choices: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    looks: str = ""
    empty: bool = False


@dataclass(frozen=True)
class Number:
    """A finite number from `low` to `high`; an open end excludes the bound itself."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True)
class Flag:
    """true or false."""


@dataclass(frozen=True)
class Length:
    """Duration shorthand; `minutes` allows a bare number of minutes, `fixed` only units of fixed length, `zero` 0m."""

    minutes: bool = False
    fixed: bool = False
    zero: bool = False


@dataclass(frozen=True)
class WallTime:
    """Date and time without a zone."""


@dataclass(frozen=True)
class Instant:
    """Date and time, with a zone or without."""


@dataclass(frozen=True)
class Zone:
    """IANA time zone."""


@dataclass(frozen=True)
class Anything:
    """Any YAML value."""


@dataclass(frozen=True)
class Labels:
    """Map of text keys to text (`many`: or lists of text); `prefix` allows `domain/` before the key."""

    many: bool = False
    prefix: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    of: Node
    at_least: int = 0
    at_most: int | None = None


@dataclass(frozen=True)
class Rule:
    """`one`: exactly one of `keys`; `most`: at most one; `with`: the first key needs the others."""

    kind: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """A map with known keys."""

    fields: Mapping[str, Node]
    required: frozenset[str]
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Either:
    """A map that is one of several records: the first whose `mark` key is present, else the last."""

    options: tuple[tuple[str, Record], ...]


Node = Text | Number | Flag | Length | WallTime | Instant | Zone | Anything | Labels | Items | Record | Either


def record(fields: dict[str, Node], *rules: Rule) -> Record:
    """A Record from a table whose required keys start with `!`."""
    names = {k.removeprefix("!"): v for k, v in fields.items()}
    return Record(names, frozenset(k[1:] for k in fields if k.startswith("!")), rules)


def one(*keys: str) -> Rule:
    return Rule("one", keys)


def most(*keys: str) -> Rule:
    return Rule("most", keys)


def needs(key: str, *others: str) -> Rule:
    return Rule("with", (key, *others))


NAME = Text(
    longest=63,
    pattern=re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
    looks="lower-case letters, digits and -, beginning and ending with a letter or digit (RFC 1123)",
)
#: The specification's own examples name alert objects like this: AlertPolicy, OnCallDevopsMailNotification. It asks for
#: RFC 1123 "at least"; names of SLOs, SLIs, services and data sources become labels and file names and stay with it.
ALERT_NAME = Text(
    longest=63,
    pattern=re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"),
    looks="letters, digits and -, beginning and ending with a letter or digit",
)
DESCRIPTION = Text(longest=1050, empty=True)
TITLE = Text(empty=True)
OP = Text(choices=("lte", "gte", "lt", "gt"))

_METADATA: dict[str, Node] = {"displayName": TITLE, "labels": Labels(many=True), "annotations": Labels(prefix=True)}
METADATA = record({"!name": NAME} | _METADATA)
ALERT_METADATA = record({"!name": ALERT_NAME} | _METADATA)

METRIC = record(
    {"!metricSource": record({"metricSourceRef": NAME, "type": Text(), "!spec": Anything()})},
)
#: `spec` of a metricSource of `type: pitchey`
EVENTS = record({"!table": Text(choices=tuple(TABLES)), "filter": Text(longest=4096), "value": Text()})

SLI = record(
    {
        "description": DESCRIPTION,
        "thresholdMetric": METRIC,
        "ratioMetric": record(
            {
                "counter": Flag(),
                "good": METRIC,
                "bad": METRIC,
                "total": METRIC,
                "rawType": Text(choices=("success", "failure")),
                "raw": METRIC,
            },
            one("good", "bad", "raw"),
            one("total", "raw"),
            needs("raw", "rawType"),
            needs("rawType", "raw"),
        ),
    },
    one("thresholdMetric", "ratioMetric"),
)
INDICATOR = record({"!metadata": METADATA, "!spec": SLI})

WINDOW = record(
    {
        "!duration": Length(),
        "isRolling": Flag(),
        "calendar": record({"!startTime": WallTime(), "!timeZone": Zone()}),
    }
)
OBJECTIVE = record(
    {
        "displayName": TITLE,
        "op": OP,
        "value": Number(),
        "target": Number(low=0, high=1, high_open=True),
        "targetPercent": Number(low=0, high=100, high_open=True),
        "timeSliceTarget": Number(low=0, high=1, low_open=True),
        "timeSliceWindow": Length(minutes=True, fixed=True),
        "indicator": INDICATOR,
        "indicatorRef": NAME,
        "compositeWeight": Number(low=0, low_open=True),
    },
    one("target", "targetPercent"),
    most("indicator", "indicatorRef"),
)

CONDITION = record(
    {
        "description": DESCRIPTION,
        "!severity": Text(),
        "!condition": record(
            {
                "kind": Text(choices=("burnrate",)),
                "!op": OP,
                "!threshold": Number(),
                "!lookbackWindow": Length(),
                "alertAfter": Length(zero=True),
            }
        ),
    }
)
TARGET = record({"!target": Text(), "description": DESCRIPTION})
ENVELOPE: dict[str, Node] = {"apiVersion": Text(choices=("openslo/v1",))}


def inline_or(ref: str, kind: str, spec: Record) -> Either:
    """`{ref: name}`, or an object of `kind` in its place, for which apiVersion may be left out."""
    here = record(ENVELOPE | {"!kind": Text(choices=(kind,)), "!metadata": ALERT_METADATA, "!spec": spec})
    return Either(((ref, record({f"!{ref}": ALERT_NAME})), ("", here)))


POLICY = record(
    {
        "description": DESCRIPTION,
        "alertWhenNoData": Flag(),
        "alertWhenResolved": Flag(),
        "alertWhenBreaching": Flag(),
        "!conditions": Items(inline_or("conditionRef", "AlertCondition", CONDITION), at_least=1, at_most=1),
        "!notificationTargets": Items(inline_or("targetRef", "AlertNotificationTarget", TARGET), at_least=1),
    }
)

SLO = record(
    {
        "description": DESCRIPTION,
        "!service": Text(),
        "indicator": INDICATOR,
        "indicatorRef": NAME,
        "timeWindow": Items(WINDOW, at_least=1, at_most=1),
        "!budgetingMethod": Text(choices=("Occurrences", "Timeslices", "RatioTimeslices")),
        "!objectives": Items(OBJECTIVE, at_least=1),
        "alertPolicies": Items(inline_or("alertPolicyRef", "AlertPolicy", POLICY)),
    },
    most("indicator", "indicatorRef"),
)

#: kind -> shape of its `spec`
KINDS: dict[str, Record] = {
    "DataSource": record({"description": DESCRIPTION, "!type": Text(), "connectionDetails": Anything()}),
    "SLO": SLO,
    "SLI": SLI,
    "AlertPolicy": POLICY,
    "AlertCondition": CONDITION,
    "AlertNotificationTarget": TARGET,
    "Service": record({"description": DESCRIPTION}),
}


def document(kind: str) -> Record:
    """The shape of a whole document of `kind`."""
    metadata = ALERT_METADATA if kind.startswith("Alert") else METADATA
    return record(
        {"!apiVersion": ENVELOPE["apiVersion"], "!kind": Text(choices=tuple(KINDS)), "!metadata": metadata}
        | {("spec" if kind == "Service" else "!spec"): KINDS[kind]}
    )
