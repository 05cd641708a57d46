"""Who may do what: `Authorization: Bearer pslo_<id>_<secret>`, one scope per route, never in the query string.

The store keeps the SHA-256 of a token; a random 32-byte secret needs no slow hash. Tokens are kept in memory for
`KEEP_SECONDS` so that a delivery costs no query; a revocation through this server works at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute

from pitchey_slo.errors import Forbidden, PitcheyError, Unauthorized
from pitchey_slo.names import SCOPES, TOKEN_PREFIX
from pitchey_slo.store import Store, Token, digest

KEEP_SECONDS = 2.0
#: `last_used_at` is written at most this often per token: it answers "is it still in use?", not "when exactly?".
NOTE_EVERY = timedelta(minutes=1)
LOCAL_ID = "local"


class Guard:
    """Finds the token of a request. One per application; used from its event loop only."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Token]] = {}
        self._noted: dict[str, datetime] = {}
        self._local: Token | None = None

    def make_local(self) -> str:
        """A fresh admin token that lives in memory, as long as this process: for the command line on this machine."""
        text = f"{TOKEN_PREFIX}{LOCAL_ID}_{secrets.token_urlsafe(32)}"
        now = self._clock()
        self._local = Token(LOCAL_ID, "this machine", digest(text), frozenset({"admin"}), now, None, None, None)
        return text

    def forget(self, token_id: str) -> None:
        """Ask the store again next time; call it after a revocation."""
        self._kept.pop(token_id, None)

    async def check(self, text: str, scope: str, store: Callable[[], Store]) -> Token:
        """The token behind `text`. Raises Unauthorized, or Forbidden when it lacks `scope` (admin has all)."""
        token = await self._find(identity(text), store)
        now = self._clock()
        known = token is not None and hmac.compare_digest(digest(text).encode(), token.secret_sha256.encode())
        if token is None or not known or not token.alive(now):
            raise Unauthorized("this token is unknown, expired or revoked; `pitchey-slo token create` makes a new one")
        if not {scope, "admin"} & token.scopes:
            raise Forbidden(
                f"this path needs the scope {scope!r} ({SCOPES[scope]}); "
                f"token {token.id} has {', '.join(sorted(token.scopes))}"
            )
        self._note(token, now, store)
        return token

    async def _find(self, token_id: str, store: Callable[[], Store]) -> Token | None:
        if token_id == LOCAL_ID:
            return self._local
        until, token = self._kept.get(token_id, (0.0, None))
        if token is None or until < time.monotonic():
            token = await asyncio.to_thread(store().tokens.find, token_id)
            if token is None:
                self.forget(token_id)
            else:
                self._kept[token_id] = (time.monotonic() + KEEP_SECONDS, token)
        return token

    def _note(self, token: Token, now: datetime, store: Callable[[], Store]) -> None:
        before = self._noted.get(token.id) or token.last_used_at
        if token.id == LOCAL_ID or (before is not None and now - before < NOTE_EVERY):
            return
        self._noted[token.id] = now
        with contextlib.suppress(PitcheyError):  # a note nobody waits for
            store().tokens.used(token.id, now)


def identity(text: str) -> str:
    """The id inside a token's text. Raises Unauthorized when it does not look like a token."""
    prefix, _, rest = text.partition("_")
    name, _, secret = rest.partition("_")
    if prefix + "_" != TOKEN_PREFIX or not name or not secret or len(text) > 200:
        raise Unauthorized(f"not a token of this server; one looks like {TOKEN_PREFIX}<id>_<secret>")
    return name


def bearer(request: Request) -> str:
    """The token's text of a request. Raises Unauthorized when there is none, or more than one."""
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        raise Unauthorized("send one header `Authorization: Bearer pslo_...`; a token in the address is never read")
    kind, _, text = given[0].partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorized(f"authorization by {kind[:20]!r} is not known here; send `Authorization: Bearer pslo_...`")
    return text.strip()


class Need:
    """Dependency of a route: the scope it needs; None for everyone. Puts the token into `request.state.token`."""

    def __init__(self, scope: str | None) -> None:
        if scope is not None and scope not in SCOPES:
            raise ValueError(f"no scope {scope!r}")
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        if self.scope is not None:
            house = request.app.state.house
            request.state.token = await house.guard.check(bearer(request), self.scope, house.opened)


def needs(scope: str | None, **extra: Any) -> dict[str, Any]:
    """Arguments of a route decorator: the dependency, and what the API document says of it."""
    security: list[Any] = [] if scope is None else [{"token": []}]
    return {
        "dependencies": [Depends(Need(scope))],
        "openapi_extra": {"security": security, "x-scope": scope or "public", **extra},
    }


def api_routes(app: FastAPI) -> list[Any]:
    """All routes, also those of included routers (FastAPI keeps a router as one route)."""
    found, waiting = [], list(app.routes)
    while waiting:
        route = waiting.pop(0)
        inner = getattr(route, "original_router", None)
        if inner is not None:
            waiting.extend(inner.routes)
        else:
            found.append(route)
    return found


def scope_of(route: Any) -> Need | None:
    """What a route needs; None when it says nothing, which `create_app` refuses."""
    dependencies = route.dependencies if isinstance(route, APIRoute) else []
    return next((d.dependency for d in dependencies if isinstance(d.dependency, Need)), None)
