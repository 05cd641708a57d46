"""Trees of values: what a key's name says, and what stands in the values; labels of series."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pitchey_slo.scrub.names import infrastructure, kind_of, nothing, structural, words
from pitchey_slo.scrub.rules.card import is_card
from pitchey_slo.scrub.rules.pair import OURS, looks_secret

if TYPE_CHECKING:
    from pitchey_slo.scrub.engine import Scrubber
    from pitchey_slo.scrub.policy import Policy

DEEPEST: Final = 64
_PLAIN: Final = (bool, float, date, time, timedelta, Decimal, UUID)
#: What a machine's name may hold.
_MACHINES: Final = frozenset({"ip", "phone"})
#: Keys below a field that hold its value, such as OTLP's `{"stringValue": ...}`.
_VALUES: Final = frozenset({"value", "values", "raw", "text", "stringValue", "string_value", "intValue", "arrayValue"})


class Twice(dict[str, Any]):
    """A JSON object in which a key stood twice: what was dropped must not pass with the text."""


def pairs(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(entries)
    return found if len(found) == len(entries) else Twice(found)


def doubled(value: Any) -> bool:
    """True when a key stands twice anywhere in it."""
    if isinstance(value, dict):
        return isinstance(value, Twice) or any(map(doubled, value.values()))
    return isinstance(value, list) and any(map(doubled, value))


def scrubbed(scrubber: Scrubber, value: Any, source: str, depth: int, level: int = 0) -> Any:
    """The value without what the rules find; raises where a bound is passed. `depth` counts JSON in texts, `level` the
    branches of the tree."""
    if level > DEEPEST:
        raise ValueError(f"deeper than {DEEPEST}")
    if isinstance(value, str):
        return scrubber.inner(value, source, depth)
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, Integral):  # numpy's, too
        return _number(scrubber, value, source)
    if isinstance(value, Mapping):
        named = _named(scrubber, value)
        return {
            _key(scrubber, name, source): _under(
                scrubber, named if named and name == "value" else str(name), each, source, depth, level
            )
            for name, each in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        if (
            isinstance(value, (list, tuple))
            and len(value) == 2
            and isinstance(value[0], str)
            and kind_of(value[0], scrubber.policy.names)
        ):
            pair = [value[0], _under(scrubber, value[0], value[1], source, depth, level)]
            return pair if isinstance(value, list) else tuple(pair)
        each = [scrubbed(scrubber, v, source, depth, level + 1) for v in value]
        return each if isinstance(value, list) else tuple(each)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return scrubber.inner(bytes(value).decode("utf-8", "replace"), source, depth).encode()
    return scrubber.inner(str(value), source, depth)


def field(scrubber: Scrubber, name: str, value: Any, source: str) -> Any:
    """A value that stands under a name."""
    return _under(scrubber, name, value, source, 0, 0)


def allowed(name: str, policy: Policy) -> bool:
    """True for a field or column that nobody shall look at."""
    return any(fnmatch.fnmatchcase(name.lower(), glob.lower()) for glob in policy.allow_fields)


def _under(scrubber: Scrubber, name: str, value: Any, source: str, depth: int, level: int) -> Any:
    if allowed(name, scrubber.policy):
        return value
    kind = kind_of(name, scrubber.policy.names)
    rule = "personal_key" if kind == "personal" else "secret_key"
    if kind is None or value is None or isinstance(value, bool) or scrubber.off(rule, source):
        return scrubbed(scrubber, value, source, depth, level + 1)
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        if kind == "secret":
            return scrubber.instead(rule, repr(value), source) if value else value
        if isinstance(value, Mapping):
            return {
                _key(scrubber, each, source): _under(
                    scrubber, name if each in _VALUES else str(each), v, source, depth, level + 1
                )
                for each, v in value.items()
            }
        return type(value)(_under(scrubber, name, each, source, depth, level + 1) for each in value)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if nothing(text) or OURS.fullmatch(text):
        return value
    if kind == "weak" and not looks_secret(text):
        return scrubbed(scrubber, value, source, depth, level + 1)
    if kind == "personal":
        found = scrubber.single(text, source)
        return text if _no_address(name, found[0], text) else scrubber.instead(*found, source)
    return scrubber.instead(rule, text, source)


def _no_address(name: str, rule: str, value: str) -> bool:
    """True for `ip="v4"` (node exporter's node_udp_queues): a field of addresses that holds a word, not one."""
    return rule == "personal_key" and "ip" in words(name) and value.isalnum() and len(value) < 7


def _named(scrubber: Scrubber, value: Mapping[Any, Any]) -> str | None:
    """The name in `{"name": "password", "value": ...}`, as headers and attributes of spans are written, where it says
    something of the value."""
    name = value.get("key", value.get("name"))
    if "value" not in value or len(value) > 3 or not isinstance(name, str):
        return None
    return name if kind_of(name, scrubber.policy.names) else None


def _key(scrubber: Scrubber, name: Any, source: str) -> Any:
    return scrubber.inner(name, source, 0) if isinstance(name, str) else name


def _number(scrubber: Scrubber, value: Integral, source: str) -> Integral | str:
    digits = str(int(value))
    card = 13 <= len(digits) <= 19 and is_card(digits) and not scrubber.off("card", source)
    return scrubber.instead("card", digits, source) if card else value


def label(scrubber: Scrubber, name: str, value: str, source: str) -> str:
    """The value of one label of a series."""
    if structural(name) or not value or OURS.fullmatch(value):
        return value
    kind = kind_of(name, scrubber.policy.names)
    if kind == "personal" and not nothing(value) and not scrubber.off("personal_key", source):
        found = scrubber.single(value, source)
        return value if _no_address(name, found[0], value) else scrubber.instead(*found, source, action="hash")
    if kind == "secret" and not nothing(value) and not scrubber.off("secret_key", source):
        return scrubber.instead("secret_key", value, source, action="hash")
    skip = _MACHINES if kind is None and infrastructure(name) else frozenset()
    return scrubber.inner(value, source, 0, skip=skip)
