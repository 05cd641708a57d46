"""Where dashboard links of alerts lead: to the dashboards while their process runs, else to a small page that shows
what fires, what is left of each error budget, and how the workbench itself is.

Like the alert's page the small one holds no data and asks the API with the token of its tab.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request, Response

from pitchey_slo.web.alert_page import FILES, HEADERS
from pitchey_slo.web.auth import needs

router = APIRouter(tags=["alerts"])


@router.get("/show/page.js", **needs(None))
async def script() -> Response:
    """The script of the overview."""
    return Response((FILES / "overview.js").read_bytes(), headers=HEADERS, media_type="text/javascript")


@router.get("/show/{name}", **needs(None))
async def overview(request: Request) -> Response:
    """The dashboard of that name; without the dashboards alerts, error budgets and the watchdog on one page."""
    found = led(request, f"/show/{quote(request.path_params['name'], safe='')}")
    if found is not None:
        return found
    return Response((FILES / "overview.html").read_bytes(), headers=HEADERS, media_type="text/html")


@router.get("/", **needs(None))
async def start(request: Request) -> Response:
    """Leads to the overview."""
    return led(request, "/") or Response(status_code=302, headers={"Location": "/show/system"})


def led(request: Request, path: str) -> Response | None:
    """The way to `path` on the dashboards with what was asked for; None when they do not run.

    Whoever reached this machine by another of its names is led to that name, as long as the dashboards have no address
    of their own (PITCHEY_DASHBOARDS_URL).
    """
    screens = getattr(request.app.state, "screens", None)
    if screens is None or not screens.up:
        return None
    address, asked = screens.url, request.url.hostname
    if not request.app.state.house.settings.dashboards_url and asked in ("localhost", "127.0.0.1"):
        address = f"http://{asked}:{urlsplit(address).port}"
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=302, headers={"Location": f"{address}{path}{query}", "Cache-Control": "no-store"})
