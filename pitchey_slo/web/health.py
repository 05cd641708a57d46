"""Liveness and readiness, as Kubernetes means them: restart me; send me work."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from pitchey_slo.errors import DiskFull, StoreError, StoreUnavailable
from pitchey_slo.store import StoreStatus
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["health"])


@router.get("/api/health/live", **needs(None))
async def live(request: Request) -> Response:
    """200 as long as this process answers at all, whatever the store does."""
    return answer({"status": "live", "started_at": house_of(request).started_at})


@router.get("/api/health/ready", **needs(None))
async def ready(request: Request) -> Response:
    """200 when deliveries are taken; 503 with the reason while the store is opening, reopening or out of space."""
    status = await asyncio.to_thread(house_of(request).opened().status)
    if not status.ready:
        raise not_ready(status)
    return answer(
        {
            "status": "ready",
            "commit_seq": status.commit_seq,
            "flushed_seq": status.flushed_seq,
            "lake_lag_seconds": status.lake_lag_seconds,
            "gaps": status.gaps,
        }
    )


def not_ready(status: StoreStatus) -> StoreError:
    kind = DiskFull if status.free_bytes < status.floor_bytes else StoreUnavailable
    return kind(status.reason or "the store is not open")
