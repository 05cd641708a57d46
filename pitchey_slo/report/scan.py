"""What a run wrote is searched for secrets before it is kept: every secret this house knows, literally and as JSON,
addresses and base64 spell it, and whatever has the form of a token. What is found is masked, named and counted.

A notebook is code and may have read a file that holds a secret; the worker's environment has none. Secrets of fewer
than six characters are not searched for: they would be found in every second word. Pictures are not read.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from pitchey_slo.errors import ParameterError
from pitchey_slo.settings import Settings, project_folder

SHORTEST: Final = 6
#: Files that a run may leave and that are searched; larger ones are data, not words.
LARGEST: Final = 64 << 20
#: A token is no longer than this; pictures and columns of numbers in base64 are.
LONGEST_RUN: Final = 1_500
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=_-]+")
_BASE64_END: Final = re.compile(r"[A-Za-z0-9+/=_-]+\Z")
_OWN: Final = r"pslo_[A-Za-z0-9]+_[A-Za-z0-9_-]{20,}"
_SECRET_NAME: Final = re.compile(r"(?i)(KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|WEBHOOK|DSN)")
_PICTURES: Final = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".parquet", ".zip", ".gz"}


class Scanner:
    """Masks secrets in texts; `found` counts them by name."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets`: name -> value."""
        self.found: Counter[str] = Counter()
        self._names: dict[str, str] = {}
        for name, value in secrets.items():
            if len(value) >= SHORTEST:
                for form in _forms(value):
                    self._names.setdefault(form, name)
        known = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, known), _OWN]))

    def text(self, text: str) -> str:
        """`text` with what was found masked: `[masked: SMTP_PASSWORD]`."""
        return self._forms(self._pattern.sub(self._mask, text))

    def folder(self, folder: Path) -> None:
        """Mask the files of a run in place."""
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            if path.suffix.lower() in _PICTURES or path.stat().st_size > LARGEST:
                continue
            try:
                before = path.read_bytes().decode()
            except UnicodeDecodeError:
                continue
            after = self.text(before)
            if after != before:
                path.write_bytes(after.encode())

    def holds(self, value: Any) -> str | None:
        """Name of a secret that a parameter's value holds; None when there is none."""
        found = self._pattern.search(json.dumps(value, ensure_ascii=False, default=str))
        return None if found is None else self._names.get(found[0], "a token of this house")

    def _forms(self, text: str) -> str:
        """Without tokens whose form gives them away (scrub/tokens.toml). What stands inside a longer run of such
        letters is a picture or a column of numbers, where any form turns up by chance."""
        from pitchey_slo.scrub.rules import token

        parts, done = [], 0
        for found in sorted(token.find(text)):
            if found.start < done or _run_around(text, found.start, found.end) > LONGEST_RUN:
                continue
            self.found[found.rule] += 1
            parts += [text[done : found.start], f"[masked: {found.rule}]"]
            done = found.end
        return "".join([*parts, text[done:]]) if parts else text

    def _mask(self, found: re.Match[str]) -> str:
        name = self._names.get(found[0], "token")
        self.found[name] += 1
        return f"[masked: {name}]"


def _run_around(text: str, start: int, end: int) -> int:
    """Characters of base64 around and in text[start:end], as far as it matters."""
    before = _BASE64_END.search(text[max(start - 2 * LONGEST_RUN, 0) : start])
    after = _BASE64.match(text[end : end + 2 * LONGEST_RUN])
    return (end - start) + (len(before[0]) if before else 0) + (len(after[0]) if after else 0)


def scanner(settings: Settings) -> Scanner:
    """Searches for the secrets of the settings, and for those of the environment and `.env` by their names."""
    return Scanner({**_of_environment(), **_of_settings(settings)})


def check(given: Mapping[str, Any], settings: Settings, *, notebook: str) -> None:
    """Refuse parameters that hold a secret: they would stand in the notebook, the page, the index and the registry.

    Raises ParameterError that names the setting, never its value."""
    search = scanner(settings)
    for name, value in given.items():
        found = search.holds(value)
        if found is not None:
            raise ParameterError(
                f"{notebook}: parameter {name} holds the value of {found}; parameters are written down in the report, "
                "so give a name that the notebook looks up, never the secret itself",
                detail={"parameter": name, "secret": found},
            )


def _of_settings(settings: Settings) -> dict[str, str]:
    found = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            found[field.alias or name] = value.get_secret_value()
    return found


def _of_environment() -> dict[str, str]:
    from dotenv import dotenv_values

    file = project_folder(Path.cwd()) / ".env"
    every = {**{k: v for k, v in dotenv_values(file).items() if v}, **os.environ}
    # a path or a plain word such as "true" is no secret, whatever its name
    return {k: v for k, v in every.items() if _SECRET_NAME.search(k) and len(v) >= 8 and not v.startswith("/")}


def _forms(value: str) -> set[str]:
    """How a text is spelled in JSON, in addresses, in HTML and in base64."""
    as_json = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    encoded = value.encode()
    as_base64 = {base64.b64encode(encoded).decode().rstrip("="), base64.urlsafe_b64encode(encoded).decode().rstrip("=")}
    return {value, quote(value, safe=""), quote_plus(value), escape(value), *as_json, *as_base64}
