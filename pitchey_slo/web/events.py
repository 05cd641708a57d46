"""Ways in: one delivery of rows, decoded in a thread, stored durably before it is answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import Future
from typing import Any, TypeVar

import pyarrow.compute as pc
from fastapi import APIRouter, Request, Response

from pitchey_slo.collect import Batch, decode
from pitchey_slo.errors import BadRows, NotFound, RequestError, Unauthorized, did_you_mean
from pitchey_slo.store import Receipt
from pitchey_slo.tables import REQUESTS, TABLES, Table
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import House, house_of
from pitchey_slo.web.limits import read_body
from pitchey_slo.web.series import series_of

router = APIRouter(tags=["events"])

#: Rejected rows listed in one answer; `rejected` and `reasons` count all.
LISTED = 100
KEY_LENGTH = 128

T = TypeVar("T")

BODY = {
    "requestBody": {
        "required": True,
        "description": 'Rows as one JSON object, an array or {"events": [...]}; as one object per line; '
        "or as an Arrow stream. `Content-Encoding` gzip or zstd.",
        "content": {
            "application/json": {},
            "application/x-ndjson": {},
            "application/vnd.apache.arrow.stream": {},
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "maxLength": KEY_LENGTH},
            "description": "names this delivery: sent twice, rows without an event_id are stored once",
        }
    ],
}


@router.post("/api/monitoring/events", **needs("ingest", **BODY))
async def post_requests(request: Request) -> Response:
    """Store request events (table `requests`). 200 means stored durably; bad rows are listed, good rows kept."""
    return await ingest(request, REQUESTS)


@router.post("/api/monitoring/events/{table}", **needs("ingest", requestBody=BODY["requestBody"]))
async def post_table(request: Request, table: str) -> Response:
    """Store rows of any table: requests, business_events, incidents, deployments, report_runs."""
    if table not in TABLES:
        raise NotFound(f"no table {table[:80]!r}; {did_you_mean(table, TABLES) or 'tables: ' + ', '.join(TABLES)}")
    return await ingest(request, TABLES[table])


async def ingest(request: Request, table: Table) -> Response:
    """Read, decode, store, answer."""
    house = house_of(request)
    token = request.state.token.id
    refuse_parameters(request)
    key = batch_key(request, token)
    house.rates.check(token)
    house.opened()
    with house.bodies.share() as share:
        pieces = await read_body(request, house.settings.body_limit, house.limits, share)
        batch, waiting = await asyncio.get_running_loop().run_in_executor(
            house.decoders, decode_and_submit, house, request, pieces, table, key
        )
    house.rates.charge(token, batch.rows.num_rows)
    receipt = None
    if waiting is not None:
        receipt = await durable(waiting)
    series_of(request).meter.rows(table.name, receipt, Counter(r.reason for r in batch.rejected))
    if batch.rejected and receipt is None:
        raise BadRows(f"all {len(batch.rejected)} rows were refused", detail=outcome(batch, None))
    return answer(outcome(batch, receipt))


async def durable(waiting: Future[T]) -> T:
    """The receipt, once the rows are on disk. Shielded: when the sender goes away they are written all the same."""
    return await asyncio.shield(asyncio.wrap_future(waiting))


def decode_and_submit(
    house: House, request: Request, pieces: list[bytes], table: Table, key: str | None
) -> tuple[Batch, Future[Receipt] | None]:
    """Runs in a decoding thread."""
    begun, meter = time.perf_counter(), series_of(request).meter
    batch = decoded(house, request, pieces, table, key)
    meter.took("decode_seconds", time.perf_counter() - begun, table=table.name)
    if "source" in batch.rows.schema.names:
        found = pc.value_counts(batch.rows["source"])
        meter.sources(table.name, dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))
    return batch, house.opened().submit(table.name, batch.rows) if batch.rows.num_rows else None


def decoded(house: House, request: Request, pieces: list[bytes], table: Table, key: str | None = None) -> Batch:
    """The rows of a body; empties `pieces`, so that the body is held once."""
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    pieces.clear()
    return decode(
        body,
        content_type=request.headers.get("content-type", ""),
        content_encoding=request.headers.get("content-encoding"),
        table=table,
        limit=house.settings.body_limit,
        now=house.clock(),
        batch_key=key,
    )


def outcome(batch: Batch, receipt: Receipt | None) -> dict[str, Any]:
    """What became of a delivery, in rows."""
    return {
        "stored": receipt.stored if receipt else 0,
        "duplicates": receipt.duplicates if receipt else 0,
        "rejected": len(batch.rejected),
        "reasons": dict(Counter(r.reason for r in batch.rejected)),
        "rows": [{"row": r.row, "reason": r.reason, "message": r.message} for r in batch.rejected[:LISTED]],
        "warnings": batch.warnings,
        "commit_seq": receipt.commit_seq if receipt else None,
    }


def refuse_parameters(request: Request) -> None:
    for name in request.query_params:
        if name.lower() in ("token", "access_token", "api_key"):
            raise Unauthorized("a token in the address ends up in logs; send it as a header, and revoke this one")
        raise RequestError(f"query parameter {name[:40]!r} has no meaning here; the table is part of the path")


def batch_key(request: Request, token: str) -> str | None:
    """The name of this delivery, unique among all senders: a key of one token says nothing about another's."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key or len(key) > KEY_LENGTH or not key.isprintable() or not key.isascii():
        raise RequestError(f"Idempotency-Key takes 1 to {KEY_LENGTH} printable ASCII characters")
    return f"{token}:{key}"
