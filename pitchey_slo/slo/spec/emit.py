"""Plain Python values -> YAML text that every YAML 1.1 and 1.2 reader reads alike: in blocks, or in one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./%()-]*( [A-Za-z0-9_./%()-]+)*|[1-9][0-9]*[mhdwMQY]")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
#: what may not stand in a text as it is: controls, line breaks that YAML 1.1 knows besides \n, byte order marks
SPECIAL = re.compile("[^\t\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def scalar(value: Any) -> str:
    """One value in one line. ValueError for what YAML has no word for: infinite numbers, half of a surrogate pair."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written as a number")
        # YAML 1.1 reads 1e-05 as text: it wants a point and a sign
        digits, e, power = repr(float(value)).partition("e")
        return digits if not e else f"{digits}{'' if '.' in digits else '.0'}e{int(power):+03d}"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return str(value) if plain else quoted(value)
    raise ValueError(f"{type(value).__name__} cannot be written as YAML; use text, numbers, lists and dicts")


def quoted(text: str) -> str:
    """In double quotes, everything special escaped."""
    text.encode()  # UnicodeEncodeError, a ValueError, for half of a surrogate pair
    return SPECIAL.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(str(text), ensure_ascii=False))


def flow(value: Any) -> str:
    """In one line: `{a: 1, b: [x]}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def block(value: Any, indent: int) -> list[str]:
    """A map or list that is not empty, as lines from column `indent` on."""
    pad, lines = " " * indent, list[str]()
    if isinstance(value, Mapping):
        for key, part in value.items():
            lines += _entry(f"{pad}{scalar(str(key))}:", part, indent)
        return lines
    for part in value:
        if isinstance(part, Mapping) and part:
            first, *rest = block(part, indent + 2)
            lines += [f"{pad}- {first[indent + 2 :]}", *rest]
        else:
            lines += _entry(f"{pad}-", part, indent)
    return lines


def _entry(head: str, value: Any, indent: int) -> list[str]:
    if isinstance(value, Mapping | list | tuple) and value and not head.endswith("-"):
        return [head, *block(value, indent + 2)]
    if isinstance(value, str) and (lines := literal(value, indent + 2)):
        return [f"{head} {lines[0]}", *lines[1:]]
    return [f"{head} {flow(value)}"]


def literal(text: str, indent: int) -> list[str] | None:
    """A text of several lines as a literal block: `|` and its lines; None where that would not read back the same."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    if len(lines) < 2 or SPECIAL.search(text) or lines[0][:1] in ("", " ", "\t") or not lines[-1].strip():
        return None
    text.encode()
    return ["|" if text.endswith("\n") else "|-", *(f"{' ' * indent}{line}" if line else "" for line in lines)]
