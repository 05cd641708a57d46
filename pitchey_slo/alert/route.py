"""The route tree: which receivers an alert goes to, and in which group.

An alert enters at the root and goes to the first child that matches, on into that child's children; with `continue`
also to the siblings after it. A node none of whose children match keeps the alert. Options that a child does not give
are its parent's, but for the time intervals, which are never inherited. Source: Alertmanager, docs/configuration.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pitchey_slo.alert.matchers import Matchers, matches
from pitchey_slo.alert.time_intervals import TimeInterval


@dataclass(frozen=True)
class Route:
    """One node. Times are in seconds.

    key         the matchers on the way to it, as Alertmanager writes group keys
    group_all   `group_by: ['...']`: every label set is a group
    escalation  name of the policy for what is told here; None: none
    cooldown    a rule tells the receiver of a new group at most once in so many seconds; 0: always
    digest      everything of so many seconds is told in one message; 0: as it comes
    """

    receiver: str
    key: str = "{}"
    matchers: Matchers = ()
    continues: bool = False
    group_by: tuple[str, ...] = ()
    group_all: bool = False
    group_wait: float = 30.0
    group_interval: float = 300.0
    repeat_interval: float = 14_400.0
    mute: tuple[TimeInterval, ...] = ()
    active: tuple[TimeInterval, ...] = ()
    routes: tuple[Route, ...] = ()
    escalation: str | None = None
    cooldown: float = 0.0
    digest: float = 0.0
    line: int | None = None

    def match(self, labels: Mapping[str, str]) -> Iterator[Route]:
        """The nodes that keep an alert with these labels, in order of the file."""
        if not matches(self.matchers, labels):
            return
        kept = False
        for child in self.routes:
            inside = list(child.match(labels))
            yield from inside
            kept = kept or bool(inside)
            if inside and not child.continues:
                break
        if not kept:
            yield self

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of the group that an alert belongs to; labels it does not have are left out."""
        names = sorted(labels) if self.group_all else self.group_by
        return {name: labels[name] for name in names if name in labels}

    def group_key(self, labels: Mapping[str, str]) -> str:
        """As Alertmanager names groups: `{}/{severity="critical"}:{alertname="HighErrorRate"}`."""
        shown = (f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in sorted(self.group_labels(labels).items()))
        return f"{self.key}:{{{', '.join(shown)}}}"

    def walk(self) -> Iterator[Route]:
        """This node and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


def group_id(key: str, receiver: str) -> str:
    """Id of a group's row: its key and who is told."""
    return f"{key} -> {receiver}"
