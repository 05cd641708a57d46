"""Access logs of Apache and nginx, common and combined, -> columns.

    203.0.113.9 - ada [01/May/2026:12:00:00 +0200] "GET /api/pitches?page=2 HTTP/1.1" 200 5120 "referer" "agent" 0.042

A virtual host in front (Apache's vhost_combined) and anything after the agent are allowed. Of what comes after, the
first number is the time it took: with a decimal point it is seconds (nginx `$request_time`), without it is
microseconds (Apache `%D`); `rt=` or `request_time=` may stand before it. Apache's `%T` (whole seconds) and `%{ms}T`
look like `%D` and would be read as microseconds: log `%D`.

`route` is the path without query string; the query is dropped. `user_hash` is a keyed hash of the client's address, and
the address itself is dropped. The time is the log's, with its zone.

Parsing is three passes of RE2 over whole columns, each with few captures: RE2 is several times faster up to four.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect.batch import Rejected
from pitchey_slo.tables import TEXT

LINE: Final = r'^(?P<client>\S+) [^\[]*\[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<rest>.*)$'
REQUEST: Final = r"^(?P<method>[A-Za-z_-]{1,32}) (?P<target>\S[^ ]*)(?: .*)?$"
ANSWER: Final = r"^(?P<status>\d{3}) (?P<bytes>\d{1,18}|-)(?: |$)"
PLAIN: Final = r'^\S+ \S+(?: "(?:[^"\\]|\\.)*")*$'  # nothing but quoted fields after status and size
TOOK: Final = r'^\S+ \S+(?: "(?:[^"\\]|\\.)*")* (?:rt=|request_time=)?(?P<took>\d{1,12}(?:\.\d{1,9})?)(?: .*)?$'
PATH: Final = r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*)?(?P<path>[^?#]*)"
VHOST: Final = r"^[^\s:]+:\d{1,5} (\S+ )"
TIME: Final = re.compile(r"(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
MONTHS: Final = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}

SHAPE: Final = 'client ident user [01/May/2026:12:00:00 +0000] "GET /path HTTP/1.1" 200 5120'

Parsed = tuple[list[str], list[pa.Array], list[int], list[Rejected]]


def looks_like(lines: Sequence[bytes]) -> bool:
    """Whether at least half of the lines are of this format."""
    texts = pa.array([line.decode(errors="replace") for line in lines if line.strip()], TEXT)
    return len(texts) > 0 and 2 * pc.extract_regex(texts, LINE).null_count <= len(texts)


def parse(lines: Sequence[bytes], numbers: Sequence[int], key: bytes | None) -> Parsed:
    """Lines -> names and arrays of the columns, the positions of the lines that gave a row, and the refused lines."""
    texts, bad = _texts(lines)
    if pc.any(pc.match_substring_regex(texts, r"^[^\s:\[]+:\d{1,5} \S+ \S+ ")).as_py():
        texts = pc.replace_substring_regex(texts, VHOST, r"\1")
    line = _Groups(texts, LINE)
    request = _Groups(line["request"], REQUEST)
    rest = line["rest"]
    answer = _Groups(pc.utf8_slice_codeunits(rest, 0, 24), ANSWER)  # a match costs by the length of the text
    stamps = _by_value(line["time"], _micros, pa.int64())
    refused = [*bad]
    good = np.ones(len(lines), bool)
    good[[r.row for r in bad]] = False
    told = good.copy()
    for part, problem in (
        (line.fits, f"not an access log line; wanted {SHAPE}"),
        (stamps.is_valid(), "the time in brackets is not as in 01/May/2026:12:00:00 +0000"),
        (request.fits, "the request in quotes is not METHOD /path"),
        (answer.fits, "after the request there is no status of three digits and a size"),
    ):
        fits = part.to_numpy(zero_copy_only=False)
        refused += [Rejected(int(i), "malformed_line", problem) for i in np.flatnonzero(told & ~fits)]
        told &= fits
    places = np.flatnonzero(told)
    columns = {
        "ts": stamps.cast(pa.timestamp("us", tz="UTC")),
        "route": _paths(request["target"]),
        "method": request["method"],
        "status": answer["status"].cast(pa.int16()),
        "duration_ms": _durations(rest),
        "user_hash": _by_value(line["client"], functools.partial(hashed, key), TEXT) if key else None,
        "bytes": pc.if_else(pc.equal(answer["bytes"], "-"), "0", answer["bytes"]).cast(pa.int64()),
    }
    given = {name: array for name, array in columns.items() if array is not None}
    if len(places) < len(lines):
        given = {name: array.take(pa.array(places)) for name, array in given.items()}
    refused = [Rejected(int(numbers[r.row]), r.reason, r.message) for r in refused]
    return list(given), list(given.values()), places.tolist(), refused


def hashed(key: bytes, address: str) -> str:
    """A client's address as a keyed hash of 32 hex digits."""
    return hashlib.blake2b(address.encode(), key=key, digest_size=16, person=b"pitchey-client").hexdigest()


class _Groups:
    """The named groups of a pattern over a column, null where it does not match."""

    def __init__(self, texts: pa.Array, pattern: str) -> None:
        self.found = pc.extract_regex(texts, pattern)
        self.fits = self.found.is_valid()

    def __getitem__(self, name: str) -> pa.Array:
        return pc.struct_field(self.found, name)


def _texts(lines: Sequence[bytes]) -> tuple[pa.Array, list[Rejected]]:
    """The lines as text (null where not UTF-8), and those refused for it by position."""
    array = pa.array(lines, pa.binary())
    try:
        return array.cast(TEXT), []
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        bad = []
        for place, line in enumerate(lines):
            try:
                texts.append(line.decode())
            except UnicodeDecodeError as error:
                texts.append(None)
                problem = f"byte {line[error.start]:#04x} at column {error.start + 1} is not UTF-8"
                bad.append(Rejected(place, "invalid_utf8", problem))
        return pa.array(texts, TEXT), bad


def _by_value(array: pa.Array, function: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """`function` of each different text once: a log repeats its clients and seconds."""
    coded = array.dictionary_encode()
    found = pa.array([None if v is None else function(v) for v in coded.dictionary.to_pylist()], kind)
    return found.take(coded.indices)


def _micros(text: str) -> int | None:
    """Microseconds since 1970 of `01/May/2026:12:00:00 +0200`; strptime takes ten times as long and knows locales."""
    parts = TIME.fullmatch(text)
    if parts is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = parts.groups()
    try:
        local = datetime(int(year), MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except (KeyError, ValueError):
        return None
    ahead = (int(hours) * 60 + int(minutes)) * (60 if sign == "+" else -60)
    return (int(local.timestamp()) - ahead) * 1_000_000


def _paths(targets: pa.Array) -> pa.Array:
    """`/api/pitches` of `/api/pitches?page=2` and of `http://host/api/pitches`."""
    coded = targets.dictionary_encode()
    paths = pc.struct_field(pc.extract_regex(coded.dictionary, PATH), "path")
    paths = pc.if_else(pc.equal(paths, ""), "/", paths)
    return paths.take(coded.indices)


def _durations(rests: pa.Array) -> pa.Array | None:
    """Milliseconds from what stands after the agent, or None when no line has anything there."""
    plain = pc.match_substring_regex(rests, PLAIN)
    if pc.all(plain).as_py():
        return None
    took = pc.struct_field(pc.extract_regex(pc.if_else(plain, pa.scalar(None, TEXT), rests), TOOK), "took")
    return pc.multiply(took.cast(pa.float64()), pc.if_else(pc.match_substring(took, "."), 1_000.0, 0.001))
