"""What stands after Authorization, Bearer, Basic and `curl -u`, and in Cookie headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

GATES: Final = (r"(?i)authorization|bearer|basic |cookie|digest |negotiate |-u[ =]|--user",)

_HEADER: Final = re.compile(
    r"(?i)authorization[\"'\\]{0,3}[ ]{0,3}(?:[:=]|=>)[ ]{0,3}[\"'\\]{0,3}"
    r"((?:[a-z][a-z\-]{2,15} {1,2})?[^\s\"'\\,;<>{}\[\]$]{3,4096}(?:, ?[a-z]{2,12}=[^\s,]{1,512}){0,12})"
)
_SCHEME: Final = re.compile(r"(?i)\b(?:bearer|basic|digest|negotiate|ntlm)[ ]{1,3}([A-Za-z0-9+/=._~\-]{6,4096})")
_COOKIES: Final = re.compile(
    r"(?i)\b(?:set-)?cookie2?[\"'\\]{0,3}[ ]{0,2}(?:[:=]|=>)[ ]{0,2}[\"'\\]{0,3}"
    r"([!#$%&*+\-.^_`|~\w\[\]]{1,128}=[^\r\n\"'\\]{1,4096})"
)
_CURL: Final = re.compile(
    r"(?:^|\s)(?:-u|--user)[ =]{1,3}[\"']?([^\s\"'<>$:\[{]{0,128})[\"']?:[\"']?([^\s\"'<>$:\[{][^\s\"'<>]{2,255})?"
)


def find(text: str) -> Iterator[Found]:
    for match in _HEADER.finditer(text):
        value = match[1].rpartition(" ")[2]
        if value.lower() not in ("bearer", "basic", "header", "failed", "required"):
            yield Found(match.start(1), match.end(1), "authorization", value)
    for match in _SCHEME.finditer(text):
        if _secret(match[1]):
            yield Found(match.start(1), match.end(1), "authorization", match[1])
    for match in _COOKIES.finditer(text):
        yield Found(match.start(1), match.end(1), "cookie", match[1])
    for match in _CURL.finditer(text):
        user, password = match[1], match[2] or ""
        if len(set(password)) > 3 or (not password and len(set(user)) > 7):
            start = match.start(1) if user else match.start(2)
            yield Found(start, match.end(2) if password else match.end(1), "authorization", password or user)


def _secret(text: str) -> bool:
    """False for a word of prose, such as in "basic authentication"."""
    return any(c.isdigit() or c in "+/=_" for c in text) or (text[1:].lower() != text[1:]) or len(text) >= 24
