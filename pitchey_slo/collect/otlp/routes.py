"""A span's route as this house writes routes: `/api/pitches/:id`.

Frameworks write their patterns as `/api/pitches/{id}`, `/api/pitches/<int:id>` or `/api/pitches/:id`. A sender without
a router (Cloudflare's own tracing) sends the path alone; there each part that looks like an id becomes `:id`, because
every route is a label of a time series, and a million pitches must not become a million series.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_BRACES: Final = re.compile(r"\{\*{0,2}([A-Za-z_]\w*)[^{}/]*\}|<(?:[^<>/:]*:)?([A-Za-z_]\w*)>")
#: A number; hex of eight and more with a digit (so also a UUID's parts); sixteen and more of an alphabet with a digit;
#: anything with an @; what is percent-encoded.
_ID: Final = re.compile(
    r"\d+|(?=[^/]*\d)[0-9a-fA-F-]{8,}|(?=[^/]*\d)[A-Za-z0-9_-]{16,}|[^/]*@[^/]*|[^/]*%[0-9a-fA-F]{2}[^/]*"
)
LONGEST: Final = 2_048


def pattern(route: str) -> str:
    """
    >>> pattern("/api/pitches/{pitch_id}/files/{name:path}"), pattern("users/<int:id>")
    ('/api/pitches/:pitch_id/files/:name', '/users/:id')
    """
    found = _BRACES.sub(lambda m: f":{m[1] or m[2]}", route)
    return (found if found.startswith("/") else "/" + found)[:LONGEST]


def from_path(target: str) -> str:
    """The route of a path or an address without a pattern; what stands after `?` is dropped.

    >>> from_path("https://pitchey.example/api/pitches/4711/views?page=2")
    '/api/pitches/:id/views'
    """
    try:
        path = urlsplit(target).path if "://" in target else target.partition("?")[0].partition("#")[0]
    except ValueError:
        path = ""
    parts = [":id" if _ID.fullmatch(part) else part for part in path[: 4 * LONGEST].split("/")]
    return pattern("/".join(parts))


def from_name(name: str) -> str | None:
    """The route in a span's name such as `GET /api/pitches/:id`; None when there is none."""
    method, _, rest = name.partition(" ")
    return from_path(rest.strip()) if method.isupper() and rest.strip().startswith("/") else None
