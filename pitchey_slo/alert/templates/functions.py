"""The functions templates may call: Go's own, Prometheus' (template/template.go) and Alertmanager's."""

from __future__ import annotations

import html
import json
import math
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pitchey_slo.alert.templates.go_format import go_date, go_general, go_printf, go_text, go_time
from pitchey_slo.alert.templates.values import SafeText, Struct

Functions = Mapping[str, Callable[..., Any]]

_BIG: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_DURATION: Final = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_SECONDS: Final = (365 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0, 0.001)


class Wrong(Exception):
    """An argument a function cannot take; the interpreter adds where."""


# numbers


def number(value: Any) -> float:
    """A number from a number or a text that shows one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Wrong(f"{go_text(value)!r} is no number")
    try:
        return float(value)
    except ValueError:
        raise Wrong(f"{value!r} is no number") from None


def humanize(value: Any) -> str:
    """
    >>> humanize(1234567.0), humanize(0.0123), humanize(0.0), humanize("2500")
    ('1.235M', '12.3m', '0', '2.5k')
    """
    v, prefix = number(value), ""
    if v == 0 or not math.isfinite(v):
        return go_general(v, 4)
    if abs(v) >= 1:
        for p in _BIG:
            if abs(v) < 1000:
                break
            prefix, v = p, v / 1000
    else:
        v, prefix = _small(v)
    return go_general(v, 4) + prefix


def _small(v: float) -> tuple[float, str]:
    prefix = ""
    for p in _SMALL:
        if abs(v) >= 1:
            break
        prefix, v = p, v * 1000
    return v, prefix


def humanize_1024(value: Any) -> str:
    """
    >>> humanize_1024(2147483648.0), humanize_1024(0.5)
    ('2Gi', '0.5')
    """
    v, prefix = number(value), ""
    if abs(v) <= 1 or not math.isfinite(v):
        return go_general(v, 4)
    for p in _BIG:
        if abs(v) < 1024:
            break
        prefix, v = f"{p}i", v / 1024
    return go_general(v, 4) + prefix


def humanize_duration(value: Any) -> str:
    """
    >>> humanize_duration(3725.0), humanize_duration(90061), humanize_duration(0.0042), humanize_duration(59.5)
    ('1h 2m 5s', '1d 1h 1m 1s', '4.2ms', '59.5s')
    """
    v = value.total_seconds() if isinstance(value, timedelta) else number(value)
    if not math.isfinite(v):
        return go_general(v, 4)
    if v == 0:
        return "0s"
    if abs(v) < 1:
        v, prefix = _small(v)
        return f"{go_general(v, 4)}{prefix}s"
    sign, v = "-" if v < 0 else "", abs(v)
    whole = int(v)
    days, hours, minutes, seconds = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{go_general(v, 4)}s"


def humanize_percentage(value: Any) -> str:
    """
    >>> humanize_percentage(0.0712)
    '7.12%'
    """
    return f"{go_general(number(value) * 100, 4)}%"


def to_time(value: Any) -> datetime:
    seconds = number(value)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Wrong(f"{seconds:g} is no time") from None


def humanize_timestamp(value: Any) -> str:
    """
    >>> humanize_timestamp(1772452800.0)
    '2026-03-02 12:00:00 +0000 UTC'
    """
    v = number(value)
    return go_time(to_time(v)) if math.isfinite(v) else go_general(v, 4)


def parse_duration(text: Any) -> float:
    """Seconds of a Prometheus duration such as 1h30m."""
    found = _DURATION.fullmatch(str(text))
    if found is None or not any(found.groups()):
        if text == "0":
            return 0.0
        raise Wrong(f"{text!r} is no duration, such as 1h30m")
    return sum(int(part) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True) if part)


# texts


def match(pattern: str, text: str) -> bool:
    """Whether the pattern (RE2) is found anywhere in the text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return bool(pc.match_substring_regex(pa.array([str(text)]), str(pattern))[0].as_py())
    except pa.ArrowInvalid as error:
        raise Wrong(f"bad pattern {pattern!r}: {error}") from None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """Every match of the pattern (RE2) replaced; `$1` and `${name}` are its groups."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pitchey_slo.promql.functions.labels import go_replacement

    try:
        done = pc.replace_substring_regex(pa.array([str(text)]), str(pattern), go_replacement(pattern, replacement))
    except pa.ArrowInvalid as error:
        raise Wrong(f"bad pattern {pattern!r}: {error}") from None
    return str(done[0].as_py())


def title(text: str) -> str:
    """
    >>> title("it's on fire")
    "It's On Fire"
    """
    return re.sub(r"(^|[^\w'])(\w)", lambda found: found[1] + found[2].upper(), str(text))


def strip_port(text: str) -> str:
    """
    >>> strip_port("10.0.0.1:9090"), strip_port("[::1]:80"), strip_port("host")
    ('10.0.0.1', '::1', 'host')
    """
    found = re.fullmatch(r"\[([^\]]*)\]:\w*|([^:\[\]]*):\w*", str(text))
    return str(text) if found is None else found[1] if found[1] is not None else found[2]


def strip_domain(text: str) -> str:
    """
    >>> strip_domain("web1.example.org:80"), strip_domain("10.0.0.1:80")
    ('web1:80', '10.0.0.1:80')
    """
    host, port = strip_port(text), ""
    if ":" in text.rpartition("]")[2]:
        port = ":" + text.rpartition(":")[2]
    if re.fullmatch(r"[\d.]+|.*:.*", host):
        return text
    return host.partition(".")[0] + port


def _string_slice(*texts: str) -> list[str]:
    return list(texts)


def _dict(*pairs: Any) -> dict[str, Any]:
    if len(pairs) % 2:
        raise Wrong("dict needs keys and values in pairs")
    return {str(k): v for k, v in zip(pairs[::2], pairs[1::2], strict=True)}


def _zone(name: str, time: datetime) -> datetime:
    from zoneinfo import ZoneInfo

    try:
        return time.astimezone(ZoneInfo(str(name)))
    except (KeyError, ValueError, OSError):
        raise Wrong(f"no time zone {name!r}") from None


def _date(layout: str, time: datetime) -> str:
    if not isinstance(time, datetime):
        raise Wrong(f"{go_text(time)!r} is no time")
    return go_date(time, str(layout))


def _json(value: Any) -> str:
    def plain(other: Any) -> Any:
        return {n: other.field(n) for n in other.names()} if isinstance(other, Struct) else go_text(other)

    return json.dumps(value, default=plain, ensure_ascii=False, separators=(",", ":"))


# collections


def index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif isinstance(value, Sequence) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise Wrong(f"index {key} of {len(value)} items")
            value = ord(value[key]) if isinstance(value, str) else value[key]
        else:
            raise Wrong(f"cannot index with {go_text(key)!r}")
    return value


def slice_(value: Any, *bounds: int) -> Any:
    start, stop = (*bounds, 0, len(value))[0], bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= start <= stop <= len(value):
        raise Wrong(f"slice {start}:{stop} of {len(value)} items")
    return value[start:stop]


def length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping | Sequence):
        return len(value)
    raise Wrong(f"{go_text(value)!r} has no length")


# comparisons


def _order(left: Any, right: Any) -> int:
    """-1, 0 or 1. Numbers of any kind compare, texts with texts, times with times."""
    both = (left, right)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in both)
    if not (numbers or all(isinstance(v, str) for v in both) or all(isinstance(v, datetime) for v in both)):
        raise Wrong(f"{go_text(left)!r} and {go_text(right)!r} cannot be compared")
    return 0 if left == right else -1 if left < right else 1 if left > right else 2


def equal(first: Any, *others: Any) -> bool:
    if not others:
        raise Wrong("eq needs two values")
    return any(_same(first, other) for other in others)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    return _order(left, right) == 0


def joined(*values: Any) -> str:
    """fmt.Sprint: a space between two values that are no texts."""
    parts: list[str] = []
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            parts.append(" ")
        parts.append(go_text(value))
    return "".join(parts)


#: `and`, `or` look at their arguments one by one: the interpreter has them itself.
LAZY: Final = frozenset({"and", "or"})

GO: Final[Functions] = {
    "and": lambda *_: None,
    "or": lambda *_: None,
    "not": lambda value: not truth(value),
    "len": length,
    "index": index,
    "slice": slice_,
    "print": joined,
    "println": lambda *values: " ".join(map(go_text, values)) + "\n",
    "printf": lambda text, *values: go_printf(str(text), values),
    "html": lambda *values: html.escape(joined(*values)),
    "js": lambda *values: json.dumps(joined(*values))[1:-1],
    "urlquery": lambda *values: urllib.parse.quote_plus(joined(*values)),
    "eq": equal,
    "ne": lambda left, right: not _same(left, right),
    "lt": lambda left, right: _order(left, right) == -1,
    "le": lambda left, right: _order(left, right) in (-1, 0),
    "gt": lambda left, right: _order(left, right) == 1,
    "ge": lambda left, right: _order(left, right) in (1, 0),
}

_COMMON: Final[Functions] = {
    **GO,
    "toUpper": lambda text: str(text).upper(),
    "toLower": lambda text: str(text).lower(),
    "title": title,
    "match": match,
    "reReplaceAll": replace_all,
    "safeHtml": lambda text: SafeText(str(text)),
    "humanizeDuration": humanize_duration,
    "toJson": _json,
}

#: Functions of Alertmanager's notification templates.
ALERTMANAGER: Final[Functions] = {
    **_COMMON,
    "trimSpace": lambda text: str(text).strip(),
    "join": lambda separator, texts: str(separator).join(map(go_text, texts)),
    "safeUrl": lambda text: SafeText(str(text)),
    "urlUnescape": lambda text: urllib.parse.unquote_plus(str(text)),
    "stringSlice": _string_slice,
    "list": lambda *values: list(values),
    "append": lambda values, *more: [*values, *more],
    "dict": _dict,
    "date": _date,
    "tz": _zone,
    "since": lambda time: datetime.now(UTC) - time,
    "now": lambda: datetime.now(UTC),
}


def prometheus_functions(
    *,
    query: Callable[[str], Sequence[tuple[Mapping[str, str], float]]],
    now: datetime,
    external_url: str = "",
) -> Functions:
    """Prometheus' functions for one evaluation; `query` answers a PromQL text at its time."""
    return {
        **_COMMON,
        "query": lambda text: [Struct(Labels=dict(labels), Value=value) for labels, value in query(str(text))],
        "first": _first,
        "label": lambda name, sample: sample.field("Labels").get(name, ""),
        "value": lambda sample: sample.field("Value"),
        "strvalue": lambda sample: sample.field("Labels").get("__value__", ""),
        "sortByLabel": lambda name, found: sorted(found, key=lambda s: s.field("Labels").get(name, "")),
        "args": lambda *values: {f"arg{i}": value for i, value in enumerate(values)},
        "humanize": humanize,
        "humanize1024": humanize_1024,
        "humanizePercentage": humanize_percentage,
        "humanizeTimestamp": humanize_timestamp,
        "toTime": to_time,
        "toDuration": lambda value: timedelta(seconds=number(value)),
        "now": now.timestamp,
        "parseDuration": parse_duration,
        "stripPort": strip_port,
        "stripDomain": strip_domain,
        "tableLink": lambda text: f"/graph?g0.expr={urllib.parse.quote_plus(str(text))}&g0.tab=1",
        "graphLink": lambda text: f"/graph?g0.expr={urllib.parse.quote_plus(str(text))}&g0.tab=0",
        "externalURL": lambda: external_url,
        "pathPrefix": lambda: urllib.parse.urlsplit(external_url).path,
        "urlUnescape": ALERTMANAGER["urlUnescape"],
    }


def _first(found: Sequence[Any]) -> Any:
    if not found:
        raise Wrong("first() of nothing: the query found no series")
    return found[0]


#: Names of Prometheus' functions, for checking a template without running it.
PROMETHEUS: Final = frozenset(prometheus_functions(query=lambda _: [], now=datetime(2026, 1, 1, tzinfo=UTC)))


def truth(value: Any) -> bool:
    """Go's: false, 0, nothing and what is empty are false; NaN and times are true."""
    if isinstance(value, datetime | Struct):
        return True
    if isinstance(value, SafeText):
        return bool(value.text)
    return bool(value)
