"""Receivers: who is told, over which channels, read from `receivers:` of the routes file.

Slack, e-mail, PagerDuty, webhook, SMS, Apprise and console are sent by ourselves (`channels/`). Alertmanager's other
integrations become an Apprise URL (`apprise_urls.py`), or load with a notice that says what to use instead.

Any text may hold `${NAME}` or `${NAME:-otherwise}`, taken from the settings and the environment. A channel that needs a
name nobody has set is switched off with a notice; the others of its receiver go on. Secrets are `SecretStr`; the
`..._file` keys stay paths (relative ones lie beside the routes file), so that a file may change without a reload.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from pitchey_slo.alert.apprise_urls import ADVICE, URLS
from pitchey_slo.alert.receiver_keys import (
    ANYWHERE,
    FROM_GLOBAL,
    HTTP,
    KINDS,
    NO_PROXIES,
    REQUIRED,
    TLS,
    Kind,
    is_secret,
)
from pitchey_slo.collect.prometheus.yaml_node import Node
from pitchey_slo.errors import ConfigError, did_you_mean

_NAME: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^${}]|\$\{[A-Za-z_][A-Za-z0-9_]*\})*))?\}")
#: What is known by a name: the value, or None.
Lookup = Callable[[str], str | None]


@dataclass(frozen=True)
class ChannelConfig:
    """One way to tell a receiver.

    kind      which class of `channels/` sends it: slack, email, pagerduty, webhook, sms, apprise or console
    number    its place among the receiver's channels of this kind, from 0
    settings  keys as in the file, with defaults of `global:` filled in and names replaced; `timeout_seconds` is a
              number
    off       why it is switched off; "" while it is on
    """

    kind: str
    number: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    send_resolved: bool = True
    off: str = ""

    @property
    def name(self) -> str:
        """As notifications name it: "slack/0"."""
        return f"{self.kind}/{self.number}"


@dataclass(frozen=True)
class Receiver:
    """A name with its channels; those that are switched off stand aside.

    `fallback` is the receiver that is told when a channel gives up for good.
    """

    name: str
    channels: tuple[ChannelConfig, ...] = ()
    switched_off: tuple[ChannelConfig, ...] = ()
    fallback: str | None = None


@dataclass
class Reading:
    """What receivers are read with; notices and problems are collected in it."""

    given: Mapping[str, Any]
    lookup: Lookup
    notices: list[str] = field(default_factory=list)
    problems: list[ConfigError] = field(default_factory=list)

    def notice(self, node: Node, text: str) -> None:
        self.notices.append(f"{node.file}:{node.line}: {node.key}: {text}")


def receiver_of(node: Node, reading: Reading) -> Receiver:
    """One entry of `receivers:`. Raises ConfigError when it has no name; problems of its channels are collected."""
    found = node.fields(("name", "fallback_receiver", *KINDS))
    if "name" not in found or not found["name"].text():
        node.fail("name is missing")
    channels: list[ChannelConfig] = []
    counts: dict[str, int] = {}
    for key, kind in KINDS.items():
        for entry in found[key].items() if key in found else ():
            try:
                channel = _channel(entry, key, kind, reading)
            except ConfigError as error:
                reading.problems.append(error)
                continue
            number = counts.get(channel.kind, 0)
            counts[channel.kind] = number + 1
            channels.append(replace(channel, number=number))
    fallback = found["fallback_receiver"].text() if "fallback_receiver" in found else None
    on, off = (tuple(c for c in channels if bool(c.off) == which) for which in (False, True))
    return Receiver(found["name"].text(), on, off, fallback)


def global_of(node: Node, known: Mapping[str, Any]) -> dict[str, Any]:
    """`global:`: defaults as they were written (text with names not yet replaced)."""
    found = node.fields(known)
    for name in found:
        if name.endswith("_file") and name.removesuffix("_file") in found:
            found[name].fail(f"beside {name.removesuffix('_file')}", hint="one of the two")
    return {name: _plain(entry.value) for name, entry in found.items()}


def _channel(node: Node, key: str, kind: Kind, reading: Reading) -> ChannelConfig:
    entry = node if node.value is not None else replace(node, value={})
    found = entry.fields((*kind.keys, *ANYWHERE))
    _check(found, kind)
    values = {name: _plain(n.value) for name, n in found.items() if name != "send_resolved"}
    for name, wide in FROM_GLOBAL.get(key, {}).items():
        # a value of the channel's own stands above both spellings of the default
        if name not in values and name.removesuffix("_file") not in values and f"{name}_file" not in values:
            values |= {name: reading.given[wide]} if wide in reading.given else {}
    missing: list[str] = []
    settings = {name: _resolved(name, value, key, entry, reading.lookup, missing) for name, value in values.items()}
    if "timeout" in found:
        del settings["timeout"]
        if found["timeout"].duration():  # 0s is none of its own
            settings["timeout_seconds"] = found["timeout"].duration()
    unset = list(dict.fromkeys(missing))
    off = f"{' and '.join(unset)} {'are' if unset[1:] else 'is'} not set" if unset else ""
    off = off or _incomplete(key, settings, entry) or _login(settings, entry, reading)
    send = found["send_resolved"].flag() if "send_resolved" in found else kind.send_resolved
    channel = ChannelConfig(key.removesuffix("_configs"), 0, settings, send, off)
    if not off and kind.by_apprise:
        channel = _through_apprise(channel, key, entry)
    if channel.off:
        reading.notice(entry, f"switched off: {channel.off}")
    return channel


def _check(found: Mapping[str, Node], kind: Kind) -> None:
    for name, entry in found.items():
        plain = name.removesuffix("_file")
        if name != plain and plain in found:
            entry.fail(f"beside {plain}", hint="one of the two")
        if name in kind.flags:
            entry.flag()
        elif name in kind.numbers:
            entry.whole()
        elif name in kind.durations and not isinstance(entry.value, int | float):
            entry.duration()
        elif name == "http_config":
            _http(entry)
        elif name == "tls_config":
            entry.fields(TLS)


def _http(node: Node) -> None:
    found = node.fields(HTTP)
    ways = [n for n in ("basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file") if n in found]
    if len(ways) > 1:
        found[ways[1]].fail(f"beside {ways[0]}", hint="one way to log in at a time")
    if "basic_auth" in found:
        inner = found["basic_auth"].fields(("username", "username_file", "password", "password_file"))
        if "password" in inner and "password_file" in inner:
            inner["password_file"].fail("beside password", hint="one of the two")
    if "authorization" in found:
        found["authorization"].fields(("type", "credentials", "credentials_file"))
    if "tls_config" in found:
        found["tls_config"].fields(TLS)


def _resolved(name: str, value: Any, key: str, node: Node, lookup: Lookup, missing: list[str]) -> Any:
    """The value with names replaced; texts that are secret, and files that hold one, are wrapped."""
    if isinstance(value, Mapping):
        return {k: _resolved(k, v, key, node, lookup, missing) for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(name, v, key, node, lookup, missing) for v in value]
    if not isinstance(value, str):
        return value
    text = expanded(value, lookup, missing)
    if name.endswith("_file") and is_secret(key, name.removesuffix("_file")):
        return str(node.file.parent / text)
    return SecretStr(text) if is_secret(key, name) else text


def expanded(text: str, lookup: Lookup, missing: list[str]) -> str:
    """`text` with `${NAME}` and `${NAME:-otherwise}` replaced; names that nobody knows are added to `missing`.

    >>> expanded("${A:-x}-${B}", {"B": "y"}.get, [])
    'x-y'
    """

    def value(match: re.Match[str]) -> str:
        found = lookup(match[1])
        if found:
            return found
        if match[2] is not None:
            return expanded(match[2], lookup, missing)
        missing.append(match[1])
        return ""

    return _NAME.sub(value, text)


def _incomplete(key: str, settings: Mapping[str, Any], node: Node) -> str:
    """Why this channel cannot work although all names are known; a mistake of the file is a ConfigError."""
    for names, name_of_setting in REQUIRED.get(key, ()):
        if any(not _empty(settings.get(n)) or not _empty(settings.get(f"{n}_file")) for n in names):
            continue
        if name_of_setting:
            return f"{name_of_setting} is not set, nor {names[0]} here or in global"
        node.fail(f"{' or '.join(names)} is missing")
    return ""


def _login(settings: dict[str, Any], node: Node, reading: Reading) -> str:
    """Bring `http_config` to what the channels know; why this channel cannot log in, or ""."""
    http = settings.get("http_config")
    if not isinstance(http, dict):
        return ""
    http = dict(http)
    for key in ("bearer_token", "bearer_token_file"):
        if key in http:
            http["authorization"] = {key.replace("bearer_token", "credentials"): http.pop(key)}
    left_out = [key for key in NO_PROXIES if key in http]
    if left_out:
        reading.notice(node, f"http_config: {', '.join(left_out)} left out: channels use no proxy")
    settings["http_config"] = {key: value for key, value in http.items() if key not in left_out}
    return "http_config.oauth2 is not supported; use authorization with a token" if "oauth2" in http else ""


def _empty(value: Any) -> bool:
    if isinstance(value, SecretStr):
        return not value.get_secret_value()
    return value is None or value == "" or value == []


def _through_apprise(channel: ChannelConfig, key: str, node: Node) -> ChannelConfig:
    """The same channel as Apprise knows the service, or switched off with what to use instead."""
    build = URLS.get(key)
    if build is None:
        return replace(channel, off=ADVICE[key])
    try:
        url = build(_opened(channel.settings))
    except (ValueError, OSError) as error:
        return replace(channel, off=str(error))
    except KeyError as error:
        return node.fail(f"{error.args[0]} is missing")
    kept = {n: v for n, v in channel.settings.items() if n in ("title", "message", "text", *ANYWHERE)}
    return replace(channel, kind="apprise", settings=kept | {"url": SecretStr(url), "service": channel.kind})


def _opened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their secrets as text, those in files under the plain key."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, SecretStr):
            found[name] = value.get_secret_value()
        elif isinstance(value, Mapping):
            found[name] = _opened(value)
        elif name.endswith("_file") and isinstance(value, str):
            found[name.removesuffix("_file")] = Path(value).read_text(encoding="utf-8").strip()
        else:
            found[name] = value
    return found


def _plain(value: Any) -> Any:
    """Without what the YAML reader remembers of each value."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, bool):
        return bool(value)
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    return value


def unknown_receiver(name: str, known: Mapping[str, Any]) -> str:
    """What would work instead of a receiver that is not there."""
    return did_you_mean(name, known) or "receivers: " + (", ".join(known) or "none")
