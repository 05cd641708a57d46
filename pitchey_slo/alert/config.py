"""The routes file: Alertmanager's configuration format, and what it lacks (docs/routing.md).

`load_routes` reads it strictly: all problems are in one ConfigError, each with file, line, key and what would work.
What is right but cannot work now, such as a channel without its secret, is a notice and switched off.
Ours are `escalation:`, `business_hours:`, `channel_permissions:`, `fallback_receiver:`, `silence_reminders:`, and on a
route `cooldown:`, `escalation:` and `digest:`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import SecretStr

from pitchey_slo.alert.calendar import Calendar, calendar_of
from pitchey_slo.alert.inhibit import InhibitRule
from pitchey_slo.alert.policy import Policy, policy_of, seconds_of
from pitchey_slo.alert.receiver_keys import GLOBAL, KINDS
from pitchey_slo.alert.receivers import ChannelConfig, Lookup, Reading, Receiver, global_of, receiver_of
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.time_intervals import TimeInterval, Times, interval_of
from pitchey_slo.alert.tree import Tree, matchers_of
from pitchey_slo.collect.prometheus.yaml_node import Node, read_yaml
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings, project_folder
from pitchey_slo.slo.spec.check import raise_all

__all__ = ["ChannelConfig", "Receiver", "RoutesConfig", "SilenceReminders", "load_routes"]

_TOP: Final = (
    "global", "templates", "route", "receivers", "inhibit_rules", "time_intervals", "mute_time_intervals", "tracing",
    "escalation", "business_hours", "channel_permissions", "fallback_receiver", "silence_reminders",
)  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True)
class SilenceReminders:
    """Who is told `before` seconds ahead that a silence ends while it hides alerts; None: the root's receiver."""

    before: float = 900.0
    receiver: str | None = None


@dataclass(frozen=True)
class RoutesConfig:
    """Everything that the routes file says. Times are in seconds.

    permissions  kind of channel -> severities it may be told; a kind that is not in it may be told all
    notices      what was switched off, and why
    """

    route: Route
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: Mapping[str, TimeInterval] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fallback_receiver: str | None = None
    silence_reminders: SilenceReminders | None = None
    templates: tuple[str, ...] = ()
    resolve_timeout: float = 300.0
    notices: tuple[str, ...] = ()
    file: str = ""
    #: `global:` with what the settings know; holds secrets
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    #: what was already worked out for label sets, by fingerprint (`placing.py`); grows with the alerts seen
    known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def fallback_of(self, receiver: str) -> str | None:
        """Who is told when a channel of this receiver gave up; None: nobody else."""
        own = self.receivers[receiver].fallback if receiver in self.receivers else None
        found = own or self.fallback_receiver
        return None if found == receiver else found

    def permitted(self, kind: str, severity: str) -> bool:
        return kind not in self.permissions or severity in self.permissions[kind]


def load_routes(
    path: str | Path, *, settings: Settings | None = None, environ: Mapping[str, str] | None = None
) -> RoutesConfig:
    """Read and check the file. `environ` is the environment and `.env` when it is not given."""
    given = settings if settings is not None else Settings.load()
    root = read_yaml(Path(path))
    if root.value is None:
        root.fail("the file is empty", hint="`route:` with a receiver, and `receivers:`, at least")
    return _Reader(root, given, environ if environ is not None else _environment()).read()


def receiver_beside(
    name: str,
    channels: Mapping[str, list[dict[str, Any]]],
    config: RoutesConfig | None,
    settings: Settings,
    environ: Mapping[str, str] | None = None,
) -> tuple[Receiver, tuple[str, ...]]:
    """A receiver that no routes file names, such as a schedule's: `channels` as under `receivers:`, say
    {"email_configs": [{"to": ...}]}; what they leave open comes from `global:` and the settings. Also why channels of
    it are switched off. Raises ConfigError."""
    lookup = _lookup(settings, environ if environ is not None else _environment())
    reading = Reading(config.given if config is not None else _filled({}, lookup), lookup)
    receiver = receiver_of(Node(Path(name), {"name": name, **channels}, None, ""), reading)
    raise_all(reading.problems)
    return receiver, tuple(f"{c.name}: {c.off}" for c in receiver.switched_off)


def _environment() -> dict[str, str]:
    from dotenv import dotenv_values

    file = project_folder(Path.cwd()) / ".env"
    return {name: value for name, value in dotenv_values(file).items() if value} | dict(os.environ)


def _lookup(settings: Settings, environ: Mapping[str, str]) -> Lookup:
    named = {f.alias or name: name for name, f in Settings.model_fields.items()}

    def find(name: str) -> str | None:
        value = getattr(settings, named[name]) if name in named else None
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        return str(value) if value not in (None, "") else environ.get(name)

    return find


#: Settings that fill what neither a channel nor `global:` gives.
_FROM_SETTINGS: Final = {
    "slack_api_url": "SLACK_WEBHOOK_URL",
    "pagerduty_routing_key": "PAGERDUTY_INTEGRATION_KEY",
    "smtp_from": "ALERT_EMAIL_FROM",
    "smtp_smarthost": "SMTP_HOST",
    "smtp_auth_username": "SMTP_USERNAME",
    "smtp_auth_password": "SMTP_PASSWORD",
}


class _Reader:
    """One reading of one file; problems are noted and reading goes on where it can."""

    def __init__(self, root: Node, settings: Settings, environ: Mapping[str, str]) -> None:
        self.root, self.problems = root, list[ConfigError]()
        self.lookup = _lookup(settings, environ)
        self.top = root.fields(_TOP)
        for name in ("route", "receivers"):
            if name not in self.top:
                root.fail(f"{name} is missing")

    def read(self) -> RoutesConfig:
        given = self.one(self.top.get("global"), lambda n: global_of(n, dict.fromkeys(GLOBAL))) or {}
        reading = Reading(_filled(given, self.lookup), self.lookup, problems=self.problems)
        receivers = self.named("receivers", lambda n: receiver_of(n, reading), Receiver)
        lists = ("time_intervals", "mute_time_intervals")
        intervals = {k: v for name in lists for k, v in self.named(name, interval_of, _no_times).items()}
        self._twice(*lists)
        calendars = self.named("business_hours", calendar_of, lambda name: Calendar(name, Times()))
        policies = self.named("escalation", lambda n: policy_of(n, calendars), lambda name: Policy(name, ()))
        tree = Tree(receivers, intervals, policies, self.problems)
        route = self.one(self.top["route"], tree.root)
        config = RoutesConfig(
            route=route if route is not None else Route(""),
            receivers=receivers,
            inhibit_rules=tuple(self.each("inhibit_rules", inhibit_rule_of)),
            time_intervals=intervals,
            policies=policies,
            permissions=self.one(self.top.get("channel_permissions"), permissions_of) or {},
            fallback_receiver=self.one(self.top.get("fallback_receiver"), lambda n: n.choice(receivers)),
            silence_reminders=self.one(self.top.get("silence_reminders"), lambda n: _reminders(n, receivers)),
            templates=tuple(self.each("templates", lambda n: str(n.path()))),
            resolve_timeout=self.one(_part(self.top.get("global"), "resolve_timeout"), seconds_of) or 300.0,
            notices=tuple(reading.notices),
            file=str(self.root.file),
            given=reading.given,
        )
        self._references(config)
        raise_all(sorted(self.problems, key=lambda p: p.line or 0))
        return config

    def one(self, node: Node | None, read: Callable[[Node], T]) -> T | None:
        """What `read` makes of it; None when it is not given or wrong, which is noted."""
        try:
            return read(node) if node is not None else None
        except ConfigError as error:
            self.problems.append(error)
            return None

    def each(self, key: str, read: Callable[[Node], T]) -> Iterable[T]:
        nodes = self.one(self.top.get(key), lambda n: list(n.items())) or []
        return [found for node in nodes if (found := self.one(node, read)) is not None]

    def named(self, key: str, read: Callable[[Node], T], blank: Callable[[str], T]) -> dict[str, T]:
        """Entries by their name; one that stands twice is noted. One that is wrong leaves a blank, so that whoever
        names it is not wrong as well."""
        found: dict[str, T] = {}
        for node in self.one(self.top.get(key), lambda n: list(n.items())) or []:
            entry = self.one(node, read)
            label = _part(node, "name")
            name = str(label.value) if label is not None else ""
            if name in found:
                self.note(node, f"the name {name!r} stands twice")
            if name:
                found[name] = entry if entry is not None else blank(name)
        return found

    def note(self, node: Node, message: str) -> None:
        self.one(node, lambda n: n.fail(message))

    def _twice(self, one: str, other: str) -> None:
        lists = ({label.value: n for n in self.top[k].items() if (label := _part(n, "name"))} if k in self.top else {}
                 for k in (one, other))  # fmt: skip
        first, second = lists
        for name in sorted(first.keys() & second.keys()):
            self.note(second[name], f"the name {name!r} stands in both lists")

    def _references(self, config: RoutesConfig) -> None:
        """Receivers that receivers and policies name."""
        for entry in self.one(self.top["receivers"], lambda n: list(n.items())) or []:
            name = _part(entry, "fallback_receiver")
            self.one(name, lambda n: n.choice(config.receivers))
        for entry in self.one(self.top.get("escalation"), lambda n: list(n.items())) or []:
            for level in self.one(_part(entry, "levels"), lambda n: list(n.items())) or []:
                self.one(_part(level, "receiver"), lambda n: n.choice(config.receivers))
                for name in self.one(_part(level, "receivers"), lambda n: list(n.items())) or []:
                    self.one(name, lambda n: n.choice(config.receivers))


def _filled(given: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
    """`global:` with what the settings know where it says nothing."""
    filled = dict(given)
    for key, name in _FROM_SETTINGS.items():
        value = lookup(name)
        if value and key not in filled and f"{key}_file" not in filled:
            filled[key] = value
    return filled


def _no_times(name: str) -> TimeInterval:
    return TimeInterval(name, ())


def _part(node: Node | None, key: str) -> Node | None:
    """The entry of a map, without complaint when there is none."""
    if node is None or not isinstance(node.value, Mapping):
        return None
    found = node.entries().get(key)
    return found if found is not None and found.value is not None else None


def inhibit_rule_of(node: Node) -> InhibitRule:
    """An entry of `inhibit_rules:`."""
    found = node.fields(
        ("name", "source_match", "source_match_re", "source_matchers", "target_match", "target_match_re",
         "target_matchers", "equal")
    )  # fmt: skip
    source, target = (matchers_of(found, f"{s}_match", f"{s}_match_re", f"{s}_matchers") for s in ("source", "target"))
    equal = found["equal"].texts() if "equal" in found else ()
    return InhibitRule(source, target, equal, found["name"].text() if "name" in found else "")


def permissions_of(node: Node) -> dict[str, frozenset[str]]:
    """`channel_permissions:`: kind of channel -> severities."""
    kinds = [key.removesuffix("_configs") for key in KINDS]
    found = node.fields(kinds)
    return {kind: frozenset(entry.texts()) for kind, entry in found.items()}


def _reminders(node: Node, receivers: Mapping[str, Receiver]) -> SilenceReminders:
    found = node.fields(("before", "receiver"))
    return SilenceReminders(
        seconds_of(found["before"]) if "before" in found else 900.0,
        found["receiver"].choice(receivers) if "receiver" in found else None,
    )
