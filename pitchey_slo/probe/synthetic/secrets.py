"""Secrets by reference: a definition says `${secret:NAME}`; the value lies in the environment or in a file of its own.

NAME is `PITCHEY_SECRET_NAME` of the environment (the prefix keeps definitions from reading other people's variables),
or the file NAME in the folder of secrets, without the line end (systemd's `LoadCredential` makes such a folder). A
value that was used is taken out of everything that leaves the engine, also percent-encoded, in JSON and in base64.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from pitchey_slo.errors import ProbeFault

PREFIX: Final = "PITCHEY_SECRET_"
LONGEST: Final = 64 << 10
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Secrets:
    """Where values are found, and which were used: one per run, made by `fresh`."""

    def __init__(self, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self._environment = {} if environment is None else environment
        self._folder = folder
        self._hidden: dict[str, str] = {}

    def fresh(self) -> Secrets:
        """The same places, nothing used yet."""
        return Secrets(self._environment, self._folder)

    def get(self, name: str) -> str:
        """The value. Raises ProbeFault that names the secret and where it was looked for, never a value."""
        value = self._environment.get(PREFIX + name) or self._from_file(name)
        if not value:
            where = f" or {self._folder / name}" if self._folder else ""
            raise ProbeFault(f"the secret {name} is not there: set {PREFIX}{name}{where}")
        self.hide_value(value, f"[secret {name}]")
        return value

    def hide_value(self, value: str, instead: str) -> None:
        """From now on `hide` takes this value out, in every form it may be sent in."""
        forms = {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
        forms |= {json.dumps(value, ensure_ascii=False)[1:-1], value.strip()}
        raw = value.encode()
        for shift in range(3):  # base64 of something that holds the value, such as user:password
            inner = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
            start, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
            forms |= {part for part in (inner[start:end], _url_safe(inner[start:end])) if len(part) >= 8}
        self._hidden |= {form: instead for form in forms if form}

    def hide(self, text: str) -> str:
        """The text without any value that was used."""
        for value in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(value, self._hidden[value])
        return text

    def hidden(self, value: Any) -> Any:
        """The same for texts inside maps and lists."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hidden(each) for key, each in value.items()}
        return [self.hidden(each) for each in value] if isinstance(value, (list, tuple)) else value

    def __repr__(self) -> str:
        return f"Secrets({len(self._hidden)} used)"

    def _from_file(self, name: str) -> str | None:
        if self._folder is None or not _NAME.fullmatch(name):
            return None
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(LONGEST).decode("utf-8").rstrip("\r\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            what = error.strerror if isinstance(error, OSError) else "no UTF-8"
            raise ProbeFault(f"the secret {name} cannot be read from {self._folder / name}: {what}") from None


def _url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")
