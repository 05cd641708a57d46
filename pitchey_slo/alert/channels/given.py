"""The settings of one channel as the routing file gives them, read with errors that name the key.

A secret is a `SecretStr`, a text, or a file (`<key>_file`, read at each use, so that a rotated one works at once).
Whatever was read as a secret is remembered: `hide` takes it out of every text that leaves the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from pitchey_slo.errors import ChannelError, ConfigError


class Given:
    """`settings` of the channel named `where` (such as "receiver oncall, slack/0")."""

    def __init__(self, settings: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._settings = settings
        self._secrets: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self._settings.get(key) not in (None, "")

    def get(self, key: str) -> Any:
        """The value as it is; None when it is absent. Not for secrets."""
        return self._settings.get(key)

    def text(self, key: str, default: str = "") -> str:
        value = self._settings.get(key)
        return default if value in (None, "") else _open(value)

    def needed(self, key: str) -> str:
        """A text that must be there. Raises ConfigError."""
        if key not in self:
            raise ConfigError("is missing", key=f"{self.where}: {key}")
        return self.text(key)

    def number(self, key: str, default: float, *, low: float = 0) -> float:
        value = self._settings.get(key)
        if value in (None, ""):
            return default
        try:
            number = float(_open(value))
        except ValueError:
            number = low - 1
        if not low <= number < float("inf"):
            raise ConfigError(f"{value!r} is not a number from {low:g} on", key=f"{self.where}: {key}")
        return number

    def flag(self, key: str, default: bool) -> bool:
        value = self._settings.get(key)
        if value in (None, ""):
            return default
        if str(value).lower() not in ("true", "false"):
            raise ConfigError(f"{value!r} is neither true nor false", key=f"{self.where}: {key}")
        return str(value).lower() == "true"

    def part(self, key: str) -> Given:
        """The settings below `key`; what is read there as a secret is hidden here too."""
        found = self._settings.get(key) or {}
        if not isinstance(found, Mapping):
            raise ConfigError("is not a mapping", key=f"{self.where}: {key}")
        part = Given(found, f"{self.where}: {key}")
        part._secrets = self._secrets
        return part

    def has_secret(self, key: str) -> bool:
        return key in self or f"{key}_file" in self

    def check_secret(self, key: str) -> None:
        """Raises ConfigError when there is neither `key` nor `key`_file."""
        if not self.has_secret(key):
            raise ConfigError(f"is missing (or {key}_file)", key=f"{self.where}: {key}")

    def secret(self, key: str, default: str = "") -> str:
        """The secret now. Raises ChannelError when its file cannot be read."""
        value = default
        if key in self:
            value = _open(self._settings[key]).strip()
        elif f"{key}_file" in self:
            path = Path(self.text(f"{key}_file"))
            try:
                value = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ChannelError(f"{key}_file {path} cannot be read: {type(error).__name__}") from None
        if value:
            self.remember(value)
        return value

    def remember(self, secret: str) -> None:
        """Hide `secret` from now on; of an address also its path and its login."""
        self._secrets.add(secret)
        if "://" in secret:
            parts = urlsplit(secret)
            inside = (parts.path.strip("/"), parts.query, parts.password, parts.username)
            self._secrets |= {part for part in inside if part and len(part) >= 8}  # "hook" is a word, not a secret

    def hide(self, text: str) -> str:
        """`text` without any secret that was read."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= 4:
                for form in (secret, quote(secret, safe=""), quote(secret)):
                    text = text.replace(form, "***")
        return text


def _open(value: object) -> str:
    return str(value.get_secret_value()) if isinstance(value, SecretStr) else str(value)
