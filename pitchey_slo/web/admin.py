"""Looking after the store of a running server: flush, backup, retention."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.errors import RequestError
from pitchey_slo.web.auth import LOCAL_ID, needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["admin"])


class Backup(Form):
    folder: str | None = Field(None, max_length=4096, description="absolute path; <home>/backups when left out")


class Retention(Form):
    dry_run: bool = Field(False, description="only say what would go")


@router.post("/api/monitoring/admin/flush", **needs("admin"))
async def flush(request: Request) -> Response:
    """Move everything acknowledged so far from hot to the lake, where readers see it."""
    store = house_of(request).opened()
    await asyncio.to_thread(store.flush)
    status = await asyncio.to_thread(store.status)
    return answer({"commit_seq": status.commit_seq, "flushed_seq": status.flushed_seq})


@router.post("/api/monitoring/admin/backup", **needs("admin", **described(Backup)))
async def backup(request: Request) -> Response:
    """One consistent snapshot; the answer says where it lies on the server."""
    house = house_of(request)
    form = await read_form(request, Backup)
    folder = Path(form.folder) if form.folder else house.settings.home / "backups"
    # whoever holds the local token can read the home folder, so is the same user; others may not write anywhere
    if form.folder and request.state.token.id != LOCAL_ID:
        raise RequestError("only the command line on this machine may choose the folder; leave `folder` out")
    if form.folder and not folder.is_absolute():
        raise RequestError(f"folder {form.folder!r}: the server's working folder is not yours; give an absolute path")
    return answer({"path": str(await asyncio.to_thread(house.opened().backup, folder))})


@router.post("/api/monitoring/admin/retention", **needs("admin", **described(Retention)))
async def retention(request: Request) -> Response:
    """Remove what is older than its table keeps; `dry_run` only says what would go."""
    form = await read_form(request, Retention)
    store = house_of(request).opened()
    removed = await asyncio.to_thread(store.apply_retention, dry_run=form.dry_run)
    return answer({"dry_run": form.dry_run, "removed": [asdict(r) for r in removed]})
