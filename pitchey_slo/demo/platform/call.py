"""One request on its way to its handler: what it brings, who asks, and where things are kept."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pitchey_slo.demo.platform.cache import Cache
from pitchey_slo.demo.platform.database import Database, Row
from pitchey_slo.demo.platform.http import Answer, Request


class Refused(Exception):
    """The request cannot be done: a status and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Call:
    """`values` are the parts of the path by their names; `user` is who is signed in, None for a stranger."""

    request: Request
    values: Mapping[str, str]
    user: Row | None
    database: Database
    cache: Cache

    @property
    def who(self) -> Row:
        """Whoever is signed in. Raises Refused."""
        if self.user is None:
            raise Refused(401, "sign in first: POST /api/auth/login, then Authorization: Bearer TOKEN")
        return self.user

    def said(self) -> dict[str, Any]:
        """The body as an object. Raises Refused."""
        try:
            found = self.request.json()
        except ValueError:
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(found, dict):
            raise Refused(400, "the body is not a JSON object")
        return found

    def text(self, said: Mapping[str, Any], name: str, *, least: int = 1, most: int = 200) -> str:
        """A text of the body. Raises Refused."""
        value = said.get(name)
        if not isinstance(value, str) or "\0" in value or not least <= len(value.strip()) <= most:
            raise Refused(422, f"{name}: a text of {least} to {most} characters")
        return value.strip()

    async def one(self, sql: str, *values: Any, missing: str) -> Row:
        """The only row. Raises Refused when there is none."""
        rows = await self.database.rows(sql, *values)
        if not rows:
            raise Refused(404, missing)
        return rows[0]


Handle = Callable[[Call], Awaitable[Answer]]


def new_id() -> str:
    return uuid.uuid4().hex


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
