"""Synthetic tests over HTTP: what they say, what they are, their results in, and a run now."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from concurrent.futures import Future
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.alert.words import iso
from pitchey_slo.collect import Batch
from pitchey_slo.collect.batch import Rejected
from pitchey_slo.errors import BadRows, ConfigError, Conflict, RequestError, SyntheticError
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic.agent import event_id
from pitchey_slo.store import Receipt
from pitchey_slo.tables import PROBES, SYNTHETICS
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.corrections import to_lake
from pitchey_slo.web.errors import answer
from pitchey_slo.web.events import BODY, decoded, durable, outcome
from pitchey_slo.web.house import House, house_of
from pitchey_slo.web.limits import read_body
from pitchey_slo.web.maintenance import of_definition
from pitchey_slo.web.series import series_of
from pitchey_slo.web.slos import parameters
from pitchey_slo.web.synthetic_desk import Synthetic
from pitchey_slo.web.synthetic_told import told_result, told_tests

router = APIRouter(tags=["synthetic"])

#: Results listed in one answer.
LISTED: Final = 1_000


class NewTest(Form):
    definition: str | dict[str, Any] = Field(
        description="the test as in a file of config/synthetics: YAML as text, or the same as an object"
    )
    by: str | None = Field(None, max_length=128, description="who adds it; the name of the token without it")
    source: str = Field("api", max_length=64, description="where it comes from")


@router.get("/api/monitoring/synthetic", **needs("read"))
async def tests(request: Request) -> Response:
    """Every test: what all its locations together say, the last verdict of each, its uptime over 24 hours, 7 and 30
    days, and where it is slower than usual or fails."""
    parameters(request, ())
    desk = synthetic_of(request)
    numbers = await desk.numbers.current()
    return answer(await asyncio.to_thread(told_tests, desk, numbers))


@router.post("/api/monitoring/synthetic", **needs("admin", **described(NewTest)))
async def add(request: Request) -> Response:
    """Add a test, or change one: it replaces what had its name, a file too. 201 means that it is stored and planned."""
    form = await read_form(request, NewTest)
    desk, house = synthetic_of(request), house_of(request)
    text = form.definition if isinstance(form.definition, str) else _json(form.definition)
    by = form.by or request.state.token.name or request.state.token.id
    name = await asyncio.to_thread(_add, desk, house, text, by, form.source)
    return answer(_told_one(desk, name), 201)


@router.get("/api/monitoring/synthetic/tests", **needs("ingest"))
async def definitions(request: Request) -> Response:
    """What an agent at `?location=` runs: definitions as YAML (secrets by reference), and what `{{ base }}` means. With
    the ETag of an earlier answer as If-None-Match it is 304 while nothing changed."""
    location = parameters(request, ("location",)).get("location", "")
    desk = synthetic_of(request)
    house_of(request).opened()
    found = [
        {"name": name, "definition": test.definition.text, "source": test.source, "place": test.place}
        for name, test in sorted(desk.of_location(location).items())
    ]
    body = orjson.dumps({"location": location, "base": desk.base, "tests": found})
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type="application/json")


@router.post("/api/monitoring/synthetic/results", **needs("ingest", requestBody=BODY["requestBody"]))
async def take(request: Request) -> Response:
    """Results of an agent: rows of `probes` with their own times, stored once however often they are sent. `?location=`
    names the agent, `?dropped=` says how many results it had to drop while we were away."""
    given = parameters(request, ("location", "dropped"))
    house, desk = house_of(request), synthetic_of(request)
    token = request.state.token.id
    dropped = given.get("dropped", "0")
    if not (dropped.isascii() and dropped.isdigit()) or len(dropped) > 12:
        raise RequestError(f"dropped: {dropped[:40]!r} is no number of results")
    house.rates.check(token)
    house.opened()
    with house.bodies.share() as share:
        pieces = await read_body(request, house.settings.body_limit, house.limits, share)
        batch, waiting = await asyncio.get_running_loop().run_in_executor(
            house.decoders, _decode_and_take, house, desk, request, pieces
        )
    house.rates.charge(token, batch.rows.num_rows)
    receipt = None
    if waiting is not None:
        receipt = await durable(waiting)
    desk.note_dropped(given.get("location", "unknown"), int(dropped))
    series_of(request).meter.rows("probes", receipt, Counter(r.reason for r in batch.rejected))
    if batch.rejected and receipt is None:
        raise BadRows(f"all {len(batch.rejected)} rows were refused", detail=outcome(batch, None))
    return answer(outcome(batch, receipt))


@router.get("/api/monitoring/synthetic/{name}", **needs("read"))
async def one(request: Request) -> Response:
    """One test, with its definition."""
    parameters(request, ())
    desk = synthetic_of(request)
    house_of(request).opened()
    return answer(_told_one(desk, request.path_params["name"]))


@router.delete("/api/monitoring/synthetic/{name}", **needs("admin"))
async def remove(request: Request) -> Response:
    """Take a test away that was added here; a file of the same name holds again. Its results stay."""
    desk, house = synthetic_of(request), house_of(request)
    name = request.path_params["name"]
    row = await asyncio.to_thread(_remove, desk, house, name)
    return answer({"name": name, "removed_at": iso(row["removed_at"]), "file_holds_again": name in desk.known.tests})


@router.post("/api/monitoring/synthetic/{name}/run", **needs("alert"))
async def run(request: Request) -> Response:
    """Run a test now, from this server; a run that is going is waited for instead. Its results are stored and count as
    any others do."""
    desk = synthetic_of(request)
    found = await desk.run(request.path_params["name"])
    return answer({"results": [told_result(r) for r in found]})


@router.get("/api/monitoring/synthetic/{name}/results", **needs("read"))
async def results(request: Request) -> Response:
    """The newest results of a test, newest first. `?location=`, `?scope=` (verdict, attempt, step; all of them without
    it), `?state=`, `?limit=` (100; up to 1,000). As far back as hot goes; older ones are in the table `probes`."""
    given = parameters(request, ("location", "scope", "state", "limit"))
    limit = given.get("limit", "100")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= LISTED):
        raise RequestError(f"limit: {limit[:40]!r} is no number from 1 to {LISTED}")
    where = ["test = ?", "kind <> 'health'"]
    values: list[Any] = [request.path_params["name"]]
    for key in ("location", "scope", "state"):
        if key in given:
            where.append(f"{key} = ?")
            values.append(given[key])
    sql = f"SELECT * EXCLUDE (commit_seq) FROM probes WHERE {' AND '.join(where)} ORDER BY ts DESC LIMIT {int(limit)}"
    rows = await asyncio.to_thread(lambda: house_of(request).opened().query(sql, values).to_pylist())
    return answer({"results": [told_result(Result.of(row)) for row in rows]})


def synthetic_of(request: Request) -> Synthetic:
    found = request.app.state.synthetic
    assert isinstance(found, Synthetic)
    return found


def _json(definition: dict[str, Any]) -> str:
    """As YAML, which JSON is."""
    return orjson.dumps(definition, option=orjson.OPT_INDENT_2).decode()


def _told_one(desk: Synthetic, name: str) -> dict[str, Any]:
    definition = desk.test(name).definition
    found: dict[str, Any] = told_tests(desk, None, only=name)["tests"][0]
    return found | {"definition": definition.text}


def _add(desk: Synthetic, house: House, text: str, by: str, source: str) -> str:
    try:
        definition = desk.read(text, "definition")
        of_definition(definition)
    except ConfigError as error:
        where = {"line": error.line, "column": error.column, "key": error.key}
        raise SyntheticError(error.message, detail=where) from None
    now = house.clock()
    row = {"id": definition.name, "definition": text, "added_by": by, "updated_at": now, "source": source}
    house.opened().append("synthetics", SYNTHETICS.of([row]))
    desk.look()
    desk.planned()
    to_lake(house.opened())
    return definition.name


def _remove(desk: Synthetic, house: House, name: str) -> dict[str, Any]:
    store = house.opened()
    rows = store.query("SELECT * EXCLUDE (commit_seq) FROM synthetics WHERE id = ?", [name]).to_pylist()
    if not rows or rows[0]["removed_at"] is not None:
        test = desk.test(name)  # NotFound when there is none at all
        raise Conflict(f"{name} stands in the file {test.place}; remove it there")
    row: dict[str, Any] = rows[0] | {"removed_at": house.clock()}
    store.append("synthetics", SYNTHETICS.of([row]))
    desk.look()
    desk.planned()
    to_lake(store)
    return row


def _decode_and_take(
    house: House, desk: Synthetic, request: Request, pieces: list[bytes]
) -> tuple[Batch, Future[Receipt] | None]:
    """Runs in a decoding thread."""
    batch = decoded(house, request, pieces, PROBES)
    found, rejected = [], list(batch.rejected)
    for i, row in enumerate(batch.rows.to_pylist()):
        try:
            result = Result.of(row)
            found.append(result if result.event_id else _named(result))
        except (ValueError, TypeError) as error:
            rejected.append(Rejected(i, "wrong_type", str(error)))
    batch = Batch(batch.table, batch.rows, rejected, batch.warnings)
    return batch, desk.take(found) if found else None


def _named(result: Result) -> Result:
    """A sender that names no events still has runs."""
    from dataclasses import replace

    return replace(result, event_id=event_id(result)) if result.run_id else result
