"""Escalation policies as the routes file gives them; `escalation.py` runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Literal

from pitchey_slo.alert.calendar import Calendar
from pitchey_slo.collect.prometheus.yaml_node import Node

Outside = Literal["hold", "page"]
_MOST_LOOPS = 100


@dataclass(frozen=True)
class Level:
    """`after` is in seconds since the escalation began (or its hold ended, or its loop began)."""

    after: float
    receivers: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """Who is told, step by step, while nobody acknowledges.

    severities     of alerts it is for; empty for all
    repeat         how often the levels are gone through again
    repeat_after   seconds from the last level to the first of the next loop
    ack_timeout    seconds after which an acknowledgement no longer holds; None: it holds
    calendar       business hours; None: always
    outside        severity -> what happens outside of them ("" for any other severity)
    """

    name: str
    levels: tuple[Level, ...]
    severities: tuple[str, ...] = ()
    repeat: int = 0
    repeat_after: float = 600.0
    ack_timeout: float | None = None
    calendar: Calendar | None = None
    outside: Mapping[str, Outside] = field(default_factory=dict)

    def holds(self, severity: str) -> bool:
        """True when an alert of this severity waits for business hours."""
        return self.calendar is not None and self.outside.get(severity, self.outside.get("", "page")) == "hold"

    def applies(self, severity: str) -> bool:
        return not self.severities or severity in self.severities


def policy_of(node: Node, calendars: Mapping[str, Calendar]) -> Policy:
    """An entry of `escalation:`. Raises ConfigError."""
    found = node.fields(
        ("name", "levels", "severities", "repeat", "repeat_after", "ack_timeout", "business_hours", "outside_hours")
    )
    for name in ("name", "levels"):
        if name not in found:
            node.fail(f"{name} is missing")
    levels = tuple(_level(entry) for entry in found["levels"].items())
    if not levels:
        found["levels"].fail("no level", hint="- {after: 10m, receiver: NAME}")
    gaps = [after.after - before.after for before, after in pairwise(levels)]
    for gap, entry in zip(gaps, islice(found["levels"].items(), 1, None), strict=True):
        if gap <= 0:
            entry.fail("comes no later than the level before it", hint="`after` counts from the start")
    repeat = found["repeat"].whole() if "repeat" in found else 0
    if repeat > _MOST_LOOPS:
        found["repeat"].fail(f"{repeat} loops", hint=f"at most {_MOST_LOOPS}")
    calendar = found["business_hours"].choice(calendars) if "business_hours" in found else None
    if "outside_hours" in found and calendar is None:
        found["outside_hours"].fail("business_hours is missing", hint="the name of an entry of business_hours:")
    return Policy(
        found["name"].text(),
        levels,
        found["severities"].texts() if "severities" in found else (),
        repeat,
        _positive(found["repeat_after"]) if "repeat_after" in found else max([*gaps, 600.0]),
        _positive(found["ack_timeout"]) if "ack_timeout" in found else None,
        calendars[calendar] if calendar is not None else None,
        _outside(found["outside_hours"]) if "outside_hours" in found else {"": "page"},
    )


def _level(node: Node) -> Level:
    found = node.fields(("after", "receiver", "receivers"))
    if ("receiver" in found) == ("receivers" in found):
        node.fail("receiver or receivers is needed", hint="one of the two")
    names = (found["receiver"].text(),) if "receiver" in found else found["receivers"].texts()
    if not names:
        found["receivers"].fail("nobody")
    return Level(seconds_of(found["after"]) if "after" in found else 0.0, names)


def _outside(node: Node) -> dict[str, Outside]:
    entries = node.entries() if isinstance(node.value, Mapping) else {"": node}
    return {s: ("hold" if n.choice(("hold", "page")) == "hold" else "page") for s, n in entries.items()}


def _positive(node: Node) -> float:
    found = seconds_of(node)
    return found if found > 0 else node.fail("0", hint="such as 30m")


def seconds_of(node: Node) -> float:
    """A duration; unlike elsewhere a bare 0 is one, as in Alertmanager."""
    return 0.0 if node.value in (0, "0") and not isinstance(node.value, bool) else node.duration()
