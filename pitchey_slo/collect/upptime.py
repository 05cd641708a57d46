"""Upptime's status histories -> rows of `probes`: columns ts, site, status, code, response_ms, url.

Upptime (github.com/upptime/upptime) looks every five minutes and writes a line when a site's status changed, and once a
day. So a line speaks until the next one of its site, at most for 25 hours; a day without a line is a day of which
nothing is known, and how often it looked is not known at all (`changes_only` in the details). A code of 0 is curl's "no
HTTP answer", whatever the cause: it is told as `connect`, with a reason that says so. Addresses are kept without user,
password and query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import orjson
import pyarrow as pa

from pitchey_slo.collect.batch import Rejected
from pitchey_slo.tables import TEXT

FIELDS: Final = ("ts", "site", "status", "code", "response_ms", "url")
#: Where Upptime looks from: GitHub's runners.
LOCATION: Final = "github-actions"
#: Seconds a line speaks at most.
SPEAKS: Final = 90_000
_STATES: Final = {b"up": "healthy", b"degraded": "degraded", b"down": "unhealthy"}
_NAMES: Final = ("ts", "test", "kind", "component", "location", "state", "failure", "reason", "duration_ms", "status",
                 "details")  # fmt: skip

Cells = Sequence[bytes | None]


def looks_like(fields: Sequence[str]) -> bool:
    """Whether a header is that of such a history.

    >>> looks_like(["ts", "site", "status", "code", "response_ms", "url"]), looks_like(["ts", "route"])
    (True, False)
    """
    return set(FIELDS) <= set(fields)


def translate(
    names: Sequence[str], arrays: Sequence[pa.Array], places: Sequence[int], numbers: Sequence[int]
) -> tuple[list[str], list[pa.Array], list[int], list[Rejected]]:
    """The parsed cells as columns of `probes`. `numbers` are the lines of all records, `places` those that were
    parsed. A status that Upptime does not have costs its line."""
    columns: dict[str, Cells] = {
        name: array.to_pylist() for name, array in zip(names, arrays, strict=True) if name in FIELDS
    }
    kept: list[int] = []
    refused: list[Rejected] = []
    rows: list[tuple[object, ...]] = []
    for i, place in enumerate(places):
        cells = {name: columns[name][i] for name in FIELDS}
        state = _STATES.get((cells["status"] or b"").strip().lower())
        if state is None:
            problem = f"status {_text(cells['status'])!r}; one of up, down, degraded"
            refused.append(Rejected(numbers[place], "wrong_type", problem))
            continue
        kept.append(place)
        rows.append(_row(cells, state))
    found = list(zip(*rows, strict=True)) if rows else [()] * len(_NAMES)
    return list(_NAMES), [pa.array(column, TEXT) for column in found], kept, refused


def _row(cells: dict[str, bytes | None], state: str) -> tuple[object, ...]:
    """In the order of `_NAMES`; numbers stay text, `conform` judges them."""
    code, took, address = _text(cells["code"]), _text(cells["response_ms"]), _text(cells["url"])
    answered = code not in (None, "0")
    failure, reason = _why(code, answered) if state == "unhealthy" else (None, None)
    host, plain = _address(address)
    details = {"speaks_s": SPEAKS, "changes_only": True} | ({"url": plain} if plain else {})
    status, duration = (code, took) if answered else (None, None)
    text = (_text(cells["ts"]), _text(cells["site"]), "http", host, LOCATION, state, failure, reason, duration, status)
    return (*text, orjson.dumps(details).decode())


def _why(code: str | None, answered: bool) -> tuple[str, str]:
    if not answered:
        return "connect", "no HTTP answer; Upptime does not say whether DNS, connection, TLS or time failed"
    if (code or "").startswith(("4", "5")):
        return "http_status", f"HTTP {code}"
    return "assertion", f"HTTP {code}, but not the answer that was wanted"


def _address(text: str | None) -> tuple[str | None, str | None]:
    """(host, address without user and query); a placeholder such as $SECRET_SITE has none."""
    try:
        parts = urlsplit(text or "")
        host = parts.hostname
    except ValueError:
        return None, None
    port = f":{parts.port}" if host and parts.port else ""
    return (host, f"{parts.scheme}://{host}{port}{parts.path}") if host else (None, None)


def _text(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode("utf-8", "surrogateescape").strip()
