"""Metrics in and out in this house's own words: push, read the newest values, ask PromQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request, Response

from pitchey_slo.collect.batch import Rejected
from pitchey_slo.collect.prometheus import decode_push, expose, negotiate, parse_text
from pitchey_slo.collect.prometheus.sample_rows import decode_samples
from pitchey_slo.collect.unpack import unpack
from pitchey_slo.errors import BadRows, QueryError, RequestError, StoreUnavailable, UnknownFormat
from pitchey_slo.promql import Result
from pitchey_slo.promql.labels import show
from pitchey_slo.series import SampleBatch
from pitchey_slo.store import SampleReceipt
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.events import LISTED, durable
from pitchey_slo.web.house import house_of
from pitchey_slo.web.limits import read_body
from pitchey_slo.web.prometheus_given import Given, Refused, duration_of
from pitchey_slo.web.prometheus_json import float_text
from pitchey_slo.web.series import series_of

router = APIRouter(tags=["metrics"])

ARROW: Final = "application/vnd.apache.arrow.stream"
TEXTS: Final = ("text/plain", "application/openmetrics-text")
KINDS: Final = ("application/json", *TEXTS, ARROW)
BODY: Final = {
    "requestBody": {
        "required": True,
        "description": 'Metrics as {"metrics": [...]}, as Prometheus text or OpenMetrics, or as an Arrow stream of '
        "labels, ts and value. `Content-Encoding` gzip or zstd.",
        "content": {kind: {} for kind in KINDS},
    },
    "parameters": [
        {
            "name": "backfill",
            "in": "query",
            "required": False,
            "schema": {"type": "boolean"},
            "description": "take samples of any age: history, not news",
        }
    ],
}


@dataclass(frozen=True)
class Delivery:
    """Samples read from a body; `rejected` are metrics refused before they became samples."""

    batch: SampleBatch
    rejected: list[Rejected] = field(default_factory=list)


@router.post("/api/monitoring/metrics", **needs("ingest", **BODY))
async def post_metrics(request: Request) -> Response:
    """Store counters, gauges, histograms and summaries. 200 means stored durably; what was refused is listed."""
    house, series, token = house_of(request), series_of(request), request.state.token.id
    backfill = wants_backfill(request)
    house.rates.check(token)
    house.opened()
    with house.bodies.share() as share:
        pieces = await read_body(request, house.settings.body_limit, house.limits, share)
        read = reader(request)
        limit, encoding = house.settings.body_limit, request.headers.get("content-encoding")
        now = round(house.clock().timestamp() * 1000)
        delivery = await asyncio.get_running_loop().run_in_executor(
            house.decoders, lambda: read(unpack(b"".join(pieces), encoding, limit), now, limit)
        )
    house.rates.charge(token, len(delivery.batch))
    receipt = None
    if len(delivery.batch) or delivery.batch.refused:
        store = house.opened()
        waiting = await asyncio.to_thread(store.samples, delivery.batch, backfill=backfill)  # labels are scrubbed in it
        receipt = await durable(waiting)
        series.taken("push", delivery.batch, receipt)
    told = outcome(delivery, receipt)
    if not told["stored"] + told["duplicates"] and told["reasons"]:
        raise BadRows("everything was refused", detail=told)
    return answer(told)


def wants_backfill(request: Request) -> bool:
    for name, value in request.query_params.multi_items():
        if name != "backfill" or value not in ("true", "false", "1", "0"):
            raise RequestError(f"query parameter {name[:40]!r}={value[:40]!r}: only backfill=true has a meaning here")
    return request.query_params.get("backfill") in ("true", "1")


def reader(request: Request) -> Callable[[bytes, int, int], Delivery]:
    """(body, now, limit) -> Delivery, by content type."""
    told = request.headers.get("content-type", "")
    kind = told.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _pushed
    if kind == ARROW:
        return lambda body, _, limit: Delivery(decode_samples(body, limit))
    if kind in TEXTS:
        return lambda body, now, _: Delivery(parse_text(body, now=now, content_type=told))
    raise UnknownFormat(f"Content-Type {told[:80]!r}; readable here: {', '.join(KINDS)}")


def _pushed(body: bytes, now: int, _: int) -> Delivery:
    pushed = decode_push(body, now=now)
    return Delivery(pushed.batch, pushed.rejected)


def outcome(delivery: Delivery, receipt: SampleReceipt | None) -> dict[str, Any]:
    """What became of a delivery. `stored` and `duplicates` are samples; `reasons` counts refused metrics and samples;
    `rows` and `samples` list the first of them."""
    reasons = Counter(r.reason for r in delivery.rejected)
    if receipt:
        reasons.update(receipt.counts)
    return {
        "stored": receipt.stored if receipt else 0,
        "duplicates": receipt.duplicates if receipt else 0,
        "rejected": sum(reasons.values()),
        "reasons": dict(reasons),
        "rows": [{"row": r.row, "reason": r.reason, "message": r.message} for r in delivery.rejected[:LISTED]],
        "samples": [
            {"series": show(delivery.batch.labels[r.series]), "reason": r.reason, "message": r.message}
            for r in (receipt.refused if receipt else ())
        ],
        "commit_seq": receipt.commit_seq if receipt else None,
    }


@router.get("/api/monitoring/metrics", **needs("read"))
async def get_metrics(request: Request) -> Response:
    """The newest value of every series of the last five minutes, series made from events and the workbench's own among
    them; as Prometheus text, OpenMetrics or JSON (`Accept`). `match[]` chooses series."""
    house, series = house_of(request), series_of(request)
    given = await _read(request)
    now, kind = given.now_ms, negotiate(request.headers.get("accept"))
    store = house.opened()
    try:
        chosen = [matchers for each in given.matches() for matchers in each] or [()]
        blocks = await series.queries.newest(chosen, now)
    except Refused as refused:
        raise _ours(refused) from None
    status = await asyncio.to_thread(store.status)
    parts = [] if given.all("match[]") else [series.meter.newest(now, status, series.queries.running)]
    for block in blocks:
        owner = np.repeat(np.arange(len(block.labels)), np.diff(block.offsets))
        parts.append(SampleBatch(block.labels, owner, block.ts, block.values))
    body = await asyncio.to_thread(expose, joined(parts, series), kind)
    return Response(body, media_type=kind)


def joined(parts: list[SampleBatch], series: Any) -> SampleBatch:
    """One batch; a series that several parts hold is taken from the first."""
    place: dict[Any, int] = {}
    owners = []
    for part in parts:
        new = [labels not in place for labels in part.labels]
        where = np.array([place.setdefault(labels, len(place)) for labels in part.labels], np.int64)
        owners.append(np.where(new, where, -1)[part.series] if len(part.labels) else np.empty(0, np.int64))
    owner = np.concatenate(owners) if owners else np.empty(0, np.int64)
    ts = np.concatenate([part.ts for part in parts]) if parts else np.empty(0, np.int64)
    value = np.concatenate([part.value for part in parts]) if parts else np.empty(0)
    kept = owner >= 0
    return SampleBatch(list(place), owner[kept], ts[kept], value[kept], series.descriptions())


@router.get("/api/monitoring/metrics/query", **needs("read"))
async def query_metrics(request: Request) -> Response:
    """PromQL: `query`; `time` for one moment, or `start`, `end` and `step`. Times in ms, missing values null."""
    given = await _read(request)
    series = series_of(request)
    known = {"query", "time", "start", "end", "step"}
    for name, _ in given.pairs:
        if name not in known:
            raise RequestError(f"query parameter {name[:40]!r}: known here are {', '.join(sorted(known))}")
    try:
        expr = given.query()
        if not given.text("start"):
            result = await series.queries.instant(expr, given.time("time", given.now_ms))
        else:
            start, end = given.time("start"), given.time("end", given.now_ms)
            step = duration_of(given.text("step")) if given.text("step") else whole_step(start, end)
            if step is None or step <= 0 or end < start:
                raise Refused("bad_data", "start is not after end, and step is a positive duration such as 60 or 1m")
            if (end - start) // step > series.queries.limits.points:
                raise Refused("bad_data", f"more than {series.queries.limits.points:,} steps; take a longer step")
            result = await series.queries.range(expr, start, end, step)
    except Refused as refused:
        raise _ours(refused) from None
    return Response(await asyncio.to_thread(lambda: answer(plain(expr, result)).body), media_type="application/json")


async def _read(request: Request) -> Given:
    try:
        return await Given.read(request)
    except Refused as refused:
        raise _ours(refused) from None


def whole_step(start: int, end: int) -> int:
    """A step that gives about 250 points, a multiple of 15 s."""
    return max(1, round((end - start) / 250 / 15_000)) * 15_000


def plain(expr: str, result: Result) -> dict[str, Any]:
    """A result as arrays: `values` of each series stand beside `times`."""
    return {
        "query": expr,
        "kind": result.kind,
        "times": result.times.tolist(),
        "text": result.text,
        "series": [
            {"name": show(labels) if labels else expr, "labels": dict(labels), "values": _numbers(values, present)}
            for labels, values, present in zip(result.labels, result.values, result.present, strict=True)
        ],
        "warnings": [*result.warnings, *result.infos],
    }


def _numbers(values: Any, present: Any) -> list[float | str | None]:
    """Numbers; null where there is none; "NaN", "+Inf" and "-Inf" as texts, since JSON has no word for them."""
    found: list[float | str | None] = values.tolist()
    for i in np.flatnonzero(~present | ~np.isfinite(values)).tolist():
        found[i] = float_text(float(values[i])) if present[i] else None
    return found


def _ours(refused: Refused) -> QueryError | StoreUnavailable:
    if refused.status == 503:
        return StoreUnavailable(refused.message)
    return QueryError(refused.message)
