"""Times as text logs write them -> microseconds since 1970; see `log_lines.py` for zones and years."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from pitchey_slo.collect.access_log import MONTHS
from pitchey_slo.collect.log_formats import LogFormat
from pitchey_slo.collect.times import from_text

_APACHE: Final = re.compile(r"\w{3} (\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)? (\d{4})", re.ASCII)
_CLF: Final = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-])(\d\d)(\d\d))?", re.ASCII)
_SYSLOG: Final = re.compile(r"(\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d)", re.ASCII)


def stamps_of(form: LogFormat, texts: pa.Array, now: datetime) -> pa.Array:
    """Microseconds since 1970; null for what is no time."""
    zone = ZoneInfo(form.zone)
    if form.time == "iso" and form.zone == "UTC":
        return from_text(texts)[0]
    reader = {"apache": _apache, "clf": _clf, "syslog": _syslog, "iso": _iso}[form.time]
    coded = texts.dictionary_encode()
    told = [None if text is None else _micros(reader(text, zone, now)) for text in coded.dictionary.to_pylist()]
    return pa.array(told, pa.int64()).take(coded.indices)


def _micros(time: datetime | None) -> int | None:
    if time is None:
        return None
    gap = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def _made(zone: ZoneInfo | None, year: str | int, month: str, *rest: str | int) -> datetime | None:
    try:
        return datetime(int(year), MONTHS[month], *(int(part) for part in rest), tzinfo=zone)  # type: ignore[misc,arg-type]  # hours to microseconds
    except (KeyError, ValueError):
        return None


def _apache(text: str, zone: ZoneInfo, _: datetime) -> datetime | None:
    """`Sun Dec 04 04:47:44 2005`, with microseconds since 2.4."""
    found = _APACHE.fullmatch(text)
    if found is None:
        return None
    month, day, hour, minute, second, part, year = found.groups()
    return _made(zone, year, month, day, hour, minute, second, (part or "0").ljust(6, "0"))


def _clf(text: str, zone: ZoneInfo, _: datetime) -> datetime | None:
    """`01/May/2026:12:00:00 +0200`."""
    found = _CLF.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    if sign is None:
        return _made(zone, year, month, day, hour, minute, second)
    local = _made(None, year, month, day, hour, minute, second)
    ahead = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1)
    return None if local is None else local.replace(tzinfo=UTC) - ahead


def _syslog(text: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """`Mar 27 13:06:56`: of the newest year in which it is not more than a day to come; a leap day's of a leap year."""
    found = _SYSLOG.fullmatch(text)
    if found is None:
        return _iso(text, zone, now)
    month, day, hour, minute, second = found.groups()
    for year in range(now.year + 1, now.year - 8, -1):
        time = _made(zone, year, month, day, hour, minute, second)
        if time is not None and time <= now + timedelta(days=1):
            return time
    return None


def _iso(text: str, zone: ZoneInfo, _: datetime) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.strip().replace(",", "."))
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=zone)
