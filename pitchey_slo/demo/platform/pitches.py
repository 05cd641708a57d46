"""Pitches, NDAs and investments."""

from __future__ import annotations

from typing import Final

import orjson

from pitchey_slo.demo.platform.call import Call, Refused, new_id, now
from pitchey_slo.demo.platform.database import Taken
from pitchey_slo.demo.platform.http import Answer, said

#: Pitches of one page.
PAGE: Final = 50
_COLUMNS: Final = "id, user_id, title, genre, logline, created_at"
_NO_PITCH: Final = "no such pitch"


async def listed(call: Call) -> Answer:
    kept = await call.cache.get("pitches")
    if kept is not None:
        return Answer(200, kept, notes={"cache": "HIT"})
    found = await call.database.rows(f"SELECT {_COLUMNS} FROM pitches ORDER BY created_at DESC, id LIMIT {PAGE}")
    body = orjson.dumps({"pitches": found})
    await call.cache.put("pitches", body)
    return Answer(200, body, notes={"cache": "MISS" if call.cache.state == "healthy" else "DYNAMIC"})


async def search(call: Call) -> Answer:
    words = call.request.query.get("q", "")[:100].lower()
    found = await call.database.rows(
        f"SELECT {_COLUMNS} FROM pitches WHERE lower(title) LIKE $1 OR lower(logline) LIKE $1 "
        f"ORDER BY created_at DESC, id LIMIT {PAGE}",
        "%" + words.replace("%", "").replace("_", "") + "%",
    )
    return said(200, {"pitches": found})


async def read(call: Call) -> Answer:
    return said(
        200, await call.one(f"SELECT {_COLUMNS} FROM pitches WHERE id = $1", call.values["id"], missing=_NO_PITCH)
    )


async def create(call: Call) -> Answer:
    user, body = call.who, call.said()
    pitch = {
        "id": new_id(),
        "user_id": user["id"],
        "title": call.text(body, "title"),
        "genre": call.text(body, "genre", most=40),
        "logline": call.text(body, "logline", most=1_000),
        "created_at": now(),
    }
    await call.database.change(f"INSERT INTO pitches ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)", *pitch.values())
    await call.cache.drop("pitches")
    return said(201, pitch)


async def change(call: Call) -> Answer:
    await _mine(call)
    body = call.said()
    await call.database.change(
        "UPDATE pitches SET title = $2, logline = $3 WHERE id = $1",
        call.values["id"], call.text(body, "title"), call.text(body, "logline", most=1_000),
    )  # fmt: skip
    await call.cache.drop("pitches")
    return await read(call)


async def delete(call: Call) -> Answer:
    await _mine(call)
    await call.database.change("DELETE FROM pitches WHERE id = $1", call.values["id"])
    await call.cache.drop("pitches")
    return Answer(204)


async def sign(call: Call) -> Answer:
    user = call.who
    await call.one("SELECT id FROM pitches WHERE id = $1", call.values["id"], missing=_NO_PITCH)
    nda = {"id": new_id(), "pitch_id": call.values["id"], "user_id": user["id"], "signed_at": now()}
    try:
        await call.database.change(
            "INSERT INTO ndas (id, pitch_id, user_id, signed_at) VALUES ($1, $2, $3, $4)", *nda.values()
        )
    except Taken:
        raise Refused(409, "this NDA is signed already") from None
    return said(201, nda | {"signed": True})


async def invest(call: Call) -> Answer:
    user, body = call.who, call.said()
    amount, currency = body.get("amount"), body.get("currency", "GBP")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount < 1e9:
        raise Refused(422, "amount: a number above 0")
    if not isinstance(currency, str) or len(currency) != 3:
        raise Refused(422, "currency: three letters")
    await call.one("SELECT id FROM pitches WHERE id = $1", call.values["id"], missing=_NO_PITCH)
    made = {"id": new_id(), "pitch_id": call.values["id"], "user_id": user["id"], "amount": float(amount),
            "currency": currency.upper(), "created_at": now()}  # fmt: skip
    await call.database.change(
        "INSERT INTO investments (id, pitch_id, user_id, amount, currency, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        *made.values(),
    )
    return said(201, made)


async def investments(call: Call) -> Answer:
    found = await call.database.rows(
        "SELECT id, pitch_id, amount, currency, created_at FROM investments WHERE user_id = $1 "
        f"ORDER BY created_at DESC LIMIT {PAGE}",
        call.who["id"],
    )
    return said(200, {"investments": found})


async def withdraw(call: Call) -> Answer:
    gone = await call.database.change(
        "DELETE FROM investments WHERE id = $1 AND user_id = $2", call.values["id"], call.who["id"]
    )
    if not gone:
        raise Refused(404, "no such investment of yours")
    return Answer(204)


async def _mine(call: Call) -> None:
    """Raises Refused when the pitch is somebody else's."""
    user = call.who
    pitch = await call.one("SELECT user_id FROM pitches WHERE id = $1", call.values["id"], missing=_NO_PITCH)
    if pitch["user_id"] != user["id"]:
        raise Refused(403, "this pitch is somebody else's")
