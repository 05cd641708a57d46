"""Alertmanager's API v2 (api/v2/openapi.yaml), so that a Prometheus and `amtool` that exist can use this house.

Answers have Alertmanager's shapes; errors are this house's, but for a bare text where `amtool` shows what it is sent.
Alerts that are pushed live until they are said to have ended or are not heard of for `resolve_timeout`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from pitchey_slo.alert import inbox
from pitchey_slo.alert.inbox import View
from pitchey_slo.alert.matchers import Matcher, check, from_api, to_api
from pitchey_slo.alert.matchers import matches as all_match
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.route import Route
from pitchey_slo.alert.silences import Silence, status
from pitchey_slo.alert.told import NEVER, rfc3339
from pitchey_slo.errors import CollectError, RequestError
from pitchey_slo.web.alerting import alerting_of
from pitchey_slo.web.alerts import matchers_of, routes_of, who
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import House, house_of
from pitchey_slo.web.limits import read_body

router = APIRouter(tags=["alertmanager"], prefix="/api/v2")

#: Bytes of one delivery of alerts; Prometheus sends 64 at a time.
LIMIT = 4 << 20
MOST_ALERTS = 2_000
#: Lines of the routes file whose value may be a secret.
_SECRET = re.compile(r"^(\s*-?\s*\w*(?:url|key|password|secret|token|credentials)\w*\s*:\s*).+$", re.MULTILINE | re.I)


@router.get("/status", **needs("read"))
async def state(request: Request) -> Response:
    """Version, uptime and the routes file."""
    house = house_of(request)
    config = routes_of(request)
    text = await asyncio.to_thread(_file_text, config.file) if config and config.file else ""
    return answer(
        {
            "cluster": {"status": "disabled", "peers": []},
            "versionInfo": {
                "version": "0.31.0",  # of the API that is spoken; amtool compares it with its own
                "revision": "pitchey-slo",
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            },
            "config": {"original": text},
            "uptime": rfc3339(house.started_at),
        }
    )


@router.get("/receivers", **needs("read"))
async def receivers(request: Request) -> Response:
    """Names of the receivers."""
    config = routes_of(request)
    return answer([{"name": name} for name in sorted(config.receivers)] if config else [])


@router.get("/alerts", **needs("read"))
async def alerts(request: Request) -> Response:
    """Firing alerts; `active`, `silenced`, `inhibited`, `muted` leave out, `filter` and `receiver` choose."""
    seen = await asyncio.to_thread(_seen, request)
    return answer([_alert(view) for view in seen])


@router.get("/alerts/groups", **needs("read"))
async def groups(request: Request) -> Response:
    """The same alerts by group and receiver."""
    seen = await asyncio.to_thread(_seen, request)
    config = routes_of(request)
    found: dict[tuple[str, str], tuple[Route, list[View]]] = {}
    for view in seen:
        for route in config.route.match(view.alert.labels) if config else ():
            key = (route.group_key(view.alert.labels), route.receiver)
            found.setdefault(key, (route, []))[1].append(view)
    return answer(
        [
            {
                "labels": route.group_labels(members[0].alert.labels),
                "receiver": {"name": receiver},
                "alerts": [_alert(view) for view in members],
            }
            for (_, receiver), (route, members) in sorted(found.items())
        ]
    )


@router.post("/alerts", **needs("alert"))
async def push(request: Request) -> Response:
    """Take alerts, as Prometheus sends them; 200 means that they are stored."""
    body = await _json(request)
    if not isinstance(body, list) or len(body) > MOST_ALERTS:
        raise RequestError(f"a list of at most {MOST_ALERTS:,} alerts is expected")
    sent = [_pushed(each, i, who(request)) for i, each in enumerate(body)]
    if sent:
        await asyncio.to_thread(alerting_of(request).engine.push, sent)
    return Response(status_code=200)


@router.get("/silences", **needs("read"))
async def silences(request: Request) -> Response:
    """All silences; `filter` chooses."""
    house = house_of(request)
    found = await asyncio.to_thread(inbox.silences, house.opened())
    wanted = matchers_of(request.query_params.getlist("filter"))
    now = house.clock()
    # as Alertmanager: a filter chooses silences whose matchers name what it names
    chosen = [s for s in found if all_match(wanted, {m.name: m.value for m in s.matchers})] if wanted else found
    return answer([_silence(s, now) for s in chosen])


@router.post("/silences", **needs("alert"))
async def silence(request: Request) -> Response:
    """Make or change a silence; the answer holds its id."""
    house = house_of(request)
    given = _silence_of(await _json(request), house.clock())
    stored = await asyncio.to_thread(inbox.write_silence, house.opened(), given, house.clock())
    alerting_of(request).engine.wake()
    return answer({"silenceID": stored.id})


@router.get("/silence/{id}", **needs("read"))
async def one_silence(request: Request) -> Response:
    """One silence."""
    house = house_of(request)
    found = await asyncio.to_thread(inbox.silence, house.opened(), request.path_params["id"])
    return answer(_silence(found, house.clock()))


@router.delete("/silence/{id}", **needs("alert"))
async def expire(request: Request) -> Response:
    """End a silence now."""
    house = house_of(request)
    await asyncio.to_thread(inbox.expire_silence, house.opened(), request.path_params["id"], house.clock())
    alerting_of(request).engine.wake()
    return Response(status_code=200)


def _seen(request: Request) -> list[View]:
    house, given = house_of(request), request.query_params
    wanted = matchers_of(given.getlist("filter"))
    shown = {name: _flag(given.get(name, "true"), name) for name in ("active", "silenced", "inhibited", "muted")}
    receiver = _receiver(given.get("receiver", ""))
    firing = [a for a in alerting_of(request).engine.alerts() if a.firing]
    every = inbox.views(routes_of(request), firing, inbox.silences(house.opened()), house.clock())
    return sorted(
        (
            view
            for view in every
            if all_match(wanted, view.alert.labels)
            and (shown["active"] or view.state != "active")
            and (shown["silenced"] or not view.silenced_by)
            and (shown["inhibited"] or not view.inhibited_by)
            and (shown["muted"] or not view.muted_by)
            and (not given.get("receiver") or any(receiver.matches({"receiver": name}) for name in view.receivers))
        ),
        key=lambda view: view.alert.fingerprint,
    )


def _alert(view: View) -> dict[str, Any]:
    alert = view.alert
    ends_at = alert.ends_at or alert.resolved_at
    return {
        "annotations": dict(alert.annotations),
        "endsAt": rfc3339(ends_at) if ends_at else NEVER,
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in view.receivers],
        "startsAt": rfc3339(alert.active_at),
        "status": {
            "inhibitedBy": list(view.inhibited_by),
            "mutedBy": list(view.muted_by),
            "silencedBy": list(view.silenced_by),
            "state": view.state,
        },
        "updatedAt": rfc3339(alert.updated_at),
        "generatorURL": alert.generator_url,
        "labels": dict(alert.labels),
    }


def _silence(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "id": silence.id,
        "status": {"state": status(silence, now)},
        "updatedAt": rfc3339(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": rfc3339(silence.end),
        "matchers": [to_api(m) for m in silence.matchers],
        "startsAt": rfc3339(silence.starts_at),
    }


def _silence_of(body: Any, now: datetime) -> Silence:
    if not isinstance(body, dict):
        raise RequestError("a silence is a JSON object")
    try:
        matchers = tuple(from_api(m) for m in body.get("matchers") or ())
    except (KeyError, TypeError, AttributeError):
        raise RequestError("matchers: each has name, value, isRegex and isEqual") from None
    except ValueError as error:
        raise RequestError(f"matchers: {error}") from None
    return Silence(
        id=str(body.get("id") or ""),
        matchers=matchers,
        starts_at=_time(body.get("startsAt"), "startsAt") or now,
        ends_at=_time(body.get("endsAt"), "endsAt") or now,
        created_by=str(body.get("createdBy") or ""),
        comment=str(body.get("comment") or ""),
        updated_at=now,
        source="alertmanager",
    )


def _pushed(each: Any, i: int, source: str) -> Pushed:
    if not isinstance(each, dict) or not isinstance(each.get("labels"), dict):
        raise RequestError(f"[{i}]: an alert is a JSON object with `labels`")
    pairs = {name: each.get(name) or {} for name in ("labels", "annotations")}
    for name, found in pairs.items():
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise RequestError(f"[{i}].{name}: names and values are texts")
    return Pushed(
        labels=pairs["labels"],
        annotations=pairs["annotations"],
        starts_at=_time(each.get("startsAt"), f"[{i}].startsAt"),
        ends_at=_time(each.get("endsAt"), f"[{i}].endsAt"),
        generator_url=str(each.get("generatorURL") or ""),
        source=source,
    )


def _time(text: Any, name: str) -> datetime | None:
    """RFC 3339, nanoseconds cut; the year 1, with which Go says "never", is None."""
    if text in (None, ""):
        return None
    if isinstance(text, str):
        try:
            found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
            return found.astimezone(UTC) if found.year > 1 else None
        except ValueError:
            pass
    raise RequestError(f"{name}: {str(text)[:60]!r} is no time; RFC 3339 such as 2026-03-01T12:00:00Z works")


def _flag(text: str, name: str) -> bool:
    if text not in ("true", "false"):
        raise RequestError(f"{name}={text[:20]!r}; true or false works")
    return text == "true"


def _receiver(text: str) -> Matcher:
    """The pattern of `receiver`: RE2, so that none can take long; nothing matches every receiver."""
    try:
        return check(Matcher("receiver", "=~", text or ".*"))
    except ValueError as error:
        raise RequestError(f"receiver: {error}") from None


async def _json(request: Request) -> Any:
    house: House = house_of(request)
    with house.bodies.share() as share:
        body: Iterable[bytes] = await read_body(request, LIMIT, house.limits, share)
    try:
        return orjson.loads(b"".join(body))
    except orjson.JSONDecodeError as error:
        raise CollectError(f"not JSON: {error}") from None


def _file_text(path: str) -> str:
    """The routes file; values that look like secrets are left out, as Alertmanager does."""

    secret = re.compile(
        r"^(\s*-?\s*\w*(?:url|key|password|secret|token|credentials)\w*\s*:\s*)(?!.*_file).+$", re.M | re.I
    )
    try:
        return secret.sub(r"\1<secret>", Path(path).read_text("utf-8"))
    except OSError:
        return ""
