"""Prometheus' HTTP API, so that Grafana and everything else that speaks to Prometheus can ask this store.

Paths, parameters, answers and errors are Prometheus 3's (web/api/v1/api.go). What happens before a query is read (no
token, no such path) is answered in this house's own shape.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Request, Response

from pitchey_slo.alert.told import Wanted, prometheus_alerts, prometheus_groups
from pitchey_slo.errors import PitcheyError
from pitchey_slo.promql import Result, parse, tree
from pitchey_slo.series import Labels, Metadata
from pitchey_slo.web.alerting import alerting_of
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import headers_of
from pitchey_slo.web.prometheus_given import FIRST_MS, LAST_MS, Given, Refused, go_quoted, invalid
from pitchey_slo.web.prometheus_json import envelope, failure, result_text, texts
from pitchey_slo.web.series import series_of

router = APIRouter(tags=["prometheus"])
log = logging.getLogger(__name__)

#: The Prometheus whose language and API are spoken here; Grafana reads it to know what it may ask.
SPEAKS = "3.5.0"
TRUNCATED = "results truncated due to limit"
#: Points that are written so quickly that a thread is not worth it.
QUICK = 5_000

Handler = Callable[[Request, Given], Awaitable[bytes]]


def route(path: str, *methods: str) -> Callable[[Handler], Handler]:
    """Register a handler whose errors are told as Prometheus tells them."""

    def register(handler: Handler) -> Handler:
        async def answered(request: Request) -> Response:
            status, headers = 200, {}
            try:
                body = await handler(request, await Given.read(request))
            except Refused as refused:
                status, headers, body = refused.status, refused.headers, failure(refused.kind, refused.message)
            except PitcheyError as error:
                status, headers = error.status, headers_of(error)
                body = failure("unavailable" if error.transient else "bad_data", error.message)
                if status >= 500 and not error.transient:
                    status, headers, body = unforeseen(error)
            except Exception as error:  # noqa: BLE001  # told in Prometheus' shape, with the traceback in the log
                status, headers, body = unforeseen(error)
            return Response(body, status, headers, media_type="application/json")

        answered.__name__, answered.__doc__ = handler.__name__, handler.__doc__
        for method in methods:  # one by one: an operation of the API document has one method
            router.add_api_route(path, answered, methods=[method], **needs("read"))
        return handler

    return register


def unforeseen(error: Exception) -> tuple[int, dict[str, str], bytes]:
    log.error("unexpected %s while answering a query", type(error).__name__, exc_info=error)
    return 503, {"Retry-After": "2"}, failure("unavailable", "something went wrong here; the log says what")


@route("/api/v1/query", "GET", "POST")
async def query(request: Request, given: Given) -> bytes:
    """A PromQL expression at one time: `query`, `time`, `timeout`, `limit`, `lookback_delta`."""
    limit = given.limit()
    at = given.time("time", given.now_ms)
    seconds, lookback = evaluation(given)
    result = await series_of(request).queries.instant(given.query(), at, seconds=seconds, lookback=lookback)
    cut = 0 < limit < len(result) and result.kind != "scalar"
    warnings = (*result.warnings, TRUNCATED) if cut else result.warnings
    return envelope(await written(result, limit), warnings, result.infos)


async def written(result: Result, limit: int) -> str:
    """The result as text, written in a thread when that takes long."""
    if result.values.size < QUICK:
        return result_text(result, limit)
    return await asyncio.to_thread(result_text, result, limit)


@route("/api/v1/query_range", "GET", "POST")
async def query_range(request: Request, given: Given) -> bytes:
    """A PromQL expression at each step: `query`, `start`, `end`, `step`, and as for query. At most 11,000 steps."""
    limit = given.limit()
    start, end = given.time("start"), given.time("end")
    if end < start:
        raise invalid("end", "end timestamp must not be before start time")
    step = given.duration("step")
    if step is None:
        raise invalid("step", 'cannot parse "" to a valid duration')
    if step <= 0:
        raise invalid("step", "zero or negative query resolution step widths are not accepted. Try a positive integer")
    queries = series_of(request).queries
    if (end - start) // step > queries.limits.points:
        raise Refused(
            "bad_data",
            f"exceeded maximum resolution of {queries.limits.points:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)",
        )
    seconds, lookback = evaluation(given)
    expr = given.query()
    kind = {tree.Range: "range vector", tree.Subquery: "range vector", tree.String: "string"}.get(type(parse(expr)))
    if kind:
        raise invalid("query", f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector')
    result = await queries.range(expr, start, end, step, seconds=seconds, lookback=lookback)
    warnings = (*result.warnings, TRUNCATED) if 0 < limit < len(result) else result.warnings
    return envelope(await written(result, limit), warnings, result.infos)


def evaluation(given: Given) -> tuple[float | None, int | None]:
    """(seconds the query may take, lookback in ms), None where the server's own apply."""
    timeout = given.duration("timeout")
    try:
        lookback = given.duration("lookback_delta")
    except Refused as refused:
        raise Refused("bad_data", f"error parsing lookback delta duration: {refused.message}") from None
    return (None if timeout is None else timeout / 1000), (lookback if lookback and lookback > 0 else None)


@route("/api/v1/series", "GET", "POST")
async def series(request: Request, given: Given) -> bytes:
    """Label sets of the series that any `match[]` selects: `start`, `end`, `limit`."""
    if not given.all("match[]"):
        raise Refused("bad_data", "no match[] parameter provided")
    known = await found(request, given)
    return await asyncio.to_thread(lambda: cut(given, [dict(each) for each in known]))


@route("/api/v1/labels", "GET", "POST")
async def labels(request: Request, given: Given) -> bytes:
    """Names of labels, of all series or of those that `match[]` selects: `start`, `end`, `limit`."""
    known = await found(request, given)
    return await asyncio.to_thread(lambda: cut(given, sorted({name for each in known for name, _ in each})))


@route("/api/v1/label/{name}/values", "GET")
async def label_values(request: Request, given: Given) -> bytes:
    """Values of one label: `match[]`, `start`, `end`, `limit`. A name may be escaped as `U__my_2e_name`."""
    name = unescaped(request.path_params["name"])
    known = await found(request, given)
    return await asyncio.to_thread(lambda: cut(given, sorted({v for each in known for key, v in each if key == name})))


async def found(request: Request, given: Given) -> list[Labels]:
    given.limit()
    start, end = given.time("start", FIRST_MS), given.time("end", LAST_MS)
    if end < start:
        raise invalid("end", "end timestamp must not be before start time")
    return await series_of(request).queries.series(given.matches(), start, end)


def cut(given: Given, items: Sequence[object]) -> bytes:
    limit = given.limit()
    if 0 < limit < len(items):
        return envelope(texts(items[:limit]), [TRUNCATED])
    return envelope(texts(items))


def unescaped(name: str) -> str:
    """`U__my_2e_name` -> `my.name`: names of any text in a path (Prometheus' values escaping).

    >>> unescaped("U__my_2e_name__x"), unescaped("job")
    ('my.name_x', 'job')
    """
    if not name.startswith("U__"):
        return name
    parts, rest = [], name[3:]
    while rest:
        before, mark, rest = rest.partition("_")
        parts.append(before)
        if not mark:
            break
        code, closing, after = rest.partition("_")
        if code == "" and closing:
            parts.append("_")
        elif closing and re.fullmatch("[0-9a-fA-F]{1,6}", code) and int(code, 16) < 0x110000:
            parts.append(chr(int(code, 16)))
        else:
            return name
        rest = after
    return "".join(parts)


@route("/api/v1/metadata", "GET")
async def metadata(request: Request, given: Given) -> bytes:
    """Type, help and unit of metrics: `metric`, `limit`, `limit_per_metric`."""
    wanted, limit = given.text("metric"), number(given, "limit")
    known = series_of(request).descriptions()
    chosen = {name: said for name, said in sorted(known.items()) if wanted in ("", name)}
    kept = list(chosen.items())[: limit if limit > 0 else None]
    if number(given, "limit_per_metric") == 0:
        kept = []
    return envelope(texts({name: [described(said)] for name, said in kept}))


def number(given: Given, name: str) -> int:
    """-1: no limit."""
    text = given.text(name)
    try:
        return int(text) if text else -1
    except ValueError:
        raise Refused("bad_data", f"{name} must be a number") from None


def described(said: Metadata) -> dict[str, str]:
    return {"type": said.type, "help": said.help, "unit": said.unit}


@route("/api/v1/query_exemplars", "GET", "POST")
async def query_exemplars(_: Request, given: Given) -> bytes:
    """No exemplars are kept: an empty list."""
    given.query()
    return envelope("[]")


@route("/api/v1/rules", "GET")
async def rules(request: Request, given: Given) -> bytes:
    """Rule groups, how they are, and the alerts of each: `type`, `rule_name[]`, `rule_group[]`, `file[]`,
    `exclude_alerts`, `group_limit`, `group_next_token`."""
    kind = given.text("type").lower()
    if kind not in ("", "alert", "record"):
        raise invalid("type", f"not supported value {go_quoted(given.text('type'))}")
    excluded = given.text("exclude_alerts").lower()
    if excluded not in ("", "1", "t", "true", "0", "f", "false"):
        raise invalid("exclude_alerts", f"cannot parse {go_quoted(excluded)} to a boolean")
    wanted = Wanted(
        kind,
        frozenset(given.all("rule_name[]")),
        frozenset(given.all("rule_group[]")),
        frozenset(given.all("file[]")),
        excluded in ("1", "t", "true"),
    )
    alerting = alerting_of(request)
    if not alerting.running:
        return envelope('{"groups":[]}')

    def work() -> bytes:
        groups = prometheus_groups(alerting.engine.status(), wanted)
        return envelope(texts(paged(groups, given)))

    return await asyncio.to_thread(work)


def paged(groups: list[dict[str, Any]], given: Given) -> dict[str, Any]:
    """At most `group_limit` groups from `group_next_token` on, and the token of the next."""
    most, token = number(given, "group_limit"), given.text("group_next_token")
    if token and most <= 0:
        raise invalid("group_limit", "group_limit needs to be set when group_next_token is")
    names = [hashlib.sha1(f"{g['file']};{g['name']}".encode(), usedforsecurity=False).hexdigest() for g in groups]
    if token and token not in names:
        raise invalid("group_next_token", f"invalid group_next_token {go_quoted(token)}: the rules changed meanwhile")
    first = names.index(token) if token else 0
    last = first + most if most > 0 else len(groups)
    following = {"groupNextToken": names[last]} if last < len(names) else {}
    return {"groups": groups[first:last]} | following


@route("/api/v1/alerts", "GET")
async def alerts(request: Request, _: Given) -> bytes:
    """Alerts of rules that are pending or firing. Those that were pushed are in /api/v2/alerts, as in Prometheus."""
    alerting = alerting_of(request)
    if not alerting.running:
        return envelope('{"alerts":[]}')

    def work() -> bytes:
        status = alerting.engine.status()
        found = [a for group in status.groups for rule in group.rules for a in status.alerts_of(rule)]
        return envelope(texts({"alerts": prometheus_alerts(found)}))

    return await asyncio.to_thread(work)


@route("/api/v1/targets", "GET")
async def targets(request: Request, _: Given) -> bytes:
    """What is scraped, when it was last, and what went wrong."""
    return envelope(texts({"activeTargets": series_of(request).targets(), "droppedTargets": []}))


@route("/api/v1/status/buildinfo", "GET")
async def buildinfo(_: Request, __: Given) -> bytes:
    """`version` is the Prometheus whose API this is; `revision` is this program's own version."""
    told = {"version": SPEAKS, "revision": f"pitchey-slo {_own_version()}"}
    return envelope(texts({**told, **dict.fromkeys(("branch", "buildUser", "buildDate", "goVersion"), "")}))


def _own_version() -> str:
    try:
        return version("pitchey-slo")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0"


@router.get("/-/healthy", **needs(None))
async def healthy() -> Response:
    """200 as long as this process answers."""
    return Response("Prometheus Server is Healthy.\n", media_type="text/plain")
