"""API tokens: shown once, kept as a hash. A random 32-byte secret needs no slow hash, SHA-256 is enough.

Beside the table `tokens.json` in the home lists them without their hashes, for those who may not open the hot file
while a server owns it: the monthly audit. It is renewed with every change, and with uses at most once an hour."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from pitchey_slo.errors import ConfigError, StoreError, did_you_mean
from pitchey_slo.names import HOT_FILE, SCOPES, TOKEN_PREFIX
from pitchey_slo.store.hot import Hot

if TYPE_CHECKING:
    from pitchey_slo.store.writer import Writer

LIST: Final = "tokens.json"
#: Uses are written to the list at most this often.
LIST_EVERY: Final = timedelta(hours=1)
_COLUMNS: Final = ("id", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")


@dataclass(frozen=True)
class Token:
    """A stored token; `secret_sha256` is the hex digest of the whole text that was shown once."""

    id: str
    name: str
    secret_sha256: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def alive(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def digest(text: str) -> str:
    """What is stored of a token's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The token table of one store."""

    def __init__(self, hot: Hot, writer: Writer, clock: Callable[[], datetime]) -> None:
        self._hot = hot
        self._writer = writer
        self._clock = clock
        self._listed: datetime | None = None

    def create(self, name: str, scopes: Iterable[str], days: int | None = 365) -> str:
        """Make a token and return its text, the only time it can be seen. `days` None: never expires."""
        wanted = sorted(set(scopes))
        for scope in wanted:
            if scope not in SCOPES:
                hint = did_you_mean(scope, SCOPES) or f"scopes: {', '.join(SCOPES)}"
                raise ConfigError(f"no scope {scope!r}", key="scope", hint=hint)
        if not wanted:
            raise ConfigError("a token needs a scope", key="scope", hint=f"scopes: {', '.join(SCOPES)}")
        if days is not None and days <= 0:
            raise ConfigError(f"{days} days", key="days", hint="a positive number of days")
        key = secrets.token_hex(6)
        text = f"{TOKEN_PREFIX}{key}_{secrets.token_urlsafe(32)}"
        now = self._clock()
        expires = now + timedelta(days=days) if days is not None else None
        row = [key, name, digest(text), ",".join(wanted), now, expires]
        self._writer.write(
            lambda c: c.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)", row)
        ).result()
        self._list()
        return text

    def list(self) -> list[Token]:
        rows = self._hot.query("SELECT * FROM tokens ORDER BY created_at").to_pylist()
        return [Token(**{**row, "scopes": frozenset(row["scopes"].split(","))}) for row in rows]

    def find(self, token_id: str) -> Token | None:
        return next((token for token in self.list() if token.id == token_id), None)

    def revoke(self, token_id: str) -> None:
        """From now on the token opens nothing. Raises ConfigError for an id nobody knows."""
        if self.find(token_id) is None:
            hint = did_you_mean(token_id, [t.id for t in self.list()]) or "`pitchey-slo token list` shows the ids"
            raise ConfigError(f"no token {token_id!r}", key="token", hint=hint)
        now = self._clock()
        self._writer.write(
            lambda c: c.execute("UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [now, token_id])
        ).result()
        self._list()

    def used(self, token_id: str, at: datetime) -> None:
        """Note that a token was used; nobody waits for it."""
        done = self._writer.write(
            lambda c: c.execute("UPDATE tokens SET last_used_at = ? WHERE id = ?", [at, token_id])
        )
        if self._listed is None or at - self._listed >= LIST_EVERY:
            self._listed = at
            done.add_done_callback(lambda _: self._list())

    def _list(self) -> None:
        """Renew `tokens.json`; a disk that takes no file, or a store that closes, keeps the list it had."""
        with contextlib.suppress(OSError, StoreError, duckdb.Error):
            found = self._hot.query(f"SELECT {', '.join(_COLUMNS)} FROM tokens ORDER BY created_at").to_pylist()
            self._listed = self._clock()
            told = {"written_at": self._listed, "tokens": found}
            draft = self._hot.home.folder / f"{LIST}.tmp"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(told, file, default=lambda moment: moment.isoformat())
            draft.replace(draft.with_suffix(""))


def listed(home: Path) -> tuple[list[Token], datetime | None] | None:
    """The tokens of a home without owning it, their hashes left empty: from the hot file when no server has it (None
    beside them), else from `tokens.json` and the time it was written. None when neither can be read."""
    hot = home / HOT_FILE
    try:
        with duckdb.connect(str(hot), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM tokens ORDER BY created_at").fetchall()
        return [_token(dict(zip(_COLUMNS, row, strict=True))) for row in rows], None
    except duckdb.Error:
        pass
    try:
        told = json.loads((home / LIST).read_text(encoding="utf-8"))
        return [_token(row) for row in told["tokens"]], datetime.fromisoformat(told["written_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _token(row: dict[str, Any]) -> Token:
    times = {n: datetime.fromisoformat(row[n]) if isinstance(row[n], str) else row[n] for n in _COLUMNS[3:]}
    return Token(row["id"], row["name"], "", frozenset(row["scopes"].split(",")), **times)
