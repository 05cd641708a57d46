"""E-mail addresses, those with letters of any alphabet included. An address of a machine (`git@host`) is one, too; a
systemd unit (`getty@tty1.service`) and a picture (`logo@2x.png`) are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

GATES: Final = ("@",)

_LOCAL: Final = re.compile(r"[\w.+\-'~%!#$^*]{1,64}")
_QUOTED: Final = re.compile(r'"[^"\s@]{1,64}(?: [^"\s@]{1,64}){0,4}"')
_DOMAIN: Final = re.compile(r"(?:[\w\-]{1,63}\.){1,8}(?:xn--[A-Za-z0-9\-]{2,59}|[^\W\d_]{2,24})(?![\w])")
_ADDRESS: Final = re.compile(r"\[(?:[0-9]{1,3}\.){3}[0-9]{1,3}\]|\[IPv6:[0-9A-Fa-f:.]{2,45}\]")
#: Last parts that are no top-level domain.
_FILES: Final = frozenset(
    {"service", "socket", "timer", "target", "slice", "scope", "mount", "automount", "swap", "path", "device"}
    | {
        "png",
        "jpg",
        "jpeg",
        "gif",
        "webp",
        "svg",
        "ico",
        "css",
        "js",
        "map",
        "json",
        "yml",
        "yaml",
        "html",
        "htm",
        "xml",
    }
    | {"txt", "log", "pdf", "tar", "gz", "zip", "whl", "jar", "so", "py", "ts", "tsx", "jsx"}
)


def find(text: str) -> Iterator[Found]:
    at = text.find("@")
    while at > 0:
        found = _around(text, at)
        if found is not None:
            yield found
        at = text.find("@", at + 1)


def _around(text: str, at: int) -> Found | None:
    domain = _DOMAIN.match(text, at + 1) or _ADDRESS.match(text, at + 1)
    if domain is None:
        return None
    last = domain.group().rpartition(".")[2].lower()
    if last in _FILES:
        return None
    start = _start(text, at)
    if start is None:
        return None
    return Found(start, domain.end(), "email", f"{text[start:at]}@{domain.group()}".lower())


def _start(text: str, at: int) -> int | None:
    before = text[max(0, at - 66) : at]
    if before.endswith('"'):
        quoted = _QUOTED.search(before, max(0, before.rfind('"', 0, -1)))
        return at - len(before) + quoted.start() if quoted and quoted.end() == len(before) else None
    local = _LOCAL.match(before[::-1])
    if local is None:
        return None
    part = local.group()[::-1]
    shorter = part.lstrip(".'-~!#$^*%")
    if not any(c.isalnum() for c in shorter):
        return None
    return at - len(shorter)
