"""`POST /v1/logs`, `/v1/traces`, `/v1/metrics`: OpenTelemetry's protocol over HTTP.

A sender repeats a delivery after 429, 502, 503 and 504 and gives it up after anything else, 500 included. So whatever
may succeed later is a 503 (429 for a token that is too fast), with `Retry-After`; a delivery of which only a part was
taken is a 200 that says how much was refused, and is not sent again. (OTLP specification 1.x, "OTLP/HTTP Response".)
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from pitchey_slo.collect import user_key
from pitchey_slo.collect.batch import Batch, Rejected
from pitchey_slo.collect.otlp import (
    HEADER,
    JSON,
    PROTOBUF,
    Delivery,
    Samples,
    decode_logs,
    decode_metrics,
    decode_traces,
    media_of,
    response,
    status,
    told,
)
from pitchey_slo.errors import PitcheyError, UnknownFormat
from pitchey_slo.store import Receipt, SampleReceipt, Store
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import refusal
from pitchey_slo.web.events import durable
from pitchey_slo.web.house import house_of
from pitchey_slo.web.limits import read_body
from pitchey_slo.web.series import series_of

T = TypeVar("T")
W = TypeVar("W")


class OtlpRoute(APIRoute):
    """A route whose every refusal, also that of its token, is a google.rpc.Status in the encoding of the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except PitcheyError as error:
                return refused(request, error)

        return answered


router = APIRouter(tags=["otlp"], route_class=OtlpRoute)

BODY: Final = {
    "required": True,
    "description": "an OTLP Export...ServiceRequest; `Content-Encoding` gzip or zstd",
    "content": {PROTOBUF: {}, JSON: {}},
}
SHARE: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "description": "the share of requests or lines that was kept, for senders whose data do not say it",
}


@router.post("/v1/logs", **needs("ingest", requestBody=BODY, parameters=[SHARE]))
async def post_logs(request: Request) -> Response:
    """Store log records (table `logs`). 200 means stored durably, but for what partialSuccess counts."""
    batch, waiting = await taken(request, decode_logs, rows)
    charge(request, batch.rows.num_rows + len(batch.rejected))
    await stored(request, batch, waiting, batch.rejected)
    return answered(request, "logs", len(batch.rejected), told(batch.rejected))


@router.post("/v1/traces", **needs("ingest", requestBody=BODY, parameters=[SHARE]))
async def post_traces(request: Request) -> Response:
    """Store HTTP servers' spans (table `requests`) and exceptions of all spans (table `logs`); other spans are taken
    and not kept."""
    found, (requests, logs) = await taken(request, decode_traces, lambda s, f: (rows(s, f.requests), rows(s, f.logs)))
    charge(request, found.requests.rows.num_rows + len(found.rejected) + found.not_kept)
    await stored(request, found.requests, requests, found.rejected)
    await stored(request, found.logs, logs, found.lines)
    series_of(request).meter.add("otlp_spans_not_kept_total", found.not_kept)
    return answered(request, "traces", len(found.rejected), told([*found.rejected, *found.lines]))


@router.post("/v1/metrics", **needs("ingest", requestBody=BODY))
async def post_metrics(request: Request) -> Response:
    """Store metrics as time series. Delta temporality and exponential histograms are refused; the message says what
    to set."""
    found, waiting = await taken(request, decode_metrics, lambda s, f: s.samples(f.batch) if len(f.batch) else None)
    charge(request, len(found.batch) + len(found.rejected))
    series = series_of(request)
    for reason, count in Counter(r.reason for r in found.rejected).items():
        series.meter.add("samples_refused_total", count, way="otlp", reason=reason)
    receipt = None
    if waiting is not None:
        receipt = await durable(waiting)
        series.taken("otlp", found.batch, receipt)
    more = ", ".join(f"{count} samples {reason}" for reason, count in receipt.counts.items()) if receipt else ""
    return answered(request, "metrics", rejected_points(found, receipt), told(found.rejected, more))


async def taken(request: Request, decode: Callable[[Delivery], T], submit: Callable[[Store, T], W]) -> tuple[T, W]:
    """Reads the body; decodes it and hands what it holds to the writer, both in a thread: the store cleans what it is
    given. Raises what any of them does."""
    house = house_of(request)
    house.rates.check(request.state.token.id)
    house.opened()
    media(request)
    with house.bodies.share() as share:
        pieces = await read_body(request, house.settings.body_limit, house.limits, share)

        def work() -> tuple[T, W]:
            delivery = Delivery(
                b"".join(pieces),
                request.headers.get("content-type"),
                request.headers.get("content-encoding"),
                request.headers.get(HEADER),
                house.settings.body_limit,
                user_key(house.settings.home),
                house.clock(),
            )
            pieces.clear()
            found = decode(delivery)
            return found, submit(house.opened(), found)

        return await asyncio.get_running_loop().run_in_executor(house.decoders, work)


def rows(store: Store, batch: Batch) -> Future[Receipt] | None:
    """Hands the rows to the writer; None when there are none."""
    return store.submit(batch.table, batch.rows) if batch.rows.num_rows else None


async def stored(request: Request, batch: Batch, waiting: Future[Receipt] | None, rejected: Sequence[Rejected]) -> None:
    """Waits until the rows are durable, and counts what became of them."""
    receipt = None
    if waiting is not None:
        receipt = await durable(waiting)
    series_of(request).meter.rows(batch.table, receipt, Counter(r.reason for r in rejected))


def charge(request: Request, records: int) -> None:
    """What was read counts against the token's rate, kept or not."""
    house_of(request).rates.charge(request.state.token.id, records)


def rejected_points(found: Samples, receipt: SampleReceipt | None) -> int:
    """Data points of which something was refused, here or by the store. The store names the first refused samples
    and counts all; beyond those it is at most as many points as samples."""
    refused = len(found.rejected)
    if receipt is None or not receipt.counts:
        return refused
    count = sum(receipt.counts.values())
    if count <= len(receipt.refused):
        named = {r.series for r in receipt.refused}
        points = zip(found.batch.series.tolist(), found.point, strict=True)
        count = min(count, len({point for series, point in points if series in named and point >= 0}))
    return min(refused + count, found.points)


def answered(request: Request, signal: str, rejected: int, message: str) -> Response:
    kind = media(request)
    return Response(response(signal, rejected, message, kind), media_type=kind)


def media(request: Request) -> str:
    """The encoding of request and answer; JSON for a request that says nothing, which then must be empty."""
    return media_of(request.headers.get("content-type") or JSON)


def refused(request: Request, error: PitcheyError) -> Response:
    """`error` as a Status. What may succeed later is 503, whatever it is elsewhere; a sender that is too fast gets
    429."""
    answer = refusal(error)
    code = 503 if error.transient and answer.status_code != 429 else answer.status_code
    headers = {name: answer.headers[name] for name in ("retry-after", "www-authenticate") if name in answer.headers}
    if code == 503:
        headers.setdefault("retry-after", "1")
    try:
        kind = media(request)
    except UnknownFormat:
        kind = JSON
    message = json.loads(bytes(answer.body))["error"]["message"]
    return Response(status(code, message, kind), code, headers, media_type=kind)
