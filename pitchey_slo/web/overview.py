"""The page that dashboard links of alerts lead to: what fires, what is left of each error budget, and how the workbench
itself is. Like the alert's page it holds no data and asks the API with the token of its tab."""

from __future__ import annotations

from fastapi import APIRouter, Response

from pitchey_slo.web.alert_page import FILES, HEADERS
from pitchey_slo.web.auth import needs

router = APIRouter(tags=["alerts"])


@router.get("/show/page.js", **needs(None))
async def script() -> Response:
    """The script of the overview."""
    return Response((FILES / "overview.js").read_bytes(), headers=HEADERS, media_type="text/javascript")


@router.get("/show/{name}", **needs(None))
async def overview() -> Response:
    """Alerts, error budgets and the watchdog on one page, renewed by itself."""
    return Response((FILES / "overview.html").read_bytes(), headers=HEADERS, media_type="text/html")


@router.get("/", **needs(None))
async def start() -> Response:
    """Leads to the overview."""
    return Response(status_code=302, headers={"Location": "/show/system"})
