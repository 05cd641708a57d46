"""A little Pitchey in Starlette, FastAPI and bare ASGI, with all that can happen to a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from pitchey_slo.instrument import current, traceparent

CARD = "4111 1111 1111 1111"
MAIL = "nora.quist@example.org"


def fastapi_app() -> FastAPI:
    app = FastAPI()
    pitches = APIRouter(prefix="/pitches")

    @pitches.get("/{id}")
    def pitch(id: int) -> dict[str, Any]:  # noqa: A002
        work = current()  # a thread of the pool: the context came along
        return {"id": id, "trace": work.trace_id if work else None, **traceparent()}

    @pitches.post("/{id}/nda")
    async def nda(id: int) -> dict[str, Any]:  # noqa: A002
        raise HTTPException(403, "not yours")

    app.include_router(pitches, prefix="/api")

    @app.get("/api/broken/{what}")
    async def broken(what: str) -> None:
        raise ValueError(f"no card {CARD} of {MAIL} for {what}")

    return app


async def slow_bytes() -> AsyncIterator[bytes]:
    for part in range(3):
        yield b"x" * (part + 1)
        await asyncio.sleep(0.05)


async def endless_bytes() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 1_000
        await asyncio.sleep(0.01)


async def breaks_off() -> AsyncIterator[bytes]:
    yield b"half"
    raise RuntimeError("the other half is missing")


def starlette_app(log: list[str] | None = None) -> Starlette:
    seen = log if log is not None else []

    async def stream(request: Request) -> Response:
        return StreamingResponse(slow_bytes())

    async def endless(request: Request) -> Response:
        return StreamingResponse(endless_bytes())

    async def half(request: Request) -> Response:
        return StreamingResponse(breaks_off())

    async def item(request: Request) -> Response:
        return PlainTextResponse(f"{request.path_params['tenant']} {request.path_params['id']}")

    async def later(request: Request) -> Response:
        async def work() -> None:
            await asyncio.sleep(0.6)
            raise KeyError("in the background")

        return PlainTextResponse("ok", background=BackgroundTask(work))

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    class Lifespan:
        async def __aenter__(self) -> None:
            seen.append("up")

        async def __aexit__(self, *_: object) -> None:
            seen.append("down")

    return Starlette(
        routes=[
            Route("/stream", stream),
            Route("/endless", endless),
            Route("/half", half),
            Route("/later", later),
            Mount("/tenants/{tenant}", routes=[Route("/items/{id:int}", item)]),
            WebSocketRoute("/echo", echo),
        ],
        lifespan=lambda app: Lifespan(),
    )


async def bare_app(scope: Any, receive: Any, send: Any) -> None:
    """No framework: says 404 for what begins with /no, nothing at all for /silent."""
    if scope["type"] != "http" or scope["path"] == "/silent":
        return
    status = 404 if scope["path"].startswith("/no") else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
