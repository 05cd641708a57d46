"""What the watchdog found at its last look."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pitchey_slo.alert.words import iso
from pitchey_slo.web.alerting import alerting_of
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer

router = APIRouter(tags=["alerts"])


@router.get("/api/monitoring/watchdog", **needs("read"))
async def watchdog(request: Request) -> Response:
    """Whether this house can see and speak: `findings` is empty when all is well; `looked_at` null before the first
    look."""
    found = alerting_of(request).watchdog
    findings = found.findings if found is not None else ()
    looked = found.looked_at if found is not None else None
    return answer(
        {
            "looked_at": iso(looked),
            "findings": [{"alert": f.name, "severity": f.severity, "about": f.about, "text": f.text} for f in findings],
        }
    )
