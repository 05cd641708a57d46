"""The front page, its one file, and how the platform says that it is well."""

from __future__ import annotations

import asyncio
from typing import Final

from pitchey_slo.demo.platform.call import Call
from pitchey_slo.demo.platform.database import Database, DatabaseGone
from pitchey_slo.demo.platform.http import Answer, said

#: Seconds the database may take to say that it is there.
PATIENCE: Final = 2.0

_FRONT: Final = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Pitchey</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/static/pitchey.css">
<main><h1>Pitchey</h1><p>Where films find those who believe in them.</p>
<p><a href="/api/pitches">The newest pitches</a></p></main></html>
"""
_STYLE: Final = b""":root{color-scheme:light dark}
body{font:18px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:40rem;padding:0 1rem}
"""
#: What stands in the way of an answer that the fault `wrong_body` reaches.
SORRY: Final = (
    b"""<!doctype html><html lang="en"><title>Sorry</title><p>We are repairing something. Please come back."""
)


async def front(_: Call) -> Answer:
    return Answer(200, _FRONT, "text/html; charset=utf-8")


async def style(_: Call) -> Answer:
    return Answer(200, _STYLE, "text/css", (("Cache-Control", "max-age=3600"),), notes={"cache": "HIT"})


async def health(call: Call) -> Answer:
    """healthy; degraded without the cache; unhealthy, and 503, without the database."""
    await call.cache.ping()
    database = await _database(call.database)
    cache = call.cache.state
    state = "unhealthy" if database != "healthy" else "degraded" if cache == "degraded" else "healthy"
    return said(503 if state == "unhealthy" else 200, {"status": state, "database": database, "cache": cache})


async def database(call: Call) -> Answer:
    state = await _database(call.database)
    return said(200 if state == "healthy" else 503, {"status": state})


async def _database(database: Database) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await database.rows("SELECT 1 AS one")
    except TimeoutError:
        return "hanging"
    except DatabaseGone:
        return "unhealthy"
    return "healthy"
