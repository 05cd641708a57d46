"""Secrets by reference: `${NAME}` from the environment or `.env`, `file:/path` from a file; never shown again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pitchey_slo.errors import did_you_mean

HIDDEN: Final = "********"
_REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.DOTALL)
#: A secret shorter than this is in too many innocent words to be cut out of them.
SHORTEST: Final = 4


def environment(env_file: Path | None = None) -> dict[str, str]:
    """The environment, over what `.env` in the project folder says."""
    from dotenv import dotenv_values

    from pitchey_slo.settings import project_folder

    written = dotenv_values(env_file or project_folder(Path.cwd()) / ".env")
    return {**{name: value for name, value in written.items() if value is not None}, **os.environ}


def expand(text: str, values: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """`text` with its references filled in, and the values that were filled in.

    `${NAME}` must be set, `${NAME:-other}` is `other` (or nothing) when it is not. A whole text `file:/path` is what
    the file says, without white space around it. Raises ValueError that says what is missing.

    >>> expand("redis://:${PASS}@cache:6379/${DB:-0}", {"PASS": "s3cret"})
    ('redis://:s3cret@cache:6379/0', ('s3cret',))
    """
    if text.startswith("file:"):
        path = Path(text.removeprefix("file:"))
        try:
            said = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not a text'}") from None
        return said, (said,)
    used: list[str] = []
    return _REFERENCE.sub(_filler(values, used.append), text), tuple(used)


def _filler(values: Mapping[str, str], used: Callable[[str], None]) -> Callable[[re.Match[str]], str]:
    def fill(found: re.Match[str]) -> str:
        parts = _NAME.fullmatch(found.group(1))
        if parts is None:
            raise ValueError(f"{found.group()} is no reference; write ${{NAME}} or ${{NAME:-what stands for nothing}}")
        name, default = parts.group(1), parts.group(3)
        if values.get(name):
            used(values[name])
            return values[name]
        if parts.group(2) is None:
            near = did_you_mean(name, (n for n in values if n.isupper()))
            hint = near or f"set it, or write ${{{name}:-}} to leave the check out without it"
            raise ValueError(f"{name} is not set in the environment nor in .env; {hint}")
        return default

    return fill


def secrets_in(url: str) -> tuple[str, ...]:
    """The password of an address, and its query, which often holds a key; as written and as meant."""
    try:
        parts = urlsplit(url)
        found = [parts.password or "", parts.query]
    except ValueError:
        return (url,)
    return tuple(text for one in found if one for text in (one, unquote(one)))


def shown(url: str) -> str:
    """An address as it may be shown: scheme, host, port and path.

    >>> shown("postgresql://app:secret@db:5432/pitchey?sslmode=require")
    'postgresql://db:5432/pitchey'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return HIDDEN
    where = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{where}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of the secrets, the longest first.

    >>> hide("no user s3cret here", ["s3cret"])
    'no user ******** here'
    """
    for secret in sorted({s for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
