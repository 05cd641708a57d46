"""Reports: the page that lists them, their records, files and schedules.

The page itself holds no data and is public; it asks for a token once per tab and then asks the API with it. A report's
own page comes from a notebook, so it must not be able to act for who reads it: it is served in a sandbox of no origin,
from where nothing can be fetched and no token of the tab be read. A browser opens it by a ticket, an address that shows
this one page for ten minutes and can do nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from pitchey_slo.alert.words import iso
from pitchey_slo.errors import NotFound, PitcheyError, RequestError, Unauthorized
from pitchey_slo.report import Run, changes, find_run, runs
from pitchey_slo.report.schedule.book import recent
from pitchey_slo.web.alert_page import FILES, HEADERS
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import house_of
from pitchey_slo.web.schedules import schedules_of

router = APIRouter(tags=["reports"])

#: What a report's page may do: run the scripts it carries and states the hashes of, nothing else.
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_FILE_HEADERS = {
    "Content-Security-Policy": SANDBOX,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-store",
}
#: Seconds that a ticket opens its page.
TICKET_SECONDS = 600
MOST = 500


class Tickets:
    """Addresses that open one page for a while; they die with the process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def make(self, run_id: str) -> str:
        until = int(time.time()) + TICKET_SECONDS
        return f"{until}-{self._sign(run_id, until)}"

    def check(self, run_id: str, ticket: str) -> None:
        """Raises Unauthorized."""
        until, _, sign = ticket.partition("-")
        good = until.isdecimal() and len(until) < 12 and hmac.compare_digest(sign, self._sign(run_id, int(until)))
        if not good or int(until) < time.time():
            raise Unauthorized("this address opened one report for ten minutes; open it again from /reports")

    def _sign(self, run_id: str, until: int) -> str:
        return hmac.new(self._key, f"{run_id} {until}".encode(), hashlib.sha256).hexdigest()


@router.get("/reports/page.js", **needs(None))
async def script() -> Response:
    """The script of the list and of one report."""
    return Response((FILES / "reports.js").read_bytes(), headers=HEADERS, media_type="text/javascript")


@router.get("/reports", **needs(None))
async def page() -> Response:
    """All reports, by kind and date: the address that messages link to when there is no one report."""
    return _shell()


@router.get("/reports/{id}", **needs(None))
async def one_page() -> Response:
    """One report: what changed, its data, who was sent it. The address that messages link to."""
    return _shell()


@router.get("/reports/{id}/page/{ticket}", **needs(None))
async def opened(request: Request) -> Response:
    """The page a notebook became, for whoever holds a ticket for it."""
    run_id = request.path_params["id"]
    tickets_of(request).check(run_id, request.path_params["ticket"])
    return await _file(request, run_id, "html")


@router.get("/api/monitoring/reports", **needs("read"))
async def listed(request: Request) -> Response:
    """Runs, the newest first. `kind`, `status` and `schedule` choose; `limit` (100) and `before` (a start time as it is
    answered) page. Each has its parameters, the verdict on its data and who was sent it; `progress` counts cells while
    it runs."""
    chosen = {name: request.query_params.get(name) for name in ("kind", "status", "schedule", "before")}
    limit = _limit(request, 100)
    reports = house_of(request).settings.reports.absolute()
    every = await asyncio.to_thread(runs, reports)
    kinds = sorted({(r.notebook, r.kind or r.notebook, r.title) for r in every})
    for name in ("status", "schedule"):
        if chosen[name]:
            every = [r for r in every if getattr(r, name) == chosen[name]]
    if chosen["kind"]:
        every = [r for r in every if chosen["kind"] in (r.kind, r.notebook)]
    if chosen["before"]:
        every = [r for r in every if str(iso(r.started_at)) < chosen["before"]]
    told = await asyncio.to_thread(lambda: [_told(r) for r in every[:limit]])
    names = [{"notebook": notebook, "kind": kind, "title": title} for notebook, kind, title in kinds]
    return answer({"runs": told, "kinds": names, "more": len(every) > limit})


@router.get("/api/monitoring/reports/schedules", **needs("read"))
async def schedules(request: Request) -> Response:
    """Every schedule: when it is due next, how it ended last, whether it is dead. `problem` is what is wrong with the
    file, whose last good state holds; `built_in` false says that systemd's timers run them."""
    found = schedules_of(request)
    scheduler = found.scheduler
    told = await asyncio.to_thread(lambda: [s.as_dict() for s in found.standings()])
    off = {name: list(why) for name, why in scheduler.switched_off.items() if why}
    problem = scheduler.book.problem
    return answer({"schedules": told, "built_in": scheduler.built_in, "problem": problem, "switched_off": off})


@router.post("/api/monitoring/reports/schedules/{name}/run", **needs("admin"))
async def run_schedule(request: Request) -> Response:
    """Run a schedule now, with its parameters and its delivery; answers the due time, whose end `dues` tells."""
    scheduler = schedules_of(request).scheduler
    due = await asyncio.to_thread(scheduler.ask, request.path_params["name"])
    return answer({"due": due.as_dict()}, 202)


@router.get("/api/monitoring/reports/dues", **needs("read"))
async def dues(request: Request) -> Response:
    """Times that schedules were due, the newest first, and what became of each; `schedule` chooses, `limit` (100)."""
    store, name = house_of(request).opened(), request.query_params.get("schedule")
    limit = _limit(request, 100)
    found = await asyncio.to_thread(recent, store.query, limit, name)
    return answer({"dues": [due.as_dict() for due in found]})


@router.get("/api/monitoring/reports/{id}", **needs("read"))
async def one(request: Request) -> Response:
    """One run: its record, its key numbers, and what changed since the run before it."""
    reports = house_of(request).settings.reports.absolute()

    def found() -> dict[str, Any]:
        run = _find(reports, request.path_params["id"])
        return {"run": _told(run), **changes.compare(run, reports).as_dict()}

    return answer(await asyncio.to_thread(found))


@router.get("/api/monitoring/reports/{id}/html", **needs("read"))
async def html(request: Request) -> Response:
    """The page a notebook became: one file that needs no network."""
    return await _file(request, request.path_params["id"], "html")


@router.get("/api/monitoring/reports/{id}/notebook", **needs("read"))
async def notebook(request: Request) -> Response:
    """The notebook as it was run."""
    return await _file(request, request.path_params["id"], "ipynb")


@router.post("/api/monitoring/reports/{id}/link", **needs("read"))
async def link(request: Request) -> Response:
    """An address that shows this run's page in a browser, for ten minutes and to whoever has it."""
    run_id = request.path_params["id"]
    await asyncio.to_thread(_path, house_of(request).settings.reports.absolute(), run_id, "html")
    ticket = tickets_of(request).make(run_id)
    return answer({"path": f"/reports/{quote(run_id, safe='')}/page/{ticket}", "seconds": TICKET_SECONDS})


def tickets_of(request: Request) -> Tickets:
    state = request.app.state
    if not hasattr(state, "tickets"):
        state.tickets = Tickets()
    found = state.tickets
    assert isinstance(found, Tickets)
    return found


def _shell() -> Response:
    return Response((FILES / "reports.html").read_bytes(), headers=HEADERS, media_type="text/html")


async def _file(request: Request, run_id: str, kind: str) -> Response:
    reports = house_of(request).settings.reports.absolute()
    path = await asyncio.to_thread(_path, reports, run_id, kind)
    body = await asyncio.to_thread(path.read_bytes)
    if kind == "html":
        return Response(body, headers=_FILE_HEADERS, media_type="text/html")
    name = {"Content-Disposition": f'attachment; filename="{run_id}-{path.name}"'}
    return Response(body, headers=_FILE_HEADERS | name, media_type="application/x-ipynb+json")


def _path(reports: Path, run_id: str, kind: str) -> Path:
    """A file of a run that ended and was searched for secrets. Raises NotFound."""
    run = _find(reports, run_id)
    path = Path(run.html if kind == "html" else run.output)
    inside = path.resolve().is_relative_to(run_folder(reports, run))
    if run.masked is None or not inside or not path.is_file():
        why = (
            "it still goes on" if run.status == "running" else "its files are gone, or were never searched for secrets"
        )
        raise NotFound(f"run {run_id} has no {kind} to show: {why}")
    return path


def run_folder(reports: Path, run: Run) -> Path:
    return (reports / run.notebook / run.id).resolve()


def _find(reports: Path, run_id: str) -> Run:
    try:
        return find_run(reports, run_id)
    except PitcheyError as error:
        raise NotFound(error.message) from None


def _told(run: Run) -> dict[str, Any]:
    """A run without the paths of this machine."""
    found = run.as_dict()
    for name in ("html", "output"):
        there = Path(found.pop(name)).is_file()
        found[f"has_{name}"] = there and run.masked is not None
    return {**found, "seconds": run.seconds, "progress": run.progress}


def _limit(request: Request, usual: int) -> int:
    text = request.query_params.get("limit", str(usual))
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise RequestError(f"limit is {text[:20]!r}; it takes 1 to {MOST}")
    return int(text)
