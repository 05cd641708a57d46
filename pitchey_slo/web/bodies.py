"""Small JSON bodies of the administrator's routes, checked by a pydantic model."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from pitchey_slo.errors import CollectError, RequestError, UnknownFormat
from pitchey_slo.web.house import house_of
from pitchey_slo.web.limits import read_body

LIMIT = 64 * 1024


class Form(BaseModel):
    """A body: unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)


Model = TypeVar("Model", bound=Form)


async def read_form(request: Request, model: type[Model]) -> Model:
    """The body as `model`; no body at all is an empty object. Raises UnknownFormat, CollectError, RequestError."""
    house = house_of(request)
    with house.bodies.share() as share:
        body = b"".join(await read_body(request, LIMIT, house.limits, share))
    if not body:
        return checked(model, {})
    # a browser sends other types across sites without asking first
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnknownFormat("send application/json")
    try:
        return checked(model, orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise CollectError(f"not JSON: {error}") from None


def checked(model: type[Model], value: Any) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = [{"where": ".".join(map(str, e["loc"])) or "body", "message": e["msg"]} for e in error.errors()]
        raise RequestError(f"{where[0]['where']}: {where[0]['message']}", detail=where) from None


def described(model: type[Form]) -> dict[str, Any]:
    """What the API document says of such a body."""
    return {"requestBody": {"content": {"application/json": {"schema": model.model_json_schema()}}}}
