"""The page that messages link to: one alert, why it was told, and the buttons to take it on, silence or end it.

The page itself holds no data and is public; it asks for a token once per tab and then asks the API with it. Opening it
changes nothing. Nothing is loaded from elsewhere, and every text is put in as text, never as markup.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter, Request, Response

from pitchey_slo.alert import inbox
from pitchey_slo.errors import NotFound
from pitchey_slo.web.auth import needs
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["alerts"])

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
FILES = Path(__file__).parent / "pages"


@router.get("/alerts/page.js", **needs(None))
async def script() -> Response:
    """The script of the alert's page."""
    return Response((FILES / "alert.js").read_bytes(), headers=HEADERS, media_type="text/javascript")


@router.get("/alerts/{id}", **needs(None))
async def page() -> Response:
    """One alert for people: the address that messages link to."""
    return Response((FILES / "alert.html").read_bytes(), headers=HEADERS, media_type="text/html")


@router.get("/api/monitoring/alerts/{id}/investigation", **needs("read"))
async def investigation(request: Request) -> Response:
    """The page of the investigation notebook that was run for this alert: one HTML file that needs no network."""
    house = house_of(request)

    def found() -> bytes:
        store = house.opened()
        alert = inbox.find(store, request.path_params["id"])
        rows = store.query(
            "SELECT detail->>'html' AS html FROM alert_events WHERE alert_id = ? AND kind = 'investigated' "
            "AND detail->>'html' IS NOT NULL ORDER BY ts DESC LIMIT 1",
            [alert.id],
        ).to_pylist()
        folder = house.settings.reports.resolve()
        path = Path(rows[0]["html"]).resolve() if rows else None
        if path is None or not path.is_relative_to(folder) or not path.is_file():
            raise NotFound(f"no investigation of alert {alert.id} is here; PITCHEY_INVESTIGATE says which are run")
        return path.read_bytes()

    body = await asyncio.to_thread(found)
    headers = {"Content-Security-Policy": "sandbox allow-scripts; default-src 'unsafe-inline' data:"}
    return Response(body, headers=headers, media_type="text/html")
