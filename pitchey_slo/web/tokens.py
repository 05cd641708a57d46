"""Tokens: made, listed, revoked. The text of a token is told once."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.errors import ConfigError, NotFound, RequestError
from pitchey_slo.store import Token
from pitchey_slo.web.auth import identity, needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["tokens"])


class NewToken(Form):
    scopes: list[str] = Field(min_length=1, max_length=16, description="what it may do: ingest, read, alert, admin")
    name: str = Field("", max_length=128, description="whom it is for")
    days: int | None = Field(365, ge=1, le=36_500, description="days until it expires; null for never")


@router.get("/api/monitoring/tokens", **needs("admin"))
async def list_tokens(request: Request) -> Response:
    """All tokens without their secrets, oldest first."""
    tokens = await asyncio.to_thread(house_of(request).opened().tokens.list)
    return answer({"tokens": [public(token) for token in tokens]})


@router.post("/api/monitoring/tokens", **needs("admin", **described(NewToken)))
async def create_token(request: Request) -> Response:
    """Make a token; its text is in this answer and nowhere else."""
    form = await read_form(request, NewToken)
    store = house_of(request).opened()
    try:
        text = await asyncio.to_thread(store.tokens.create, form.name, form.scopes, form.days)
    except ConfigError as error:
        raise RequestError(str(error)) from None
    token = await asyncio.to_thread(store.tokens.find, identity(text))
    assert token is not None
    return answer({**public(token), "token": text}, 201)


@router.delete("/api/monitoring/tokens/{token_id}", **needs("admin"))
async def revoke_token(request: Request, token_id: str) -> Response:
    """From the answer on the token opens nothing."""
    house = house_of(request)
    try:
        await asyncio.to_thread(house.opened().tokens.revoke, token_id)
    except ConfigError as error:
        raise NotFound(str(error)) from None
    finally:
        house.guard.forget(token_id)
    return answer({"id": token_id, "revoked": True})


def public(token: Token) -> dict[str, Any]:
    """What may be shown of a token: an allow-list, the hash is not on it."""
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    }
