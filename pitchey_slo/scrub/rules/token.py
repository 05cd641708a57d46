"""Tokens by their form: JSON web tokens, and those their issuers mark (`ghp_`, `AKIA`, `xoxb-`; tokens.toml)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pitchey_slo.scrub.found import Found

#: A token whose last characters are fewer different ones is a placeholder.
LOWEST: Final = 6
_JWT: Final = r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*"
JWT_GATES: Final = (r"eyJ[A-Za-z0-9_-]+\.",)


def find(text: str) -> Iterator[Found]:
    import re2

    for match in _pattern().finditer(text):
        value = match.group()
        if len(set(value[-20:])) >= LOWEST and not _words(value):
            yield Found(match.start(), match.end(), "token", value)
    for match in re2.finditer(_JWT, text):
        yield Found(match.start(), match.end(), "jwt", match.group())


def _words(value: str) -> bool:
    """True for `s.AcceptanceTimeoutSeconds`: letters alone, where the token of that form has digits."""
    return value.startswith("s.") and not (any(c.isdigit() for c in value) and any(c.isupper() for c in value))


@functools.cache
def forms() -> tuple[dict[str, Any], ...]:
    return tuple(tomllib.loads((Path(__file__).parent.parent / "tokens.toml").read_text(encoding="utf-8"))["form"])


@functools.cache
def _pattern() -> Any:
    import re2

    options = re2.Options()
    options.max_mem = 64 << 20
    return re2.compile("|".join(f"(?:{form['pattern']})" for form in forms()), options)


@functools.cache
def gates() -> tuple[str, ...]:
    return "|".join(start for form in forms() for start in form["starts"]), *JWT_GATES
