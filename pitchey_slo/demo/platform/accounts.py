"""Signing up, in and out."""

from __future__ import annotations

import asyncio
from typing import Final

from pitchey_slo.demo.platform import passwords
from pitchey_slo.demo.platform.call import Call, Refused, new_id, now
from pitchey_slo.demo.platform.database import Database, Row, Taken
from pitchey_slo.demo.platform.http import Answer, Request, said

ROLES: Final = ("creator", "investor")


async def sign_up(call: Call) -> Answer:
    body = call.said()
    email = call.text(body, "email", least=3, most=254).lower()
    if "@" not in email[1:-1]:
        raise Refused(422, "email: no address")
    password = call.text(body, "password", least=8, most=128)
    name = call.text(body, "name")
    role = body.get("role", "creator")
    if role not in ROLES:
        raise Refused(422, f"role: one of {', '.join(ROLES)}")
    user = {"id": new_id(), "email": email, "name": name, "role": role}
    stored = await asyncio.to_thread(passwords.kept, password)
    try:
        await call.database.change(
            "INSERT INTO users (id, email, name, role, password, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            *user.values(), stored, now(),
        )  # fmt: skip
    except Taken:
        raise Refused(409, "somebody has signed up with this address") from None
    return said(201, user)


async def log_in(call: Call) -> Answer:
    body = call.said()
    email = call.text(body, "email", most=254).lower()
    password = call.text(body, "password", most=128)
    found = await call.database.rows("SELECT id, password FROM users WHERE email = $1", email)
    if not found or not await asyncio.to_thread(passwords.right, password, found[0]["password"]):
        raise Refused(401, "wrong address or password")
    token = passwords.token()
    await call.database.change(
        "INSERT INTO sessions (token, user_id, created_at) VALUES ($1, $2, $3)",
        passwords.digest(token), found[0]["id"], now(),
    )  # fmt: skip
    cookie = f"session={token}; Path=/; HttpOnly; SameSite=Lax"
    return said(200, {"token": token, "user": {"id": found[0]["id"]}}, ("Set-Cookie", cookie))


async def log_out(call: Call) -> Answer:
    if call.who:
        await call.database.change("DELETE FROM sessions WHERE token = $1", passwords.digest(bearer(call.request)))
    return Answer(204)


async def leave(call: Call) -> Answer:
    """The user and everything of theirs is deleted."""
    await call.database.change("DELETE FROM users WHERE id = $1", call.who["id"])
    await call.cache.drop("pitches")
    return Answer(204)


async def dashboard(call: Call) -> Answer:
    user = call.who
    counts = await call.database.rows(
        "SELECT (SELECT count(*) FROM pitches WHERE user_id = $1) AS pitches, "
        "(SELECT count(*) FROM ndas WHERE user_id = $1) AS ndas, "
        "(SELECT count(*) FROM investments WHERE user_id = $1) AS investments",
        user["id"],
    )
    return said(200, {"user": user, **counts[0]})


async def notifications(call: Call) -> Answer:
    found = await call.database.rows(
        "SELECT n.id, n.signed_at AS at, p.title FROM ndas n JOIN pitches p ON p.id = n.pitch_id "
        "WHERE p.user_id = $1 ORDER BY n.signed_at DESC LIMIT 20",
        call.who["id"],
    )
    return said(200, {"notifications": found})


def bearer(request: Request) -> str:
    """The token that the request brings; empty for none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    cookies = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return next((value for name, _, value in cookies if name == "session"), "")


async def user_of(request: Request, database: Database) -> Row | None:
    """Who is signed in."""
    token = bearer(request)
    if not token:
        return None
    found = await database.rows(
        "SELECT u.id, u.email, u.name, u.role FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token = $1",
        passwords.digest(token),
    )
    return found[0] if found else None
