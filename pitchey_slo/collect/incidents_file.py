"""Incidents that others wrote down: CSV or JSON with our columns, or as PagerDuty and its like export them.

    id,title,started_at,ended_at,severity,routes,...              our own names (`tables.INCIDENTS`)
    incident_number,description,created_on,resolved_on,urgency    PagerDuty's CSV export, old and new headers
    {"incidents": [{"id": ..., "title": ..., "created_at": ...}]} PagerDuty's REST API (GET /incidents)

Names are compared without case, spaces and punctuation. An urgency `high` is critical and `low` a warning; priorities
P1 and P2 are critical. An incident without an id gets one made of its title and start, so that a file may be read
again. What PagerDuty calls an incident is a page: look the times over, people suffer earlier than they are paged.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa

from pitchey_slo.collect.batch import Batch
from pitchey_slo.collect.conform import conform
from pitchey_slo.errors import CollectError
from pitchey_slo.tables import INCIDENTS

#: Our column -> names it may have, the first that is there and not empty is taken.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "incidentid", "incidentnumber", "number", "key"),
    "title": ("title", "description", "summary", "name", "incidenttitle"),
    "started_at": (
        "startedat", "start", "starttime", "createdat", "createdon", "created", "opened", "openedat", "injecttime",
    ),
    "ended_at": (
        "endedat", "end", "endtime", "resolvedat", "resolvedon", "resolved", "closed", "closedat",
    ),
    "severity": ("severity",),
    "kind": ("kind", "type", "category", "injecttype", "faulttype"),
    "routes": ("routes", "route", "endpoint"),
    "location": ("location", "region", "colo"),
    "labelled_by": ("labelledby", "by", "resolvedby", "resolvedbyusername"),
}  # fmt: skip
_SEVERITIES: Final = {
    "high": "critical", "critical": "critical", "error": "critical", "sev1": "critical", "sev2": "critical",
    "p1": "critical", "p2": "critical", "low": "warning", "warning": "warning", "sev3": "warning", "p3": "warning",
    "info": "info", "p4": "info", "p5": "info", "sev4": "info",
}  # fmt: skip
LARGEST: Final = 256 << 20


def read_incidents(
    path: Path, *, now: datetime, minutes: float | None = None, source: str | None = None
) -> Batch:  # fmt: skip
    """The incidents of a file, and the rows that are none (numbers count from 0).

    minutes  length of incidents whose end the file does not know; None: they last until somebody says otherwise

    Raises CollectError for a file that cannot be read as CSV or JSON, or that has no start.
    """
    found = _rows(path)
    if found and not any(_taken(row, "started_at") for row in found):
        names = ", ".join(sorted({str(name) for row in found[:100] for name in row})[:30])
        raise CollectError(f"{path}: no column says when an incident began; there are {names}")
    rows = [_incident(row, now, minutes, source or path.name) for row in found]
    return conform(INCIDENTS, pa.table({c.name: [r.get(c.name) for r in rows] for c in INCIDENTS.columns}), now=now)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        if path.stat().st_size > LARGEST:
            raise CollectError(f"{path}: {path.stat().st_size:,} bytes; at most {LARGEST:,} are read")
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CollectError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise CollectError(f"{path}: cannot be read: {error.strerror}") from None
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(path, text)
    return [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]


def _from_json(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            found = [orjson.loads(line) for line in lines]
        except orjson.JSONDecodeError as error:
            raise CollectError(f"{path}: no JSON: {error}") from None
    if isinstance(found, dict):
        found = next((found[k] for k in ("incidents", "data") if isinstance(found.get(k), list)), found)
    if isinstance(found, dict):  # lists by hour or by day are one list
        lists = [rows for rows in found.values() if isinstance(rows, list)]
        found = [row for rows in lists for row in rows] if len(lists) == len(found) else [found]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise CollectError(f'{path}: a list of incidents, or {{"incidents": [...]}}, is needed')
    return found


def _incident(row: dict[str, Any], now: datetime, minutes: float | None, source: str) -> dict[str, Any]:
    found = {column: _text(_taken(row, column)) for column in NAMES}
    if found["ended_at"] is None and str(_get(row, "status") or "").lower() == "resolved":
        found["ended_at"] = _text(_get(row, "laststatuschangeat"))
    if found["ended_at"] is None and minutes is not None:
        found["ended_at"] = _later(found["started_at"], minutes)
    found["severity"] = _severity(row, found["severity"])
    found["kind"] = None if found["kind"] in ("incident", "incident_reference") else found["kind"]
    service = _text(_get(row, "servicename") or _get(row, "service"))
    more = [_text(_get(row, "description")), f"service {service}" if service else None, _text(_get(row, "htmlurl"))]
    found["description"] = "; ".join(dict.fromkeys(m for m in more if m and m != found["title"])) or None
    if not found["id"] and found["started_at"]:
        made = f"{found['title'] or found['kind']}\0{found['started_at']}"
        found["id"] = f"inc-{hashlib.blake2b(made.encode(), digest_size=6).hexdigest()}"
    where = _text(_get(row, "injectpod") or _get(row, "service"))
    title = " on ".join(filter(None, (found["kind"], where))) or found["id"]
    return {**found, "title": found["title"] or title, "updated_at": now, "source": source}


def _severity(row: dict[str, Any], own: str | None) -> str:
    for text in (own, _text(_get(row, "priority")), _text(_get(row, "urgency"))):
        known = _SEVERITIES.get(re.sub(r"[^a-z0-9]", "", (text or "").lower()))
        if known:
            return known
    return own or "warning"


def _taken(row: Mapping[str, Any], column: str) -> Any:
    return next((value for name in NAMES[column] if (value := _get(row, name)) not in (None, "")), None)


def _get(row: Mapping[str, Any], name: str) -> Any:
    for key, value in row.items():
        if re.sub(r"[^a-z0-9]", "", str(key).lower()) == name:
            return value
    return None


def _text(value: Any) -> str | None:
    """PagerDuty's references have a `summary`."""
    if isinstance(value, Mapping):
        value = value.get("summary") or value.get("name") or value.get("id")
    if isinstance(value, list):
        value = ",".join(str(v) for v in value)
    return None if value is None or str(value).strip() == "" else str(value).strip()


def _later(start: str | None, minutes: float) -> str | None:
    try:
        begun = datetime.fromisoformat(start or "")
    except ValueError:
        return None  # the row is refused for its start
    begun = begun.replace(tzinfo=UTC) if begun.tzinfo is None else begun
    return (begun + timedelta(minutes=minutes)).isoformat()
