"""Which attribute becomes which column.

OpenTelemetry's semantic conventions have renamed most of their HTTP attributes (1.23, "stable HTTP"); both names are
in use, the new one first. Cloudflare's own come from its list of spans and attributes. docs/otlp.md shows this table; a
test compares the two.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import orjson

from pitchey_slo.collect.otlp.records import Attributes

#: What a span of a server or a log record says of itself, by column; of several the first that is there counts.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "route": ("http.route",),
    "path": ("url.path", "http.target", "url.full", "http.url"),
    "method": ("http.request.method", "http.method"),
    "status": ("http.response.status_code", "http.status_code"),
    "bytes": ("http.response.body.size", "http.response_content_length"),
    "cache_status": ("http.response.header.cf-cache-status", "http.response.header.cache-status"),
    "error_type": ("exception.type", "error.type"),
    "logger": ("logger.name", "code.namespace"),
    "duration_ms": ("cloudflare.wall_time", "cloudflare.wall_time_ms", "duration_ms"),
    "user": ("enduser.id", "user.id", "user.hash", "enduser.pseudo.id"),
}
#: What the resource says; a span's or record's own attribute of that name counts before it.
PLACES: Final[dict[str, tuple[str, ...]]] = {
    "service": ("service.name", "faas.name"),
    "location": ("cloudflare.colo", "cloud.region", "cloud.availability_zone", "faas.invoked_region"),
}
#: Never stored, whoever sends them: they say who a person is or where one connects from.
PERSONAL: Final = frozenset(
    {
        *("enduser.id", "enduser.pseudo.id", "user.id", "user.hash", "user.email", "user.name", "user.full_name"),
        *("client.address", "http.client_ip", "net.peer.ip", "net.sock.peer.addr", "network.peer.address"),
        *("source.address", "cloudflare.email.from", "cloudflare.email.to"),
        *("http.request.header.cookie", "http.request.header.authorization", "http.response.header.set-cookie"),
        *("http.request.header.x-forwarded-for", "http.request.header.x-real-ip"),
        "http.request.header.cf-connecting-ip",
    }
)
#: Of a resource, what is kept beside a log line's own attributes; the rest says how the sender was built.
RESOURCE_KEPT: Final = (
    *("service.version", "service.namespace", "service.instance.id", "deployment.environment"),
    *("deployment.environment.name", "host.name", "k8s.namespace.name", "k8s.pod.name", "container.name"),
    *("cloud.provider", "cloud.platform", "faas.invocation_id", "cloudflare.script_version.id"),
)


def first(column: str, *given: Mapping[str, Any]) -> Any:
    """The value of `column` in the first of `given` that has one; None when nobody says. An empty text says nothing."""
    for key in COLUMNS.get(column) or PLACES[column]:
        for attributes in given:
            value = attributes.get(key)
            if value is not None and value != "":
                return value
    return None


def text(value: Any) -> str | None:
    """A value as the text of a column; a header is a list of texts, of which the first counts."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if value is None or isinstance(value, str) else shown(value)


def shown(value: Any) -> str:
    """A value as people read it: JSON for what has parts (source: OTLP's AnyValue as text, common specification)."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode() if value is not None else ""


def number(value: Any) -> float | None:
    """A finite number, or a text that is one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if value.isascii() and len(value) < 40 else None
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def user_hash(key: bytes, *given: Attributes) -> str | None:
    """The user a record names, as a keyed hash: the same person is the same text, and nobody can turn it back."""
    user = first("user", *given)
    if user is None:
        return None
    return hashlib.blake2b(shown(user).encode(), key=key, digest_size=16, person=b"pitchey-user").hexdigest()
