"""Credentials in URLs: `scheme://user:password@host`. A user without password (`ssh://git@host`) stays unless the name
is long enough to be a key, as in a DSN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

GATES: Final = (r"://[^\s/?#]+@",)

_LOGIN: Final = re.compile(r"://([^\s/?#\"'<>]{1,512})@(?=[\w\[.\-])")
_KEY: Final = 16


def find(text: str) -> Iterator[Found]:
    for match in _LOGIN.finditer(text):
        user, colon, password = match[1].partition(":")
        if (colon and password) or len(user) >= _KEY:
            yield Found(match.start(1), match.end(1), "url_credentials", match[1])
