"""The API document: `/openapi.json`, and `/docs`, a page made from it on the server that loads nothing else."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from pitchey_slo.names import REASONS, SCOPES
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer

router = APIRouter(include_in_schema=False)

DESCRIPTION = (
    "Events in, judgements out. Send `Authorization: Bearer pslo_...`; "
    "`pitchey-slo token create --scope ingest` makes one. "
    'Every refusal looks like {"error": {"reason", "message", "detail"}}.'
)
STYLE = """ body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0
1rem;color:#1c2530;background:#fff} h2{font-size:1.05rem;margin:2rem 0 .3rem;border-top:1px solid
#d8dee6;padding-top:1rem} code,pre{font-family:ui-monospace,monospace;background:#f2f5f8;border-radius:4px;padding:.1rem
.3rem} pre{padding:.8rem;overflow:auto} b.m{display:inline-block;min-width:4.5rem} .s{color:#4a5a6a;font-weight:normal}
td{padding:.15rem 1rem .15rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#12171d;color:#e4eaf0}code,pre{background:#1e262f}.s{color:#9fb0c0}h2{border-color:#2c3742}}
"""


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`."""
    made = get_openapi(title=app.title, version="1", description=app.description, routes=app.routes)
    schemes = made.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer", "bearerFormat": "pslo_<id>_<secret>"}
    return made


@router.get("/openapi.json", **needs(None))
async def openapi(request: Request) -> Response:
    return answer(document(request.app))


@router.get("/docs", **needs(None))
async def docs(request: Request) -> Response:
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(page(document(request.app)), headers=headers, media_type="text/html")


def page(doc: dict[str, Any]) -> str:
    """The document as one HTML page."""
    operations = [
        operation(method, path, what) for path, methods in doc["paths"].items() for method, what in methods.items()
    ]
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(doc['info']['title'])} API</title>",
            f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>",
            f"<h1>{escape(doc['info']['title'])} API</h1><p>{_prose(doc['info']['description'])}</p>",
            "<p>The same for machines: <a href=/openapi.json>openapi.json</a></p>",
            *operations,
            "<h2>Scopes</h2>",
            table(SCOPES),
            "<h2>Reasons of a refusal</h2>",
            table(REASONS),
            "</html>",
        ]
    )


def operation(method: str, path: str, what: dict[str, Any]) -> str:
    """One method of one path."""
    body = what.get("requestBody", {})
    kinds = ", ".join(body.get("content", {}))
    fields = body.get("content", {}).get("application/json", {}).get("schema", {}).get("properties", {})
    return "".join(
        [
            f"<h2><b class=m>{method.upper()}</b> <code>{escape(path)}</code> ",
            f"<span class=s>scope {escape(what.get('x-scope', '?'))}</span></h2>",
            f"<p>{_prose(what.get('description', ''))}</p>",
            f"<p>{_prose(body.get('description', ''))} <span class=s>{escape(kinds)}</span></p>" if body else "",
            table({name: field.get("description", "") for name, field in fields.items()}) if fields else "",
        ]
    )


def table(rows: dict[str, str]) -> str:
    cells = (f"<tr><td><code>{escape(k)}</code><td>{_prose(v)}" for k, v in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _prose(text: str) -> str:
    """Safe HTML of a sentence; what stands between backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
