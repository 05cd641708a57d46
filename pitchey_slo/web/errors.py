"""One error shape for everything, and the headers that go with a refusal."""

from __future__ import annotations

import json
import logging
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pitchey_slo.errors import Forbidden, NotFound, PitcheyError, RequestError, StoreUnavailable, Unauthorized
from pitchey_slo.names import REASONS

log = logging.getLogger(__name__)

#: Seconds a client should wait, by reason. A full disk takes a person, a queue drains by itself.
RETRY_AFTER = {"store_busy": 1, "store_unavailable": 2, "disk_full": 30, "rate_limited": 1}


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`content` as JSON."""
    try:
        body = orjson.dumps(content)
    except TypeError:  # orjson refuses lone surrogates, and a message may quote a text that holds one
        body = json.dumps(content, default=str).encode()
    return Response(body, status, headers, media_type="application/json")


def refusal(error: PitcheyError) -> Response:
    """The answer for `error`. An error without a place in the closed list is ours: logged, and told as 503."""
    if error.reason not in REASONS:
        log.error("%s (%s) while answering a request", error.message, error.reason, exc_info=error)
        error = StoreUnavailable("something went wrong here; nothing was acknowledged, try again")
    return answer(error.as_dict(), error.status, headers_of(error))


def headers_of(error: PitcheyError) -> dict[str, str]:
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = str(getattr(error, "retry_after", RETRY_AFTER.get(error.reason, 2)))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="pitchey-slo"'
    if isinstance(error, Forbidden):
        headers["WWW-Authenticate"] = 'Bearer realm="pitchey-slo", error="insufficient_scope"'
    return headers


def unexpected(error: Exception) -> Response:
    """503 for an exception nobody foresaw; the traceback goes to the log, the client may try again."""
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return refusal(StoreUnavailable("something went wrong here; nothing was acknowledged, try again"))


class MethodNotAllowed(RequestError):
    reason = "method_not_allowed"
    status = 405


def install(app: FastAPI) -> None:
    """Make `app` answer every exception in the one shape."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, PitcheyError)
        return refusal(error)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _framework(request, error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        where = [{"where": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
        first = where[0] if where else {"where": "request", "message": "not valid"}
        return refusal(RequestError(f"{first['where']}: {first['message']}", detail=where))

    app.add_exception_handler(PitcheyError, ours)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, invalid)


def _framework(request: Request, error: HTTPException) -> Response:
    path = request.url.path
    if error.status_code == 404:
        return refusal(NotFound(f"no path {path}; /docs lists what is here"))
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        response = refusal(MethodNotAllowed(f"{path} takes {allowed or 'another method'}, not {request.method}"))
        if allowed:
            response.headers["Allow"] = allowed
        return response
    return refusal(RequestError(str(error.detail)))
