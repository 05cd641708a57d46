"""Reads the route tree and matchers of the routes file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pitchey_slo.alert.matchers import Matcher, Matchers, check, parse, text_of
from pitchey_slo.alert.policy import Policy, seconds_of
from pitchey_slo.alert.receivers import Receiver
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.time_intervals import TimeInterval
from pitchey_slo.collect.prometheus.yaml_node import Node
from pitchey_slo.errors import ConfigError

_ROUTE: Final = (
    "receiver", "group_by", "continue", "match", "match_re", "matchers", "group_wait", "group_interval",
    "repeat_interval", "mute_time_intervals", "active_time_intervals", "routes", "escalation", "cooldown", "digest",
)  # fmt: skip
_DEEPEST: Final = 50


class Tree:
    """Reads the route tree; a child begins with its parent's options."""

    def __init__(self, receivers: Mapping[str, Receiver], intervals: Mapping[str, TimeInterval],
                 policies: Mapping[str, Policy], problems: list[ConfigError]) -> None:  # fmt: skip
        self.receivers, self.intervals, self.policies, self.problems = receivers, intervals, policies, problems

    def root(self, node: Node) -> Route:
        found = node.fields(_ROUTE)
        if "receiver" not in found:
            node.fail("receiver is missing", hint="the root route says who is told when nothing else matches")
        for name in ("match", "match_re", "matchers", "mute_time_intervals", "active_time_intervals"):
            if name in found and found[name].value:
                found[name].fail("not on the root route, which every alert must match", hint="put it on a child")
        if "continue" in found and found["continue"].flag():
            found["continue"].fail("not on the root route", hint="it has no siblings")
        return self.read(node, Route(""), 0, root=True)

    def read(self, node: Node, parent: Route, depth: int, *, root: bool = False) -> Route:
        if depth > _DEEPEST:
            node.fail(f"more than {_DEEPEST} routes inside each other")
        found = node.fields(_ROUTE)
        own = () if root else matchers_of(found, "match", "match_re", "matchers")
        digest = seconds_of(found["digest"]) if "digest" in found else parent.digest
        group_by, group_all = self._group_by(found, parent)
        if "digest" in found and "group_by" not in found and digest:
            group_by, group_all = (), False
        route = Route(
            receiver=found["receiver"].choice(self.receivers) if "receiver" in found else parent.receiver,
            key="{}" if root else f"{parent.key}/{text_of(own)}",
            matchers=own,
            continues=found["continue"].flag() if "continue" in found else False,
            group_by=group_by,
            group_all=group_all,
            group_wait=self._seconds(found, "group_wait", digest if "digest" in found else parent.group_wait),
            group_interval=self._above_zero(
                found, "group_interval", (digest if "digest" in found else 0) or parent.group_interval
            ),
            repeat_interval=self._above_zero(found, "repeat_interval", parent.repeat_interval),
            mute=self._intervals(found, "mute_time_intervals"),
            active=self._intervals(found, "active_time_intervals"),
            escalation=self._policy(found, parent),
            cooldown=self._seconds(found, "cooldown", parent.cooldown),
            digest=digest,
            line=node.line,
        )
        return self._with_children(route, found, depth)

    def _with_children(self, route: Route, found: dict[str, Node], depth: int) -> Route:
        children = []
        for child in found["routes"].items() if "routes" in found else ():
            try:
                children.append(self.read(child, route, depth + 1))
            except ConfigError as error:
                self.problems.append(error)
        return replace(route, routes=tuple(children))

    def _group_by(self, found: dict[str, Node], parent: Route) -> tuple[tuple[str, ...], bool]:
        if "group_by" not in found:
            return parent.group_by, parent.group_all
        names = found["group_by"].texts()
        if len(set(names)) < len(names):
            found["group_by"].fail("a label stands twice")
        if "..." in names:
            if len(names) > 1:
                found["group_by"].fail("'...' groups by all labels", hint="it stands alone")
            return (), True
        return names, False

    def _seconds(self, found: dict[str, Node], name: str, otherwise: float) -> float:
        return seconds_of(found[name]) if name in found else otherwise

    def _above_zero(self, found: dict[str, Node], name: str, otherwise: float) -> float:
        seconds = self._seconds(found, name, otherwise)
        if seconds <= 0:
            found[name].fail("must be more than 0", hint="such as 5m")
        return seconds

    def _intervals(self, found: dict[str, Node], name: str) -> tuple[TimeInterval, ...]:
        return tuple(self.intervals[n.choice(self.intervals)] for n in found[name].items()) if name in found else ()

    def _policy(self, found: dict[str, Node], parent: Route) -> str | None:
        if "escalation" not in found:
            return parent.escalation
        name = found["escalation"].choice(["none", *self.policies])
        return None if name == "none" else name


def matchers_of(found: Mapping[str, Node], equal: str, regex: str, both: str) -> Matchers:
    """The matchers of a map with the old and new keys of Alertmanager. Raises ConfigError."""
    old = [
        (entry, Matcher(name, op, entry.text()))
        for key, op in ((equal, "="), (regex, "=~"))
        for name, entry in (found[key].entries().items() if key in found else ())
    ]
    matchers: list[Matcher] = []
    for entry, matcher in old:
        try:
            matchers.append(check(matcher))
        except ValueError as error:
            entry.fail(str(error))
    for entry in found[both].items() if both in found else ():
        try:
            matchers += parse(entry.text())
        except ValueError as error:
            entry.fail(str(error))
    return tuple(matchers)
