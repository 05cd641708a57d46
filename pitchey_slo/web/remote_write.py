"""`POST /api/v1/write`: Prometheus' remote write, 1.0 and 2.0.

A sender keeps a delivery until it gets a 2xx, gives it up after a 4xx and tries again after a 5xx; some give up after
408 and 429 too. So whatever may succeed later is a 503 here, and a delivery of which only a part was taken is a 400
that says how much (Remote-Write specification 2.0, "Partial Write").
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from pitchey_slo.collect.prometheus import Written, written_headers
from pitchey_slo.errors import CollectError, PitcheyError, StoreBusy
from pitchey_slo.series import SampleBatch
from pitchey_slo.store import SampleReceipt
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import headers_of, refusal
from pitchey_slo.web.events import durable
from pitchey_slo.web.house import house_of
from pitchey_slo.web.limits import read_body
from pitchey_slo.web.series import series_of

router = APIRouter(tags=["prometheus"])

BODY = {
    "requestBody": {
        "required": True,
        "description": "a snappy-compressed remote-write request; proto=io.prometheus.write.v2.Request for 2.0",
        "content": {"application/x-protobuf": {}},
    }
}


@router.post("/api/v1/write", **needs("ingest", **BODY))
async def write(request: Request) -> Response:
    """Store the samples of a remote write. 204 means all are stored durably; 400 that some or all were refused."""
    headers = written_headers(0)
    try:
        written, receipt = await _store(request)
    except PitcheyError as error:
        if error.transient:
            wait = headers_of(error).get("Retry-After", "1")
            busy = StoreBusy(error.message, reason=error.reason, detail=error.detail)
            return _with(refusal(busy), {**headers, "Retry-After": wait})
        return _with(refusal(error), headers)
    headers = written_headers(receipt.stored + receipt.duplicates if receipt else 0)
    if receipt is not None and receipt.counts:
        return _with(refusal(CollectError(_told(written.batch, receipt), detail={"reasons": receipt.counts})), headers)
    return Response(status_code=204, headers=headers)


async def _store(request: Request) -> tuple[Written, SampleReceipt | None]:
    house, series, token = house_of(request), series_of(request), request.state.token.id
    house.rates.check(token)
    house.opened()
    with house.bodies.share() as share:
        pieces = await read_body(request, house.settings.body_limit, house.limits, share)
        written = await asyncio.get_running_loop().run_in_executor(
            house.decoders,
            lambda: series.remote_write.decode(
                b"".join(pieces),
                content_type=request.headers.get("content-type"),
                content_encoding=request.headers.get("content-encoding"),
            ),
        )
    house.rates.charge(token, len(written.batch))
    if not len(written.batch) and not written.batch.refused:
        series.book.add(written.batch.metadata)
        return written, None
    receipt = await durable(await asyncio.to_thread(house.opened().samples, written.batch))  # labels are scrubbed in it
    series.taken("remote_write", written.batch, receipt)
    return written, receipt


def _told(batch: SampleBatch, receipt: SampleReceipt) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in receipt.counts.items())
    examples = "; ".join(f"{dict(batch.labels[r.series])}: {r.message}" for r in receipt.refused[:2])
    return f"refused: {counts}; {examples}"[:1_000]


def _with(response: Response, headers: dict[str, str]) -> Response:
    response.headers.update(headers)
    return response
